"""A worker that asks for stories as `subnetctl intent explain` does, told to the last line, and for pages of them."""

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from pinai_subnet.insight.gathering import Sources, gather
from pinai_subnet.insight.intent_story import IntentStory
from pinai_subnet.insight.readers import JsonApi
from pinai_subnet.insight.story_lines import lines
from pinai_subnet.insight.story_telling import tell

PAGE = 50
"""Intents on one page of the console."""


async def run(task: Mapping[str, Any], _say: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Ask for every story and as many pages; return the seconds of each, and this process's own of the stories."""
    sources = Sources(
        rootlayer=JsonApi(name="rootlayer", base=task["rootlayer"]),
        matcher=JsonApi(name="matcher", base=task["matcher"]),
        validators=[JsonApi(name=f"validator-{n}", base=task["validator"]) for n in (1, 2, 3)],
    )
    if task["do"] == "pages":
        return _pages(sources.matcher, int(task["intents"]), len(task["intent_ids"]))
    return _stories(sources, task["intent_ids"])


def _stories(sources: Sources, intent_ids: list[str]) -> dict[str, Any]:
    taken, worked = [], time.process_time()
    for intent_id in intent_ids:
        begun = time.perf_counter()
        story = tell(gather(sources, intent_id))
        lines(story)
        taken.append(time.perf_counter() - begun)
        _require_whole(story)
    return {"samples": taken, "own_seconds": time.process_time() - worked}


def _require_whole(story: IntentStory) -> None:
    whole = story.ending.status == "COMPLETED" and not story.missing
    if not whole or story.attempts[0].batch is None or story.offers[1].needed is None:
        raise RuntimeError(f"{story.intent_id} was not told whole: {story.missing}")


def _pages(matcher: JsonApi, intents: int, count: int) -> dict[str, Any]:
    """Ask for pages anywhere in the list, every other one of those filtered by their phase."""
    taken, worked = [], time.process_time()
    draw = random.Random(11)  # noqa: S311
    for number in range(count):
        offset = draw.randrange(max(1, intents - PAGE))
        query = {"limit": PAGE, "offset": offset}
        begun = time.perf_counter()
        page = matcher.get(
            "/api/v1/intents", query | ({"phase": "completed"} if number % 2 else {})
        )
        taken.append(time.perf_counter() - begun)
        if (page["total"], len(page["intents"])) != (intents, min(PAGE, intents)):
            raise RuntimeError(f"the page at {offset} is not whole: {page['total']} in all")
    return {"samples": taken, "own_seconds": time.process_time() - worked}
