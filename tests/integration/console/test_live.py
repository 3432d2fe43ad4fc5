"""Pages that keep themselves up to date: very many of them, over real connections."""

import asyncio
import re
import resource
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx
import pytest
from tests.integration.console import samples
from tests.integration.console.kit import make_console, serving

LIMIT, VISITORS = 200, 1000


@pytest.fixture(autouse=True)
def enough_files() -> Iterator[None]:
    """Both ends of a thousand connections are in this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Visitor:
    """One open page, spoken to by hand: a thousand clients of a library would be slower than the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.status = 0
        self.body = b""

    @classmethod
    async def open(cls, port: int) -> "Visitor":
        visitor = cls(*await asyncio.open_connection("127.0.0.1", port))
        visitor.writer.write(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        head = await visitor.reader.readuntil(b"\r\n\r\n")
        visitor.status = int(head.split()[1])
        if visitor.status != 200:
            length = int(re.findall(rb"content-length: (\d+)", head)[0])
            visitor.body = await visitor.reader.readexactly(length)
        return visitor

    async def hear(self, word: bytes) -> None:
        """Read until a word comes."""
        while word not in self.body:
            self.body = self.body[-100:] + await self.reader.read(65_536)

    async def close(self) -> None:
        self.writer.close()


async def test_of_a_thousand_streams_the_first_go_on_and_the_rest_are_told_to_come_back() -> None:
    console = make_console(max_streams=LIMIT)
    await console.lookout.refresh()
    async with (
        serving(console, max_connections=LIMIT + 1000) as url,
        AsyncExitStack() as stack,
        httpx.AsyncClient(base_url=url) as browser,
    ):
        port = int(url.rpartition(":")[2])
        visitors: list[Visitor] = []
        for _ in range(VISITORS // 100):
            visitors += await asyncio.gather(*(Visitor.open(port) for _ in range(100)))
        for visitor in visitors:
            stack.push_async_callback(visitor.close)
        heard = [visitor for visitor in visitors if visitor.status == 200]
        refused = [visitor for visitor in visitors if visitor.status == 503]
        assert (len(heard), len(refused)) == (LIMIT, VISITORS - LIMIT)
        assert all(b"SN-N124" in visitor.body for visitor in refused)
        async with asyncio.timeout(20):
            await asyncio.gather(*(visitor.hear(b"Network ready") for visitor in heard))
            await console.look(samples.degraded())
            await asyncio.gather(*(visitor.hear(b"Network degraded") for visitor in heard))
        for path in ("/", "/readyz"):
            answer = await browser.get(path)
            assert answer.status_code == 200, "who wants a page still gets it"
        for visitor in heard[:50]:
            await visitor.close()
        async with asyncio.timeout(20):
            while console.streams.open > LIMIT - 50:
                await console.look(samples.busy())
                await asyncio.sleep(0.02)
        fresh = await Visitor.open(port)
        stack.push_async_callback(fresh.close)
        assert fresh.status == 200


async def test_streams_end_with_the_process_and_hold_nothing_up() -> None:
    console = make_console()
    await console.lookout.refresh()
    async with serving(console) as url:
        visitor = await Visitor.open(int(url.rpartition(":")[2]))
        await visitor.hear(b"event: strip")
        begun = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begun < 2
    await visitor.close()
