"""The agent against a matcher and validators on real sockets that fail, restart and forget."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from tests.integration.agent.fakes import (
    SUBNET,
    FakeMatcher,
    FakeValidator,
    a_task,
    an_id,
    serving,
    until,
)

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.agent.client import Agent, AgentOptions
from pinai_subnet.agent.journal import MIGRATIONS, Journal, SqliteJournal
from pinai_subnet.agent.pricing import FixedPrices
from pinai_subnet.agent.tasks.echo import Echo
from pinai_subnet.agent.work import Handler, Result, Task, TaskFailed
from pinai_subnet.protocol.digests import keccak256
from pinai_subnet.runtime.clock import SystemClock
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.wire.authentication import (
    AuthenticationInterceptor,
    AuthMode,
    AuthPolicy,
    RequestVerifier,
    current_caller,
)
from pinai_subnet.wire.nonces import NonceCache
from pinai_subnet.wire.pb.subnet import execution_report_pb2

SIGNER = LocalSigner(bytes([0x11]) * 32)
Report = execution_report_pb2.ExecutionReport


class Doing(Handler):
    """A handler made of a function."""

    def __init__(self, work: Callable[[Task], Awaitable[Result]]) -> None:
        self._work = work

    async def execute(self, task: Task) -> Result:
        return await self._work(task)


def options(matcher: int, *validators: int, **changes: object) -> AgentOptions:
    basic = AgentOptions(
        agent_id="agent-1",
        subnet_id=SUBNET,
        matcher=f"127.0.0.1:{matcher}",
        validators=tuple(f"127.0.0.1:{port}" for port in validators),
        chain_address=SIGNER.address,
        rpc_seconds=3.0,
        report_seconds=3.0,
        reconnect_cap_seconds=0.3,
        drain_seconds=3.0,
    )
    return replace(basic, **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def running(
    chosen: AgentOptions,
    handlers: dict[str, Handler] | None = None,
    *,
    signer: LocalSigner | None = None,
    journal: Journal | None = None,
) -> AsyncIterator[Stop]:
    stop = Stop()
    agent = Agent(
        options=chosen,
        handlers=handlers or {"echo": Echo()},
        bidding=FixedPrices({"echo": 10, "json-transform": 20}),
        clock=SystemClock(),
        signer=signer,
        journal=journal,
    )
    work = asyncio.create_task(agent.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(15):
            await work


async def test_an_agent_bids_on_open_windows_only_and_knows_the_type() -> None:
    """P3, row 8: no bids on MATCHED and WINDOW_CLOSED; one stream per type tells the price."""
    matcher, validator = FakeMatcher(), FakeValidator()
    async with serving(matcher, validator) as port:
        handlers: dict[str, Handler] = {"echo": Echo(), "json-transform": Echo()}
        async with running(options(port, port), handlers):
            await until(lambda: len(matcher.intent_requests) == 2)
            assert sorted(matcher.intent_requests) == [["echo"], ["json-transform"]]
            for number, update in enumerate(
                ("NEW_INTENT", "MATCHED", "WINDOW_CLOSED", "EXISTING_INTENT")
            ):
                matcher.announce(number, update)
            matcher.announce(9, kind="json-transform")
            await until(lambda: len(matcher.bids) == 3)
            await asyncio.sleep(0.1)
    prices = {bid.intent_id: bid.price for bid in matcher.bids}
    assert prices == {an_id(0): 10, an_id(3): 10, an_id(9): 20}
    bid = matcher.bids[0]
    assert bid.metadata["chain_address"] == SIGNER.address
    assert (bid.agent_id, bid.token, bid.settle_chain, bid.signature) == ("agent-1", "PIN", "", b"")
    assert len(bid.bid_id) == 66
    assert len(bid.nonce) == 32
    assert bid.submitted_at > 1_600_000_000
    # P5: no call without a deadline.
    assert all(left is not None and left < 4.0 for left in matcher.deadlines)


async def test_a_task_ends_as_a_report_with_evidence() -> None:
    """Row 6 and P6: our agent sends what the published one cannot."""
    matcher, validator = FakeMatcher(), FakeValidator()
    async with serving(matcher, validator) as port, running(options(port, port)):
        matcher.give(a_task(1, data=b"payload"))
        await until(lambda: validator.reports)
    (report,) = validator.reports
    assert (report.assignment_id, report.intent_id) == (an_id(1), an_id(1001))
    assert (report.status, report.result_data) == (Report.SUCCESS, b"payload")
    evidence = report.evidence
    assert evidence.inputs_hash == evidence.outputs_hash == keccak256(b"payload")
    assert len(evidence.env_fingerprint) == len(evidence.proof_exec) == 32
    assert evidence.resource_usage.memory_mb > 0
    assert not report.HasField("error")
    (response,) = matcher.responses
    assert (response.task_id, response.agent_id, response.accepted) == (an_id(1), "agent-1", True)


async def test_failures_are_reported_with_code_and_message() -> None:
    """P6: the reason of a failure reaches the network; a crashing handler harms its own task only."""

    async def work(task: Task) -> Result:
        if task.data == b"declared":
            raise TaskFailed("MY-1", "no such thing")
        if task.data == b"slow":
            await asyncio.sleep(30)
        if task.data == b"large":
            return Result(data=bytes(100))
        return Result(data=bytes([1 // (len(task.data) - 7)]))

    matcher, validator = FakeMatcher(), FakeValidator()
    chosen = {"task_seconds": 0.3, "max_result_bytes": 50}
    async with (
        serving(matcher, validator) as port,
        running(options(port, port, **chosen), {"echo": Doing(work)}),
    ):
        for number, data in enumerate((b"declared", b"slow", b"large", b"crashes")):
            matcher.give(a_task(number, data=data))
        await until(lambda: len(validator.reports) == 4)
    errors = {r.assignment_id: (r.status, r.error.code) for r in validator.reports}
    assert errors == {
        an_id(0): (Report.FAILED, "MY-1"),
        an_id(1): (Report.FAILED, "SN-M503"),
        an_id(2): (Report.FAILED, "SN-M505"),
        an_id(3): (Report.FAILED, "SN-M504"),
    }
    assert (
        "ZeroDivisionError"
        in {r.assignment_id: r for r in validator.reports}[an_id(3)].error.message
    )


async def test_streams_come_back_after_a_matcher_restart() -> None:
    """L19: the published agent stays idle for ever after its streams break."""
    matcher, validator = FakeMatcher(), FakeValidator()
    async with serving(validator) as reports:
        async with serving(matcher) as port:
            pass
        async with running(options(port, reports)):
            for number in range(2):
                async with serving(matcher, port=port):
                    await until(lambda: matcher._updates["echo"] and matcher._tasks)
                    matcher.announce(number)
                    matcher.give(a_task(number))
                    await until(lambda n=number: len(validator.reports) == n + 1)
                    await until(lambda n=number: len(matcher.bids) == n + 1)
    assert matcher.task_streams >= 2


async def test_a_report_is_repeated_at_all_validators_until_a_receipt() -> None:
    """L18, P4: the published agent tries once at one validator and drops the result."""
    matcher, broken, strict, good = (
        FakeMatcher(),
        FakeValidator("broken"),
        FakeValidator("strict"),
        FakeValidator("good"),
    )
    broken.failure, strict.failure = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INVALID_ARGUMENT
    good.failure = grpc.StatusCode.UNAVAILABLE
    async with (
        serving(matcher) as port,
        serving(broken) as first,
        serving(strict) as second,
        serving(good) as third,
        running(options(port, first, second, third)),
    ):
        matcher.give(a_task(1))
        await until(lambda: broken.attempts >= 2 and strict.attempts >= 2 and good.attempts >= 2)
        good.failure = None
        await until(lambda: good.reports)
        await asyncio.sleep(0.2)
    assert [r.assignment_id for r in good.reports] == [an_id(1)]


async def test_a_rejected_report_is_an_answer_and_not_repeated() -> None:
    """Row 7: a rejection in band is final."""
    matcher, validator = FakeMatcher(), FakeValidator()
    validator.status = "rejected"
    async with serving(matcher, validator) as port, running(options(port, port)):
        matcher.give(a_task(1))
        await until(lambda: validator.reports)
        await asyncio.sleep(0.3)
    assert validator.attempts == 1


async def test_waiting_reports_go_out_together_and_one_bad_report_holds_up_none() -> None:
    matcher, validator = FakeMatcher(), FakeValidator()
    validator.failure = grpc.StatusCode.UNAVAILABLE
    async with serving(matcher, validator) as port, running(options(port, port, capacity=50)):
        for number in range(30):
            matcher.give(a_task(number))
        await until(lambda: len(matcher.responses) == 30 and validator.attempts > 2)
        validator.failure = grpc.StatusCode.INVALID_ARGUMENT
        attempts = validator.attempts
        await until(lambda: validator.attempts > attempts + 1)
        validator.failure = None
        await until(lambda: len({r.assignment_id for r in validator.reports}) == 30)
    assert len(validator.reports) == 30
    assert max(validator.batches) > 1


async def test_tasks_run_side_by_side_up_to_the_capacity_and_the_rest_waits_or_is_declined() -> (
    None
):
    """P4: several tasks at once, and a decline with a reason instead of a task nobody does."""
    running_now, most, gate = 0, 0, asyncio.Event()

    async def work(task: Task) -> Result:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await gate.wait()
        running_now -= 1
        return Result(data=task.data)

    matcher, validator = FakeMatcher(), FakeValidator()
    async with (
        serving(matcher, validator) as port,
        running(options(port, port, capacity=3, backlog=2), {"echo": Doing(work)}),
    ):
        for number in range(7):
            matcher.give(a_task(number))
        await until(lambda: len(matcher.responses) == 7)
        matcher.announce(1)
        await asyncio.sleep(0.1)
        assert matcher.bids == []
        declined = [r for r in matcher.responses if not r.accepted]
        assert [r.task_id for r in declined] == [an_id(5), an_id(6)]
        assert all(r.reason.startswith("SN-M506") for r in declined)
        gate.set()
        await until(lambda: len(validator.reports) == 5)
    assert most == 3


@pytest.mark.parametrize(
    ("task", "code"), [(a_task(1, kind="other"), "SN-M501"), (a_task(1, deadline=1), "SN-M502")]
)
async def test_a_task_that_cannot_be_done_is_declined(task: object, code: str) -> None:
    matcher, validator = FakeMatcher(), FakeValidator()
    async with serving(matcher, validator) as port, running(options(port, port)):
        matcher.give(task)  # type: ignore[arg-type]
        await until(lambda: matcher.responses)
        assert not matcher.responses[0].accepted
        assert matcher.responses[0].reason.startswith(code)
    assert validator.reports == []


async def test_a_task_sent_again_is_acknowledged_again_and_done_once() -> None:
    """Row 12: the matcher replays what it is not sure was taken."""
    matcher, validator = FakeMatcher(), FakeValidator()
    async with serving(matcher, validator) as port, running(options(port, port)):
        for _ in range(3):
            matcher.give(a_task(1))
        await until(lambda: len(matcher.responses) == 3 and validator.reports)
        matcher.give(a_task(1))
        await until(lambda: len(matcher.responses) == 4)
        await asyncio.sleep(0.1)
    assert all(response.accepted for response in matcher.responses)
    assert len(validator.reports) == 1


async def test_a_task_given_to_somebody_else_meanwhile_is_not_done() -> None:
    """P4: the matcher's refusal counts."""
    matcher, validator = FakeMatcher(), FakeValidator()
    matcher.answer_response = lambda _: False
    async with serving(matcher, validator) as port, running(options(port, port)):
        matcher.give(a_task(1))
        await until(lambda: matcher.responses)
        await asyncio.sleep(0.2)
    assert validator.reports == []


