"""The ledger port over real gRPC: any validator, one that fails asked last, refusals told from absences."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from tests.integration.matcher.harness import CLOCK, DOMAIN, MATCHER, SUBNET
from tests.unit.matcher.test_small_parts import stored_case

from pinai_subnet.adapters.ledger.grpc import GrpcLedger
from pinai_subnet.matcher.assigner import Assigner
from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.ports.ledger import OutcomeKind
from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.runtime.grpc_server import GrpcServer
from pinai_subnet.wire.authentication import (
    AuthenticationInterceptor,
    AuthMode,
    AuthPolicy,
    RequestVerifier,
    current_caller,
)
from pinai_subnet.wire.nonces import NonceCache
from pinai_subnet.wire.pb.pinai import ledger_pb2, ledger_pb2_grpc
from pinai_subnet.wire.status import grpc_status


class Validator(ledger_pb2_grpc.LedgerServiceServicer):
    def __init__(self) -> None:
        self.status: grpc.StatusCode | None = None
        self.short = False
        self.callers: list[Any] = []
        self.requests: list[ledger_pb2.RecordAssignmentsRequest] = []
        self.afters: list[int] = []

    async def RecordAssignments(  # noqa: N802 - named by the proto file
        self, request: ledger_pb2.RecordAssignmentsRequest, context: Any
    ) -> ledger_pb2.RecordAssignmentsResponse:
        self.callers.append(current_caller())
        self.requests.append(request)
        if self.status is not None:
            await context.abort(self.status, "SN-X000 no")
        results = [
            ledger_pb2.RecordResult(
                assignment_id=r.assignment.assignment_id,
                accepted=r.attempt == 1,
                code="" if r.attempt == 1 else "SN-V009",
            )
            for r in request.records
        ]
        return ledger_pb2.RecordAssignmentsResponse(results=[] if self.short else results)

    async def StreamOutcomes(  # noqa: N802 - named by the proto file
        self, request: ledger_pb2.StreamOutcomesRequest, context: Any
    ) -> AsyncIterator[ledger_pb2.Outcome]:
        self.afters.append(request.after_sequence)
        yield ledger_pb2.Outcome(sequence=request.after_sequence + 1, kind=ledger_pb2.SETTLED)
        yield ledger_pb2.Outcome(
            sequence=request.after_sequence + 2,
            kind=ledger_pb2.SETTLED,
            intent_id="0x" + "1" * 64,
            assignment_id="0x" + "2" * 64,
            agent_name="agent-1",
            agent_address=MATCHER.address,
        )
        await context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")


class Village:
    def __init__(self) -> None:
        self.validators = [Validator(), Validator()]
        self.servers: list[GrpcServer] = []
        self.ledger: GrpcLedger

    async def start(self, stack: AsyncExitStack) -> None:
        verifier = RequestVerifier(
            policy=AuthPolicy(
                mode=AuthMode.REQUIRE,
                timestamp_tolerance_seconds=300,
                foreign_chain_ids=frozenset(),
            ),
            nonces=NonceCache(expiry_seconds=600, capacity=1000),
            subnet_id=SUBNET,
            clock=CLOCK,
        )
        for validator in self.validators:
            server = GrpcServer(
                host="127.0.0.1",
                port=0,
                register=[
                    lambda s, v=validator: ledger_pb2_grpc.add_LedgerServiceServicer_to_server(v, s)  # type: ignore[misc]
                ],
                error_mapper=grpc_status,
                interceptors=[AuthenticationInterceptor(verifier)],
                grace_seconds=0.5,
            )
            self.servers.append(await stack.enter_async_context(server))
        self.ledger = GrpcLedger(
            [f"127.0.0.1:{server.port}" for server in self.servers],
            signer=MATCHER,
            subnet_id=SUBNET,
            clock=CLOCK,
            timeout_seconds=2,
        )
        stack.push_async_callback(self.ledger.close)


@pytest.fixture
async def village() -> AsyncIterator[Village]:
    async with AsyncExitStack() as stack:
        made = Village()
        await made.start(stack)
        yield made


def records() -> list[AssignmentRecord]:
    case = stored_case()
    (bid,) = case.bids.values()
    second = Assigner(signer=MATCHER, subnet_id=SUBNET, domain=DOMAIN).draft(
        case, bid, now_seconds=1_700_000_001.0
    )
    return [case.attempts[0].record, second.record]


async def test_each_record_gets_its_own_answer_and_the_call_is_signed(village: Village) -> None:
    given = records()
    answers = await village.ledger.record_assignments(given, request_id="r")
    assert [(a.assignment_id, a.accepted, a.code) for a in answers] == [
        (given[0].assignment.assignment_id, True, ""),
        (given[1].assignment.assignment_id, False, "SN-V009"),
    ]
    assert village.validators[0].callers == [MATCHER.address]
    assert village.validators[0].requests[0].request_id == "r"


async def test_another_validator_is_asked_with_the_same_request(village: Village) -> None:
    first, second = village.validators
    first.status = grpc.StatusCode.UNAVAILABLE
    await village.ledger.record_assignments(records(), request_id="r")
    assert [r.request_id for r in second.requests] == ["r"]
    await village.ledger.record_assignments(records(), request_id="s")
    assert (len(first.requests), len(second.requests)) == (1, 2)


async def test_an_incomplete_answer_counts_as_none(village: Village) -> None:
    village.validators[0].short = True
    assert len(await village.ledger.record_assignments(records(), request_id="r")) == 2


async def test_nobody_there_is_unreachable_and_a_refusal_is_final(village: Village) -> None:
    village.validators[0].status = grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(Refused, match="SN-M206"):
        await village.ledger.record_assignments(records(), request_id="r")
    for validator in village.validators:
        validator.status = grpc.StatusCode.DEADLINE_EXCEEDED
    with pytest.raises(Unreachable, match="SN-M310") as nobody:
        await village.ledger.record_assignments(records(), request_id="r")
    assert all(str(server.port) in str(nobody.value) for server in village.servers)


async def test_outcomes_go_on_at_another_validator_and_malformed_ones_are_left_out(
    village: Village,
) -> None:
    async def follow(after: int) -> list[tuple[int, OutcomeKind]]:
        stream = aiter(village.ledger.watch_outcomes(after))
        heard = await anext(stream)
        with pytest.raises(Unreachable):
            await anext(stream)
        return [(heard.sequence, heard.kind)]

    assert await follow(5) == [(7, OutcomeKind.SETTLED)]
    assert await follow(7) == [(9, OutcomeKind.SETTLED)]
    assert [v.afters for v in village.validators] == [[5], [7]]


async def test_following_can_be_given_up_at_any_time(village: Village) -> None:
    task = asyncio.ensure_future(anext(aiter(village.ledger.watch_outcomes(0))))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await village.ledger.close()
    await village.ledger.close()


async def test_following_says_that_it_is_open_before_anything_happens(village: Village) -> None:
    opened = asyncio.Event()
    task = asyncio.ensure_future(anext(aiter(village.ledger.watch_outcomes(0, opened.set))))
    await asyncio.wait_for(opened.wait(), 5)
    task.cancel()
    await asyncio.wait((task,))
