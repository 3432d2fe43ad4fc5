"""`subnetctl recording save` and `subnetctl replay`: recorded auctions, held again under another strategy."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from pinai_subnet.cli.home import Home
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, open_session
from pinai_subnet.matcher.replay import FORM, Recording, Replayed, replay, wins
from pinai_subnet.matcher.settings import read_policy
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.runtime.errors import StartupError
from pinai_subnet.runtime.settings import SettingsLoader

app = typer.Typer(no_args_is_help=True, help="Keep auctions, to try other strategies on them.")

PAGE = 200
SHOWN = 20


@app.command("save")
def save(
    file: Annotated[Path, typer.Argument(help="a new file", show_default=False)],
    intents: Annotated[int, typer.Option(help="how many ended intents to look at", min=1)] = 10_000,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Write the auctions of the intents that ended last into FILE, with everything that was weighed."""
    matcher = open_session(home).matcher
    auctions: list[dict[str, Any]] = []
    read = 0
    while read < intents:
        query = {"limit": min(PAGE, intents - read), "offset": read}
        answer = matcher.get("/api/v1/auctions", query)
        auctions += answer["auctions"]
        read += answer["read"]
        if not answer["read"] or read >= answer["total"]:
            break
    # While it is read new intents end, and move the pages: the same auction may be told twice.
    kept = {auction["intent_id"]: auction for auction in auctions}
    data = Recording.model_validate({"form": FORM, "auctions": list(kept.values())})
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(data.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise InvalidInput("SN-N434", f"{file}: {error.strerror}") from error
    facts = {"file": str(file), "auctions": len(kept), "intents": read}
    Screen(as_json=as_json).result(facts, f"{len(kept)} auctions of {read} intents in {file}")


def replay_recording(
    recording: Annotated[Path, typer.Argument(help="made by `recording save`")],
    strategy: Annotated[
        Path, typer.Option(help="a policy_config.yaml with the strategy to try", show_default=False)
    ],
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Hold recorded auctions again under another strategy and print who would have won."""
    try:
        held = Recording.model_validate_json(recording.read_bytes())
    except OSError as error:
        raise InvalidInput("SN-N434", f"{recording}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput("SN-N434", f"{recording}: {place}: {first['msg']}") from None
    variables = Home(home).environment() if Home(home).exists else {}
    loader = SettingsLoader({**os.environ, **variables})
    policy = read_policy(loader, strategy, optional=False)
    if policy is None:
        raise StartupError(loader.problems)
    rules = policy.auction()
    found = [replay(auction, rules) for auction in held.auctions]
    changed = [one for one in found if one.changed]
    counts = wins(found)
    facts = {
        "auctions": len(found),
        "changed": len(changed),
        "price_was": str(sum(one.price_was or 0 for one in found)),
        "price_would_be": str(sum(one.price_would_be or 0 for one in found)),
        "wins": {name: {"was": was, "would_be": now} for name, (was, now) in counts.items()},
        "changes": [one.model_dump() for one in changed],
    }
    Screen(as_json=as_json).result(facts, "\n".join(_lines(facts, changed)))


def _lines(facts: dict[str, Any], changed: Sequence[Replayed]) -> list[str]:
    lines = [
        f"{facts['auctions']} auctions held again: {facts['changed']} with another winner",
        f"prices of the winners: {facts['price_was']} was, {facts['price_would_be']} would be",
    ]
    lines += [
        f"  {name}: won {count['was']}, would win {count['would_be']}"
        for name, count in facts["wins"].items()
    ]
    for one in changed[:SHOWN]:
        was, now = one.was or "nobody", one.would_be or "nobody"
        lines.append(f"  {one.intent_id}  {one.intent_type}  {was} -> {now}")
    if len(changed) > SHOWN:
        lines.append(f"  and {len(changed) - SHOWN} more; --json has them all")
    lines.append(
        "reputations and latencies are as recorded: what other winners would have earned is not"
    )
    return lines
