"""Verdicts, scores, certificates and pairs of peers: what a report of checks says about measured values."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.certificates import make_certificate
from tests.unit.insight.test_network_status import gone, validator, whole

from pinai_subnet.cli.network_checks import peers
from pinai_subnet.insight.certificate import Certificate, fetch, judged
from pinai_subnet.insight.checks import Check, Verdict, document, graded, score


def line(verdict: Verdict) -> Check:
    return Check(category="c", test="t", verdict=verdict)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((), "A"),
        ((Verdict.OK, Verdict.GOOD, Verdict.SKIP), "A"),
        ((Verdict.OK, Verdict.WARN), "B"),
        ((Verdict.FAIL, Verdict.FAIL), "C"),
        ((Verdict.FAIL,) * 5, "D"),
        ((Verdict.FAIL,) * 6, "F"),
    ],
)
def test_score_follows_from_warnings_and_failures(
    verdicts: tuple[Verdict, ...], expected: str
) -> None:
    found = [line(verdict) for verdict in verdicts]
    assert score(found) == expected
    told = document(found, at_ms=7)
    assert (told["score"], told["ok"]) == (expected, Verdict.FAIL not in verdicts)


def test_a_measured_value_is_graded_by_three_bounds_in_either_direction() -> None:
    def up(value: float) -> Verdict:
        return graded(value, good=10, warn=50, fail=500)

    def down(value: float) -> Verdict:
        return graded(value, good=30, warn=15, fail=5, more_is_better=True)

    assert [up(v) for v in (10, 50, 500, 501)] == ["Good", "OK", "Warn", "FAIL"]
    assert [down(v) for v in (30, 15, 5, 4)] == ["Good", "OK", "Warn", "FAIL"]


@pytest.mark.parametrize(
    ("days", "verdict", "bound"),
    [
        (400.0, "OK", ""),
        (30.5, "OK", ""),
        (29.9, "Warn", "at most 30"),
        (6.9, "Warn", "at most 7"),
        (0.9, "Warn", "at most 1"),
    ],
)
def test_a_certificate_that_ends_soon_is_warned_of_at_thirty_seven_and_one_days(
    days: float, verdict: str, bound: str
) -> None:
    """Operators row 23."""
    found = judged("rootlayer", Certificate(days_left=days))
    assert found.verdict == verdict
    assert bound in found.measured


@contextmanager
def tls_server(certificate: Path, key: Path) -> Iterator[str]:
    """A listener that shakes hands once with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                # The client refuses what it does not trust: that is what is tested.
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"localhost:{listener.getsockname()[1]}"
        finally:
            thread.join(10)


@pytest.mark.parametrize(
    ("name", "days", "trusted", "verdict", "words"),
    [
        ("localhost", 90, True, "OK", "d left"),
        ("localhost", 5, True, "Warn", "at most 7"),
        ("localhost", -1, True, "FAIL", "expired"),
        ("elsewhere.example", 90, True, "FAIL", "for another name"),
        ("localhost", 90, False, "FAIL", "not trusted"),
    ],
)
def test_a_certificate_is_read_from_the_endpoint_and_its_fault_is_named(
    tmp_path: Path, *, name: str, days: int, trusted: bool, verdict: str, words: str
) -> None:
    """Operators row 23: expired, soon to expire, wrong name, unknown authority; each with a code and a fix."""
    certificate, key = make_certificate(tmp_path, name=name, days=days)
    context = ssl.create_default_context()
    if trusted:
        context.load_verify_locations(certificate)
    with tls_server(certificate, key) as endpoint:
        found = judged("rootlayer", fetch(endpoint, context=context))
    assert found.verdict == verdict
    assert words in found.measured
    if verdict != "OK":
        assert found.code == "SN-H065"
        assert found.suggestion


def test_an_endpoint_that_is_closed_is_a_failure_with_its_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = judged("rootlayer", fetch(f"127.0.0.1:{port}"))
    assert (found.verdict, found.measured) == (Verdict.FAIL, "Connection refused")


def test_a_pair_is_judged_from_both_sides_and_names_the_host_with_the_firewall() -> None:
    """Operators row 8."""
    seen = whole(validator("validator-3", away=["validator-1"]), gone("validator-2"))
    found = {check.test: check for check in peers(seen)}
    broken = found["validator-1 ↔ validator-3"]
    assert (broken.verdict, broken.code) == (Verdict.FAIL, "SN-N428")
    assert broken.measured == (
        "validator-1 → validator-3 ok, validator-3 → validator-1 not connected"
    )
    assert "inbound firewall before validator-1's raft port" in broken.suggestion
    assert found["validator-1 ↔ validator-2"].verdict is Verdict.SKIP
    assert {check.verdict for check in peers(whole())} == {Verdict.OK}
