"""Verdicts are counted here: when a report is verified, and when it cannot be any more. Nobody judges here."""

from collections import Counter
from dataclasses import replace

from pinai_subnet.protocol.errors import Conflict, Forbidden, InvalidInput, NotFound
from pinai_subnet.protocol.signatures import recover
from pinai_subnet.validator.applied import Reply
from pinai_subnet.validator.commands import Verdict
from pinai_subnet.validator.events import VerdictRecorded
from pinai_subnet.validator.evidence import verdict_digest
from pinai_subnet.validator.records import AssignmentState, Stage
from pinai_subnet.validator.sets import Sets
from pinai_subnet.validator.sizes import check_text
from pinai_subnet.validator.tables import Tables
from pinai_subnet.validator.turn import Turn, duplicate

_MAX_RULES = 64


class Judging:
    """The rules for verdicts: one per validator and report, of the report that is in the ledger."""

    def __init__(self, *, tables: Tables, sets: Sets) -> None:
        self._tables = tables
        self._sets = sets

    def decide_again(self, turn: Turn) -> None:
        """Decide every undecided report by the set that counts now."""
        for assignment_id in list(self._tables.stages[Stage.REPORTED]):
            state = self._tables.state.assignments[assignment_id]
            if state.stage is Stage.REPORTED:
                self._decide(turn, state)

    def record_verdict(self, turn: Turn, verdict: Verdict) -> Reply:
        """Count the proposer's verdict; a late one is kept for the record and changes nothing."""
        _check_form(verdict)
        state = self._tables.state.assignments.get(verdict.key.assignment_id)
        if state is None or state.report is None or state.key != verdict.key:
            raise NotFound("SN-V020", f"there is no report for {_named(verdict)}")
        if state.report_digest != verdict.report_digest:
            raise Conflict(
                "SN-V021",
                f"the verdict is about report 0x{verdict.report_digest.hex()}, the ledger has"
                f" 0x{state.report_digest.hex()} for {_named(verdict)}",
            )
        validator_id = turn.proposer.id
        known = state.verdicts.get(validator_id)
        if known is not None:
            if replace(known, signature=b"") != replace(verdict, signature=b""):
                raise Conflict(
                    "SN-V022", f"{validator_id} has given another verdict for {_named(verdict)}"
                )
            return duplicate(state.verdict_times[validator_id])
        self._check_signature(turn, verdict)
        state.verdicts[validator_id] = verdict
        state.verdict_times[validator_id] = turn.at_ms
        turn.emit(
            VerdictRecorded(key=state.key, validator_id=validator_id, passed=verdict.passed),
            f"verdict {validator_id}",
            verdict.signature,
        )
        if state.stage is Stage.REPORTED:
            self._decide(turn, state)
        return turn.accepted()

    def _check_signature(self, turn: Turn, verdict: Verdict) -> None:
        digest = verdict_digest(
            verdict, subnet_id=self._sets.genesis.subnet_id, validator_id=turn.proposer.id
        )
        signer = recover(digest, verdict.signature)
        if signer not in turn.keys:
            raise Forbidden(
                "SN-V023",
                f"the verdict is signed by {signer}, {turn.proposer.id} is {turn.proposer.address}",
            )

    def _decide(self, turn: Turn, state: AssignmentState) -> None:
        quorum = self._sets.quorum(self._sets.next_epoch)
        verdicts = self._counted(state)
        passes = sum(verdict.passed for verdict in verdicts)
        fails = len(verdicts) - passes
        if passes >= quorum.required_signatures:
            state.verified_with = passes
            self._tables.move(state, Stage.VERIFIED, turn)
            self._end_rivals(turn, state)
        elif fails > quorum.signature_spares:
            code, reason = self._most_given(state)
            self._tables.move(state, Stage.REJECTED, turn, code=code, reason=reason)

    def _counted(self, state: AssignmentState) -> list[Verdict]:
        """Return the verdicts of those who are validators now, in the order of the set."""
        members = self._sets.parameters(self._sets.next_epoch).validators
        return [state.verdicts[one.id] for one in members if one.id in state.verdicts]

    def _most_given(self, state: AssignmentState) -> tuple[str, str]:
        # In the order of the set, so that a tie is broken alike everywhere and always.
        failed = [verdict for verdict in self._counted(state) if not verdict.passed]
        code = Counter(verdict.code for verdict in failed).most_common(1)[0][0]
        return code, next(verdict.reason for verdict in failed if verdict.code == code)

    def _end_rivals(self, turn: Turn, winner: AssignmentState) -> None:
        intent_id = winner.record.assignment.intent_id
        for assignment_id in self._tables.by_intent[intent_id]:
            rival = self._tables.state.assignments[assignment_id]
            if rival.stage in (Stage.ASSIGNED, Stage.REPORTED):
                self._tables.move(
                    rival,
                    Stage.REJECTED,
                    turn,
                    code="SN-V018",
                    reason=f"assignment {winner.record.assignment.assignment_id} of the same intent was verified first",
                )


def _check_form(verdict: Verdict) -> None:
    check_text(verdict.code, 32, "verdict.code")
    check_text(verdict.reason, 1024, "verdict.reason")
    check_text(verdict.policy_id, 128, "verdict.policy_id")
    if len(verdict.rules) > _MAX_RULES:
        raise InvalidInput(
            "SN-V024", f"the verdict names {len(verdict.rules)} rules; at most {_MAX_RULES}"
        )
    for rule in verdict.rules:
        check_text(rule, 128, "verdict.rules")
    if verdict.passed == bool(verdict.code):
        raise InvalidInput(
            "SN-V024",
            f"a failing verdict has a code and a passing one has none; passed is {verdict.passed},"
            f" the code {verdict.code!r}",
        )


def _named(verdict: Verdict) -> str:
    return f"assignment {verdict.key.assignment_id} and agent {verdict.key.agent_address}"