async def test_a_bid_that_hangs_does_not_stop_the_next() -> None:
    """P5: deadlines."""
    matcher, validator = FakeMatcher(), FakeValidator()
    matcher.hang_bids = True
    async with serving(matcher, validator) as port, running(options(port, port, rpc_seconds=0.3)):
        await until(lambda: matcher._updates["echo"])
        matcher.announce(1)
        await until(lambda: matcher.deadlines)
        matcher.hang_bids = False
        matcher.announce(2)
        await until(lambda: [b.intent_id for b in matcher.bids] == [an_id(2)])


async def test_stopping_finishes_running_tasks_and_delivers_their_reports() -> None:
    started = asyncio.Event()

    async def work(task: Task) -> Result:
        started.set()
        await asyncio.sleep(0.5)
        return Result(data=task.data)

    matcher, validator = FakeMatcher(), FakeValidator()
    async with serving(matcher, validator) as port:
        async with running(options(port, port), {"echo": Doing(work)}):
            matcher.give(a_task(1))
            await started.wait()
        assert [r.status for r in validator.reports] == [Report.SUCCESS]


async def test_results_and_accepted_tasks_outlive_the_agent(tmp_path: Path) -> None:
    """L18: neither a finished result nor an accepted task is lost with the process."""
    release = asyncio.Event()
    runs: list[str] = []

    async def work(task: Task) -> Result:
        runs.append(task.task_id)
        if task.data == b"slow":
            await release.wait()
        return Result(data=task.data)

    async def with_journal(first: bool, port: int) -> None:
        path = tmp_path / "agent.sqlite"
        async with SqliteDatabase(path, MIGRATIONS, identity="test") as database:
            chosen = options(port, port, drain_seconds=0.0)
            journal = SqliteJournal(database)
            async with running(chosen, {"echo": Doing(work)}, journal=journal):
                if first:
                    matcher.give(a_task(1, data=b"fast"))
                    matcher.give(a_task(2, data=b"slow"))
                    await until(lambda: validator.attempts and len(runs) == 2)
                else:
                    await until(lambda: len(validator.reports) == 2)
                    matcher.give(a_task(1, data=b"fast"))
                    await until(lambda: len(matcher.responses) == 3)
                    await asyncio.sleep(0.2)

    matcher, validator = FakeMatcher(), FakeValidator()
    async with serving(matcher, validator) as port:
        validator.failure = grpc.StatusCode.UNAVAILABLE
        await with_journal(True, port)
        assert validator.reports == []
        validator.failure = None
        release.set()
        await with_journal(False, port)
    assert sorted(r.assignment_id for r in validator.reports) == [an_id(1), an_id(2)]
    assert sorted(runs) == [an_id(1), an_id(2), an_id(2)]


