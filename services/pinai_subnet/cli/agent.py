"""`subnetctl agent`: walk an intent through a live agent, and read an agent's bids and earnings with its own key."""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.cli.canary import submit
from pinai_subnet.cli.requester import Order, deadline_in
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session, open_session
from pinai_subnet.insight.agent_walk import Step, passed, walk
from pinai_subnet.insight.fault import FINAL_STATUSES
from pinai_subnet.insight.gathering import gather
from pinai_subnet.insight.intent_story import IntentStory, document
from pinai_subnet.insight.story_telling import tell
from pinai_subnet.protocol.errors import NotFound
from pinai_subnet.protocol.ids import parse_name
from pinai_subnet.runtime.settings import read_private_key
from pinai_subnet.wire.registry_client import sign_request

app = typer.Typer(no_args_is_help=True, help="Try an agent, and see how it fares.")

FAILED = 1
POLL_SECONDS = 0.3
MARKS = {True: "✓", False: "✗", None: "·"}
Agent = Annotated[str, typer.Argument(help="the agent's id or its address", show_default=False)]
KeyFile = Annotated[
    Path | None, typer.Option(help="the agent's key; not needed where it is in the home's .env")
]


@app.command("test")
def walk_through(  # noqa: PLR0917 (one parameter per option)
    agent: Agent,
    intent_type: Annotated[str, typer.Option("--type", help="of the intent")] = "echo",
    file: Annotated[Path | None, typer.Option(help="its payload")] = None,
    budget: Annotated[int, typer.Option(help="most that may be paid, in wei", min=0)] = 10**15,
    deadline_seconds: Annotated[float, typer.Option(help="seconds for all of it", min=3)] = 30,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Send a real intent that only this agent may take through the running network, and print each stage."""
    session = open_session(home)
    screen = Screen(as_json=as_json)
    found = _eligible(session, parse_name(agent, "agent"), intent_type)
    if not as_json:
        _print(found, begun_ms=None)
    if found.passed is False:
        if as_json:
            screen.result({"agent": agent, "passed": False, "steps": [asdict(found)]}, "")
        raise typer.Exit(FAILED)
    order = Order(
        intent_type=intent_type,
        payload=file.read_bytes() if file else b"agent test",
        budget=budget,
        deadline=deadline_in(deadline_seconds),
        metadata=json.dumps({"agents": {"only": [agent]}}).encode(),
    )
    intent_id = submit(session, order)
    screen.say(f"submitted {intent_id}")
    story = _followed(session, screen, intent_id, deadline_seconds + 30)
    steps = (found, *walk(story))
    good = passed(steps)
    if as_json:
        told = {"agent": agent, "passed": good, "steps": [asdict(step) for step in steps]}
        screen.result({**told, "story": document(story)}, "")
    else:
        word = "does its work" if good else "DOES NOT do its work"
        sys.stdout.write(f"{agent} {word}; all of it: subnetctl intent explain {intent_id}\n")
    if not good:
        raise typer.Exit(FAILED)


def _eligible(session: Session, agent: str, intent_type: str) -> Step:
    body = {"intent_type": intent_type, "only": [agent]}
    told = session.matcher.post("/api/v1/intents/dry-run", body)
    if told["eligible"]:
        one = told["eligible"][0]
        seen = "connected" if one["connected"] else "no task stream is open yet"
        return Step(name="eligible", passed=True, at_ms=None, seen=seen)
    reasons = told["ineligible"]
    mine = next((w for n, w in reasons.items() if w["code"] != "SN-M035" or n == agent), None)
    if agent in reasons:
        mine = reasons[agent]
    if mine is None or mine["code"] == "SN-M035":
        seen = "SN-M038 neither the matcher nor the registry knows this agent"
        return Step(name="eligible", passed=False, at_ms=None, seen=seen)
    return Step(name="eligible", passed=False, at_ms=None, seen=f"{mine['code']} {mine['reason']}")


def _followed(session: Session, screen: Screen, intent_id: str, seconds: float) -> IntentStory:
    """Print each stage once it is decided, until the intent has ended."""
    shown: set[str] = set()
    end = time.monotonic() + seconds
    while True:
        story = tell(gather(session.sources, intent_id))
        over = story.ending.status in FINAL_STATUSES or time.monotonic() > end
        begun = story.submission.at_ms if story.submission else None
        for step in walk(story):
            if step.name in shown or not (over or (step.passed is not None and step.at_ms)):
                continue
            shown.add(step.name)
            if not screen.as_json:
                _print(step, begun_ms=begun)
        if over:
            return story
        time.sleep(POLL_SECONDS)


def _print(step: Step, *, begun_ms: int | None) -> None:
    after = ""
    if step.at_ms and begun_ms:
        after = f"{(step.at_ms - begun_ms) / 1000:.3f} s"
    sys.stdout.write(f"  {MARKS[step.passed]} {step.name:<18} {after:>10}  {step.seen}\n")
    sys.stdout.flush()


@app.command("bids")
def bids(
    agent: Agent,
    limit: Annotated[int, typer.Option(min=1, max=50)] = 20,
    key_file: KeyFile = None,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """List an agent's bids, newest first: won or lost, to whom, why, and what would have won."""
    answer = _asked(open_session(home), agent, "bids", key_file, {"limit": limit})
    rows = [
        {
            "intent": bid["intent_id"],
            "type": bid["intent_type"],
            "price": bid["price"],
            "result": bid["result"],
            "winner": (bid["winner"] or {}).get("agent_id"),
            "why": bid["why"],
            "price_to_win": (bid["needed"] or {}).get("price"),
        }
        for bid in answer["bids"]
    ]
    screen = Screen(as_json=as_json)
    if as_json:
        screen.result(answer, "")
        return
    screen.table(
        rows,
        ("intent", "type", "price", "result", "winner", "why", "price_to_win"),
        empty="no bids",
    )
    _say_silent(screen, agent, answer["attendance"])


@app.command("earnings")
def earnings(
    agent: Agent, key_file: KeyFile = None, home: HomeOption = HOME, as_json: JsonOption = False
) -> None:
    """Show what an agent's settled bids asked, per token, and how its assignments ended."""
    answer = _asked(open_session(home), agent, "earnings", key_file, {})
    earned = ", ".join(f"{sum_} {token}" for token, sum_ in answer["earned"].items()) or "nothing"
    counts = f"{answer['completed']} of {answer['wins']} assignments settled"
    screen = Screen(as_json=as_json)
    screen.result(answer, f"{agent} has earned {earned}; {counts}")
    _say_silent(screen, agent, answer["attendance"])


def _say_silent(screen: Screen, agent: str, attendance: dict[str, Any]) -> None:
    if attendance["silent"]:
        windows = attendance["silent_in_a_row"]
        screen.say(f"{agent} could have bid in the last {windows} windows and never answered")


def _asked(
    session: Session, agent: str, what: str, key_file: Path | None, query: dict[str, Any]
) -> Any:
    path = f"/api/v1/agents/{parse_name(agent, 'agent')}/{what}"
    headers = sign_request(
        signer=_key_of(session, agent, key_file),
        subnet_id=session.network.parameters.subnet_id,
        method="GET",
        path=path,
        body=None,
        now=time.time(),
    )
    return session.matcher.get(path, query, headers=headers)


def _key_of(session: Session, agent: str, key_file: Path | None) -> LocalSigner:
    """Return the agent's key: from a file, or the one in `.env` that the matcher knows as the agent's."""
    if key_file is not None:
        return LocalSigner(read_private_key(None, key_file, str(key_file)))
    rows = session.matcher.get("/api/v1/agents", {"limit": 1000})["agents"]
    addresses = {row["address"] for row in rows if row["agent_id"] == agent}
    for name, value in session.environment.items():
        if name.startswith("AGENT_PRIVATE_KEY") and value:
            signer = LocalSigner(read_private_key(SecretStr(value), None, name))
            if signer.address in addresses:
                return signer
    raise NotFound(
        "SN-N433", f"no key of {agent} in {session.home.env_file}; name it with --key-file"
    )
