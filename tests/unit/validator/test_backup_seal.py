"""Encrypted backups: only the right key opens them, any change is noticed, open ones stay as they are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinai_subnet.ports.errors import Damaged, Refused
from pinai_subnet.validator.backup_seal import seal, unseal

KEY, OTHER = bytes(range(32)), bytes(32)


@given(st.binary(max_size=2000))
def test_what_was_closed_comes_back_with_its_key_only(data: bytes) -> None:
    closed = seal(data, KEY)
    assert unseal(closed, KEY) == data
    with pytest.raises(Damaged, match="SN-K108"):
        unseal(closed, OTHER)
    with pytest.raises(Refused, match="SN-K107"):
        unseal(closed, None)


def test_the_same_backup_closed_twice_looks_different_and_shows_nothing() -> None:
    data = b"result of an agent" * 20
    one, other = seal(data, KEY), seal(data, KEY)
    assert one[8:] != other[8:]
    assert b"result" not in one


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_or_cut_file_is_refused(data: st.DataObject) -> None:
    closed = seal(b"state" * 30, KEY)
    place = data.draw(st.integers(8, len(closed) - 1))
    if data.draw(st.booleans()):
        changed = closed[:place]
    else:
        other = closed[place] ^ data.draw(st.integers(1, 255))
        changed = closed[:place] + bytes((other,)) + closed[place + 1 :]
    with pytest.raises(Damaged, match="SN-K108"):
        unseal(changed, KEY)


def test_an_open_backup_needs_no_key() -> None:
    assert unseal(b"PINAIBAK...", None) == b"PINAIBAK..."
    assert unseal(b"", KEY) == b""
