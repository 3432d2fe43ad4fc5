"""A requester's metadata may name agents; anything else in it means nothing to the matcher."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinai_subnet.matcher.wishes import MAX_METADATA_BYTES, MAX_NAMES, NONE, Wishes, wishes

ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"


def metadata(**agents: object) -> bytes:
    return json.dumps({"agents": agents, "retry_of": "0x1"}).encode()


def test_an_excluded_agent_is_refused_by_name_and_by_address() -> None:
    told = wishes(metadata(exclude=["Agent-2", ADDRESS]))
    assert told.refusal("agent-1", None) is None
    assert told.refusal("agent-2", None).code == "SN-M035"  # type: ignore[union-attr]
    assert told.refusal("other", ADDRESS.lower()) is not None


def test_with_only_everybody_else_is_refused() -> None:
    told = wishes(metadata(only=["agent-1"]))
    assert told.refusal("agent-1", ADDRESS) is None
    refusal = told.refusal("agent-2", ADDRESS)
    assert refusal is not None
    assert "agent-1" in refusal.reason


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff",
        b"[1]",
        b"{",
        b'{"agents": 7}',
        b'{"agents": {"only": "agent-1", "exclude": [1, null, ""]}}',
        b'{"agents": {"only": ["a"]}}' + b" " * MAX_METADATA_BYTES,
        b"{" * 5000,
    ],
)
def test_other_metadata_wishes_nothing(data: bytes) -> None:
    assert wishes(data) == NONE


def test_names_are_bounded() -> None:
    told = wishes(metadata(only=[f"a{n}" for n in range(500)], exclude=["x" * 129]))
    assert len(told.only) == MAX_NAMES
    assert told.exclude == ()


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading(data: bytes) -> None:
    assert isinstance(wishes(data), Wishes)
