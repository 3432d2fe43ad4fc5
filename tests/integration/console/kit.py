"""A console over members that say what a test wants them to say. Not a test."""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI
from tests.integration.console import samples

from pinai_subnet.console.access import Access
from pinai_subnet.console.http_api import add_routes
from pinai_subnet.console.lookout import Lookout
from pinai_subnet.console.members import Addresses, Members
from pinai_subnet.console.pages import Pages
from pinai_subnet.console.reading import Reading
from pinai_subnet.console.rendering import Renderer, make_environment
from pinai_subnet.console.runbooks import Runbooks
from pinai_subnet.console.settings import AuthSection
from pinai_subnet.console.static_files import StaticFiles
from pinai_subnet.console.streams import Streams
from pinai_subnet.console.timeline import Lane
from pinai_subnet.insight.intent_story import IntentStory
from pinai_subnet.insight.network_status import NetworkStatus
from pinai_subnet.runtime.clock import Clock, SystemClock
from pinai_subnet.runtime.health import Health
from pinai_subnet.runtime.http_server import HttpServer, create_app
from pinai_subnet.wire.status import http_problem

PAGES = ("/", "/intents", "/auctions", "/validators", "/agents", "/settlement", "/alerts")


@dataclass
class FakeMembers:
    """Matcher, registry and validators; counts what it is asked."""

    intents: int = 0
    """How many there are."""
    agents: list[dict[str, Any]] = field(default_factory=list)
    line: Callable[[int], dict[str, Any]] = samples.summary
    case: Callable[[int], dict[str, Any]] = samples.case
    down: set[str] = field(default_factory=set)
    """Members that do not answer."""
    answers: dict[str, httpx.Response] = field(default_factory=dict)
    """Path -> what is answered instead."""
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.asked.append(str(request.url))
        if request.url.host in self.down:
            raise httpx.ConnectError("refused", request=request)
        if request.url.path in self.answers:
            return self.answers[request.url.path]
        return self._told(request)

    def _told(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/api/v1/intents":
            return self._listing(request.url.params)
        if match := re.fullmatch(r"/api/v1/intents/(0x[0-9a-f]+)", path):
            return self._case(match[1])
        if path == "/api/v1/agents":
            return httpx.Response(200, json={"agents": self.agents, "total": len(self.agents)})
        if path == "/agents":
            rows = [{"id": a["agent_id"], "status": "AGENT_STATUS_ACTIVE"} for a in self.agents]
            return httpx.Response(200, json={"agents": rows})
        if match := re.fullmatch(r"/api/v1/epochs/(\d+)", path):
            return httpx.Response(200, json=samples.epoch(int(match[1])))
        return httpx.Response(404, json={"detail": "not here"})

    def _listing(self, query: Mapping[str, str]) -> httpx.Response:
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 50))
        numbers: range | list[int] = range(1, self.intents + 1)
        if phase := query.get("phase"):
            numbers = [n for n in numbers if samples.PHASES[n % 8] == phase]
        rows = [self.line(n) for n in numbers[offset : offset + limit]]
        body = {"intents": rows, "total": len(numbers), "limit": limit, "offset": offset}
        return httpx.Response(200, text=json.dumps(body))

    def _case(self, intent: str) -> httpx.Response:
        number = int(intent[-12:], 16)
        if not 0 < number <= self.intents:
            return httpx.Response(404, json={"code": "SN-M001", "detail": "not known"})
        return httpx.Response(200, text=json.dumps(self.case(number)))


@dataclass
class Console:
    """The application with everything behind it."""

    app: FastAPI
    lookout: Lookout
    streams: Streams
    members: FakeMembers
    looks: list[NetworkStatus]
    """The last one is what is found at the next look."""

    async def look(self, status: NetworkStatus) -> None:
        """Let the console find this now."""
        self.looks.append(status)
        await self.lookout.refresh()


def make_console(
    *,
    status: NetworkStatus | None = None,
    members: FakeMembers | None = None,
    story: IntentStory | None = None,
    auth: AuthSection | None = None,
    token: bytes = b"",
    clock: Clock | None = None,
    max_streams: int = 50,
) -> Console:
    """Put a console together as its process does."""
    clock = clock or SystemClock()
    auth = auth or AuthSection()
    fake = members or FakeMembers()
    looks = [status or samples.busy()]

    async def look() -> NetworkStatus:
        return looks[-1]

    async def tell(intent_id: str) -> IntentStory:
        return story or samples.story(intent_id)

    streams = Streams(limit=max_streams)
    lookout = Lookout(look=look, streams=streams, clock=clock, every_seconds=1)
    access = Access(auth, token, clock=clock)
    files = StaticFiles()
    client = httpx.AsyncClient(transport=httpx.MockTransport(fake))
    addresses = Addresses(
        matcher="matcher",
        registry="registry",
        validators=tuple((name, name) for name in samples.VALIDATORS),
    )
    renderer = Renderer(
        make_environment(files.address),
        {"open_to_all": access.open_to_all, "version": "console test", "lanes": tuple(Lane)},
    )
    pages = Pages(
        renderer=renderer,
        lookout=lookout,
        members=Members(Reading(client, clock=clock), addresses, rows=50),
        tell=tell,
        runbooks=Runbooks(),
    )
    lookout.draw_with(pages.pushed)
    health = Health()
    health.mark_running()
    app = create_app(title="console", version="0", error_mapper=http_problem, health=health)
    add_routes(app, pages=pages, access=access, streams=streams, files=files)
    return Console(app=app, lookout=lookout, streams=streams, members=fake, looks=looks)


@asynccontextmanager
async def visiting(console: Console, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that follows nothing and wants pages."""
    options.setdefault("headers", {"accept": "text/html"})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(console.app, raise_app_exceptions=False),
        base_url="http://127.0.0.1:8088",
        **options,
    ) as client:
        yield client


@asynccontextmanager
async def serving(console: Console, **options: Any) -> AsyncIterator[str]:
    """Serve a console on a free port; yield its address."""
    server = HttpServer(console.app, host="127.0.0.1", port=0, grace_seconds=1, **options)
    await server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        console.streams.close()
        await server.stop()
