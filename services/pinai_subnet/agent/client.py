"""The agent as a whole: wires bidder, worker, reporter and membership, starts them and stops them in order."""

import asyncio
import functools
import platform
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from importlib import metadata
from typing import Any

from pinai_subnet.agent.api import connect
from pinai_subnet.agent.backoff import Backoff
from pinai_subnet.agent.bidder import Bidder
from pinai_subnet.agent.evidence import environment_fingerprint
from pinai_subnet.agent.execution import Execution
from pinai_subnet.agent.journal import Journal, NoJournal
from pinai_subnet.agent.membership import keep_registered
from pinai_subnet.agent.metrics import AgentMetrics
from pinai_subnet.agent.network import Network
from pinai_subnet.agent.options import AgentOptions
from pinai_subnet.agent.reporter import Reporter
from pinai_subnet.agent.streams import keep_open
from pinai_subnet.agent.work import Bidding, Handler
from pinai_subnet.agent.worker import Worker
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.ports.signer import Signer
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.health import OK, Finding
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.stop import Stop

__all__ = ["Agent", "AgentOptions"]


class Agent:
    """One agent. `run` works until it is told to stop; one `run` per object."""

    def __init__(
        self,
        *,
        options: AgentOptions,
        handlers: Mapping[str, Handler],
        bidding: Bidding,
        clock: Clock,
        signer: Signer | None = None,
        journal: Journal | None = None,
        metrics: Metrics | None = None,
        network: Network | None = None,
    ) -> None:
        """Serve the intent types of `handlers`. `network` replaces the connections that `options` name, for tests."""
        if not handlers:
            raise ValueError("an agent needs at least one handler")
        self._options = options
        self._handlers = dict(handlers)
        self._bidding = bidding
        self._clock = clock
        self._signer = signer
        self._journal = journal or NoJournal()
        self._metrics = AgentMetrics(metrics or Metrics("agent"))
        self._given = network
        self._network: Network | None = None
        self._log = get_logger()

    def connected(self) -> Finding:
        """Health check: the connection to the matcher stands."""
        if self._network is not None and self._network.matcher.connected():
            return OK
        return Finding(False, f"no connection to the matcher at {self._options.matcher}", "SN-M510")

    async def run(self, stop: Stop) -> None:
        """Bid, work and report until `stop`; then finish running tasks, deliver their reports, and leave."""
        async with AsyncExitStack() as stack:
            network = self._given
            if network is None:
                network = await stack.enter_async_context(
                    connect(self._options, signer=self._signer, clock=self._clock)
                )
            self._network = network
            reporter = Reporter(
                options=self._options,
                validators=network.validators,
                journal=self._journal,
                metrics=self._metrics,
                clock=self._clock,
            )
            worker = self._worker(network, reporter)
            await self._resume(worker, reporter)
            background = [asyncio.create_task(reporter.run(), name="deliver_reports")]
            intake = [
                asyncio.create_task(work, name=name)
                for name, work in self._intake(network, worker).items()
            ]
            try:
                await _first(asyncio.create_task(stop.wait()), *intake, *background)
            finally:
                await _end(intake)
                await self._leave(network)
                await self._finish(worker, reporter)
                await _end(background)

    def _worker(self, network: Network, reporter: Reporter) -> Worker:
        execution = Execution(
            handlers=self._handlers,
            options=self._options,
            fingerprint=environment_fingerprint(_environment(self._options.agent_id)),
            clock=self._clock,
            signer=self._signer,
        )
        return Worker(
            options=self._options,
            matcher=network.matcher,
            execution=execution,
            journal=self._journal,
            deliver=reporter.deliver,
            undelivered=lambda: reporter.pending,
            metrics=self._metrics,
            clock=self._clock,
        )

    async def _resume(self, worker: Worker, reporter: Reporter) -> None:
        remembered = await self._journal.load()
        worker.know_closed(remembered.closed)
        worker.know_closed(tuple(report.assignment_id for report in remembered.finished))
        for report in remembered.finished:
            reporter.deliver(report)
        for task in remembered.accepted:
            worker.resume(task)
        if remembered.accepted or remembered.finished:
            self._log.info(
                "work_resumed", tasks=len(remembered.accepted), reports=len(remembered.finished)
            )

    def _intake(
        self, network: Network, worker: Worker
    ) -> dict[str, Coroutine[object, object, None]]:
        chain_address = self._signer.address if self._signer else self._options.chain_address
        bidder = Bidder(
            options=self._options,
            matcher=network.matcher,
            bidding=self._bidding,
            no_room=worker.no_room,
            metrics=self._metrics,
            clock=self._clock,
            chain_address=chain_address,
        )
        stream = functools.partial(keep_open, metrics=self._metrics, clock=self._clock)
        work: dict[str, Coroutine[object, object, None]] = {
            "submit_bids": bidder.run(),
            "tell_declines": bidder.tell_declines(),
            "watch_tasks": worker.watch(),
            "stream_tasks": stream(
                name="tasks",
                open_stream=network.matcher.tasks,
                handle=worker.take,
                backoff=self._backoff(),
            ),
        }
        for intent_type in self._handlers:
            # Updates carry no type; one stream per type tells it (interop row 15).
            work[f"stream_intents_{intent_type}"] = stream(
                name=f"intents_{intent_type}",
                open_stream=functools.partial(network.matcher.intents, [intent_type]),
                handle=functools.partial(bidder.consider, intent_type),
                backoff=self._backoff(),
            )
        if network.membership is not None:
            work["keep_registered"] = keep_registered(
                network.membership,
                capabilities=self._options.capabilities or tuple(self._handlers),
                every_seconds=self._options.heartbeat_seconds,
                backoff=self._backoff(),
                clock=self._clock,
            )
        return work

    def _backoff(self) -> Backoff:
        return Backoff(cap=self._options.reconnect_cap_seconds)

    async def _leave(self, network: Network) -> None:
        if network.membership is None:
            return
        try:
            async with asyncio.timeout(2.0):
                await network.membership.unregister()
        except (DependencyError, TimeoutError) as exc:
            self._log.info("unregistering_failed", error=str(exc))

    async def _finish(self, worker: Worker, reporter: Reporter) -> None:
        deadline = self._clock.monotonic() + self._options.drain_seconds
        cut = await worker.drain(self._options.drain_seconds)
        left = await reporter.flush(max(0.0, deadline - self._clock.monotonic()))
        if cut or left:
            self._log.warning("stopped_with_work_left", tasks=cut, reports=left)


def _environment(agent_id: str) -> dict[str, str]:
    return {
        "agent_id": agent_id,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "release": metadata.version("pinai-subnet"),
        "system": platform.system(),
    }


async def _first(*tasks: asyncio.Task[Any]) -> None:
    """Wait for the first task to end and raise what it raised; the first of them is cancelled if another ended."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await _end(list(tasks[:1]))
    for task in done:
        task.result()


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
