"""A worker that is matcher and agent at once: records assignments itself, then reports on them as fast as it is let.

Every report belongs to a real, signed intent at RootLayer and a real, signed assignment, so that behind the receipts
verification, sealing and settlement go on as always. The network's own matcher must not run meanwhile.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import grpc
from tests.bench.network_facts import Facts, read_facts
from tests.bench.orders import BATCH, signed_request, submission

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.protocol.assignments import (
    Assignment,
    AssignmentRecord,
    AssignmentStatus,
    record_digest,
)
from pinai_subnet.protocol.digests import assignment_digest, params_hash
from pinai_subnet.protocol.ids import AgentId, AssignmentId, BidId, IntentId
from pinai_subnet.runtime.grpc_server import channel_options
from pinai_subnet.wire.authentication import sign_metadata
from pinai_subnet.wire.codec.assignments import encode_assignment, encode_record
from pinai_subnet.wire.pb.pinai import ledger_pb2, ledger_pb2_grpc
from pinai_subnet.wire.pb.rootlayer import assignment_pb2, service_pb2, service_pb2_grpc
from pinai_subnet.wire.pb.subnet import execution_report_pb2
from pinai_subnet.wire.pb.subnet import service_pb2 as validator_pb2
from pinai_subnet.wire.pb.subnet import service_pb2_grpc as validator_pb2_grpc

AGENT = AgentId("bench-agent")
INTENT_TYPE = "bench"
_PAYLOAD = b"benchmark"
_DEADLINE_SECONDS = 300
_CALL_SECONDS = 30.0
_SETTLE_SECONDS = 60.0
_POLL_SECONDS = 0.1
_UNARY = "/subnet.v1.ValidatorService/SubmitExecutionReport"
_BATCHED = "/subnet.v1.ValidatorService/SubmitExecutionReportBatch"

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that is ready to go, signed by the agent where agents sign."""

    request: Any
    metadata: Headers
    reports: int


class Preparation:
    """Makes intents, assignments and reports, and tells RootLayer and the validators of the first two."""

    def __init__(self, facts: Facts, task: Mapping[str, Any]) -> None:
        """Take the matcher's key of this network; the agent and the requester are new ones."""
        self._facts = facts
        self._requester = LocalSigner(secrets.token_bytes(32))
        self._matcher = LocalSigner(bytes.fromhex(task["matcher_key"]))
        self._agent = LocalSigner(secrets.token_bytes(32))

    @property
    def requester(self) -> str:
        """Whose intents these are: nobody else's, so that they can be counted."""
        return self._requester.address

    async def assignments(self, pool: Any, ledger: Any, count: int) -> list[AssignmentRecord]:
        """Return so many assignments that RootLayer and a majority of the validators hold."""
        records: list[AssignmentRecord] = []
        deadline = int(time.time() + _DEADLINE_SECONDS)
        for first in range(0, count, BATCH):
            requests = [
                signed_request(
                    self._facts,
                    self._requester,
                    intent_type=INTENT_TYPE,
                    payload=_PAYLOAD,
                    deadline=deadline,
                )
                for _ in range(min(BATCH, count - first))
            ]
            answer = await pool.SubmitIntentBatch(submission(requests), timeout=_CALL_SECONDS)
            _all_good(answer.failed == 0, next((r.msg for r in answer.results if not r.ok), ""))
            made = [self._record(request) for request in requests]
            ack = await pool.PostAssignmentBatch(
                assignment_pb2.AssignmentBatch(
                    assignments=[encode_assignment(record.assignment) for record in made],
                    batch_id=secrets.token_hex(8),
                    created_at=int(time.time()),
                ),
                timeout=_CALL_SECONDS,
            )
            _all_good(ack.ok, ack.msg)
            taken = await ledger.RecordAssignments(
                ledger_pb2.RecordAssignmentsRequest(
                    records=[encode_record(record) for record in made],
                    request_id=secrets.token_hex(16),
                ),
                timeout=_CALL_SECONDS,
            )
            refused = [result for result in taken.results if not result.accepted]
            _all_good(not refused, refused[0].message if refused else "")
            records += made
        return records

    def _record(self, request: service_pb2.SubmitIntentRequest) -> AssignmentRecord:
        facts = self._facts
        assignment = Assignment(
            assignment_id=AssignmentId("0x" + secrets.token_hex(32)),
            intent_id=IntentId(request.intent_id),
            bid_id=BidId("0x" + secrets.token_hex(32)),
            agent_address=self._agent.address,
            status=AssignmentStatus.ACTIVE,
            matcher=self._matcher.address,
            signature=b"",
        )
        digest = assignment_digest(
            assignment_id=assignment.assignment_id,
            intent_id=assignment.intent_id,
            bid_id=assignment.bid_id,
            agent=assignment.agent_address,
            status=assignment.status,
            matcher=assignment.matcher,
            domain=facts.domain,
        )
        record = AssignmentRecord(
            assignment=replace(assignment, signature=self._matcher.sign_eip191(digest)),
            agent_id=AGENT,
            intent_type=INTENT_TYPE,
            assigned_at=int(time.time()),
            deadline=request.deadline,
            attempt=1,
            intent_params_hash=params_hash(_PAYLOAD, b""),
            record_signature=b"",
        )
        signed = self._matcher.sign(record_digest(record, subnet_id=facts.subnet_id))
        return replace(record, record_signature=signed)

    def calls(self, records: Sequence[AssignmentRecord], per_call: int) -> list[Call]:
        """Return signed requests with so many reports each; one report travels unary."""
        reports = [
            execution_report_pb2.ExecutionReport(
                report_id=secrets.token_hex(8),
                assignment_id=record.assignment.assignment_id,
                intent_id=record.assignment.intent_id,
                agent_id=record.agent_id,
                status=execution_report_pb2.ExecutionReport.SUCCESS,
                result_data=_PAYLOAD,
                timestamp=int(time.time()),
            )
            for record in records
        ]
        if per_call == 1:
            return [self._call(_UNARY, report, 1) for report in reports]
        groups = [reports[first : first + per_call] for first in range(0, len(reports), per_call)]
        return [
            self._call(
                _BATCHED,
                validator_pb2.ExecutionReportBatchRequest(
                    reports=group, batch_id=secrets.token_hex(8), partial_ok=True
                ),
                len(group),
            )
            for group in groups
        ]

    def _call(self, method: str, request: Any, reports: int) -> Call:
        metadata = sign_metadata(
            self._agent, self._facts.subnet_id, method, request, now=time.time()
        )
        return Call(request=request, metadata=metadata, reports=reports)


