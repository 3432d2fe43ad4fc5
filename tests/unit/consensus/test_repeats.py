"""A fact that repeats is told once, and again now and then."""

from pinai_subnet.consensus.repeats import Repeats


def test_the_first_times_and_every_hundredth_are_told() -> None:
    repeats = Repeats()
    told = [repeats.worth_telling("10.0.0.1", "SN-R042", "another key") for _ in range(201)]
    assert [number for number, said in enumerate(told) if said] == [0, 1, 2, 3, 4, 100, 200]


def test_another_host_code_or_reason_is_another_fact() -> None:
    repeats = Repeats()
    for _ in range(50):
        repeats.worth_telling("a", "1", "x")
    facts = [("b", "1", "x"), ("a", "2", "x"), ("a", "1", "y")]
    assert all(repeats.worth_telling(*fact) for fact in facts)
    assert not repeats.worth_telling("a", "1", "x")


def test_what_is_remembered_is_bounded_and_the_longest_unseen_goes_first() -> None:
    repeats = Repeats()
    for _ in range(50):
        repeats.worth_telling("host", "SN-R044", "early")
    for number in range(290):
        repeats.worth_telling("host", "SN-R044", str(number))
        repeats.worth_telling("host", "SN-R042", "steady")
    assert len(repeats._seen) <= 256
    assert not repeats.worth_telling("host", "SN-R042", "steady")
    assert repeats.worth_telling("host", "SN-R044", "early")
