"""`subnetctl intent`: submit work, list it, see what became of it and why."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from pinai_subnet.cli import intent_again, intent_watch
from pinai_subnet.cli.canary import submit
from pinai_subnet.cli.intent_again import tell_the_end
from pinai_subnet.cli.requester import Order, deadline_in
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, open_session
from pinai_subnet.insight.gathering import gather
from pinai_subnet.insight.intent_story import document
from pinai_subnet.insight.story_lines import lines
from pinai_subnet.insight.story_telling import tell

app = typer.Typer(no_args_is_help=True, help="Submit intents and see what became of them.")
app.command("dry-run")(intent_again.dry_run)
app.command("retry")(intent_again.retry)
app.command("watch")(intent_watch.watch)

IntentId = Annotated[str, typer.Argument(help="bytes32 hex", show_default=False)]


@app.command("submit")
def submit_intent(  # noqa: PLR0917 (one parameter per option)
    intent_type: Annotated[str, typer.Option("--type", help="e.g. echo, json-transform, script")],
    file: Annotated[
        Path, typer.Option(help="the payload; - reads standard input", allow_dash=True)
    ],
    budget: Annotated[int, typer.Option(help="most that may be paid, in wei", min=0)] = 10**15,
    deadline_seconds: Annotated[
        float, typer.Option(help="seconds until the work must be done", min=1)
    ] = 60,
    wait: Annotated[
        bool, typer.Option("--wait", help="wait for the end and print the story")
    ] = False,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Sign an intent with TEST_PRIVATE_KEY and submit it."""
    session = open_session(home)
    screen = Screen(as_json=as_json)
    payload = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    order = Order(
        intent_type=intent_type,
        payload=payload,
        budget=budget,
        deadline=deadline_in(deadline_seconds),
    )
    intent_id = submit(session, order)
    if not wait:
        screen.result({"intent_id": intent_id}, intent_id)
        return
    tell_the_end(session, screen, intent_id, deadline_seconds)


@app.command("list")
def list_intents(
    status: Annotated[str | None, typer.Option(help="e.g. PENDING, COMPLETED")] = None,
    page: Annotated[int, typer.Option(min=1)] = 1,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """List intents, newest first, twenty to a page."""
    session = open_session(home)
    query: dict[str, Any] = {
        "page": page,
        "pageSize": 20,
        "orderBy": "created_at",
        "orderDir": "desc",
    }
    if status:
        query["status"] = status.upper()
    rows = [
        {
            "intent_id": intent["intentId"],
            "status": intent["status"].removeprefix("INTENT_STATUS_"),
            "type": intent["intentType"],
            "budget": intent["budget"],
            "created": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(int(intent["createdAt"]))),
        }
        for intent in session.rootlayer.get("/api/v1/intents/query", query)["intents"]
    ]
    Screen(as_json=as_json).table(
        rows, ("intent_id", "status", "type", "budget", "created"), empty="no intents"
    )


@app.command("show")
def show(intent_id: IntentId, home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Show what RootLayer holds of an intent."""
    intent = open_session(home).rootlayer.get(f"/api/v1/intents/query/{intent_id}")
    Screen(as_json=as_json).result(
        intent, "\n".join(f"{name}: {value}" for name, value in intent.items())
    )


@app.command("explain")
def explain(intent_id: IntentId, home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Tell the whole story of an intent: bids, scores, assignment, report, verdicts, settlement, what to do."""
    story = tell(gather(open_session(home).sources, intent_id))
    Screen(as_json=as_json).result(document(story), "\n".join(lines(story)))