def _all_good(good: bool, reason: str) -> None:
    if not good:
        raise RuntimeError(f"the preparation was refused: {reason}")


class Reporting:
    """The measured part: so many calls outstanding, every receipt counted."""

    def __init__(self, stub: Any) -> None:
        """Report to this validator."""
        self._stub = stub
        self.statuses: Counter[str] = Counter()
        self.samples: list[float] = []

    async def run(self, calls: Sequence[Call], outstanding: int, seconds: float) -> float:
        """Make the calls; return the seconds from the first to the last receipt."""
        waiting: Iterator[Call] = iter(calls)
        begun = time.perf_counter()
        until = begun + seconds

        async def caller() -> None:
            for call in waiting:
                if (sent := time.perf_counter()) >= until:
                    return
                await self._one(call)
                self.samples.append(time.perf_counter() - sent)

        await asyncio.gather(*(caller() for _ in range(outstanding)))
        return time.perf_counter() - begun

    async def _one(self, call: Call) -> None:
        method: Callable[..., Awaitable[Any]] = (
            self._stub.SubmitExecutionReport
            if call.reports == 1
            else self._stub.SubmitExecutionReportBatch
        )
        try:
            answer = await method(call.request, metadata=call.metadata, timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            self.statuses[f"{error.code().name}: {(error.details() or '')[:120]}"] += call.reports
            return
        receipts = [answer] if call.reports == 1 else answer.receipts
        self.statuses.update(receipt.status or "without status" for receipt in receipts)


async def run(task: Mapping[str, Any], say: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Prepare, report, wait until everything is settled; return counts, seconds and each call's seconds."""
    facts = read_facts(task)
    preparation = Preparation(facts, task)
    options = channel_options()
    async with (
        grpc.aio.insecure_channel(facts.rootlayer, options=options) as rootlayer,
        grpc.aio.insecure_channel(task["leader"], options=options) as leader,
        grpc.aio.insecure_channel(task["target"], options=options) as target,
    ):
        pool = service_pb2_grpc.IntentPoolServiceStub(rootlayer)
        say({"event": "preparing"})
        records = await preparation.assignments(
            pool, ledger_pb2_grpc.LedgerServiceStub(leader), int(task["reports"])
        )
        calls = preparation.calls(records, int(task["per_call"]))
        reporting = Reporting(validator_pb2_grpc.ValidatorServiceStub(target))
        say({"event": "measuring"})
        begun = time.perf_counter()
        seconds = await reporting.run(calls, int(task["outstanding"]), float(task["seconds"]))
        accepted = reporting.statuses["accepted"]
        say({"event": "measured"})
        settled = await _settled(pool, preparation.requester, accepted)
        return {
            "accepted": accepted,
            "seconds": seconds,
            "statuses": dict(reporting.statuses),
            "samples": reporting.samples,
            "settled": settled,
            "settled_seconds": time.perf_counter() - begun,
        }


async def _settled(pool: Any, requester: str, accepted: int) -> int:
    """Wait, for a bounded time, until RootLayer has completed as many intents as reports were accepted."""
    query = service_pb2.GetIntentsRequest(
        requester=requester, status="COMPLETED", page=1, page_size=1
    )
    until = time.perf_counter() + _SETTLE_SECONDS
    while True:
        completed = int((await pool.GetIntents(query, timeout=_CALL_SECONDS)).total)
        if completed >= accepted or time.perf_counter() > until:
            return completed
        await asyncio.sleep(_POLL_SECONDS)
