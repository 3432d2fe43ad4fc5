"""What comes in: the matcher's signed assignments and the agents' reports of them. Judges no report's truth."""

from pinai_subnet.protocol.assignments import AssignmentRecord, AssignmentStatus, record_digest
from pinai_subnet.protocol.digests import assignment_digest
from pinai_subnet.protocol.errors import (
    Conflict,
    Exhausted,
    Forbidden,
    InvalidInput,
    NotFound,
    SubnetError,
    WrongState,
)
from pinai_subnet.protocol.ids import ValidatorId, parse_address, parse_bytes32, parse_name
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.reports import (
    ExecutionReport,
    digest_of_hashes,
    proof_hash,
    result_hash,
)
from pinai_subnet.protocol.signatures import recover, recover_eip191
from pinai_subnet.validator.applied import Reply, ReplyStatus
from pinai_subnet.validator.events import HeldReportDropped, ReportReceived
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.records import AssignmentState, HeldReport, Stage
from pinai_subnet.validator.sizes import check_text, report_bytes
from pinai_subnet.validator.tables import Tables
from pinai_subnet.validator.turn import Turn, duplicate

WON = (Stage.VERIFIED, Stage.SEALED, Stage.FINAL, Stage.SETTLED, Stage.SETTLEMENT_REFUSED)
"""Stages of the one attempt that decided its intent."""


