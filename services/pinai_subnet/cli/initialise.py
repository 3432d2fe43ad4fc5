"""`subnetctl init`: keys, `.env` (600) and configuration for N validators, in a new directory. Never overwrites."""

import os
import secrets
import shutil
from pathlib import Path
from typing import Annotated

import typer

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.cli.home import DEFAULT_HOME, Home
from pinai_subnet.cli.keys import new_private_key
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.cli.screen import Screen
from pinai_subnet.protocol.quorum import raft_majority, required_signatures
from pinai_subnet.runtime.errors import cannot_start

MAX_VALIDATORS = 15
CONFIG_FILES = (
    "registry.yaml",
    "matcher.yaml",
    "validator.yaml",
    "agent.yaml",
    "rootlayer.yaml",
    "console.yaml",
    "auth_config.yaml",
    "policy_config.yaml",
)


def templates() -> Path:
    """Return the directory of the shipped configuration: inside the package, or `config/` of a source tree."""
    packaged = Path(__file__).with_name("templates")
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[3] / "config"


def initialise(
    home: Home, *, validators: int, agents: int, ports: PortPlan, subnet_id: str | None
) -> dict[str, str]:
    """Write a complete home and return the public facts; raise `StartupError` SN-C030 where one exists already."""
    if not 1 <= validators <= MAX_VALIDATORS:
        raise cannot_start(
            "SN-C031",
            f"{validators} validators asked for; expected 1 to {MAX_VALIDATORS}",
            where="--validators",
            fix="choose an odd number, 3 or 5 for most networks",
        )
    for existing in (home.env_file, home.config):
        if existing.exists():
            raise cannot_start(
                "SN-C030",
                f"{existing} exists; init never overwrites keys or configuration",
                where=str(home.root),
                fix="choose another --home, or move the old directory away (its keys cannot be made again)",
            )
    variables = new_variables(validators, agents, ports, subnet_id or "0x" + secrets.token_hex(32))
    for directory in (home.root, home.config, home.data, home.logs, home.run):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in CONFIG_FILES:
        shutil.copyfile(templates() / name, home.config / name)
    (home.config / "network.yaml").write_text(network_text(validators), encoding="utf-8")
    write_new_env(home.env_file, variables)
    return {
        "home": str(home.root),
        "subnet_id": variables["SUBNET_ID"],
        "validators": str(validators),
        "signatures_needed": str(required_signatures(validators, 2, 3)),
        "raft_majority": str(raft_majority(validators)),
        "matcher": variables["MATCHER_ADDRESS"],
    }


def new_variables(validators: int, agents: int, ports: PortPlan, subnet_id: str) -> dict[str, str]:
    """Return the variables of a new network, with fresh keys."""
    variables = {"SUBNET_ID": subnet_id, "THRESHOLD_NUM": "2", "THRESHOLD_DENOM": "3"}
    for number in range(1, validators + 1):
        key = new_private_key()
        variables[f"VALIDATOR_KEY_{number}"] = key.hex()
        variables[f"VALIDATOR_PUBKEY_{number}"] = LocalSigner(key).public_key.hex()
    matcher = new_private_key()
    variables["MATCHER_PRIVATE_KEY"] = matcher.hex()
    variables["MATCHER_ADDRESS"] = LocalSigner(matcher).address
    for number in range(1, agents + 1):
        variables[f"AGENT_PRIVATE_KEY_{number}"] = new_private_key().hex()
    variables["TEST_PRIVATE_KEY"] = new_private_key().hex()
    variables["CONSOLE_TOKEN"] = secrets.token_hex(32)
    return variables | ports.variables(validators)


def network_text(validators: int) -> str:
    """Return `network.yaml` for this many validators: the shipped one with as many entries."""
    text = (templates() / "network.yaml").read_text(encoding="utf-8")
    head, rest = text.split("  - id: validator-1\n", 1)
    tail = rest[rest.index("matchers:") :]
    entries = "".join(
        f"  - id: validator-{n}\n"
        f"    public_key: ${{VALIDATOR_PUBKEY_{n}}}\n"
        f"    grpc: ${{VALIDATOR_{n}_GRPC}}\n"
        f"    http: ${{VALIDATOR_{n}_HTTP}}\n"
        f"    raft: ${{VALIDATOR_{n}_RAFT}}\n"
        for n in range(1, validators + 1)
    )
    return head + entries + tail


def write_new_env(path: Path, variables: dict[str, str]) -> None:
    """Write a new `.env` of mode 600; raise `FileExistsError` rather than lose the keys of another one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(
            "# The only file with secrets. Keep it at mode 600, back it up, never commit it.\n"
        )
        file.writelines(f"{name}={value}\n" for name, value in variables.items())


def init(  # noqa: PLR0917 (one parameter per option)
    home: Annotated[Path, typer.Option(help="directory to create")] = DEFAULT_HOME,
    validators: Annotated[int, typer.Option(help="how many validators, 1 to 15")] = 3,
    agents: Annotated[int, typer.Option(help="how many demo agents get a key")] = 3,
    subnet_id: Annotated[
        str | None, typer.Option(help="bytes32 hex; a random one if absent")
    ] = None,
    free_ports: Annotated[
        bool, typer.Option(help="take free ports instead of the documented ones")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Make keys, .env (mode 600) and configuration for a new network."""
    ports = PortPlan.free(validators) if free_ports else PortPlan.documented(validators)
    facts = initialise(
        Home(home), validators=validators, agents=agents, ports=ports, subnet_id=subnet_id
    )
    text = "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in facts.items())
    Screen(as_json=as_json).result(
        facts, f"{text}\nback up {home}/.env now: its keys cannot be made again"
    )
