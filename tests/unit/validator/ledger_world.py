"""A small network for ledger tests: keys, and assignments, reports, verdicts and signatures that really are valid."""

from dataclasses import replace
from hashlib import sha256
from itertools import count

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.protocol.assignments import (
    Assignment,
    AssignmentRecord,
    AssignmentStatus,
    record_digest,
)
from pinai_subnet.protocol.digests import ChainDomain, assignment_digest
from pinai_subnet.protocol.ids import (
    Address,
    AgentId,
    AssignmentId,
    BidId,
    IntentId,
    SubnetId,
    ValidatorId,
)
from pinai_subnet.protocol.network import NetworkParameters, ValidatorIdentity
from pinai_subnet.protocol.reports import ExecutionReport, ReportKey, ReportStatus, report_digest
from pinai_subnet.validator.applied import Applied
from pinai_subnet.validator.commands import (
    Command,
    Expire,
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
from pinai_subnet.validator.records import EpochState

START_MS = 1_700_000_000_000
START = START_MS // 1000

SUBNET = SubnetId("0x" + "00" * 31 + "02")
DOMAIN = ChainDomain(
    chain_id=84532,
    intent_manager=Address("0xB2f092E696B33b7a95e1f961369Bb59611CAd093"),
    checkpoint_manager=Address("0x6A61BA20D910576A6c0B39175A6CF98358bB4008"),
)


def signer(name: str) -> LocalSigner:
    return LocalSigner(sha256(name.encode()).digest())


def hex32(name: str) -> str:
    return "0x" + sha256(name.encode()).hexdigest()


MATCHER = signer("matcher")
AGENTS = [signer(f"agent-{n}") for n in range(3)]


def parameters(
    members: int = 3, numerator: int = 2, denominator: int = 3, subnet_id: SubnetId = SUBNET
) -> NetworkParameters:
    names = [f"validator-{n + 1}" for n in range(members)]
    return NetworkParameters(
        subnet_id=subnet_id,
        domain=DOMAIN,
        validators=tuple(
            ValidatorIdentity(
                id=ValidatorId(name),
                address=signer(name).address,
                public_key=signer(name).public_key,
                grpc_endpoint="127.0.0.1:1",
                http_endpoint="127.0.0.1:2",
                raft_endpoint="127.0.0.1:3",
            )
            for name in names
        ),
        threshold_numerator=numerator,
        threshold_denominator=denominator,
        matchers=(MATCHER.address,),
    )


def record(
    number: int = 1,
    *,
    intent: int | None = None,
    agent: int = 0,
    deadline: int = START + 60,
    attempt: int = 1,
    matcher: LocalSigner = MATCHER,
    subnet_id: SubnetId = SUBNET,
    status: AssignmentStatus = AssignmentStatus.ACTIVE,
) -> AssignmentRecord:
    """A correctly signed assignment of one of the agents."""
    assignment = Assignment(
        assignment_id=AssignmentId(hex32(f"assignment {number}")),
        intent_id=IntentId(hex32(f"intent {number if intent is None else intent}")),
        bid_id=BidId(hex32(f"bid {number}")),
        agent_address=AGENTS[agent].address,
        status=status,
        matcher=matcher.address,
        signature=b"",
    )
    digest = assignment_digest(
        assignment_id=assignment.assignment_id,
        intent_id=assignment.intent_id,
        bid_id=assignment.bid_id,
        agent=assignment.agent_address,
        status=assignment.status,
        matcher=assignment.matcher,
        domain=DOMAIN,
    )
    unsigned = AssignmentRecord(
        assignment=replace(assignment, signature=matcher.sign_eip191(digest)),
        agent_id=AgentId(f"agent-{agent}"),
        intent_type="echo",
        assigned_at=START,
        deadline=deadline,
        attempt=attempt,
        intent_params_hash=bytes(32),
        record_signature=b"",
    )
    return sign_record(unsigned, matcher=matcher, subnet_id=subnet_id)


def sign_record(
    unsigned: AssignmentRecord, *, matcher: LocalSigner = MATCHER, subnet_id: SubnetId = SUBNET
) -> AssignmentRecord:
    return replace(
        unsigned, record_signature=matcher.sign(record_digest(unsigned, subnet_id=subnet_id))
    )


def report(
    of: AssignmentRecord, *, result: bytes = b"result", timestamp: int = START + 1, **fields: object
) -> ExecutionReport:
    """A report of the assigned agent, as the official agents send it."""
    base = ExecutionReport(
        report_id=f"report of {of.assignment.assignment_id[:10]}",
        assignment_id=of.assignment.assignment_id,
        intent_id=of.assignment.intent_id,
        agent_id=of.agent_id,
        status=ReportStatus.SUCCESS,
        result_data=result,
        timestamp=timestamp,
    )
    return replace(base, **fields)  # type: ignore[arg-type]


def key_of(of: AssignmentRecord) -> ReportKey:
    return ReportKey(of.assignment.assignment_id, of.assignment.agent_address)


def verdict(
    validator: str,
    of: AssignmentRecord,
    about: ExecutionReport,
    *,
    passed: bool = True,
    code: str = "SN-V050",
    reason: str = "wrong",
    subnet_id: SubnetId = SUBNET,
    key: LocalSigner | None = None,
    digest: bytes | None = None,
) -> Verdict:
    unsigned = Verdict(
        key=key_of(of),
        report_digest=report_digest(about) if digest is None else digest,
        passed=passed,
        code="" if passed else code,
        reason="" if passed else reason,
        rules=("identity", "time"),
        policy_id="default",
        signature=b"",
    )
    signed = verdict_digest(unsigned, subnet_id=subnet_id, validator_id=ValidatorId(validator))
    return replace(unsigned, signature=(key or signer(validator)).sign(signed))


class World:
    """One ledger and the log that made it; every helper is one command of a named validator."""

    def __init__(
        self, *, members: int = 3, numerator: int = 2, denominator: int = 3, **limits: int
    ) -> None:
        self.parameters = parameters(members, numerator, denominator)
        self.limits = LedgerLimits(**limits)
        self.ledger = Ledger(self.parameters, self.limits)
        self.log: list[Command] = []
        self.now_ms = START_MS
        self.names = [member.id for member in self.parameters.validators]
        self._requests = count()

    def stamp(self, by: int = 0, request_id: str | None = None) -> Stamp:
        return Stamp(
            request_id=request_id or f"request-{next(self._requests)}",
            proposer=self.names[by],
            at_ms=self.now_ms,
        )

    def apply(self, command: Command) -> Applied:
        self.log.append(command)
        return self.ledger.apply(len(self.log), command)

    def replay(self) -> Ledger:
        ledger = Ledger(self.parameters, self.limits)
        for index, command in enumerate(self.log, start=1):
            ledger.apply(index, command)
        return ledger

    def assign(self, *records: AssignmentRecord, by: int = 0) -> Applied:
        return self.apply(RecordAssignments(stamp=self.stamp(by), records=records))

    def send(self, *reports: ExecutionReport, hold: bool = True, by: int = 0) -> Applied:
        return self.apply(ReceiveReports(stamp=self.stamp(by), reports=reports, hold_unknown=hold))

    def judge(
        self,
        of: AssignmentRecord,
        about: ExecutionReport,
        *,
        by: int = 0,
        passed: bool = True,
        **more: str,
    ) -> Applied:
        given = verdict(self.names[by], of, about, passed=passed, **more)  # type: ignore[arg-type]
        return self.apply(RecordVerdicts(stamp=self.stamp(by), verdicts=(given,)))

    def seal(self, *keys: ReportKey, epoch: int | None = None, by: int = 0) -> Applied:
        return self.apply(
            Seal(
                stamp=self.stamp(by),
                epoch=self.ledger.next_epoch if epoch is None else epoch,
                keys=keys or tuple(self.ledger.sealable()),
                timestamp=self.now_ms // 1000,
            )
        )

    def sign(self, epoch: int, *, by: int = 0, **changes: object) -> Applied:
        state = self.ledger.epoch(epoch)
        assert state is not None
        return self.apply(
            replace(signature(self.stamp(by), state, signer(self.names[by])), **changes)  # type: ignore[arg-type]
        )

    def settle(self, epoch: int, *, refuse: tuple[int, ...] = (), by: int = 0) -> Applied:
        """A majority, beginning with this member, reports the same answer of RootLayer."""
        majority = self.ledger.quorum.raft_majority
        for one in range(by, by + majority - 1):
            self.claim(epoch, refuse=refuse, by=one % len(self.names))
        return self.claim(epoch, refuse=refuse, by=(by + majority - 1) % len(self.names))

    def claim(self, epoch: int, *, refuse: tuple[int, ...] = (), by: int = 0) -> Applied:
        """One member reports what RootLayer answered."""
        state = self.ledger.epoch(epoch)
        assert state is not None
        results = tuple(
            ItemSettlement(
                ok=n not in refuse,
                message="refused by the chain" if n in refuse else "",
                receipt_id=f"receipt-{n}",
            )
            for n in range(len(state.items))
        )
        return self.apply(RecordSettlement(stamp=self.stamp(by), epoch=epoch, results=results))

    def expire(self, by: int = 0) -> Applied:
        """A majority shows its clocks, this member last, so that the ledger's time is now."""
        for one in range(by + 1, by + self.ledger.quorum.raft_majority):
            self.tick(one % len(self.names))
        return self.tick(by)

    def tick(self, by: int = 0) -> Applied:
        """One member shows its clock."""
        return self.apply(Expire(stamp=self.stamp(by)))

    def verified(self, *records: AssignmentRecord) -> list[ExecutionReport]:
        """Bring assignments to VERIFIED with a threshold of verdicts, the first validators'."""
        self.assign(*records)
        reports = [report(one) for one in records]
        self.send(*reports)
        for by in range(self.ledger.quorum.required_signatures):
            for one, about in zip(records, reports, strict=True):
                self.judge(one, about, by=by)
        return reports

    def final(self, *records: AssignmentRecord) -> int:
        """Bring assignments to FINAL in one epoch and return its number."""
        self.verified(*records)
        epoch = self.ledger.next_epoch
        self.seal(*(key_of(one) for one in records))
        for by in range(self.ledger.quorum.required_signatures):
            self.sign(epoch, by=by)
        return epoch


def signature(stamp: Stamp, state: EpochState, key: LocalSigner) -> RecordSignature:
    return RecordSignature(
        stamp=stamp,
        epoch=state.epoch,
        batch_digest=state.batch_digest,
        batch_signature=key.sign_eip191(state.batch_digest),
        header_hash=state.header_hash,
        header_signature=key.sign(state.header_hash),
    )
