"""So many intents through one real ledger, and what it holds: `python -m tests.integration.validator.many_intents N`.

Every intent takes the whole way: assignment, report, three validators' verdicts, seal, signatures, settlement, each as
the bytes of a replicated command. Only the curve arithmetic is left out: a signature here is its signer's address and
a hash. Prints a JSON line now and then with sizes and the resident memory.
"""

import argparse
import gc
import json
from dataclasses import fields, replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from unittest.mock import patch

from tests.unit.validator.ledger_world import AGENTS, DOMAIN, START, SUBNET, parameters, signer

from pinai_subnet.protocol import signatures
from pinai_subnet.protocol.assignments import (
    Assignment,
    AssignmentRecord,
    AssignmentStatus,
    record_digest,
)
from pinai_subnet.protocol.digests import assignment_digest, eip191
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import Address, AgentId, AssignmentId, BidId, IntentId, address_bytes
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.reports import ExecutionReport, ReportKey, ReportStatus, report_digest
from pinai_subnet.validator.applied import Applied
from pinai_subnet.validator.command_codec import encode_command
from pinai_subnet.validator.commands import (
    Command,
    ItemSettlement,
    ReceiveReports,
    RecordAssignments,
    RecordSettlement,
    RecordSignature,
    RecordVerdicts,
    Seal,
    Stamp,
    Verdict,
)
from pinai_subnet.validator.evidence import verdict_digest
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.state import LedgerState
from pinai_subnet.validator.state_machine import LedgerMachine

CHUNK = 100
PER_SECOND = 200
LIFETIME = 10
SMALL = LedgerLimits(
    max_ended=2_000,
    retained_epochs=100,
    max_sealed_intents=8_000,
    max_request_ids=500,
    max_kept_replies=4_000,
)
"""The same rules as always with less to remember, so that everything is full soon."""
ENDLESS = LedgerLimits(
    max_assignments=1 << 40,
    max_ended=1 << 40,
    retained_epochs=1 << 40,
    max_sealed_intents=1 << 40,
)
"""Forgets nothing."""


class PlainSigner:
    """Signs with its address and a hash."""

    def __init__(self, address: Address, public_key: bytes) -> None:
        self.address = address
        self.public_key = public_key
        self._raw = address_bytes(address)

    def sign(self, digest: bytes) -> bytes:
        return self._raw + sha256(self._raw + digest).digest() + bytes(12) + b"\x1b"

    def sign_eip191(self, digest: bytes) -> bytes:
        return self.sign(eip191(digest))


class PlainCurve:
    """Recovers what `PlainSigner` signed, and nothing else."""

    def __init__(self, signers: list[PlainSigner]) -> None:
        self._known = {address_bytes(one.address): one.address for one in signers}

    def recover(self, digest: bytes, signature: bytes, _v_offset: int = 0) -> Address:
        raw = signature[:20]
        if raw not in self._known or signature[20:52] != sha256(raw + digest).digest():
            raise InvalidInput("SN-N113", "no key can have made this signature")
        return self._known[raw]


