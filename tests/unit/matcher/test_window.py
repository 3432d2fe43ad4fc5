"""The state machine of an intent."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinai_subnet.matcher import window as w
from pinai_subnet.matcher.window import Phase, Window, WindowRules
from pinai_subnet.protocol.errors import WrongState

RULES = WindowRules(duration_ms=1000, reopen_max_ms=8000)
FAR = 1_000_000


def opened(now_ms: int = 0, assign_by_ms: int = FAR) -> Window:
    return w.open_window(now_ms=now_ms, assign_by_ms=assign_by_ms, rules=RULES)


def closed() -> Window:
    return w.close(opened(), now_ms=1000)


def assigned() -> Window:
    return w.assign(closed(), attempt=1)


def reopened(window: Window, now_ms: int, *, empty: bool, assign_by_ms: int = FAR) -> Window:
    return w.reopen(window, now_ms=now_ms, assign_by_ms=assign_by_ms, rules=RULES, empty=empty)


def test_the_way_of_a_good_intent() -> None:
    window = w.complete(w.report(w.confirm(assigned())), now_ms=5000)
    assert (window.phase, window.attempt, window.finished_at_ms) == (Phase.COMPLETED, 1, 5000)
    assert w.complete(window, now_ms=6000) is window


def test_a_report_without_an_answer_counts_as_acceptance() -> None:
    assert w.report(assigned()).phase is Phase.REPORTED


def test_confirming_after_the_report_changes_nothing() -> None:
    reported = w.report(assigned())
    assert w.confirm(reported) is reported
    assert w.report(reported) is reported


def test_a_failed_attempt_goes_back_to_choosing_and_attempts_count_up() -> None:
    back = w.fail(w.confirm(assigned()))
    assert back.phase is Phase.CLOSED
    assert w.fail(back) is back
    assert w.assign(back, attempt=2).attempt == 2
    with pytest.raises(WrongState):
        w.assign(back, attempt=1)


def test_bids_count_until_the_end_even_if_the_timer_is_late() -> None:
    window = opened()
    assert window.takes_bids(999)
    assert not window.takes_bids(1000)
    assert not w.close(window, now_ms=500).takes_bids(600)


def test_a_window_leaves_half_of_the_time_for_the_work() -> None:
    assert opened(0, 600).closes_at_ms == 300
    assert opened(0, 60_000).closes_at_ms == 1000
    assert opened(10, 5).closes_at_ms == 10


def test_empty_windows_double_up_to_the_limit_and_a_bid_makes_them_ordinary_again() -> None:
    """L10: re-opened until the deadline, without flooding agents."""
    window, lengths = opened(), []
    for _ in range(5):
        window = reopened(
            w.close(window, now_ms=window.closes_at_ms), window.closes_at_ms, empty=True
        )
        lengths.append(window.closes_at_ms - window.opened_at_ms)
    assert lengths == [2000, 4000, 8000, 8000, 8000]
    now = window.opened_at_ms + 10
    shortened = w.first_bid(window, now_ms=now, assign_by_ms=FAR, rules=RULES)
    assert shortened.closes_at_ms == now + 1000
    used = reopened(w.close(shortened, now_ms=now), now, empty=False)
    assert used.closes_at_ms - used.opened_at_ms == 1000
    assert used.empty_rounds == 0


def test_a_window_never_outlasts_the_time_to_assign() -> None:
    again = reopened(w.close(opened(), now_ms=1000), 1000, empty=True, assign_by_ms=1500)
    assert again.closes_at_ms == 1500


def test_an_end_has_a_reason_and_happens_once() -> None:
    ended = w.end(opened(), now_ms=7, code="SN-M301", reason="nobody")
    assert (ended.phase, ended.end_code, ended.closed_at_ms) == (Phase.ENDED, "SN-M301", 7)
    with pytest.raises(WrongState):
        w.end(ended, now_ms=8, code="x", reason="y")


def test_settlement_is_final_whatever_was_thought_before() -> None:
    ended = w.end(assigned(), now_ms=7, code="SN-M303", reason="late")
    assert w.complete(ended, now_ms=9).phase is Phase.COMPLETED


@pytest.mark.parametrize("step", [w.confirm, w.report])
def test_steps_out_of_order_are_refused(step: object) -> None:
    with pytest.raises(WrongState, match="SN-M030"):
        step(opened())  # type: ignore[operator]


STEPS = {
    "first_bid": lambda x, t: w.first_bid(x, now_ms=t, assign_by_ms=FAR, rules=RULES),
    "close": lambda x, t: w.close(x, now_ms=t),
    "assign": lambda x, _: w.assign(x, attempt=x.attempt + 1),
    "confirm": lambda x, _: w.confirm(x),
    "report": lambda x, _: w.report(x),
    "fail": lambda x, _: w.fail(x),
    "reopen": lambda x, t: reopened(x, t, empty=True),
    "complete": lambda x, t: w.complete(x, now_ms=t),
    "end": lambda x, t: w.end(x, now_ms=t, code="SN-M303", reason="r"),
}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=30))
def test_no_sequence_of_steps_breaks_the_machine(steps: list[str]) -> None:
    window = opened()
    for number, name in enumerate(steps, 1):
        before = window
        try:
            window = STEPS[name](window, number * 100)  # type: ignore[no-untyped-call]
        except WrongState:
            window = before
            continue
        assert window.round >= before.round
        assert window.attempt >= before.attempt
        if before.phase is Phase.COMPLETED:
            assert window == before
        if before.phase is Phase.ENDED:
            assert window.phase in (Phase.ENDED, Phase.COMPLETED)
        assert window.phase is not Phase.ENDED or window.end_code
        assert window.phase is Phase.OPEN or window.closed_at_ms or window.phase.final
