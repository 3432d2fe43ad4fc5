"""`subnetctl compose next-key | carry-record | take-key | finish-key`: an agreed key for a validator in a container.

`deployment/scripts/lib/keys.sh` stops and starts the container. Its data belongs to the containers' user and `.env` to
the operator, so the steps between run as the one or the other. Each can be repeated.
"""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.adapters.signing_record.file import carry_over
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session, open_session
from pinai_subnet.cli.set_change import own_signer
from pinai_subnet.cli.set_steps import SetSteps, waiting_key
from pinai_subnet.protocol.ids import parse_address
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.runtime.settings import read_private_key

Name = Annotated[str, typer.Argument(help="a validator's id", show_default=False)]


def next_key(validator: Name, home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Print the address of the key that a validator has, and of the one that it is about to take."""
    session = open_session(home)
    former = own_signer(session, validator, None).address
    address = LocalSigner(_waiting(session, validator)).address
    facts = {"validator": validator, "former": former, "address": address}
    Screen(as_json=as_json).result(facts, f"{former} {address}")


def carry_record(
    record: Annotated[Path, typer.Argument(help="the signing record of a validator that is down")],
    former: Annotated[str, typer.Argument(help="address of its former key")],
    address: Annotated[str, typer.Argument(help="address of its new key")],
    as_json: JsonOption = False,
) -> None:
    """Give the signing record to the new key: what was signed under the former one stays signed."""
    carried = record.exists()
    if carried:
        carry_over(
            record,
            former=parse_address(former, "former"),
            address=parse_address(address, "address"),
        )
    said = "what it has signed goes with the new key" if carried else "it has signed nothing yet"
    Screen(as_json=as_json).result({"carried": carried}, f"  {said}")


def take_key(validator: Name, home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Put the agreed key in the place of the former one in `.env`, and the set as it is now into network.yaml."""
    session, screen = open_session(home), Screen(as_json=as_json)
    key = _waiting(session, validator)
    steps = SetSteps(session=session, say=screen.say, dry_run=False, wait_seconds=0)
    steps.take_key(validator, key)
    address = LocalSigner(key).address
    screen.result(
        {"validator": validator, "address": address},
        f"  the key of {validator} in .env is that of {address}",
    )


def finish_key(validator: Name, home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """End it: the container runs with the key, which needs to wait no longer."""
    session = open_session(home)
    SetSteps(session=session, say=lambda _: None, dry_run=False, wait_seconds=0).finish_key(
        validator
    )
    Screen(as_json=as_json).result({"validator": validator}, f"  {validator} has its key")


def _waiting(session: Session, validator: str) -> bytes:
    name = waiting_key(validator)
    value = session.environment.get(name, "")
    if not value:
        raise cannot_start(
            "SN-K022",
            f"no new key of {validator} waits here",
            where=f"{session.home.env_file} {name}",
            fix=f"agree on one first: ./scripts/deploy.sh rotate-key {validator}",
        )
    return read_private_key(SecretStr(value), None, name)