class Intake:
    """The rules for assignments and reports. Each item is checked completely before anything changes."""

    def __init__(
        self, *, tables: Tables, parameters: NetworkParameters, limits: LedgerLimits
    ) -> None:
        self._tables = tables
        self._parameters = parameters
        self._limits = limits

    def record_assignment(self, turn: Turn, record: AssignmentRecord) -> Reply:
        """Keep one signed assignment; the same one again is a duplicate, other content under its id a conflict."""
        self._check_form(record)
        digest = record_digest(record, subnet_id=self._parameters.subnet_id)
        known = self._tables.state.assignments.get(record.assignment.assignment_id)
        if known is not None:
            if record_digest(known.record, subnet_id=self._parameters.subnet_id) != digest:
                raise Conflict(
                    "SN-V007",
                    f"assignment {record.assignment.assignment_id} is recorded with other content",
                )
            return duplicate(known.times[Stage.ASSIGNED])
        self._check_time(record, turn.at_ms)
        self._check_intent(record)
        if (
            len(self._tables.state.assignments) >= self._limits.max_assignments
            or self._tables.open_count >= self._limits.max_open
        ):
            raise Exhausted(
                "SN-V011",
                f"the ledger is full: {self._tables.open_count} open assignments,"
                f" {len(self._tables.state.assignments)} in all",
            )
        self._check_signatures(record, digest)
        state = self._tables.add_assignment(record, turn)
        self._promote(turn, state)
        return turn.accepted()

    def receive_report(self, turn: Turn, report: ExecutionReport, *, hold_unknown: bool) -> Reply:
        """Take one report; a second one of the same assignment and agent is answered with the first one's receipt."""
        size = report_bytes(report)
        if (
            size > self._limits.max_report_bytes
            or size - len(report.result_data) > self._limits.max_evidence_bytes
        ):
            raise InvalidInput(
                "SN-V017",
                f"the report has {size} bytes, {len(report.result_data)} of them result; at most"
                f" {self._limits.max_report_bytes} with {self._limits.max_evidence_bytes} beside the result",
            )
        state = self._tables.state.assignments.get(report.assignment_id)
        if state is not None:
            return self._take(turn, state, report, received_by=None)
        if not hold_unknown:
            raise NotFound("SN-V012", f"assignment {report.assignment_id} is not known")
        return self._hold(turn, report)

    def _check_form(self, record: AssignmentRecord) -> None:
        assignment = record.assignment
        for field, text in (
            ("assignment_id", assignment.assignment_id),
            ("intent_id", assignment.intent_id),
            ("bid_id", assignment.bid_id),
        ):
            if parse_bytes32(text, field) != text:
                raise InvalidInput("SN-N101", f"{field}: {text} is not in lower case")
        parse_address(assignment.agent_address, "agent_address")
        parse_name(record.agent_id, "agent_id")
        check_text(record.intent_type, 256, "intent_type")
        if len(record.intent_params_hash) not in (0, 32):
            raise InvalidInput(
                "SN-V005",
                f"intent_params_hash has {len(record.intent_params_hash)} bytes; expected 32",
            )
        if assignment.status is not AssignmentStatus.ACTIVE:
            raise InvalidInput("SN-V005", f"the assignment is {assignment.status!r}, not active")
        if assignment.matcher not in self._parameters.matchers:
            raise Forbidden("SN-V005", f"{assignment.matcher} is not a matcher of this network")

    def _check_time(self, record: AssignmentRecord, now_ms: int) -> None:
        ahead_ms = record.deadline * 1000 - now_ms
        if not 0 < ahead_ms <= self._limits.max_deadline_ms:
            raise WrongState(
                "SN-V008",
                f"the deadline {record.deadline} is {ahead_ms / 1000:.0f} s from now ({now_ms // 1000});"
                f" expected between 0 and {self._limits.max_deadline_ms // 1000} s",
            )

    def _check_intent(self, record: AssignmentRecord) -> None:
        intent_id = record.assignment.intent_id
        attempts = self._tables.by_intent.get(intent_id, [])
        states = self._tables.state.assignments
        if intent_id in self._tables.state.sealed_intents or any(
            states[attempt].stage in WON for attempt in attempts
        ):
            raise WrongState("SN-V009", f"intent {intent_id} has a verified result already")
        if len(attempts) >= self._limits.max_attempts:
            raise WrongState("SN-V010", f"intent {intent_id} has {len(attempts)} assignments")

    def _check_signatures(self, record: AssignmentRecord, digest: bytes) -> None:
        assignment = record.assignment
        signer = recover_eip191(
            assignment_digest(
                assignment_id=assignment.assignment_id,
                intent_id=assignment.intent_id,
                bid_id=assignment.bid_id,
                agent=assignment.agent_address,
                status=assignment.status,
                matcher=assignment.matcher,
                domain=self._parameters.domain,
            ),
            assignment.signature,
        )
        if signer != assignment.matcher:
            raise Forbidden(
                "SN-V006", f"the assignment is signed by {signer}, not by {assignment.matcher}"
            )
        signer = recover(digest, record.record_signature)
        if signer != assignment.matcher:
            raise Forbidden(
                "SN-V006", f"the record is signed by {signer}, not by {assignment.matcher}"
            )

    def _take(
        self,
        turn: Turn,
        state: AssignmentState,
        report: ExecutionReport,
        *,
        received_by: ValidatorId | None,
    ) -> Reply:
        _check_identity(state, report)
        if state.report is not None:
            return duplicate(state.times[Stage.REPORTED])
        if state.stage is Stage.REJECTED:
            raise WrongState(state.code, state.reason)
        late_ms = turn.at_ms - state.deadline_ms
        if state.stage is not Stage.ASSIGNED or late_ms > self._limits.report_grace_ms:
            raise WrongState(
                "SN-V015", f"the assignment's deadline passed {late_ms / 1000:.3f} s ago"
            )
        self._check_room(report)
        result, proof = result_hash(report), proof_hash(report)
        digest = digest_of_hashes(report, result, proof)
        state.result_hash, state.proof_hash, state.report_digest = result, proof, digest
        state.report = report
        state.received_by = turn.proposer.id if received_by is None else received_by
        self._tables.keep_result(state)
        self._tables.move(state, Stage.REPORTED, turn)
        turn.emit(ReportReceived(key=state.key), "received", state.report_digest)
        # The time that duplicates are answered with: never before the assignment, whatever this member's clock says.
        return Reply(status=ReplyStatus.ACCEPTED, at_ms=state.times[Stage.REPORTED])

    def _check_room(self, report: ExecutionReport) -> None:
        if self._tables.result_bytes + len(report.result_data) > self._limits.max_result_bytes:
            raise Exhausted(
                "SN-V016",
                f"{self._tables.result_bytes} bytes of results wait for verification;"
                f" at most {self._limits.max_result_bytes}",
            )

    def _hold(self, turn: Turn, report: ExecutionReport) -> Reply:
        digest = digest_of_hashes(report, result_hash(report), proof_hash(report))
        waiting = self._tables.state.held.get(report.assignment_id, [])
        for held in waiting:
            if (held.report.agent_id, held.report.signer) == (report.agent_id, report.signer):
                return Reply(status=ReplyStatus.HELD, at_ms=held.received_at_ms)
        if parse_bytes32(report.assignment_id, "assignment_id") != report.assignment_id:
            raise InvalidInput(
                "SN-N101", f"assignment_id: {report.assignment_id} is not in lower case"
            )
        if (
            self._tables.held_count >= self._limits.max_held
            or len(waiting) >= self._limits.max_held_per_assignment
        ):
            raise Exhausted("SN-V016", f"{self._tables.held_count} reports wait for assignments")
        self._check_room(report)
        self._tables.hold(
            HeldReport(report=report, received_by=turn.proposer.id, received_at_ms=turn.at_ms)
        )
        turn.note("held", digest)
        return Reply(status=ReplyStatus.HELD, at_ms=turn.at_ms)

    def _promote(self, turn: Turn, state: AssignmentState) -> None:
        # Anybody can send a report ahead of its assignment; one whose signer is proven comes first.
        waiting = self._tables.release(state.record.assignment.assignment_id)
        for held in sorted(waiting, key=lambda held: held.report.signer is None):
            try:
                self._take(turn, state, held.report, received_by=held.received_by)
            except SubnetError as error:
                drop_held(turn, held, error)


def drop_held(turn: Turn, held: HeldReport, error: SubnetError) -> None:
    """State that a waiting report is given up, and why."""
    report = held.report
    turn.emit(
        HeldReportDropped(
            assignment_id=report.assignment_id,
            intent_id=report.intent_id,
            agent_id=report.agent_id,
            code=error.code,
            reason=error.message,
            at_ms=turn.at_ms,
        ),
        f"dropped {report.assignment_id} {error.code} {report.agent_id}",
    )


def _check_identity(state: AssignmentState, report: ExecutionReport) -> None:
    assignment = state.record.assignment
    address = assignment.agent_address
    if report.agent_id != state.record.agent_id and report.agent_id.lower() != address.lower():
        raise Forbidden(
            "SN-V013",
            f"assignment {assignment.assignment_id} is {state.record.agent_id}'s ({address}),"
            f" not {report.agent_id!r}'s",
        )
    if report.signer is not None and report.signer != address:
        raise Forbidden(
            "SN-V013", f"the request is signed by {report.signer}, the assigned agent is {address}"
        )
    if report.intent_id != assignment.intent_id:
        raise InvalidInput(
            "SN-V014",
            f"assignment {assignment.assignment_id} is for intent {assignment.intent_id},"
            f" not {report.intent_id!r}",
        )
