"""A validator tells its own verdicts and signatures; what all know alike is told by one of them."""

from tests.unit.validator.ledger_world import World, key_of, record, report

from pinai_subnet.runtime.tracing import Span
from pinai_subnet.validator.trace import spans_of_epoch, spans_of_failure


def names(spans: list[Span]) -> list[str]:
    return sorted(span.name for span in spans)


def test_everybody_tells_its_own_and_one_tells_the_rest() -> None:
    world = World()
    epoch = world.final(record(1), record(2))
    world.settle(epoch)
    told = [spans_of_epoch(world.ledger, epoch, name) for name in world.names]
    shared = ["finality", "report", "sealing", "settlement"]
    assert names(told[0]) == sorted(2 * [*shared, "judging", "signing"])
    assert names(told[1]) == 2 * ["judging"] + 2 * ["signing"]
    assert told[2] == [], "it neither judged nor signed"
    assert {span.intent_id for span in told[0]} == {
        record(number).assignment.intent_id for number in (1, 2)
    }
    assert not any(span.failure for span in told[0])


def test_a_refused_item_says_its_code() -> None:
    world = World()
    epoch = world.final(record(1), record(2))
    world.settle(epoch, refuse=(1,))
    told = [
        s for s in spans_of_epoch(world.ledger, epoch, world.names[0]) if s.name == "settlement"
    ]
    assert sorted(bool(span.failure) for span in told) == [False, True]


def test_a_bad_report_is_told_by_who_judged_it() -> None:
    world = World()
    world.assign(record(1))
    bad = report(record(1))
    world.send(bad)
    for by in (1, 2):
        world.judge(record(1), bad, by=by, passed=False, code="SN-V031")
    assignment_id = key_of(record(1)).assignment_id
    assert names(spans_of_failure(world.ledger, assignment_id, world.names[0])) == ["report"]
    [judged] = spans_of_failure(world.ledger, assignment_id, world.names[1])
    assert (judged.name, judged.failure) == ("judging", "SN-V031")


def test_what_the_ledger_has_forgotten_is_not_told() -> None:
    world = World()
    assert spans_of_epoch(world.ledger, 7, world.names[0]) == []
    assert spans_of_failure(world.ledger, key_of(record(1)).assignment_id, world.names[0]) == []
