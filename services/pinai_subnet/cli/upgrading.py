"""`subnetctl compose …` for an upgrade in containers: the order of services, who may be stopped, and what `.env` gains.

`deployment/scripts/lib/upgrade.sh` starts and stops containers; what needs the network's view of itself is asked here.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from pinai_subnet.cli.home import Home
from pinai_subnet.cli.quorum_check import Answer, ask_all
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session, open_session
from pinai_subnet.cli.set_change import Present, order, present_set, wait_for
from pinai_subnet.cli.set_files import write_env
from pinai_subnet.ports.errors import Refused
from pinai_subnet.protocol.quorum import raft_majority
from pinai_subnet.runtime.dotenv import DotEnv, parse_dotenv

HAND_OVER_SECONDS = 15.0
IMAGE_VARIABLE = "PINAI_IMAGE"
_FIRST, _ROLES = "validator-", ("matcher", "registry")


def upgrade_order(services: Sequence[str], leader: str | None) -> list[str]:
    """Return services in the order in which they are recreated: followers, matcher, registry, others, the leader."""
    validators = sorted(
        (one for one in services if one.startswith(_FIRST) and one != leader),
        key=lambda name: int(name.removeprefix(_FIRST)),
    )
    roles = [one for one in _ROLES if one in services]
    last = [leader] if leader in services else []
    others = sorted(one for one in services if one not in {*validators, *roles, *last})
    return [*validators, *roles, *others, *(one for one in last if one is not None)]


def new_variables(present: DotEnv, example: DotEnv, former: DotEnv | None) -> dict[str, str]:
    """Return what the example gives a value and neither `.env` nor the former example names.

    What the former one named and `.env` does not was left out on purpose; the image is pinned by the upgrade itself.
    The console's address among containers is the Compose file's; its token is made where there is none yet.
    """
    known = {
        IMAGE_VARIABLE,
        "CONSOLE_HTTP",
        *present.values,
        *(former.values if former is not None else ()),
    }
    found = {name: value for name, value in example.values.items() if value and name not in known}
    if "CONSOLE_TOKEN" in example.values and "CONSOLE_TOKEN" not in present.values:
        found["CONSOLE_TOKEN"] = secrets.token_hex(32)
    return found


def require_spare(answers: Sequence[Answer], voters: int, validator: str) -> None:
    """Raise `Refused` SN-H073 where stopping this validator would leave fewer than a majority that answers."""
    if voters == 1:
        return
    here = [one.validator_id for one in answers if one.has_quorum and one.validator_id != validator]
    needed = raft_majority(voters)
    if len(here) < needed:
        raise Refused(
            "SN-H073",
            f"{validator} is not stopped: {len(here)} other validators take part "
            f"({', '.join(here) or 'none'}), a majority is {needed}",
        )


def successor(
    present: Present, answers: Sequence[Answer], validator: str, preferred: Sequence[str]
) -> str | None:
    """Return who should lead instead of this validator: one of the preferred if they can, None where nobody can."""
    able = [
        one.validator_id
        for one in answers
        if one.has_quorum
        and one.validator_id != validator
        and present.role(one.validator_id) == "voter"
    ]
    return next((one for one in preferred if one in able), able[0] if able else None)


def print_order(
    services: Annotated[list[str], typer.Argument(help="the containers there are")],
    home: HomeOption = HOME,
    only_leader: Annotated[
        bool, typer.Option("--leader", help="print which of them leads, if one does")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the containers one per line, in the order in which an upgrade takes them; the leader comes last."""
    leader = present_set(open_session(home)).leader_id
    ordered = upgrade_order(services, leader)
    shown = [name for name in ordered if name == leader] if only_leader else ordered
    Screen(as_json=as_json).result({"order": ordered, "leader": leader}, "\n".join(shown))


def step_down(
    validator: Annotated[str, typer.Argument(help="the validator that is about to be stopped")],
    home: HomeOption = HOME,
    prefer: Annotated[
        list[str] | None, typer.Option(help="who should lead then, if it leads now")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make sure that this validator can be spared, and hand leadership over if it leads."""
    session, screen = open_session(home), Screen(as_json=as_json)
    present = present_set(session)
    answers = ask_all(session)
    voters = sum(one["role"] == "voter" for one in present.document["group"])
    require_spare(answers, voters, validator)
    facts: dict[str, str | float | None] = {"validator": validator, "led": False, "to": None}
    text = f"{validator} can be spared"
    if present.leader_id == validator:
        facts["led"] = True
        to = successor(present, answers, validator, prefer or [])
        text = f"{validator} leads and nobody can take over"
        if to is not None:
            seconds = _hand_over(session, screen, present, to)
            facts |= {"to": to, "seconds": round(seconds, 2)}
            text = f"{validator} handed leadership over to {to} in {seconds:.2f} s"
    screen.result(facts, text)


def _hand_over(session: Session, screen: Screen, present: Present, to: str) -> float:
    begun = time.monotonic()
    order(session, present, "transfer", to)
    wait_for(
        session,
        f"{to} leads",
        lambda seen: seen.leader_id == to,
        say=screen.say,
        timeout_seconds=HAND_OVER_SECONDS,
    )
    return time.monotonic() - begun


def merge_env(
    example: Annotated[Path, typer.Option(help="the .env.example of the new version")],
    home: HomeOption = HOME,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only name them")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add the variables that are new to .env, keep everything else, and print their names one per line."""
    place = Home(home)
    read = parse_dotenv(example.read_bytes(), name=str(example))
    beside = home / ".env.example"
    former = parse_dotenv(beside.read_bytes(), name=str(beside)) if beside.is_file() else None
    added = new_variables(place.read_env(), read, former)
    if added and not dry_run:
        write_env(place, added)
    Screen(as_json=as_json).result({"added": list(added)}, "\n".join(added))


def pin(
    image: Annotated[str, typer.Argument(help="name of the image")],
    home: HomeOption = HOME,
    without: Annotated[
        list[str] | None, typer.Option(help="a variable that goes, for it came with another image")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write into .env which image the containers run."""
    pinned: Mapping[str, str] = {IMAGE_VARIABLE: image}
    write_env(Home(home), pinned, without=without or [])
    Screen(as_json=as_json).result(dict(pinned), f"{IMAGE_VARIABLE}={image}")
