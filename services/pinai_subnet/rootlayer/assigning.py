"""When an assignment counts (wire-contract 3.6, 4.3). Rules only: what is stored comes in as arguments."""

from enum import Enum

from pinai_subnet.protocol.assignments import Assignment, AssignmentStatus
from pinai_subnet.protocol.digests import assignment_digest
from pinai_subnet.protocol.errors import Conflict, Forbidden, InvalidInput, NotFound, WrongState
from pinai_subnet.protocol.ids import AssignmentId
from pinai_subnet.protocol.intents import Intent
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.signatures import recover_eip191


class Effect(Enum):
    """What an accepted assignment does."""

    NOTHING = "nothing"
    """It is known as it is."""
    ADD = "add"
    """It is new."""
    FAIL = "fail"
    """It was active and has now failed."""


def check_assignment(assignment: Assignment, network: NetworkParameters) -> None:
    """Raise `Forbidden` SN-S020 or `InvalidInput` SN-S021 unless a configured matcher has signed it."""
    if assignment.matcher not in network.matchers:
        raise Forbidden("SN-S020", f"{assignment.matcher} is no matcher of this network")
    digest = assignment_digest(
        assignment_id=assignment.assignment_id,
        intent_id=assignment.intent_id,
        bid_id=assignment.bid_id,
        agent=assignment.agent_address,
        status=assignment.status,
        matcher=assignment.matcher,
        domain=network.domain,
    )
    signer = recover_eip191(digest, assignment.signature)
    if signer != assignment.matcher:
        raise InvalidInput(
            "SN-S021", f"the assignment is signed by {signer}, its matcher is {assignment.matcher}"
        )


def effect_of(
    assignment: Assignment,
    *,
    intent: Intent | None,
    known: Assignment | None,
    active: AssignmentId | None,
    now: int,
) -> Effect:
    """Return what the assignment does; raise when it cannot be.

    `known` is the stored assignment of the same id, `active` the id of the intent's active assignment. An assignment
    only ever goes from active to failed; one intent has at most one active assignment.
    """
    if intent is None:
        raise NotFound("SN-S012", f"intent {assignment.intent_id} is unknown")
    if known is not None:
        return _effect_on_known(assignment, known)
    if assignment.status is AssignmentStatus.FAILED:
        return Effect.ADD
    if intent.status.terminal or now >= intent.deadline:
        why = intent.status.name if intent.status.terminal else "past its deadline"
        raise WrongState("SN-S022", f"intent {intent.intent_id} is {why}")
    if active is not None:
        raise WrongState(
            "SN-S023", f"intent {intent.intent_id} is assigned by {active}, which is active"
        )
    return Effect.ADD


def _effect_on_known(assignment: Assignment, known: Assignment) -> Effect:
    same = (
        assignment.intent_id == known.intent_id
        and assignment.bid_id == known.bid_id
        and assignment.agent_address == known.agent_address
        and assignment.matcher == known.matcher
    )
    if not same:
        raise Conflict(
            "SN-S024", f"assignment {assignment.assignment_id} exists with other content"
        )
    if assignment.status is known.status:
        return Effect.NOTHING
    if known.status is AssignmentStatus.FAILED:
        raise WrongState("SN-S025", f"assignment {assignment.assignment_id} has failed")
    return Effect.FAIL
