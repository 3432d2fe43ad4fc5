"""Assignments and reports coming into the ledger: who may speak, what is a duplicate, what waits, what is too late."""

from dataclasses import replace

import pytest
from tests.unit.validator.ledger_world import (
    AGENTS,
    START,
    START_MS,
    World,
    hex32,
    key_of,
    record,
    report,
    sign_record,
    signer,
)

from pinai_subnet.protocol.assignments import AssignmentStatus
from pinai_subnet.protocol.ids import AgentId, AssignmentId, SubnetId, ValidatorId
from pinai_subnet.protocol.reports import Evidence, ReportStatus, report_digest, result_hash
from pinai_subnet.validator.applied import Applied, Reply, ReplyStatus
from pinai_subnet.validator.commands import RecordAssignments
from pinai_subnet.validator.events import HeldReportDropped, ReportReceived, StageReached
from pinai_subnet.validator.records import Stage


def only(applied: Applied) -> Reply:
    (reply,) = applied.replies
    return reply


def stage(world: World, number: int = 1) -> Stage:
    state = world.ledger.assignment(record(number).assignment.assignment_id)
    assert state is not None
    return state.stage


def test_a_signed_assignment_is_accepted_and_again_a_duplicate_with_the_first_time() -> None:
    world = World()
    first = world.assign(record())
    world.now_ms += 5000
    again = world.assign(record())
    assert only(first) == Reply(status=ReplyStatus.ACCEPTED, at_ms=START_MS)
    assert only(again) == Reply(status=ReplyStatus.DUPLICATE, at_ms=START_MS)
    assert again.events == ()


def test_an_assignment_with_other_content_under_the_same_id_is_refused() -> None:
    world = World()
    world.assign(record())
    assert only(world.assign(sign_record(replace(record(), deadline=START + 61)))).code == "SN-V007"
    assert stage(world) is Stage.ASSIGNED


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (record(matcher=signer("stranger")), "SN-V005"),
        (record(status=AssignmentStatus.FAILED), "SN-V005"),
        (record(subnet_id=SubnetId("0x" + "00" * 31 + "03")), "SN-V006"),
        (replace(record(), agent_id=AgentId("agent-2")), "SN-V006"),
        (replace(record(), attempt=2), "SN-V006"),
        (replace(record(), record_signature=b"short"), "SN-N110"),
        (
            sign_record(
                replace(
                    record(),
                    assignment=replace(
                        record().assignment, signature=AGENTS[0].sign_eip191(bytes(32))
                    ),
                )
            ),
            "SN-V006",
        ),
        (record(deadline=START), "SN-V008"),
        (record(deadline=START + 365 * 24 * 3600), "SN-V008"),
        (replace(record(), agent_id=AgentId("two words")), "SN-N103"),
        (replace(record(), intent_params_hash=b"x"), "SN-V005"),
        (replace(record(), deadline=-1), "SN-N116"),
        (replace(record(), intent_type="x" * 500), "SN-V003"),
    ],
)
def test_an_assignment_that_is_not_the_matchers_or_not_usable_is_refused(
    changed: object, code: str
) -> None:
    """A8, S13, S15: nothing unsigned, foreign, malformed or late becomes an assignment."""
    world = World()
    reply = only(world.assign(changed))  # type: ignore[arg-type]
    assert (reply.status, reply.code) == (ReplyStatus.REJECTED, code)
    assert not world.ledger.counts().total()


def test_an_id_in_capital_letters_is_refused_not_repaired() -> None:
    """S15: two texts of one id would be two assignments."""
    world = World()
    assignment = record().assignment
    loud = replace(
        assignment, assignment_id=AssignmentId(assignment.assignment_id.upper().replace("X", "x"))
    )
    assert only(world.assign(replace(record(), assignment=loud))).code == "SN-N101"