class Watched(FakeMatcher):
    """Notes who calls."""

    def __init__(self) -> None:
        super().__init__()
        self.callers: dict[str, str | None] = {}

    async def SubmitBid(  # noqa: N802 - the protocol's name
        self, request: object, context: object
    ) -> object:
        self.callers["SubmitBid"] = current_caller()
        return await super().SubmitBid(request, context)

    async def RespondToTask(  # noqa: N802 - the protocol's name
        self, request: object, context: object
    ) -> object:
        self.callers["RespondToTask"] = current_caller()
        return await super().RespondToTask(request, context)


async def test_with_a_key_every_call_proves_its_caller() -> None:
    """P7, row 2: signed headers on unary and streaming calls, in the Python form."""
    verifier = RequestVerifier(
        policy=AuthPolicy(
            mode=AuthMode.REQUIRE, timestamp_tolerance_seconds=300, foreign_chain_ids=frozenset()
        ),
        nonces=NonceCache(expiry_seconds=600, capacity=1000),
        subnet_id=SUBNET,
        clock=SystemClock(),
    )
    matcher, validator = Watched(), FakeValidator()
    interceptors = (AuthenticationInterceptor(verifier),)
    async with (
        serving(matcher, validator, interceptors=interceptors) as port,
        running(options(port, port, chain_address=None), signer=SIGNER),
    ):
        await until(lambda: matcher._updates["echo"] and matcher._tasks)
        matcher.announce(1)
        matcher.give(a_task(1))
        await until(lambda: validator.reports and matcher.bids)
    assert matcher.callers == {"SubmitBid": SIGNER.address, "RespondToTask": SIGNER.address}
    assert matcher.bids[0].metadata["chain_address"] == SIGNER.address


async def test_the_transcript_of_a_handler_becomes_the_transcript_root() -> None:
    async def work(task: Task) -> Result:
        return Result(data=b"{}", transcript=json.dumps(["step"]).encode(), complete=False)

    matcher, validator = FakeMatcher(), FakeValidator()
    async with (
        serving(matcher, validator) as port,
        running(options(port, port), {"echo": Doing(work)}),
    ):
        matcher.give(a_task(1))
        await until(lambda: validator.reports)
    assert validator.reports[0].evidence.transcript_root == keccak256(b'["step"]')
    assert validator.reports[0].status == Report.PARTIAL
