"""How a process lives: starts, runs named loops, is told to stop, drains, closes in reverse order. Not what it does.

Order of an honest stop: readiness off; drains in reverse order of registration (hand over, stop accepting, finish
requests); the stop token, so that every loop finishes its turn; resources closed in reverse order. What is left after
the grace period is cancelled; a second signal leaves at once.
"""

import asyncio
import gc
import os
import resource
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import NoReturn, Protocol, TypeVar

import uvloop

from pinai_subnet.runtime.clock import Clock, SystemClock
from pinai_subnet.runtime.errors import (
    EXIT_FAILURE,
    EXIT_INTERRUPTED,
    EXIT_OK,
    StartupError,
)
from pinai_subnet.runtime.health import Health
from pinai_subnet.runtime.logs import configure_logging, get_logger
from pinai_subnet.runtime.loop_lag import LoopLag
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.runtime.vitals import Vitals

T = TypeVar("T")

Loop = Callable[[Stop], Awaitable[None]]
"""A named background task: runs until the token is set, finishing its turn; an exception ends the process."""


class Server(Protocol):
    """What `serve` takes: `HttpServer`, `GrpcServer` and their like."""

    async def start(self) -> None:
        """Begin to accept, or raise `StartupError`."""
        ...

    async def stop(self) -> None:
        """Stop accepting and finish what runs, in bounded time; may be called twice."""
        ...


_LAST_WAIT_SECONDS = 5.0
"""How long cancelled tasks and closing resources may take after the grace period before the process just leaves."""

_SETTLE_SECONDS = 2.0
"""How long after its start a process is expected to have made what stays; it must not delay the start itself."""

_OPEN_FILES = 16_384

_YOUNG_OBJECTS = 5_000
"""How many objects are made between two looks for unreachable cycles: requests make hundreds each and few cycles."""