class Life:
    """Takes intents from assignment to settlement, a hundred at a time."""

    def __init__(self, limits: LedgerLimits) -> None:
        self.parameters: NetworkParameters = parameters(3)
        self.names = [member.id for member in self.parameters.validators]
        self.keys = [_plain(name) for name in self.names]
        self.matcher = _plain("matcher")
        self.machine = LedgerMachine(
            ledger=Ledger(self.parameters, limits),
            parameters=self.parameters,
            listener=lambda _index, _applied: None,
        )
        self._indexes = count(1)
        self._requests = count(1)
        self.done = 0

    @property
    def now_ms(self) -> int:
        return START * 1000 + self.done * 1000 // PER_SECOND

    def _stamp(self, by: int) -> Stamp:
        return Stamp(
            request_id=str(next(self._requests)), proposer=self.names[by], at_ms=self.now_ms
        )

    def _apply(self, command: Command, by: int) -> None:
        data = encode_command(command, self.keys[by], SUBNET)  # type: ignore[arg-type]
        applied: Applied = self.machine.apply(next(self._indexes), data)
        assert all(reply.taken for reply in applied.replies), applied.replies[:2]

    def chunk(self) -> None:
        """One hundred intents, all the way."""
        records = [self._record(self.done + n) for n in range(CHUNK)]
        reports = [_report(record, self.now_ms // 1000) for record in records]
        keys = tuple(
            ReportKey(r.assignment.assignment_id, r.assignment.agent_address) for r in records
        )
        self._apply(RecordAssignments(stamp=self._stamp(0), records=tuple(records)), 0)
        self._apply(
            ReceiveReports(stamp=self._stamp(1), reports=tuple(reports), hold_unknown=False), 1
        )
        digests = [report_digest(report) for report in reports]
        for by in range(3):
            verdicts = tuple(map(self._verdict, keys, digests, [by] * CHUNK))
            self._apply(RecordVerdicts(stamp=self._stamp(by), verdicts=verdicts), by)
        epoch = self.machine.read(lambda ledger: ledger.next_epoch)
        self._apply(
            Seal(stamp=self._stamp(0), epoch=epoch, keys=keys, timestamp=self.now_ms // 1000), 0
        )
        self._finish(epoch)
        self.done += CHUNK

    def _finish(self, number: int) -> None:
        epoch = self.machine.read(lambda ledger: ledger.epoch(number))
        assert epoch is not None
        for by in range(3):
            key = self.keys[by]
            self._apply(
                RecordSignature(
                    stamp=self._stamp(by),
                    epoch=number,
                    batch_digest=epoch.batch_digest,
                    batch_signature=key.sign_eip191(epoch.batch_digest),
                    header_hash=epoch.header_hash,
                    header_signature=key.sign(epoch.header_hash),
                ),
                by,
            )
        results = tuple(
            ItemSettlement(ok=True, message="", receipt_id=f"receipt {n}") for n in range(CHUNK)
        )
        for by in range(2):
            self._apply(RecordSettlement(stamp=self._stamp(by), epoch=number, results=results), by)

    def _record(self, number: int) -> AssignmentRecord:
        def name(kind: str) -> str:
            return "0x" + sha256(f"{kind} {number}".encode()).hexdigest()

        unsigned = Assignment(
            assignment_id=AssignmentId(name("assignment")),
            intent_id=IntentId(name("intent")),
            bid_id=BidId(name("bid")),
            agent_address=AGENTS[number % 3].address,
            status=AssignmentStatus.ACTIVE,
            matcher=self.matcher.address,
            signature=b"",
        )
        digest = assignment_digest(
            assignment_id=unsigned.assignment_id,
            intent_id=unsigned.intent_id,
            bid_id=unsigned.bid_id,
            agent=unsigned.agent_address,
            status=unsigned.status,
            matcher=unsigned.matcher,
            domain=DOMAIN,
        )
        record = AssignmentRecord(
            assignment=replace(unsigned, signature=self.matcher.sign_eip191(digest)),
            agent_id=AgentId(f"agent-{number % 3}"),
            intent_type="echo",
            assigned_at=self.now_ms // 1000,
            deadline=self.now_ms // 1000 + LIFETIME,
            attempt=1,
            intent_params_hash=bytes(32),
            record_signature=b"",
        )
        signed = self.matcher.sign(record_digest(record, subnet_id=SUBNET))
        return replace(record, record_signature=signed)

    def _verdict(self, key: ReportKey, digest: bytes, by: int) -> Verdict:
        unsigned = Verdict(
            key=key,
            report_digest=digest,
            passed=True,
            code="",
            reason="",
            rules=("identity", "time"),
            policy_id="default",
            signature=b"",
        )
        signed = verdict_digest(unsigned, subnet_id=SUBNET, validator_id=self.names[by])
        return replace(unsigned, signature=self.keys[by].sign(signed))

    def sizes(self) -> dict[str, int]:
        """Return how much everything holds now; every table of the state counts."""
        snapshot = len(self.machine.snapshot())
        gc.collect()
        tables = self.machine.read(lambda ledger: _tables(ledger.state))
        return {"intents": self.done, "rss": _resident(), "snapshot": snapshot, **tables}


def _tables(state: LedgerState) -> dict[str, int]:
    values = {field.name: getattr(state, field.name) for field in fields(state)}
    return {name: len(value) for name, value in values.items() if isinstance(value, dict | list)}


def _plain(name: str) -> PlainSigner:
    key = signer(name)
    return PlainSigner(key.address, key.public_key)


def _report(of: AssignmentRecord, at: int) -> ExecutionReport:
    return ExecutionReport(
        report_id=f"report of {of.assignment.assignment_id}",
        assignment_id=of.assignment.assignment_id,
        intent_id=of.assignment.intent_id,
        agent_id=of.agent_id,
        status=ReportStatus.SUCCESS,
        result_data=b"result of " + of.assignment.intent_id.encode(),
        timestamp=at,
    )


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--look-every", type=int, default=10_000)
    parser.add_argument("--endless", action="store_true", help="forget nothing")
    options = parser.parse_args()
    life = Life(ENDLESS if options.endless else SMALL)
    curve = PlainCurve([*life.keys, life.matcher])
    with patch.object(signatures, "_recover", curve.recover):
        while life.done < options.count:
            life.chunk()
            if life.done % options.look_every == 0:
                print(json.dumps(life.sizes()), flush=True)


if __name__ == "__main__":
    main()