def test_one_bad_record_does_not_refuse_its_neighbours() -> None:
    world = World()
    applied = world.assign(record(1), replace(record(2), attempt=9), record(3))
    assert [reply.status for reply in applied.replies] == ["accepted", "rejected", "accepted"]


def test_several_attempts_of_one_intent_live_until_one_is_verified() -> None:
    """First verified wins; the others end with a reason, and nothing new is assigned."""
    world = World()
    first, second, third = (record(n, intent=1, agent=n - 1) for n in (1, 2, 3))
    world.assign(first, second, third)
    world.send(report(first), report(second))
    world.judge(second, report(second), by=0)
    world.judge(second, report(second), by=1)
    assert [stage(world, n) for n in (1, 2, 3)] == [Stage.REJECTED, Stage.VERIFIED, Stage.REJECTED]
    loser = world.ledger.assignment(first.assignment.assignment_id)
    assert loser is not None
    assert loser.code == "SN-V018"
    assert only(world.assign(record(4, intent=1))).code == "SN-V009"
    assert only(world.send(report(third))).code == "SN-V018"
    assert [key_of(second)] == world.ledger.sealable()


def test_an_intent_has_a_bounded_number_of_attempts() -> None:
    world = World(max_attempts=2)
    world.assign(record(1, intent=1), record(2, intent=1))
    assert only(world.assign(record(3, intent=1))).code == "SN-V010"


def test_a_report_is_received_with_its_digest_and_both_hashes() -> None:
    """S2: the result hash commits to the result bytes."""
    world = World()
    world.assign(record())
    applied = world.send(report(record(), result=b"42"), by=2)
    state = world.ledger.assignment(record().assignment.assignment_id)
    assert state is not None
    assert only(applied).status is ReplyStatus.ACCEPTED
    assert ReportReceived(key=key_of(record())) in applied.events
    assert state.result_hash == result_hash(report(record(), result=b"42"))
    assert state.report_digest == report_digest(report(record(), result=b"42"))
    assert state.received_by == "validator-3"


@pytest.mark.parametrize(
    "agent_id", ["agent-0", AGENTS[0].address, AGENTS[0].address.lower(), AGENTS[0].address.upper()]
)
def test_an_agent_reports_under_its_name_or_its_address(agent_id: str) -> None:
    """Python agents send the name, Go agents the address."""
    world = World()
    world.assign(record())
    assert only(world.send(report(record(), agent_id=agent_id))).status is ReplyStatus.ACCEPTED


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"agent_id": "agent-1"}, "SN-V013"),
        ({"agent_id": AGENTS[1].address}, "SN-V013"),
        ({"agent_id": ""}, "SN-V013"),
        ({"signer": AGENTS[1].address}, "SN-V013"),
        ({"intent_id": hex32("another intent")}, "SN-V014"),
        ({"intent_id": ""}, "SN-V014"),
        ({"timestamp": -1}, "SN-N116"),
        ({"report_id": "x" * 300}, "SN-V003"),
        ({"report_id": "\ud800"}, "SN-V003"),
        ({"evidence": Evidence(proof_exec=bytes(100_000))}, "SN-V017"),
        ({"root_height": 1 << 70}, "SN-N116"),
    ],
)
def test_a_report_of_somebody_else_or_malformed_is_refused_and_takes_no_place(
    fields: dict[str, object], code: str
) -> None:
    """A8, L15: the assigned agent's own report still counts afterwards."""
    world = World()
    world.assign(record())
    refused = only(world.send(report(record(), **fields)))
    assert (refused.status, refused.code) == (ReplyStatus.REJECTED, code)
    assert only(world.send(report(record()))).status is ReplyStatus.ACCEPTED


def test_a_second_report_is_answered_with_the_first_receipt_whatever_its_time_says() -> None:
    """C8: a changed timestamp is no new report."""
    world = World()
    world.assign(record())
    first = only(world.send(report(record())))
    world.now_ms += 1000
    second = only(world.send(report(record(), timestamp=START + 30, result=b"other")))
    assert second == Reply(status=ReplyStatus.DUPLICATE, at_ms=first.at_ms)


