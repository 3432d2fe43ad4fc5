"""`subnetctl backup`: save, list, inspect, verify, drill, restore. The validators take backups; here they are files."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from pydantic import SecretStr

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.cli.drill import POLICIES, drill
from pinai_subnet.cli.quorum_check import Answer, ask_all, refuse_live_quorum
from pinai_subnet.cli.restoring import highest_epoch, restore, targets
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session, open_session
from pinai_subnet.cli.verified_backup import remember_verified
from pinai_subnet.ports.errors import DependencyError, Refused, Unreachable
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.runtime.files import write_private
from pinai_subnet.runtime.settings import read_private_key
from pinai_subnet.validator.backup_file import (
    Backup,
    Finding,
    decode_backup,
    file_name,
    verify_backup,
)
from pinai_subnet.validator.backup_seal import seal, unseal
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.wire.registry_client import sign_request

TIMEOUT_SECONDS = 60.0
PATH = "/api/v1/backups"

app = typer.Typer(no_args_is_help=True, help="Save, check, try out and restore the ledger.")
FileArgument = Annotated[Path, typer.Argument(help="a backup file", exists=True, dir_okay=False)]
KnowOption = Annotated[
    bool,
    typer.Option("--i-know", help="go on although the network lives or signatures are missing"),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--key-file", help="file with the key of encrypted backups (`subnetctl keys new`)"
    ),
]
Document = dict[str, Any]


@app.command()
def save(
    home: HomeOption = HOME,
    to: Annotated[
        Path | None, typer.Option(help="file or directory (default: HOME/backups)")
    ] = None,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a backup of the running network and check it before it counts; with a key, write it encrypted."""
    session = open_session(home)
    key = _key(key_file)
    begun = time.monotonic()
    data = _taken(session)
    backup = decode_backup(data)
    finding = _verified(session, backup)
    _require_quorum(finding)
    directory = to if to is not None and to.is_dir() else None
    path = to if to is not None and directory is None else None
    path = path or (directory or session.home.root / "backups") / file_name(backup.header)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, data if key is None else seal(data, key))
    remember_verified(session.home, path, index=backup.header.index, how="save")
    facts = {
        "file": str(path),
        "bytes": len(data),
        "encrypted": key is not None,
        "seconds": round(time.monotonic() - begun, 2),
        **_facts(backup),
    }
    text = (
        f"{path} ({len(data)} bytes): entry {backup.header.index}, state 0x{backup.header.content_digest.hex()}, "
        f"signed by {', '.join(finding.signers)}"
    )
    Screen(as_json=as_json).result(facts, text)


@app.command("list")
def list_backups(
    home: HomeOption = HOME, key_file: KeyFileOption = None, as_json: JsonOption = False
) -> None:
    """Show the backups in HOME/backups, oldest first; which of them are damaged, or encrypted with another key."""
    rows = []
    for file in sorted((home / "backups").glob("*.snb")):
        row: Document = {"file": file.name, "bytes": file.stat().st_size}
        try:
            header = _read(file, key_file).header
        except (DependencyError, SubnetError) as error:
            row["state"] = f"{error.code} {error.message}"
        else:
            row |= {"index": header.index, "taken_at": _time(header.taken_at_ms), "state": "intact"}
        rows.append(row)
    Screen(as_json=as_json).table(
        rows, ("file", "bytes", "index", "taken_at", "state"), empty="no backups"
    )


@app.command()
def inspect(
    file: FileArgument, key_file: KeyFileOption = None, as_json: JsonOption = False
) -> None:
    """Show what a backup says about itself, once its bytes are intact. Trusts nothing; `verify` does the checking."""
    backup = _read(file, key_file)
    facts = {**_facts(backup), "parameters": backup.header.parameters}
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in _facts(backup).items()]
    Screen(as_json=as_json).result(_plain(facts), "\n".join(lines))


