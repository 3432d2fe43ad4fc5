"""What the load consists of: intents at RootLayer, signed assignments, agents and their reports. Sends no report."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import grpc
from tests.bench.network_facts import Facts, facts_document, read_facts
from tests.bench.orders import BATCH, signed_request, submission
from tests.network_kit import LocalTestNetwork

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.protocol.assignments import (
    Assignment,
    AssignmentRecord,
    AssignmentStatus,
    record_digest,
)
from pinai_subnet.protocol.digests import assignment_digest, params_hash
from pinai_subnet.protocol.ids import AgentId, AssignmentId, BidId, IntentId
from pinai_subnet.protocol.reports import ExecutionReport, result_hash
from pinai_subnet.wire.codec.assignments import encode_assignment
from pinai_subnet.wire.codec.reports import computed_report_id, decode_report
from pinai_subnet.wire.pb.rootlayer import assignment_pb2, service_pb2, service_pb2_grpc
from pinai_subnet.wire.pb.subnet import execution_report_pb2

INTENT_TYPE = "chaos"
_PAYLOAD = b"chaos"
_DEADLINE_SECONDS = 1800
_CALL_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One possible report on an assignment; drafts of one assignment differ in content and in id."""

    message: execution_report_pb2.ExecutionReport
    report_id: str
    result_hash: bytes


@dataclass(slots=True, kw_only=True)
class Piece:
    """One assignment and every report that was drafted for it, by the id that receipts name."""

    record: AssignmentRecord
    drafts: dict[str, Draft] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The assignment's id."""
        return self.record.assignment.assignment_id

    @property
    def intent_id(self) -> str:
        """The intent it is for."""
        return self.record.assignment.intent_id

    def draft(self) -> Draft:
        """Return one more report with content of its own; its timestamp tells it from the others."""
        number = len(self.drafts)
        message = execution_report_pb2.ExecutionReport(
            report_id=secrets.token_hex(8),
            assignment_id=self.key,
            intent_id=self.intent_id,
            agent_id=self.record.agent_id,
            status=execution_report_pb2.ExecutionReport.SUCCESS,
            result_data=f"{number} {secrets.token_hex(40)}".encode(),
            timestamp=self.record.assigned_at + number,
        )
        report: ExecutionReport = decode_report(message, signer=None)
        made = Draft(
            message=message, report_id=computed_report_id(report), result_hash=result_hash(report)
        )
        self.drafts[made.report_id] = made
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One client that reports: its key, and its share of the work."""

    name: AgentId
    signer: LocalSigner
    pieces: tuple[Piece, ...]


class Workshop:
    """Makes the work of one round; acts as requester and as the network's matcher."""

    def __init__(self, network: LocalTestNetwork, random: Random) -> None:
        """Use the matcher's key of this network."""
        self.facts: Facts = read_facts(facts_document(network.session))
        key = network.session.environment["MATCHER_PRIVATE_KEY"]
        self._matcher = LocalSigner(bytes.fromhex(key))
        self._requester = LocalSigner(random.randbytes(32))
        self._random = random

    async def agents(self, count: int, pieces_each: int) -> list[Agent]:
        """Return agents whose intents and assignments RootLayer holds; the validators know nothing of them yet."""
        async with grpc.aio.insecure_channel(self.facts.rootlayer) as channel:
            pool = service_pb2_grpc.IntentPoolServiceStub(channel)
            return [await self._agent(number, pieces_each, pool) for number in range(count)]

    async def _agent(self, number: int, pieces: int, pool: Any) -> Agent:
        signer = LocalSigner(self._random.randbytes(32))
        name = AgentId(f"chaos-agent-{number}")
        records: list[AssignmentRecord] = []
        for size in _sizes(pieces):
            records += await self._posted(size, name, signer, pool)
        made = tuple(Piece(record=record) for record in records)
        return Agent(name=name, signer=signer, pieces=made)

    async def _posted(
        self, count: int, name: AgentId, agent: LocalSigner, pool: Any
    ) -> list[AssignmentRecord]:
        deadline = int(time.time()) + _DEADLINE_SECONDS
        requests = [
            signed_request(
                self.facts,
                self._requester,
                intent_type=INTENT_TYPE,
                payload=_PAYLOAD,
                deadline=deadline,
            )
            for _ in range(count)
        ]
        answer = await pool.SubmitIntentBatch(submission(requests), timeout=_CALL_SECONDS)
        assert answer.failed == 0, answer
        records = [self._record(request, name, agent) for request in requests]
        batch = assignment_pb2.AssignmentBatch(
            assignments=[encode_assignment(record.assignment) for record in records],
            batch_id=secrets.token_hex(8),
            created_at=int(time.time()),
        )
        ack = await pool.PostAssignmentBatch(batch, timeout=_CALL_SECONDS)
        assert ack.ok, ack
        return records

    def _record(
        self, request: service_pb2.SubmitIntentRequest, name: AgentId, agent: LocalSigner
    ) -> AssignmentRecord:
        assignment = Assignment(
            assignment_id=AssignmentId("0x" + secrets.token_hex(32)),
            intent_id=IntentId(request.intent_id),
            bid_id=BidId("0x" + secrets.token_hex(32)),
            agent_address=agent.address,
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
            domain=self.facts.domain,
        )
        record = AssignmentRecord(
            assignment=replace(assignment, signature=self._matcher.sign_eip191(digest)),
            agent_id=name,
            intent_type=INTENT_TYPE,
            assigned_at=int(time.time()),
            deadline=request.deadline,
            attempt=1,
            intent_params_hash=params_hash(_PAYLOAD, b""),
            record_signature=b"",
        )
        signed = self._matcher.sign(record_digest(record, subnet_id=self.facts.subnet_id))
        return replace(record, record_signature=signed)


def _sizes(total: int) -> Iterator[int]:
    while total > 0:
        yield min(BATCH, total)
        total -= BATCH
