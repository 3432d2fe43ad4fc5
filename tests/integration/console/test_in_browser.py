"""The console in a real browser: how it looks, whether everybody can use it, whether it keeps itself up to date.

Pictures of every page are kept in build/console/. Needs `make browser-deps`.
"""

from collections.abc import AsyncIterator

import pytest
from tests.integration.console import samples
from tests.integration.console.browser import Browser, Scheme, browsing, missing
from tests.integration.console.kit import (
    PAGES,
    Console,
    FakeMembers,
    make_console,
    serving,
)

from pinai_subnet.console.settings import AuthSection

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"needs {missing()}: make browser-deps")

STORY = f"/intents/{samples.FAR}"
EVERY = (*PAGES, STORY, "/codes/SN-N124", "/runbooks/NoLeader", "/nope")
SHAPES: tuple[tuple[str, Scheme], ...] = (
    ("desktop", "light"),
    ("desktop", "dark"),
    ("phone", "light"),
    ("phone", "dark"),
)
TAB, ENTER = "\ue004", "\ue007"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A new browser."""
    async with browsing() as found:
        yield found


def console_of(name: str) -> Console:
    """The console of a busy, a degraded or an empty network."""
    members = FakeMembers()
    if name != "empty":
        members = FakeMembers(intents=100_000, agents=[samples.agent(n) for n in range(6)])
    return make_console(
        status=getattr(samples, name)(),
        members=members,
        story=samples.finished() if name == "busy" else samples.story(),
    )


@pytest.mark.parametrize("name", ["busy", "degraded", "empty"])
async def test_every_page_can_be_used_by_everybody(name: str, browser: Browser) -> None:
    """No page has a serious or critical finding of axe, runs over the width, or makes the browser complain."""
    found = []
    async with serving(console_of(name)) as url:
        for width, scheme in SHAPES if name != "empty" else SHAPES[1:3]:
            await browser.shape(width, scheme)
            for path in EVERY:
                await browser.open(url + path)
                title = path.strip("/").replace(f"/{samples.FAR}", "-story").replace("/", "-")
                await browser.shoot(f"{name}-{title or 'overview'}-{width}-{scheme}")
                over = await browser.script(
                    "return document.documentElement.scrollWidth - window.innerWidth"
                )
                found += [f"{path} {width}: {over} px too wide"] if over > 0 else []
                found += [f"{path} {width} {scheme}: {v}" for v in await browser.violations()]
                found += [
                    f"{path}: {said}"
                    for said in await browser.complaints()
                    if path != "/nope" or "404" not in said
                ]
    assert found == []


async def test_axe_would_find_something(browser: Browser) -> None:
    async with serving(console_of("busy")) as url:
        await browser.open(url)
        # Into the bar above the page: what comes live replaces the page itself, and the picture with it.
        await browser.script("document.querySelector('.bar').append(new Image())")
        assert [v["id"] for v in await browser.violations()] == ["image-alt"]


async def test_a_page_follows_the_network_until_it_is_paused(browser: Browser) -> None:
    console = console_of("busy")
    verdict = "return document.querySelector('.verdict').textContent"
    async with serving(console) as url:
        await browser.open(url)
        live = "return document.getElementById('live-word').textContent === 'Live'"
        await browser.until(live, "the stream is open")
        await console.look(samples.degraded())
        await browser.until(f"{verdict}.includes('degraded')", "the verdict follows")
        await browser.until(
            "return document.querySelector('#page .alarm') !== null", "the page follows"
        )
        await browser.click("#live-switch")
        await console.look(samples.busy())
        await browser.until("return true", "a moment", seconds=1)
        assert "degraded" in await browser.script(verdict)
        pressed = "return document.getElementById('live-switch').getAttribute('aria-pressed')"
        assert await browser.script(pressed) == "false"
        await browser.click("#live-switch")
        await console.look(samples.busy())
        await browser.until(f"{verdict}.includes('ready')", "it goes on")
        assert await browser.complaints() == []


async def test_a_page_says_when_it_is_not_live_any_more(browser: Browser) -> None:
    console = make_console(max_streams=1)
    async with serving(console) as url:
        taken = console.streams.read("strip")
        await browser.open(url)
        word = "return document.getElementById('live-word').textContent === "
        await browser.until(f"{word}'Not live'", "it says so")
        taken.close()
        await browser.until(f"{word}'Live'", "it comes back by itself")


async def test_everything_is_reached_with_the_keyboard(browser: Browser) -> None:
    focused = "return document.activeElement.textContent.trim()"
    async with serving(console_of("busy")) as url:
        await browser.open(url)
        await browser.press(TAB)
        assert await browser.script(focused) == "Skip to content"
        visible = "return document.activeElement.getBoundingClientRect().top >= 0"
        await browser.until(visible, "the skip link shows itself")
        seen = []
        for _ in range(11):
            await browser.press(TAB)
            seen.append(await browser.script(focused))
            outline = await browser.script(
                "return getComputedStyle(document.activeElement).outlineStyle"
            )
            assert outline != "none", seen[-1]
        assert seen[:8] == [
            "PinAI Subnet", "Overview", "Intents", "Auctions", "Validators", "Agents", "Settlement", "Alerts",
        ]  # fmt: skip
        await browser.open(f"{url}/alerts")
        await browser.press(TAB, ENTER)
        assert await browser.script("return document.activeElement.id") == "main"


async def test_the_filter_works_and_is_not_overwritten_while_it_is_filled_in(
    browser: Browser,
) -> None:
    console = console_of("busy")
    async with serving(console) as url:
        await browser.open(f"{url}/intents")
        await browser.fill("input[name=type]", "wea")
        await console.look(samples.degraded())
        await browser.until(
            "return document.querySelector('.verdict').textContent.includes('degraded')",
            "the strip follows",
        )
        value = "return document.querySelector('input[name=type]').value"
        assert await browser.script(value) == "wea"
        await browser.press(ENTER)
        await browser.until("return location.search.includes('type=wea')", "the list is filtered")
        await browser.click("#older")
        await browser.until("return location.search.includes('offset=50')", "the next page")


async def test_dark_and_light_are_chosen_and_kept_and_nothing_else_is(browser: Browser) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    async with serving(console_of("busy")) as url:
        await browser.shape("desktop", "light")
        await browser.open(url)
        light = await browser.script(paper)
        await browser.click("#theme-switch")
        dark = await browser.script(paper)
        assert dark != light
        await browser.open(f"{url}/agents")
        assert await browser.script(paper) == dark
        assert await browser.script("return Object.keys(localStorage)") == ["console-theme"]
        assert await browser.script("return document.cookie") == ""


async def test_nothing_hostile_runs(browser: Browser) -> None:
    """Markup in intent types, agent ids and reasons is shown; no script of it runs and nothing is fetched."""
    hostile = samples.summary(1) | {"intent_type": samples.HOSTILE, "agent_id": samples.HOSTILE}
    members = FakeMembers(
        intents=3,
        line=lambda number: hostile | {"intent_id": samples.intent_id(number)},
        agents=[samples.agent(1, agent_id=samples.HOSTILE)],
    )
    console = make_console(status=samples.network(leader=samples.HOSTILE), members=members)
    async with serving(console) as url:
        for path in ("/", "/intents", "/agents"):
            await browser.open(url + path)
            await console.look(samples.network(leader=samples.HOSTILE, at_ms=samples.AT_MS + 1))
            assert await browser.script("return document.images.length") == 0
            assert "<script>alert(1)" in await browser.script("return document.body.innerText")
            assert await browser.complaints() == []


async def test_an_inline_script_would_not_run(browser: Browser) -> None:
    async with serving(console_of("busy")) as url:
        await browser.open(url)
        ran = await browser.script(
            "const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
            "document.body.append(s); return window.ran === 1"
        )
        assert not ran
        assert any("Content Security Policy" in said for said in await browser.complaints())


async def test_signing_in_with_the_keyboard(browser: Browser) -> None:
    auth = AuthSection.model_validate({"mode": "token"})
    console = make_console(auth=auth, token=b"k" * 40)
    async with serving(console) as url:
        await browser.open(f"{url}/agents")
        assert await browser.script("return location.pathname") == "/sign-in"
        await browser.shoot("sign-in-desktop-light")
        assert await browser.violations() == []
        await browser.fill("input[name=token]", "k" * 40)
        await browser.press(ENTER)
        await browser.until("return location.pathname === '/agents'", "the page asked for")
        assert await browser.script("return document.cookie") == ""