def test_a_duplicate_has_the_first_receipts_time_where_members_clocks_differ() -> None:
    """Found by the simulator: the receiver's clock was behind that of who knew the assignment first."""
    world = World()
    world.now_ms += 3000
    world.assign(record(), by=0)
    world.now_ms -= 2000
    first = only(world.send(report(record()), by=1))
    world.now_ms += 9000
    again = only(world.send(report(record()), by=2))
    assert (first.status, again.status) == (ReplyStatus.ACCEPTED, ReplyStatus.DUPLICATE)
    assert first.at_ms == again.at_ms == START_MS + 3000


def test_a_settled_report_is_a_duplicate_too() -> None:
    """C8: settled work is not accepted again."""
    world = World()
    epoch = world.final(record())
    world.settle(epoch)
    world.now_ms += 120_000
    reply = only(world.send(report(record(), timestamp=START + 99)))
    assert reply == Reply(status=ReplyStatus.DUPLICATE, at_ms=START_MS)


def test_a_report_of_an_unknown_assignment_is_refused_where_nothing_is_held() -> None:
    reply = only(World().send(report(record()), hold=False))
    assert (reply.status, reply.code, reply.retryable) == ("rejected", "SN-V012", False)


def test_a_report_that_comes_first_is_held_and_counts_when_its_assignment_comes() -> None:
    world = World()
    held = only(world.send(report(record()), by=1))
    world.now_ms += 500
    again = only(world.send(report(record())))
    applied = world.assign(record(), by=2)
    state = world.ledger.assignment(record().assignment.assignment_id)
    assert held == again == Reply(status=ReplyStatus.HELD, at_ms=START_MS)
    assert state is not None
    assert (state.stage, state.received_by) == (Stage.REPORTED, "validator-2")
    assert ReportReceived(key=key_of(record())) in applied.events
    assert not list(world.ledger.held_reports())


def test_a_foreign_report_cannot_take_the_place_of_the_agents_while_both_are_held() -> None:
    """A8: whoever comes first, the report whose signer is proven to be the assigned agent is taken."""
    world = World()
    world.send(report(record(), result=b"forged"))
    world.send(report(record(), agent_id="somebody"))
    world.send(report(record(), result=b"true", signer=AGENTS[0].address))
    applied = world.assign(record())
    state = world.ledger.assignment(record().assignment.assignment_id)
    assert state is not None
    assert state.report is not None
    assert state.report.result_data == b"true"
    dropped = [event for event in applied.events if isinstance(event, HeldReportDropped)]
    assert [(event.agent_id, event.code) for event in dropped] == [("somebody", "SN-V013")]


def test_held_reports_are_bounded_in_all_and_per_assignment() -> None:
    """M2: nobody fills memory with reports of assignments that do not exist."""
    world = World(max_held=3, max_held_per_assignment=2)
    replies = [only(world.send(report(record(), agent_id=f"a{n}"))) for n in range(3)]
    assert [reply.status for reply in replies] == ["held", "held", "rejected"]
    assert (replies[2].code, replies[2].retryable) == ("SN-V016", True)
    assert only(world.send(report(record(2)))).status is ReplyStatus.HELD
    assert only(world.send(report(record(3)))).code == "SN-V016"


def test_a_held_report_without_assignment_is_dropped_after_its_time() -> None:
    world = World(hold_ms=1000)
    world.send(report(record(1)))
    world.now_ms += 600
    world.send(report(record(2)), report(record(1), agent_id="other"))
    world.now_ms += 600
    applied = world.expire()
    dropped = [event for event in applied.events if isinstance(event, HeldReportDropped)]
    assert [(event.assignment_id, event.code) for event in dropped] == [
        (record(1).assignment.assignment_id, "SN-V019")
    ]
    assert len(list(world.ledger.held_reports())) == 2
    assert not world.ledger.outcomes_after(0)