class Process:
    """What `build` receives: a place to put resources, drains and loops, and the facts every process has."""

    def __init__(self, *, name: str, grace_seconds: float, clock: Clock) -> None:
        """Made by `supervise`."""
        self.name = name
        self.grace_seconds = grace_seconds
        self.clock = clock
        self.health = Health()
        self.metrics = Metrics(name)
        self.vitals = Vitals(self.metrics, self.health)
        self._lag = LoopLag(self.metrics, clock)
        self.stop = Stop(clock)
        self._stack = AsyncExitStack()
        self._drains: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._asked_to_stop = asyncio.Event()
        self.failure: Exception | None = None
        """Why the process stops, when it was not asked to."""
        self._log = get_logger()

    async def enter(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Open a resource now; it is closed after all loops, in reverse order of opening."""
        return await self._stack.enter_async_context(resource)

    async def serve(self, name: str, server: Server) -> None:
        """Start a server now; it is the first to stop among what was registered before it, while loops still run."""
        await server.start()
        self.on_close(server.stop)
        self.on_drain(name, server.stop)

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call this when resources are closed, in reverse order of registration."""
        self._stack.push_async_callback(close)

    def on_drain(self, name: str, drain: Callable[[], Awaitable[None]]) -> None:
        """Call this first when stopping, while loops and resources still work; the last registered runs first."""
        self._drains.append((name, drain))

    def loop(self, name: str, run: Loop, *, may_end: bool = False) -> None:
        """Start a named loop now; when it raises, or ends unasked unless it `may_end`, the process stops and fails."""
        task = asyncio.get_running_loop().create_task(
            self._supervise_loop(name, run, may_end), name=name
        )
        self._tasks[task] = name

    def request_stop(self) -> None:
        """Begin an honest stop with status 0, as SIGTERM does."""
        self._asked_to_stop.set()

    async def _supervise_loop(self, name: str, run: Loop, may_end: bool) -> None:
        try:
            await run(self.stop)
        except StartupError as exc:
            self._fail(exc)
        except Exception as exc:  # noqa: BLE001 - loop supervision: whatever a loop raises ends the process
            self._log.error("loop_failed", loop=name, error=str(exc), exc_info=exc)
            self._fail(exc)
        else:
            if not (self.stop.is_set or may_end):
                self._log.error("loop_ended_unasked", loop=name)
                self._fail(RuntimeError(f"loop {name} ended"))

    def _fail(self, failure: Exception) -> None:
        self.failure = self.failure or failure
        self._asked_to_stop.set()

    async def run(self, build: Callable[["Process"], Awaitable[None]]) -> None:
        """Build, run until asked to stop or a loop fails, and stop in order; `supervise` calls it."""
        try:
            self.loop("sample_event_loop_lag", self._lag.run)
            await self._build(build)
            await self._asked_to_stop.wait()
        finally:
            self.health.mark_stopping()
            watchdog = _Watchdog(self.grace_seconds + _LAST_WAIT_SECONDS)
            try:
                await self._wind_down()
            finally:
                await self._close()
                watchdog.cancel()

    async def _build(self, build: Callable[["Process"], Awaitable[None]]) -> None:
        """Run `build`; a request to stop while it waits for something ends it."""
        building = asyncio.ensure_future(build(self))
        asked = asyncio.ensure_future(self._asked_to_stop.wait())
        try:
            await asyncio.wait((building, asked), return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            if not building.done():
                building.cancel()
                await asyncio.wait((building,))
        if not building.cancelled():
            building.result()
            self.health.mark_running()
            self._log.info("process_started")

    async def _wind_down(self) -> None:
        """Drain, set the stop token, wait for the loops; cancel what is left after the grace period."""
        self._log.info("process_stopping", grace_seconds=self.grace_seconds)
        try:
            async with asyncio.timeout(self.grace_seconds):
                for name, drain in reversed(self._drains):
                    await self._drain(name, drain)
                self.stop.set()
                if self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            self._log.warning("grace_period_passed", grace_seconds=self.grace_seconds)
        finally:
            self.stop.set()
        for task, name in self._tasks.items():
            if not task.done():
                self._log.warning("loop_cancelled", loop=name)
                task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _drain(self, name: str, drain: Callable[[], Awaitable[None]]) -> None:
        try:
            await drain()
        except Exception as exc:  # noqa: BLE001 - supervision: one failed drain must not skip the others
            self._log.error("drain_failed", drain=name, error=str(exc), exc_info=exc)
            self.failure = self.failure or exc

    async def _close(self) -> None:
        try:
            await self._stack.aclose()
        except Exception as exc:  # noqa: BLE001 - supervision: report it, keep the first failure as the reason
            self._log.error("close_failed", error=str(exc), exc_info=exc)
            self.failure = self.failure or exc


class _Watchdog:
    """Leaves the process if stopping hangs; a thread, because the event loop itself may be what hangs."""

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._leave)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()

    @staticmethod
    def _leave() -> NoReturn:
        sys.stderr.write("stopping hangs; leaving without closing\n")
        sys.stderr.flush()
        os._exit(EXIT_FAILURE)


class _Signals:
    """First SIGTERM or SIGINT asks to stop; the second leaves at once."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._seen = False

    def install(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._received, number)

    def remove(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    def _received(self, number: int) -> None:
        if self._seen:
            sys.stderr.flush()
            os._exit(EXIT_INTERRUPTED)
        self._seen = True
        get_logger().info("signal_received", signal=signal.Signals(number).name)
        self._process.request_stop()


async def supervise(
    build: Callable[[Process], Awaitable[None]],
    *,
    name: str,
    grace_seconds: float = 10.0,
    clock: Clock | None = None,
) -> int:
    """Run a process in the current event loop until it is told to stop; return its exit status.

    0 after SIGTERM or SIGINT, 1 when a loop failed, 78 with all problems on stderr when it cannot start.
    """
    process = Process(name=name, grace_seconds=grace_seconds, clock=clock or SystemClock())
    signals = _Signals(process)
    signals.install()
    try:
        await process.run(build)
    except StartupError as exc:
        return _report(exc)
    except Exception as exc:  # noqa: BLE001 - supervision: the last place where a failed start can be told
        get_logger().error("process_failed", error=str(exc), exc_info=exc)
        return EXIT_FAILURE
    finally:
        signals.remove()
    if isinstance(process.failure, StartupError):
        return _report(process.failure)
    status = EXIT_OK if process.failure is None else EXIT_FAILURE
    get_logger().info("process_stopped", status=status)
    return status


def run_process(
    build: Callable[[Process], Awaitable[None]],
    *,
    name: str,
    grace_seconds: float = 10.0,
) -> int:
    """Set up logging and an event loop, run the process and return its exit status (see `supervise`)."""

    async def build_and_settle(process: Process) -> None:
        await build(process)
        asyncio.get_running_loop().call_later(_SETTLE_SECONDS, _settle_memory)

    configure_logging(name, environ=os.environ)
    _allow_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(supervise(build_and_settle, name=name, grace_seconds=grace_seconds))


def _allow_files() -> None:
    """Take as many open files as the host allows, within reason: connections are bounded, the default is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _settle_memory() -> None:
    """Take what start-up made out of the cycle collector's sight: it stays, and looking through it costs every time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])


def _report(error: StartupError) -> int:
    sys.stderr.write(error.report() + "\n")
    sys.stderr.flush()
    return error.exit_code
