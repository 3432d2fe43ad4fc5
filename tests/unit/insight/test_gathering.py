"""Whom a story's epoch is asked of, and over how many connections everybody is asked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from pinai_subnet.insight.gathering import Gathered, Sources, gather
from pinai_subnet.insight.readers import JsonApi, connected

INTENT = "0x" + "8c" * 32
EPOCH = 41
JUDGED, SEALED = f"/api/v1/intents/{INTENT}", f"/api/v1/epochs/{EPOCH}"


class Member:
    """Answers with what it is given, 404 to all else; remembers what it was asked and counts connections."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.connections = 0
        self.address = ""

    @contextmanager
    def serving(self) -> Iterator["Member"]:
        member = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                member.connections += 1
                super().setup()

            def do_GET(self) -> None:
                member.asked.append(self.path)
                answer = member.answers.get(self.path)
                body = json.dumps(answer or {"detail": "not here"}).encode()
                self.send_response(404 if answer is None else 200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                """Keep the test's output clean."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def signatures(count: int) -> list[dict[str, Any]]:
    return [{"validator_id": f"validator-{n}", "address": "0x", "at_ms": n} for n in range(count)]


def validator(signed: int, *, knows_epoch: bool = True) -> Member:
    settlement = {"epoch": EPOCH, "signatures": signatures(signed)}
    attempt = {
        "assignment_id": "0x1",
        "epoch": EPOCH,
        "times_ms": {},
        "verdicts": [],
        "settlement": settlement,
    }
    answers: dict[str, Any] = {JUDGED: {"attempts": [attempt]}}
    if knows_epoch:
        answers[SEALED] = {"epoch": EPOCH, "signatures": signatures(signed)}
    return Member(answers)


def told_by(*validators: Member) -> Gathered:
    """What is gathered from these validators; RootLayer and matcher are away."""
    away = JsonApi(name="away", base="127.0.0.1:1")
    named = [JsonApi(name=f"v-{n}", base=v.address) for n, v in enumerate(validators)]
    return gather(Sources(rootlayer=away, matcher=away, validators=named), INTENT)


def test_the_epoch_is_asked_only_of_the_validator_that_knows_most_signatures() -> None:
    with (
        validator(1).serving() as one,
        validator(3).serving() as most,
        validator(2).serving() as two,
    ):
        told = told_by(one, most, two)
    assert len(told.epochs[EPOCH]["signatures"]) == 3
    assert (one.asked, two.asked) == ([JUDGED], [JUDGED])
    assert most.asked == [JUDGED, SEALED]
    assert most.connections == 1


def test_where_that_validator_has_it_no_more_the_next_one_is_asked() -> None:
    with (
        Member({}).serving() as ignorant,
        validator(3, knows_epoch=False).serving() as most,
        validator(2).serving() as two,
    ):
        told = told_by(ignorant, most, two)
    assert len(told.epochs[EPOCH]["signatures"]) == 2
    assert ignorant.asked == [JUDGED]
    assert most.asked == two.asked == [JUDGED, SEALED]


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "each its own"])
def test_questions_share_a_connection_only_while_they_are_connected(kept: bool) -> None:
    with Member({"/x": {"y": 1}}).serving() as member:
        api = JsonApi(name="member", base=member.address)
        with connected(api) as (reached,):
            for _ in range(3):
                assert (reached if kept else api).get("/x") == {"y": 1}
    assert member.connections == (1 if kept else 3)
