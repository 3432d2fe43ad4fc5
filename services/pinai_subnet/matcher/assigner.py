"""Makes signed assignments: the part for RootLayer (EIP-191) and the record for the validators. Chooses nobody."""

import hashlib
from dataclasses import replace

from pinai_subnet.matcher.case import Attempt, Case
from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.assignments import (
    Assignment,
    AssignmentRecord,
    AssignmentStatus,
    record_digest,
)
from pinai_subnet.protocol.bids import Bid
from pinai_subnet.protocol.digests import ChainDomain, assignment_digest, params_hash
from pinai_subnet.protocol.ids import AssignmentId, SubnetId


class Assigner:
    """Signs with the matcher's key for one subnet on one chain."""

    def __init__(self, *, signer: Signer, subnet_id: SubnetId, domain: ChainDomain) -> None:
        """Bind the key to what its signatures are for."""
        self._signer = signer
        self._subnet_id = subnet_id
        self._domain = domain

    def draft(self, case: Case, bid: Bid, *, now_seconds: float) -> Attempt:
        """Return the next attempt of the intent, for this bid."""
        nanoseconds = int(now_seconds * 1_000_000_000)
        text = f"{bid.intent_id}:{bid.bid_id}:{nanoseconds}"
        unsigned = Assignment(
            assignment_id=AssignmentId("0x" + hashlib.sha256(text.encode()).hexdigest()),
            intent_id=bid.intent_id,
            bid_id=bid.bid_id,
            agent_address=bid.agent_address,
            status=AssignmentStatus.ACTIVE,
            matcher=self._signer.address,
            signature=b"",
        )
        record = AssignmentRecord(
            assignment=self._signed(unsigned),
            agent_id=bid.agent_id,
            intent_type=case.intent.intent_type,
            assigned_at=int(now_seconds),
            deadline=case.deadline_ms // 1000,
            attempt=len(case.attempts) + 1,
            # What the agent is given: it never sees the metadata, so it cannot hash that.
            intent_params_hash=params_hash(case.intent.intent_raw, b""),
            record_signature=b"",
        )
        signature = self._signer.sign(record_digest(record, subnet_id=self._subnet_id))
        return Attempt(
            record=replace(record, record_signature=signature),
            created_at_ms=int(now_seconds * 1000),
        )

    def withdrawn(self, attempt: Attempt) -> Assignment:
        """Return the assignment as RootLayer must hear of its failure: status FAILED, signed again."""
        return self._signed(replace(attempt.record.assignment, status=AssignmentStatus.FAILED))

    def _signed(self, assignment: Assignment) -> Assignment:
        digest = assignment_digest(
            assignment_id=assignment.assignment_id,
            intent_id=assignment.intent_id,
            bid_id=assignment.bid_id,
            agent=assignment.agent_address,
            status=assignment.status,
            matcher=assignment.matcher,
            domain=self._domain,
        )
        return replace(assignment, signature=self._signer.sign_eip191(digest))
