"""Which process of an identity may take part: the first, unless another one claims it; never one without its memory."""

import json
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinai_subnet.consensus.fence import Fence, Gate, Life
from pinai_subnet.consensus.messages import Refusal
from pinai_subnet.ports.errors import Damaged, Refused
from pinai_subnet.ports.replication import Peer

LIVES = st.builds(
    Life,
    instance=st.binary(min_size=16, max_size=16),
    since_ms=st.integers(0, 3),
    claim_ms=st.integers(0, 2),
)


V1 = Peer(id="v1", address="0x" + "1" * 40, endpoint="10.0.0.11:7400")


def life(number: int, **facts: object) -> Life:
    return Life(instance=bytes([number]) * 16, since_ms=number, **facts)  # type: ignore[arg-type]


def test_a_second_life_is_refused_while_the_first_is_connected() -> None:
    """Operators row 5."""
    fence = Fence()
    fence.admit(V1, life(1), current=None)
    with pytest.raises(
        Refused,
        match=r"SN-K010 identity v1 is active at 10\.0\.0\.11:7400 since 1970-01-01T00:00:00Z",
    ):
        fence.admit(V1, life(2), current=(life(1), "10.0.0.11:7400"))
    fence.admit(V1, life(1), current=(life(1), "10.0.0.11:7400"))
    fence.admit(V1, life(2), current=None)


def test_a_claim_ends_the_former_life_also_after_a_restart_of_who_remembers(tmp_path: Path) -> None:
    """Operators row 5: `--takeover`."""
    path = tmp_path / "fence"
    Fence(path).admit(V1, life(2, claim_ms=5), current=(life(1), "a"))
    again = Fence(path)
    with pytest.raises(Refused, match="SN-K011"):
        again.admit(V1, life(1), current=None)
    again.admit(V1, life(3, claim_ms=5), current=None)


def test_an_own_claim_outlives_the_process_and_only_rises(tmp_path: Path) -> None:
    fence = Fence(tmp_path / "fence")
    fence.take_over(100)
    fence.take_over(50)
    assert Fence(tmp_path / "fence").own_claim_ms == 101


def test_a_known_member_without_its_memory_has_to_say_so(tmp_path: Path) -> None:
    """Operators row 26."""
    path = tmp_path / "fence"
    fence = Fence(path)
    fence.admit(V1, life(1, empty=True), current=None)
    fence.meet(V1, life(1))
    fence.admit(V1, life(1, empty=True), current=None)
    with pytest.raises(Refused, match=r"SN-R019 .*--rejoin-empty"):
        Fence(path).admit(V1, life(2, empty=True), current=None)
    fence.admit(V1, life(2, empty=True, rejoins=True), current=None)
    fence.admit(V1, life(2), current=None)


def test_a_member_under_a_known_id_with_another_key_begins_anew(tmp_path: Path) -> None:
    """Removed and added again, or its key rotated: neither amnesia nor a claim of the former key counts."""
    fence = Fence(tmp_path / "fence")
    fence.admit(V1, life(1, claim_ms=9), current=None)
    fence.meet(V1, life(1, claim_ms=9))
    again = replace(V1, address="0x" + "2" * 40)
    Fence(tmp_path / "fence").admit(again, life(2, empty=True), current=None)
    with pytest.raises(Refused, match="SN-K011"):
        Fence(tmp_path / "fence").admit(V1, life(2, empty=True), current=None)


def test_the_memory_is_bounded(tmp_path: Path) -> None:
    fence = Fence(tmp_path / "fence", fsync=False)
    for number in range(300):
        fence.meet(replace(V1, address=f"0x{number:040x}"), life(1))
    assert len(json.loads((tmp_path / "fence").read_bytes().partition(b"\n")[2])["met"]) == 256


def test_a_damaged_memory_is_told(tmp_path: Path) -> None:
    (tmp_path / "fence").write_bytes(b"{]")
    with pytest.raises(Damaged, match="SN-R090"):
        Fence(tmp_path / "fence")
    path = tmp_path / "other"
    Fence(path).meet(V1, life(1))
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes((whole[place] ^ 4,)) + whole[place + 1 :])
        with pytest.raises(Damaged, match="SN-R090"):
            Fence(path)


def test_a_memory_of_a_newer_format_is_refused_and_kept(tmp_path: Path) -> None:
    """Operators row 27."""
    body = b'{"format": 2}'
    newer = f"{zlib.crc32(body):08x}\n".encode() + body
    (tmp_path / "fence").write_bytes(newer)
    with pytest.raises(Refused, match="SN-R016"):
        Fence(tmp_path / "fence")
    assert (tmp_path / "fence").read_bytes() == newer


@settings(deadline=None)
@given(LIVES, LIVES)
def test_of_two_lives_exactly_one_gives_up(one: Life, other: Life) -> None:
    if one != other and one.instance != other.instance:
        assert one.later_than(other) != other.later_than(one)


def test_only_the_later_life_gives_up_and_only_after_the_lease() -> None:
    gate = Gate(Fence(), lease_seconds=5)
    gate.heed("v2", Refusal("SN-K010", "active", later=True), 100)
    gate.heed("v2", Refusal("SN-K010", "active", later=False), 106)
    with pytest.raises(Refused, match="SN-K010 v2 says: active"):
        gate.heed("v2", Refusal("SN-K010", "active", later=True), 106)
    with pytest.raises(Refused, match="SN-K011"):
        gate.heed("v2", Refusal("SN-K011", "taken over", later=True), 0)


def test_who_is_taken_over_is_told() -> None:
    gate = Gate(Fence(), lease_seconds=5)
    told = gate.ousted("v1", life(1), life(2, claim_ms=1))
    assert told is not None
    assert told.code == "SN-K011"
    assert gate.ousted("v1", life(1), life(1)) is None