def test_results_waiting_for_verification_are_bounded_and_the_refusal_can_be_retried() -> None:
    world = World(max_result_bytes=10)
    world.assign(record(1), record(2))
    world.send(report(record(1), result=bytes(8)))
    full = only(world.send(report(record(2), result=bytes(8))))
    assert (full.code, full.retryable) == ("SN-V016", True)
    for by in (0, 1):
        world.judge(record(1), report(record(1), result=bytes(8)), by=by, passed=False)
    assert only(world.send(report(record(2), result=bytes(8)))).status is ReplyStatus.ACCEPTED


def test_a_report_may_come_shortly_after_the_deadline_but_not_later() -> None:
    """Whether it is too late then is for the policy to say."""
    world = World(report_grace_ms=2000)
    world.assign(record(1), record(2))
    world.now_ms = (START + 61) * 1000
    assert only(world.send(report(record(1)))).status is ReplyStatus.ACCEPTED
    world.now_ms += 1001
    assert only(world.send(report(record(2)))).code == "SN-V015"


def test_an_assignment_without_report_expires_after_deadline_and_grace() -> None:
    """L6: an assignment that nobody reports ends with a reason."""
    world = World(report_grace_ms=2000)
    world.assign(record())
    world.now_ms = (START + 62) * 1000
    assert not world.expire().events
    world.now_ms += 1
    (event,) = world.expire().events
    assert isinstance(event, StageReached)
    assert (event.stage, event.code) == (Stage.EXPIRED, "SN-V026")
    assert only(world.send(report(record()))).code == "SN-V015"
    assert only(world.assign(record())).status is ReplyStatus.DUPLICATE


def test_a_full_ledger_refuses_new_assignments_for_now() -> None:
    world = World(max_open=2)
    applied = world.assign(record(1), record(2), record(3))
    assert [reply.code for reply in applied.replies] == ["", "", "SN-V011"]
    assert applied.replies[2].retryable


def test_reports_are_found_by_the_callers_id_and_by_the_computed_one() -> None:
    """V5: reports can be read back by either id."""
    world = World()
    one = record(1)
    world.assign(one, record(2))
    sent = report(one, agent_id=AGENTS[0].address.lower())
    world.send(sent)
    ids = one.assignment
    for agent in ("agent-0", AGENTS[0].address, AGENTS[0].address.lower()):
        found = world.ledger.find_report(
            f"{ids.intent_id}:{ids.assignment_id}:{agent}:{sent.timestamp}"
        )
        assert found is not None
        assert found.record == one
    assert world.ledger.find_report(sent.report_id) is found
    for wrong in (
        "",
        "::",
        ":::",
        f"{ids.intent_id}:{ids.assignment_id}:agent-1:{sent.timestamp}",
        f"{ids.intent_id}:{ids.assignment_id}:agent-0:1",
        f"x:{ids.assignment_id}:agent-0:{sent.timestamp}",
    ):
        assert world.ledger.find_report(wrong) is None


def test_a_stranger_as_proposer_and_a_command_without_content_are_refused() -> None:
    world = World()
    stamp = replace(world.stamp(), proposer=ValidatorId("validator-9"))
    applied = world.apply(RecordAssignments(stamp=stamp, records=(record(),)))
    assert [reply.code for reply in applied.replies] == ["SN-V002"]
    empty = world.assign()
    assert empty.replies == ()
    assert [getattr(event, "code", "") for event in empty.events] == ["SN-V003"]
    assert not world.ledger.counts().total()


def test_report_status_is_for_the_policy_to_judge() -> None:
    """V2: a FAILED report is received like any other; verdicts decide."""
    world = World()
    world.assign(record())
    reply = only(world.send(report(record(), status=ReportStatus.FAILED)))
    assert reply.status is ReplyStatus.ACCEPTED
