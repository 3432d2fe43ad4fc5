"""The files of a local network as its validator set changes: `.env` and `network.yaml`, replaced whole, the old kept.

Asks nobody and decides nothing. The files before a change stay beside the new ones as `.bak`.
"""

import os
import re
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from pinai_subnet.cli.home import Home
from pinai_subnet.protocol.network import ValidatorIdentity

_GENESIS = "genesis: # the set that the network began with; never edit it\n"


def number_of(validator_id: str) -> str:
    """Return what the variables of a validator end with."""
    return validator_id.removeprefix("validator-")


def write_env(
    home: Home, changes: Mapping[str, str], *, without: Sequence[str] = (), private: bool = True
) -> None:
    """Set and drop variables of `.env`; every other line stays as it is."""
    left = dict(changes)
    lines = []
    for line in home.env_file.read_text(encoding="utf-8").splitlines():
        name = line.partition("=")[0].strip().removeprefix("export ").strip()
        if name and name in without:
            continue
        lines.append(f"{name}={left.pop(name)}" if name in left else line)
    lines += [f"{name}={value}" for name, value in left.items()]
    _replace(home.env_file, "\n".join(lines) + "\n", mode=0o600 if private else 0o644)


def write_network(
    home: Home,
    members: Sequence[ValidatorIdentity],
    genesis: Sequence[ValidatorIdentity],
) -> None:
    """Write the set into `network.yaml`, and once the set that the network began with."""
    path = home.config / "network.yaml"
    text = path.read_text(encoding="utf-8")
    environment = {} if home.one_of_several else home.environment()
    new = network_with(text, members, genesis, environment)
    _replace(path, new, mode=stat.S_IMODE(path.stat().st_mode))


def network_with(
    text: str,
    members: Sequence[ValidatorIdentity],
    genesis: Sequence[ValidatorIdentity],
    variables: Mapping[str, str],
) -> str:
    """Return a `network.yaml` with this set: with variables for members whom these describe, else literally."""
    head, _, rest = text.partition("\nvalidators:")
    comment = rest.partition("\n")[0]
    tail = rest[rest.index("\nmatchers:") :]
    entries = "".join(
        _entry(member) if _described(member, variables) else _literal(member) for member in members
    )
    unchanged = re.sub(r"(?m)^genesis: \[\].*\n?", "", tail)
    if "\ngenesis:" not in unchanged:
        first = "".join(_literal(member) for member in genesis)
        tail = unchanged.rstrip("\n") + "\n" + _GENESIS + first
    return f"{head}\nvalidators:{comment}\n{entries.rstrip()}{tail}"


def write_restored(home: Home, restore_id: str) -> None:
    """Write into `network.yaml` which restore the network came from."""
    path = home.config / "network.yaml"
    comment = "# written by `subnetctl backup restore`; the same for all members"
    line = f'restored: "{restore_id}" {comment}'
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line if text.startswith("restored:") else text for text in lines]
    if line not in kept:
        kept.append(line)
    # Nothing in it is secret, and in a deployment another user's containers read it: its mode stays.
    _replace(path, "\n".join(kept) + "\n", mode=stat.S_IMODE(path.stat().st_mode))


def _entry(member: ValidatorIdentity) -> str:
    number = number_of(member.id)
    return (
        f"  - id: {member.id}\n"
        f"    public_key: ${{VALIDATOR_PUBKEY_{number}}}\n"
        f"    grpc: ${{VALIDATOR_{number}_GRPC}}\n"
        f"    http: ${{VALIDATOR_{number}_HTTP}}\n"
        f"    raft: ${{VALIDATOR_{number}_RAFT}}\n"
    )


def _described(member: ValidatorIdentity, variables: Mapping[str, str]) -> bool:
    number = number_of(member.id)
    found = (
        variables.get(f"VALIDATOR_PUBKEY_{number}"),
        *(variables.get(f"VALIDATOR_{number}_{end}") for end in ("GRPC", "HTTP", "RAFT")),
    )
    return found == (
        member.public_key.hex(),
        member.grpc_endpoint,
        member.http_endpoint,
        member.raft_endpoint,
    )


def _literal(member: ValidatorIdentity) -> str:
    return (
        f"  - id: {member.id}\n"
        f"    public_key: '{member.public_key.hex()}'\n"
        f"    grpc: {member.grpc_endpoint}\n"
        f"    http: {member.http_endpoint}\n"
        f"    raft: {member.raft_endpoint}\n"
    )


def _replace(path: Path, text: str, *, mode: int) -> None:
    backup = path.with_name(path.name + ".bak")
    shutil.copyfile(path, backup)
    backup.chmod(mode)
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
