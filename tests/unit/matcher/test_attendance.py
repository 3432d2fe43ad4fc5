"""Who could bid and never answers is flagged once; any answer takes the flag away."""

from pinai_subnet.matcher.attendance import SILENT_AFTER, Attendance


def close(
    attendance: Attendance, *, bids: tuple[str, ...] = (), declined: tuple[str, ...] = ()
) -> list[str]:
    return attendance.window_closed(
        eligible=("busy", "quiet"), bids=bids, declined=declined, now_ms=7
    )


def test_an_agent_that_never_answers_is_flagged_once() -> None:
    attendance = Attendance(max_agents=10)
    told = [close(attendance, bids=("busy",)) for _ in range(SILENT_AFTER + 5)]
    assert [flagged for flagged in told if flagged] == [["quiet"]]
    assert attendance.silent() == ["quiet"]
    assert attendance.get("quiet").eligible == SILENT_AFTER + 5
    assert attendance.get("busy").bids == SILENT_AFTER + 5


def test_a_bid_or_a_decline_takes_the_flag_away() -> None:
    for answer in ({"bids": ("busy", "quiet")}, {"bids": ("busy",), "declined": ("quiet",)}):
        attendance = Attendance(max_agents=10)
        for _ in range(SILENT_AFTER):
            close(attendance, bids=("busy",))
        close(attendance, **answer)
        assert attendance.silent() == []


def test_the_newest_reason_is_kept_and_strangers_are_all_zero() -> None:
    attendance = Attendance(max_agents=2)
    attendance.declined("quiet", "capacity 4/4")
    assert attendance.get("quiet").last_decline == "capacity 4/4"
    assert attendance.get("nobody").eligible == 0
    attendance.declined("one", "x")
    attendance.declined("two", "x")
    assert attendance.get("quiet").last_decline == ""
