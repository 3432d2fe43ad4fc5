"""`subnetctl intent dry-run` and `retry`: who would do it, before anything is spent; and a failed intent once more."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pinai_subnet.cli.canary import submit, wait_ended
from pinai_subnet.cli.requester import Order, deadline_in
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session, open_session
from pinai_subnet.insight.fault import FINAL_STATUSES
from pinai_subnet.insight.gathering import gather
from pinai_subnet.insight.intent_story import document
from pinai_subnet.insight.story_lines import lines
from pinai_subnet.insight.story_telling import tell
from pinai_subnet.protocol.errors import InvalidInput, WrongState
from pinai_subnet.protocol.ids import parse_bytes32

NOBODY = 1
UNFINISHED = 1
DEFAULT_SECONDS = 60.0
Names = Annotated[
    list[str] | None, typer.Option("--exclude", help="an agent's id or address; may be repeated")
]


def dry_run(
    file: Annotated[Path, typer.Argument(help="the payload, or a signed intent as JSON")],
    intent_type: Annotated[
        str, typer.Option("--type", help="not needed where FILE names an intentType")
    ] = "",
    exclude: Names = None,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Say who could bid on an intent now, and who could not and why. Nothing is submitted, nothing is spent."""
    wanted = intent_type or _type_in(file)
    body = {"intent_type": wanted, "exclude": exclude or []}
    answer = open_session(home).matcher.post("/api/v1/intents/dry-run", body)
    Screen(as_json=as_json).result(answer, "\n".join(_dry_lines(answer)))
    if not any(agent["connected"] for agent in answer["eligible"]):
        raise typer.Exit(NOBODY)


def _type_in(file: Path) -> str:
    """Return the type a file names; raise `InvalidInput` SN-N430 where it names none."""
    try:
        told = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise InvalidInput("SN-N430", f"{file} names no intent type: {problem}") from None
    if not isinstance(told, dict) or not isinstance(told.get("intentType"), str):
        raise InvalidInput("SN-N430", f"{file} names no intent type: it has no intentType")
    return str(told["intentType"])


def _dry_lines(answer: Mapping[str, Any]) -> list[str]:
    eligible, ineligible = answer["eligible"], answer["ineligible"]
    known = len(eligible) + len(ineligible)
    rules = f"window {answer['window_seconds']} s, strategy {answer['strategy']['type']}"
    found = [f"{answer['intent_type']}: {len(eligible)} of {known} agents could bid, {rules}"]
    for agent in eligible:
        where = "connected" if agent["connected"] else "NOT CONNECTED: it will not bid"
        found.append(f"  ✓ {agent['agent_id']}  {where}, {agent['open_tasks']} open tasks")
    found += [f"  ✗ {name}  {why['code']} {why['reason']}" for name, why in ineligible.items()]
    return found


def retry(
    intent_id: Annotated[str, typer.Argument(help="bytes32 hex", show_default=False)],
    exclude: Names = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="wait for the end and print the story")
    ] = False,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Submit a failed intent again as a new one, signed with TEST_PRIVATE_KEY, with as much time as it had."""
    session = open_session(home)
    screen = Screen(as_json=as_json)
    former = parse_bytes32(intent_id, "intent id")
    intent = session.rootlayer.get(f"/api/v1/intents/query/{former}")
    # The matcher gives up before RootLayer's clock does.
    status = tell(gather(session.sources, former)).ending.status
    if status not in FINAL_STATUSES or status == "COMPLETED":
        raise WrongState(
            "SN-N431",
            f"intent {former} is {status}: only one that failed or expired is tried again",
        )
    order, seconds = _again(intent, former, exclude or [])
    again = submit(session, order)
    signer = session.requester().address
    if str(intent["requester"]).lower() != signer.lower():
        screen.say(f"{former} was {intent['requester']}'s; the new one is signed by {signer}")
    if not wait:
        screen.result({"intent_id": again, "retry_of": former}, again)
        return
    tell_the_end(session, screen, again, seconds)


def tell_the_end(session: Session, screen: Screen, intent_id: str, seconds: float) -> None:
    """Wait for the end of an intent that was just submitted, and print its story.

    `seconds` is how long it has. Exits with 1 where it is not completed.
    """
    screen.say(f"submitted {intent_id}")
    ended = wait_ended(session, intent_id, timeout_seconds=seconds + 150)
    story = tell(gather(session.sources, intent_id))
    screen.result(document(story), "\n".join(lines(story)))
    if ended != "COMPLETED":
        raise typer.Exit(UNFINISHED)


def _again(intent: Mapping[str, Any], former: str, exclude: Sequence[str]) -> tuple[Order, float]:
    """Return the order of the new intent and how many seconds it has."""
    params = intent.get("params") or {}
    created, deadline = int(intent.get("createdAt") or 0), int(intent.get("deadline") or 0)
    seconds = float(deadline - created) if 0 < created < deadline else DEFAULT_SECONDS
    try:
        payload = base64.b64decode(params.get("intentRaw", ""), validate=True)
        metadata = base64.b64decode(params.get("metadata", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("SN-N432", f"RootLayer's record of {former}: {error}") from error
    order = Order(
        intent_type=str(intent["intentType"]),
        payload=payload,
        budget=int(intent["budget"]),
        deadline=deadline_in(seconds),
        metadata=excluding(metadata, former, exclude),
    )
    return order, seconds


def excluding(metadata: bytes, former: str, exclude: Sequence[str]) -> bytes:
    """Return an intent's metadata with the agents left out that shall not work on it; see the matcher's `wishes`."""
    if not exclude:
        return metadata
    try:
        told = json.loads(metadata) if metadata else {}
    except ValueError:
        told = None
    agents = told.get("agents", {}) if isinstance(told, dict) else None
    if not isinstance(told, dict) or not isinstance(agents, dict):
        raise InvalidInput(
            "SN-N432",
            f"the metadata of {former} is not a JSON object, so it cannot name agents to leave out",
        )
    names = [*agents.get("exclude", []), *exclude]
    told |= {"agents": agents | {"exclude": sorted(set(names))}, "retry_of": former}
    return json.dumps(told, separators=(",", ":"), sort_keys=True).encode()
