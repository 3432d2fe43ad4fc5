"""The wires between the validators' logs: one small TCP relay per link, so that a test can cut, slow and heal each way.

Of two validators the one with the greater name dials; what the other sends travels back on the same connection. A cut
way holds its bytes, as a network does whose packets get lost: nobody is told.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

_CHUNK = 64 * 1024
_START_SECONDS = 30.0


class Way:
    """One direction of a link."""

    def __init__(self) -> None:
        """Begin open and fast. Made inside the relay's event loop."""
        self.open = asyncio.Event()
        self.open.set()
        self.delay_seconds = 0.0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on until one end closes."""
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                await self.open.wait()
                writer.write(data)
                await writer.drain()


class Link:
    """The relay through which one validator dials another."""

    def __init__(self, target: str) -> None:
        """Relay to host:port."""
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self.there, self.back = Way(), Way()
        self.endpoint = ""
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Take a free port."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.endpoint = f"{host}:{port}"

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        ends = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
            ends.append(far_writer)
            ways = [
                asyncio.ensure_future(self.there.carry(reader, far_writer)),
                asyncio.ensure_future(self.back.carry(far_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            # The target is down, or the link is reset: the caller finds its connection closed.
            pass
        finally:
            self._connections.discard(task)
            for end in ends:
                end.transport.abort()

    async def heal(self, *, reset: bool) -> None:
        """Open both ways at full speed; with `reset` break every connection first, so that held bytes are lost."""
        if reset:
            await self._break()
        for way in (self.there, self.back):
            way.delay_seconds = 0.0
            way.open.set()

    async def _break(self) -> None:
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Stop relaying."""
        if self._server is not None:
            self._server.close()
        await self._break()


class Mesh:
    """All links of a group, run by a thread of their own; callable from any thread."""

    def __init__(self, targets: dict[str, str]) -> None:
        """`targets` maps each validator to the host:port where its log listens."""
        self._targets = targets
        self._links: dict[tuple[str, str], Link] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="mesh", daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def __enter__(self) -> Self:
        """Open every link."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(_START_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every link."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(_START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_SECONDS)
        self._loop.close()

    async def _open(self) -> None:
        for dialer in self._targets:
            for acceptor, target in self._targets.items():
                if dialer > acceptor:
                    link = self._links[dialer, acceptor] = Link(target)
                    await link.listen()

    async def _close(self) -> None:
        for link in self._links.values():
            await link.close()

    def endpoints(self, dialer: str) -> dict[str, str]:
        """Return where this validator has to look for those whom it dials."""
        return {
            acceptor: link.endpoint
            for (one, acceptor), link in self._links.items()
            if one == dialer
        }

    def cut(self, sender: str, receivers: Sequence[str]) -> None:
        """Let nothing through from one validator to these; what they send still arrives."""
        self._each(sender, receivers, lambda way: way.open.clear())

    def slow(self, sender: str, receivers: Sequence[str], seconds: float) -> None:
        """Delay what one validator sends to these."""

        def delay(way: Way) -> None:
            way.delay_seconds = seconds

        self._each(sender, receivers, delay)

    def isolate(self, name: str) -> None:
        """Cut one validator off, both ways."""
        others = [other for other in self._targets if other != name]
        self.cut(name, others)
        for other in others:
            self.cut(other, [name])

    def heal(self, *, reset: bool) -> None:
        """Open everything again; with `reset`, held bytes are lost with their connections instead of delivered late."""

        async def heal() -> None:
            for link in self._links.values():
                await link.heal(reset=reset)

        asyncio.run_coroutine_threadsafe(heal(), self._loop).result(_START_SECONDS)

    def _each(self, sender: str, receivers: Sequence[str], change: Callable[[Way], None]) -> None:
        for receiver in receivers:
            dialer, acceptor = max(sender, receiver), min(sender, receiver)
            link = self._links[dialer, acceptor]
            self._loop.call_soon_threadsafe(change, link.there if sender == dialer else link.back)
