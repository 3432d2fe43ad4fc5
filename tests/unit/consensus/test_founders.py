"""When members that all hold nothing may found their group."""

from pinai_subnet.consensus.rejoin import Founders


def test_all_members_found_at_once_a_majority_after_a_while_a_minority_never() -> None:
    """Operators row 29."""
    founders = Founders(2, wait_seconds=1)
    assert founders.complete(2, 0)
    assert not founders.complete(1, 10)
    assert not founders.complete(1, 10.9)
    assert founders.complete(1, 11)
    assert not founders.complete(0, 100)
    assert not founders.complete(1, 100.5), "the wait begins again"
    assert not Founders(3, wait_seconds=0).complete(1, 100), "two of four are no majority"
