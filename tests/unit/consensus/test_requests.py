"""Waiting commands are bounded, answered once and put back when their outcome becomes doubtful."""

import pytest

from pinai_subnet.consensus.requests import Inbox, Request, Waiting
from pinai_subnet.protocol.errors import Exhausted


def request(command: bytes = b"\x00x") -> Request:
    return Request(command, None, None)  # type: ignore[arg-type]


def taken(inbox: Inbox, max_bytes: int = 1000) -> list[bytes]:
    return [item.command for item in inbox.take(max_bytes)]


def test_requests_leave_in_order_and_up_to_a_size() -> None:
    inbox = Inbox(max_requests=10, max_bytes=1000)
    for command in (b"1234", b"5678", b"9"):
        inbox.admit(request(command))
    assert taken(inbox, 8) == [b"1234", b"5678"]
    assert taken(inbox) == [b"9"]
    assert not inbox


def test_limits_count_until_release_wherever_the_request_is() -> None:
    inbox = Inbox(max_requests=2, max_bytes=100)
    first, second = request(), request()
    inbox.admit(first)
    inbox.admit(second)
    assert len(taken(inbox)) == 2
    with pytest.raises(Exhausted, match="SN-R022"):
        inbox.admit(request())
    inbox.release(first)
    inbox.admit(request())


def test_bytes_are_limited_too() -> None:
    inbox = Inbox(max_requests=10, max_bytes=10)
    inbox.admit(request(b"12345678"))
    with pytest.raises(Exhausted, match="SN-R022"):
        inbox.admit(request(b"12345"))


def test_given_up_requests_are_not_taken_and_can_be_forgotten() -> None:
    inbox = Inbox(max_requests=10, max_bytes=100)
    first, second = request(b"a"), request(b"b")
    inbox.admit(first)
    inbox.admit(second)
    inbox.release(first)
    inbox.forget_done()
    assert taken(inbox) == [b"b"]


def test_returned_requests_go_first() -> None:
    inbox = Inbox(max_requests=10, max_bytes=100)
    first, second = request(b"a"), request(b"b")
    inbox.admit(first)
    assert taken(inbox) == [b"a"]
    inbox.admit(second)
    inbox.put_back(first)
    assert taken(inbox) == [b"a", b"b"]


def test_entry_of_another_term_does_not_answer_and_returns_the_request() -> None:
    returned: list[Request] = []
    waiting = Waiting(returned.append)
    mine = request()
    waiting.place(5, 2, mine)
    assert waiting.applied(4, 2) == []
    assert waiting.applied(5, 3) == []
    assert returned == [mine]
    assert waiting.applied(5, 2) == []


def test_entry_of_the_same_term_answers_once() -> None:
    waiting = Waiting(lambda _: pytest.fail("returned"))
    mine = request()
    waiting.place(5, 2, mine)
    assert waiting.applied(5, 2) == [mine]
    assert waiting.applied(5, 2) == []


def test_doubt_returns_everything_that_was_placed_or_asked() -> None:
    returned: list[Request] = []
    waiting = Waiting(returned.append)
    placed, asked = request(), request()
    waiting.place(5, 2, placed)
    number = waiting.ask(asked)
    waiting.doubt_all()
    assert returned == [placed, asked]
    assert waiting.answered(number) is None
