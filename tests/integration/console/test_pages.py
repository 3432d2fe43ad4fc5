"""Every page over members that answer, that do not, and that answer with the worst they can."""

import asyncio
import html
import json
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from tests.integration.console import samples
from tests.integration.console.kit import PAGES, Console, FakeMembers, make_console, visiting

from pinai_subnet.console.members import AUCTIONS
from pinai_subnet.insight.intent_story import IntentStory
from pinai_subnet.insight.network_status import Problem
from pinai_subnet.runtime.clock import ManualClock

STORY = f"/intents/{samples.FAR}"
EVERY = (*PAGES, STORY, "/codes/SN-N124", "/codes/SN-S075", "/runbooks/NoLeader")


def in_use(intents: int = 100) -> FakeMembers:
    return FakeMembers(intents=intents, agents=[samples.agent(n) for n in range(6)])


class Elements(HTMLParser):
    """The tags of a page and what might run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def dangers(text: str) -> list[str]:
    """What a page holds that could run, be styled inline or come from elsewhere."""
    page = Elements()
    page.feed(text)
    found = []
    for tag, attributes in page.found:
        if tag in {"iframe", "object", "embed", "style", "base", "img"}:
            found.append(tag)
        if tag == "script" and not (attributes.get("src") or "").startswith("/static/"):
            found.append(f"script {attributes}")
        for name, value in attributes.items():
            if name.startswith("on") or name == "style":
                found.append(f"{tag} {name}")
            if name in {"href", "src", "action"} and not (value or "").startswith(("/", "#")):
                found.append(f"{tag} {name}={value}")
    return found


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize("name", ["busy", "degraded", "empty"])
async def test_every_page_shows_every_network(path: str, name: str) -> None:
    members = FakeMembers() if name == "empty" else in_use()
    console = make_console(status=getattr(samples, name)(), members=members)
    async with visiting(console) as visitor:
        answer = await visitor.get(path)
    assert answer.status_code == 200
    assert dangers(answer.text) == []
    assert answer.text.count("<h1>") == 1
    assert "AUTH_MODE=none" in answer.text


async def test_every_answer_forbids_what_a_page_does_not_need() -> None:
    console = make_console(members=in_use())
    async with visiting(console) as visitor:
        for path in (*EVERY, "/nope", "/static/htmx.js", "/api/v1/network", "/readyz"):
            headers = (await visitor.get(path)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "http" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            kept = "immutable" if path.startswith("/static/") else "no-store"
            assert kept in headers["cache-control"]


async def test_the_overview_says_both_quorums_with_their_spares_and_what_is_wrong() -> None:
    async with visiting(make_console(status=samples.degraded(), members=in_use())) as visitor:
        text = (await visitor.get("/")).text
    assert text.count("2 present, 2 needed · 0 spare") == 2
    assert "Network degraded" in text
    assert "SN-N422" in text
    assert "the settlement account holds 0.0002" in text


async def test_the_list_of_intents_is_filtered_and_paged_by_the_matcher() -> None:
    members = in_use(intents=100_000)
    async with visiting(make_console(members=members)) as visitor:
        text = (await visitor.get("/intents", params={"phase": "failed", "type": "a&b"})).text
        assert "phase=failed" in members.asked[-1]
        assert "intent_type=a%26b" in members.asked[-1]
        assert "of 12\u202f500" in text
        assert "phase=failed&amp;type=a%26b&amp;offset=50" in text
        text = (await visitor.get("/intents", params={"offset": 99_990})).text
        assert "99\u202f991\u2013100\u202f000 of 100\u202f000" in text
        assert 'rel="next"' not in text


async def test_a_hundred_thousand_intents_make_no_page_larger() -> None:
    sizes = []
    for count in (200, 100_000):
        members = in_use(intents=count)
        async with visiting(make_console(members=members)) as visitor:
            pages = [await visitor.get(path) for path in ("/", "/intents", "/auctions")]
        sizes.append([len(page.content) for page in pages])
        assert len(members.asked) <= 3 + AUCTIONS
        assert all("limit=50" in url or "limit=8" in url or "/0x" in url for url in members.asked)
    for few, many in zip(*sizes, strict=True):
        assert many < few + 500


async def test_looking_for_an_id_leads_to_its_page() -> None:
    async with visiting(make_console()) as visitor:
        answer = await visitor.get("/intents", params={"find": " ../x?y "})
        assert answer.headers["location"] == "/intents/..%2Fx%3Fy"


HOSTILE_IDS = (
    "0x",
    "<script>alert(1)</script>",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "%ff%fe",
    "'%20OR%201=1--",
    "{{7*7777}}",
    "0x" + "g" * 64,
    "0x" + "a" * 6000,
    "%E2%80%AE%0d%0aSet-Cookie:x=1",
)


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
async def test_hostile_ids_in_paths_are_refused_with_a_code_and_shown_as_text(hostile: str) -> None:
    members = in_use()
    async with visiting(make_console(members=members)) as visitor:
        for path in (
            f"/intents/{hostile}",
            f"/codes/{hostile}",
            f"/runbooks/{hostile}",
            f"/static/{hostile}",
        ):
            for accept in ("text/html", "application/json"):
                answer = await visitor.get(path, headers={"accept": accept})
                assert answer.status_code in {400, 404}, path
                assert "SN-" in answer.text
                assert "<script>alert" not in answer.text or accept == "application/json"
                assert "54439" not in answer.text
                assert "set-cookie" not in answer.headers
                if accept == "text/html":
                    assert dangers(answer.text) == []
                else:
                    assert answer.json()["code"].startswith("SN-")
        assert members.asked == []


@pytest.mark.parametrize(
    "query",
    [
        "offset=-1",
        "offset=99999999999999999999",
        "offset=x",
        "phase=%3Cscript%3E",
        "phase=open'--",
        "offset=1.5",
    ],
)
async def test_a_malformed_query_is_refused_with_a_code(query: str) -> None:
    async with visiting(make_console()) as visitor:
        answer = await visitor.get(f"/intents?{query}")
    assert answer.status_code == 400
    assert "SN-N1" in answer.text
    assert dangers(answer.text) == []


def spoilt(value: Any) -> Any:
    """The same document with markup in every text of it."""
    if isinstance(value, dict):
        return {key: spoilt(item) for key, item in value.items()}
    if isinstance(value, list):
        return [spoilt(item) for item in value]
    return samples.HOSTILE if isinstance(value, str) and not value.isdigit() else value


async def test_markup_in_every_text_from_outside_stays_text() -> None:
    """Intent types, agent ids, error texts: whatever members tell is shown as it was written."""

    def line(number: int) -> dict[str, Any]:
        return spoilt(samples.summary(number)) | {"intent_id": samples.intent_id(number)}

    members = FakeMembers(
        intents=20,
        agents=[spoilt(samples.agent(n)) for n in range(3)],
        line=line,
        case=lambda number: spoilt(samples.case(number)) | {"assignments": []},
    )
    members.answers["/api/v1/epochs/912"] = httpx.Response(200, json=spoilt(samples.epoch(912)))
    problem = Problem(
        code=samples.HOSTILE, member=samples.HOSTILE, text=samples.HOSTILE, fix=samples.HOSTILE
    )
    status = samples.network(
        leader=samples.HOSTILE,
        problems=(problem,),
        members=(samples.validator("validator-1", reason=samples.HOSTILE, ready=False),),
    )
    plain = samples.story()
    story = samples.story(
        shut=tuple(
            type(one)(
                agent_id=samples.HOSTILE,
                why=type(one.why)(code=samples.HOSTILE, reason=samples.HOSTILE),
            )
            for one in plain.shut
        ),
        ending=type(plain.ending)(
            status=samples.HOSTILE,
            stage=samples.HOSTILE,
            seconds=1.0,
            why=type(plain.shut[0].why)(code=samples.HOSTILE, reason=samples.HOSTILE),
            at_fault=samples.HOSTILE,
            try_next=(samples.HOSTILE,),
            docs=None,
        ),
    )
    console = make_console(status=status, members=members, story=story)
    shown = 0
    async with visiting(console) as visitor:
        for path in (*PAGES, STORY):
            answer = await visitor.get(path)
            assert answer.status_code == 200, path
            assert dangers(answer.text) == [], path
            assert "<script>alert" not in answer.text
            assert "<img" not in answer.text
            assert "54439" not in answer.text
            shown += html.unescape(answer.text).count("<script>alert(1)</script>")
    assert shown > 50


WHOLE = samples.story()
LACKING: dict[str, dict[str, Any]] = {
    **{
        f"no {one.name}": {one.name: () if isinstance(getattr(WHOLE, one.name), tuple) else None}
        for one in fields(IntentStory)
        if isinstance(getattr(WHOLE, one.name), tuple) or "None" in str(one.type)
    },
    "one bid": {"offers": WHOLE.offers[:1]},
    "no runner-up": {"offers": tuple(replace(one, needed=None) for one in WHOLE.offers)},
}


@pytest.mark.parametrize("lacking", LACKING)
async def test_a_story_that_lacks_something_is_told_without_it(lacking: str) -> None:
    """Every part of a story that may be empty or unknown, one at a time."""
    console = make_console(
        status=samples.busy(), members=in_use(), story=samples.story(**LACKING[lacking])
    )
    async with visiting(console) as visitor:
        assert (await visitor.get(STORY)).status_code == httpx.codes.OK


async def test_members_that_are_down_are_named_and_the_rest_is_shown() -> None:
    members = in_use()
    members.down = {"matcher"}
    console = make_console(status=samples.degraded(), members=members)
    async with visiting(console) as visitor:
        for path in ("/", "/intents", "/auctions", "/agents"):
            answer = await visitor.get(path)
            assert answer.status_code == 200
            assert "This page is incomplete" in answer.text
            assert "matcher does not answer" in answer.text
        assert "weather-1" in (await visitor.get("/agents")).text, "the registry still told"
        assert "912" in (await visitor.get("/settlement")).text
    members.down = set(samples.VALIDATORS)
    async with visiting(make_console(status=samples.busy(), members=members)) as visitor:
        answer = await visitor.get("/settlement")
        assert answer.status_code == 200
        assert "validator-1 does not answer" in answer.text


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="not json"),
        httpx.Response(200, json=["a list"]),
        httpx.Response(200, text="[" * 100_000),
        httpx.Response(200, content=b"x" * (9 * 1024 * 1024)),
        httpx.Response(500, text="<h1>boom</h1>"),
        httpx.Response(200, json={"intents": "no", "agents": 3, "total": "x"}),
        httpx.Response(200, json={"intents": [None, 3, {}], "agents": [[], {}], "total": -5}),
        httpx.Response(302, headers={"location": "http://elsewhere/"}),
    ],
    ids=["text", "list", "deep", "huge", "error", "forms", "holes", "redirect"],
)
async def test_what_a_member_answers_breaks_no_page(answer: httpx.Response) -> None:
    members = in_use()
    for path in ("/api/v1/intents", "/api/v1/agents", "/agents"):
        members.answers[path] = answer
    async with visiting(make_console(members=members)) as visitor:
        for path in ("/", "/intents", "/auctions", "/agents"):
            page = await visitor.get(path)
            assert page.status_code == 200
            assert "boom" not in page.text or "<h1>boom" not in page.text


async def test_the_same_is_told_as_json() -> None:
    async with visiting(make_console(status=samples.degraded())) as visitor:
        network = (await visitor.get("/api/v1/network")).json()
        assert (network["health"], network["healthy"]) == ("degraded", False)
        assert network["peer_matrix"]["validator-1"]["validator-3"] is False
        story = (await visitor.get(f"/api/v1/intents/{samples.FAR}/story")).json()
        assert story["ending"]["why"]["code"] == "SN-V031"
        json.dumps(story)


async def test_an_update_of_a_page_brings_its_content_only() -> None:
    async with visiting(make_console(members=in_use())) as visitor:
        for path in PAGES:
            answer = await visitor.get(path, headers={"hx-request": "true"})
            assert answer.text.lstrip().startswith('<div id="page">')
            assert "<header" not in answer.text


async def test_many_readers_of_a_page_cost_the_members_one_question() -> None:
    members = in_use()
    console = make_console(members=members, clock=ManualClock())
    async with visiting(console) as visitor:
        pages = await asyncio.gather(*(visitor.get("/intents") for _ in range(60)))
    assert {page.status_code for page in pages} == {200}
    assert len(members.asked) == 1


async def test_a_look_that_changes_nothing_tells_the_pages_only_when_it_was() -> None:
    console: Console = make_console()
    reader = console.streams.read("changed").chunks()
    await anext(reader)
    await console.look(samples.busy())
    assert (await anext(reader)).startswith(b"event: changed")
    await console.look(samples.network(at_ms=samples.AT_MS + 5000))
    await console.look(samples.degraded())
    assert (await anext(reader)).startswith(b"event: changed")
    await reader.aclose()


async def test_an_alert_leads_to_its_runbook_and_all_of_them_can_be_read() -> None:
    async with visiting(make_console(status=samples.degraded())) as visitor:
        text = (await visitor.get("/alerts")).text
        assert '<dt>Runbook</dt><dd><a href="/runbooks/QuorumSpareZero">' in text
        assert '<dt>Runbook</dt><dd><a href="/runbooks/ServiceDown">' in text
        assert '(<a href="/runbooks/ClockSkew">' in text
        names = set(re.findall(r'href="/runbooks/(\w+)"', text))
        assert len(names) == 22
        for name in names:
            page = (await visitor.get(f"/runbooks/{name}")).text
            assert f"<h1>{name}</h1>" in page
            assert "<strong>Meaning.</strong>" in page
        assert 'href="/runbooks/SettlementPaused"' in (await visitor.get("/codes/SN-S075")).text
        assert "/runbooks/" not in (await visitor.get("/codes/SN-N124")).text
        assert (await visitor.get("/runbooks/NoSuchAlert")).status_code == 404
