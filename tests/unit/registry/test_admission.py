"""What a registration may contain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.registry.admission import (
    AdmissionLimits,
    admit_capabilities,
    admit_endpoint,
    admit_id,
)

LIMITS = AdmissionLimits()


@pytest.mark.parametrize(
    "endpoint",
    [
        "127.0.0.1:7000",
        "agent.example:1",
        "[::1]:9000",
        "http://localhost:7001",
        "https://agents.example/a/b-1",
        "http://10.0.0.5",
    ],
)
def test_real_endpoints_are_taken(endpoint: str) -> None:
    assert admit_endpoint(endpoint, LIMITS, required=True) == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "localhost",
        "host:0",
        "host:99999",
        "host:port",
        "user:secret@host:1",
        "http://user@host",
        "ftp://host:1",
        "http://",
        "host:1/path",
        "http://host/?q=1",
        "http://host/#f",
        "http://ho st/",
        "host:1\r\nx: y",
        "javascript:alert(1)",
        "x" * 300 + ":1",
        "http://[::1:9",
        ":80",
    ],
)
def test_everything_else_is_refused_with_a_code(endpoint: str) -> None:
    """R6: ids and endpoints are validated."""
    with pytest.raises(InvalidInput, match="SN-N203"):
        admit_endpoint(endpoint, LIMITS, required=False)


@given(st.text(max_size=60))
def test_any_text_is_taken_unchanged_or_refused_with_a_code(text: str) -> None:
    try:
        assert admit_endpoint(text, LIMITS, required=False) == text
    except InvalidInput as exc:
        assert exc.code == "SN-N203"  # noqa: PT017 - both outcomes are fine, a third is not


def test_an_agent_may_have_no_endpoint_but_a_validator_may_not() -> None:
    assert admit_endpoint("", LIMITS, required=False) == ""
    with pytest.raises(InvalidInput, match="SN-N202"):
        admit_endpoint("", LIMITS, required=True)


@pytest.mark.parametrize("member_id", ["a/b", "../x", "a b", "é", "x" * 129, "-x", "a\n"])
def test_ids_are_names(member_id: str) -> None:
    """R6: an id is safe in a URL, a log line and a file name."""
    with pytest.raises(InvalidInput, match="SN-N103"):
        admit_id(member_id)


def test_capabilities_are_needed_counted_and_cleaned() -> None:
    assert admit_capabilities(["b", "a", "b", "sql query"], LIMITS) == ("a", "b", "sql query")
    with pytest.raises(InvalidInput, match="SN-N202"):
        admit_capabilities([], LIMITS)
    for bad in (["x"] * 65, [""], [" x"], ["x\n"], ["x" * 129], ["a\x00b"]):
        with pytest.raises(InvalidInput, match="SN-N204"):
            admit_capabilities(bad, LIMITS)
