"""`subnetctl intent watch`: what happens now, to one intent or to all. Waits at the matcher, polls where it is away."""

import json
import sys
import time
from dataclasses import replace
from typing import Annotated, Any

import typer

from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session, open_session
from pinai_subnet.insight.fault import FINAL_STATUSES
from pinai_subnet.insight.gathering import gather
from pinai_subnet.insight.intent_story import document
from pinai_subnet.insight.story_lines import lines, timeline
from pinai_subnet.insight.story_telling import tell
from pinai_subnet.ports.errors import DependencyError, Unreachable
from pinai_subnet.protocol.ids import parse_bytes32

UNFINISHED = 1
WAIT_SECONDS = 1.0
LONG_WAIT_SECONDS = 20.0
PAUSE_SECONDS = 0.5


def watch(
    intent_id: Annotated[
        str, typer.Argument(help="bytes32 hex; without it, all intents are followed")
    ] = "",
    timeout_seconds: Annotated[float, typer.Option(help="stop after this long")] = 600,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Follow an intent until it has ended, or all intents, printing each moment as it becomes known."""
    session = open_session(home)
    screen = Screen(as_json=as_json)
    deadline = time.monotonic() + timeout_seconds
    try:
        if intent_id:
            _watch_one(session, screen, parse_bytes32(intent_id, "intent id"), deadline)
        else:
            _watch_all(session, screen, deadline)
    except KeyboardInterrupt:
        screen.say("stopped watching")


def _watch_one(session: Session, screen: Screen, intent_id: str, deadline: float) -> None:
    shown: set[str] = set()
    after, status = 0, ""
    while time.monotonic() < deadline:
        story = tell(gather(session.sources, intent_id))
        for line in timeline(story.moments) if not screen.as_json else ():
            if line not in shown:
                shown.add(line)
                screen.say(line)
        status = story.ending.status
        if status in FINAL_STATUSES:
            text = "\n".join(line for line in lines(story) if line not in shown)
            screen.result(document(story), text)
            break
        after = _wait(session, intent_id, after)
    if status != "COMPLETED":
        raise typer.Exit(UNFINISHED)


def _wait(session: Session, intent_id: str, after: int) -> int:
    """Wait until the matcher moves the intent, or for a moment; return the number to ask after next."""
    try:
        return int(_moves(session, after, intent_id, WAIT_SECONDS)["next"])
    except DependencyError:
        time.sleep(PAUSE_SECONDS)
        return after


def _watch_all(session: Session, screen: Screen, deadline: float) -> None:
    after, away = -1, False
    while (left := deadline - time.monotonic()) > 0:
        try:
            if after < 0:
                # Only what happens from now on.
                after = int(_moves(session, 0, "", 0)["newest"])
            told = _moves(session, after, "", min(LONG_WAIT_SECONDS, left))
        except Unreachable as error:
            if not away:
                screen.say(f"{error}; trying again")
            away = True
            time.sleep(PAUSE_SECONDS)
            continue
        away = False
        if told["missed"]:
            screen.say("some steps were too fast to be told")
        for move in told["moves"]:
            _print(move, as_json=screen.as_json)
        after = int(told["next"])


def _print(move: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(move) + "\n")
    else:
        at = time.strftime("%H:%M:%S", time.gmtime(move["at_ms"] / 1000))
        about = f"{move['bids']} bids" if move["phase"] in ("open", "closed") else move["agent_id"]
        text = f"{at}  {move['intent_id']}  {move['intent_type']:<16} {move['phase']:<10} {about}"
        sys.stdout.write(f"{text} {move['code']}".rstrip() + "\n")
    sys.stdout.flush()


def _moves(session: Session, after: int, intent_id: str, seconds: float) -> dict[str, Any]:
    matcher = replace(session.matcher, timeout_seconds=seconds + 5)
    query = {"after": after, "intent_id": intent_id, "wait_seconds": round(seconds, 3)}
    answer: dict[str, Any] = matcher.get("/api/v1/moves", query)
    return answer