@app.command()
def verify(
    file: FileArgument,
    home: HomeOption = HOME,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check integrity, state, subnet and signatures against this network's validators, without restoring."""
    session, backup, finding = _examined(file, home, key_file)
    _require_quorum(finding)
    remember_verified(session.home, file, index=backup.header.index, how="verify")
    facts = {**_facts(backup), "signers": list(finding.signers), "required": finding.required}
    text = (
        f"integrity ok, format {backup.header.format} ok, subnet ok, state 0x{backup.header.content_digest.hex()} ok, "
        f"signatures {len(finding.signers)} of {finding.required} needed ok"
    )
    Screen(as_json=as_json).result(facts, text)


@app.command("drill")
def drill_command(
    file: FileArgument,
    home: HomeOption = HOME,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore into a throw-away network; it must reach the same state and finalise an intent."""
    session, backup, finding = _examined(file, home, key_file)
    _require_quorum(finding)
    screen = Screen(as_json=as_json)
    done = drill(backup, policies=session.home.config / POLICIES, say=screen.say)
    remember_verified(session.home, file, index=backup.header.index, how="drill")
    facts = {
        "index": done.index,
        "content_digest": done.content_digest,
        "canary": done.canary,
        "seconds": round(done.seconds, 1),
    }
    text = (
        f"drill passed after {done.seconds:.1f} s: entry {done.index} restored, digest equal on every validator, "
        "canary finalised, torn down"
    )
    screen.result(facts, text)


@app.command("restore")
def restore_command(  # noqa: PLR0917 (one parameter per option)
    file: FileArgument,
    home: HomeOption = HOME,
    i_know: KnowOption = False,
    containers: Annotated[
        bool, typer.Option("--containers", help="the directories are those of containers")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="check everything, change nothing")
    ] = False,
    restore_id: Annotated[
        str | None, typer.Option(help="on every further host: what the first one printed")
    ] = None,
    epoch_floor: Annotated[
        int, typer.Option(help="likewise; the highest epoch that was ever signed or settled", min=0)
    ] = 0,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a new life of the network from a backup, in every validator directory of this home. Nothing is deleted."""
    session, backup, finding = _examined(file, home, key_file)
    answers = ask_all(session)
    if not i_know:
        refuse_live_quorum(answers, what="restore")
        _require_quorum(finding)
    wanted = targets(session, containers=containers)
    lost = _lost(answers, backup)
    if dry_run:
        names = [str(one.identity.id) for one in wanted]
        _would_restore(Screen(as_json=as_json), backup, names, lost)
        return
    floor = max(epoch_floor, highest_epoch(session, finding.ledger, wanted))
    done = restore(
        session,
        finding.ledger,
        wanted=wanted,
        term=backup.header.term,
        epoch_floor=floor,
        restore_id=restore_id,
    )
    name = done.cluster_id.partition("/")[2]
    facts = {
        "index": backup.header.index,
        "entries_lost": lost,
        "cluster_id": done.cluster_id,
        "restore_id": name,
        "epoch_floor": floor,
        "validators": list(done.validators),
        "archives_kept": list(done.archives),
        "moved_aside": str(done.aside),
    }
    text = (
        f"restored {', '.join(done.validators)} at entry {backup.header.index}\n"
        f"what came later is lost; entries: {lost}\n"
        f"former data is in {done.aside}; new epochs begin at {floor + 1}\n"
        f"on every further host: subnetctl backup restore FILE --restore-id {name} --epoch-floor {floor}"
    )
    Screen(as_json=as_json).result(facts, text)


def _lost(answers: Sequence[Answer], backup: Backup) -> int | str:
    """Return how many entries came after the backup."""
    newest = max((one.index for one in answers if one.index is not None), default=None)
    if newest is None:
        return "unknown: no validator answers"
    return max(0, newest - backup.header.index)


def _would_restore(screen: Screen, backup: Backup, names: Sequence[str], lost: int | str) -> None:
    screen.result(
        {"index": backup.header.index, "validators": list(names), "entries_lost": lost},
        f"would restore {', '.join(names)} at entry {backup.header.index}; entries lost: {lost}",
    )


def _key(file: Path | None) -> bytes | None:
    return None if file is None else read_private_key(None, file, "--key-file")


def _read(file: Path, key_file: Path | None) -> Backup:
    return decode_backup(unseal(file.read_bytes(), _key(key_file)))


def _examined(file: Path, home: Path, key_file: Path | None) -> tuple[Session, Backup, Finding]:
    """Return the network of this home, the backup, and what this network finds about it."""
    session = open_session(home)
    backup = _read(file, key_file)
    return session, backup, _verified(session, backup)


def _taken(session: Session) -> bytes:
    """Ask one validator after the other for a backup and return the first one's."""
    reasons = []
    for member in session.network.parameters.validators:
        try:
            answer = httpx.post(
                f"http://{member.http_endpoint}{PATH}",
                headers=_proof(session),
                timeout=TIMEOUT_SECONDS,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            reasons.append(f"{member.id}: {type(error).__name__}")
            continue
        if answer.status_code == httpx.codes.OK:
            return answer.content
        reasons.append(f"{member.id}: HTTP {answer.status_code} {answer.text[:200]}")
    raise Unreachable("SN-R086", f"no validator gave a backup: {'; '.join(reasons)}")


def _proof(session: Session) -> dict[str, str]:
    """Return headers signed with a validator key of this home, for validators on other hosts; none without a key."""
    for name, value in session.environment.items():
        if name.startswith("VALIDATOR_KEY_") and value:
            return sign_request(
                signer=LocalSigner(read_private_key(SecretStr(value), None, name)),
                subnet_id=session.network.parameters.subnet_id,
                method="POST",
                path=PATH,
                body=None,
                now=time.time(),
            )
    return {}


def _verified(session: Session, backup: Backup) -> Finding:
    return verify_backup(
        backup,
        genesis=session.network.genesis,
        present=session.network.parameters,
        limits=LedgerLimits(),
    )


def _require_quorum(finding: Finding) -> None:
    if len(finding.signers) < finding.required:
        problems = "".join(f"; {problem}" for problem in finding.problems)
        raise Refused(
            "SN-R087",
            f"signed by {', '.join(finding.signers) or 'nobody'}: {len(finding.signers)} of "
            f"{finding.required} signatures that are needed{problems}",
        )


def _facts(backup: Backup) -> Document:
    header = backup.header
    return {
        "format": header.format,
        "software": header.software,
        "subnet_id": header.subnet_id,
        "cluster_id": header.cluster_id,
        "taken_at_ms": header.taken_at_ms,
        "taken_by": header.taken_by,
        "index": header.index,
        "term": header.term,
        "state_bytes": header.size,
        "content_digest": "0x" + header.content_digest.hex(),
        "history_digest": "0x" + header.history_digest.hex(),
        "signed_by": [one.validator_id for one in header.signatures],
    }


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")


def _plain(value: Any) -> Any:
    """Return a document with bytes as hex, for JSON."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
