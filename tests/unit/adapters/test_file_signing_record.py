"""The sign-once store: what it refuses, and what every possible end of its file means."""

from pathlib import Path

import pytest

from pinai_subnet.adapters.signing_record import file as module
from pinai_subnet.adapters.signing_record.file import HEADER_SIZE, RECORD_SIZE, FileSigningRecord
from pinai_subnet.ports.errors import Damaged, Refused
from pinai_subnet.ports.signing_record import SigningIntent
from pinai_subnet.protocol.ids import Address
from pinai_subnet.wire.catalogue import CATALOGUE

KEY = Address("0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045")
OTHER = Address("0x52908400098527886E0F7030069857D2E4169EE7")


def intent(epoch: int, fill: int = 1) -> SigningIntent:
    return SigningIntent(
        epoch=epoch, batch_digest=bytes([fill]) * 32, header_hash=bytes([fill + 1]) * 32
    )


def opened(path: Path, **options: int) -> FileSigningRecord:
    return FileSigningRecord(path, address=KEY, **options)


def code_of(store: FileSigningRecord, *intents: SigningIntent) -> str | None:
    try:
        store.remember(intents)
    except (Refused, Damaged) as exc:
        return exc.code
    return None


def test_a_second_digest_of_an_epoch_is_refused_also_after_a_restart(tmp_path: Path) -> None:
    """C1: nothing is signed twice, whatever the log says; the batch digest and the header are both guarded."""
    path = tmp_path / "record"
    store = opened(path)
    assert code_of(store, intent(1)) is None
    store.close()
    store = opened(path)
    assert code_of(store, intent(1)) is None
    assert code_of(store, intent(1, fill=7)) == "SN-K101"
    other_header = SigningIntent(epoch=1, batch_digest=bytes([1]) * 32, header_hash=bytes(32))
    assert code_of(store, other_header) == "SN-K101"
    assert code_of(store, intent(2), intent(2, fill=7)) == "SN-K101"
    assert store.highest_epoch == 1
    store.close()


def test_unknown_epochs_at_or_below_the_highest_are_refused(tmp_path: Path) -> None:
    store = opened(tmp_path / "record")
    store.remember([intent(5)])
    assert code_of(store, intent(4)) == "SN-K102"
    store.raise_to(9)
    assert code_of(store, intent(9)) == "SN-K102"
    assert code_of(store, intent(5)) is None
    assert code_of(store, intent(10)) is None
    store.raise_to(3)
    assert store.highest_epoch == 10
    store.close()


def test_a_refused_group_leaves_nothing_behind(tmp_path: Path) -> None:
    store = opened(tmp_path / "record")
    store.remember([intent(2)])
    assert code_of(store, intent(3), intent(2, fill=9)) == "SN-K101"
    assert store.highest_epoch == 2
    store.close()


def test_every_truncation_keeps_all_whole_records(tmp_path: Path) -> None:
    """C1: killed at any byte of an append, what was synced before is remembered and the rest was never signed."""
    path = tmp_path / "record"
    store = opened(path)
    for epoch in (1, 2, 3):
        store.remember([intent(epoch)])
    store.close()
    whole = path.read_bytes()
    for length in range(HEADER_SIZE, len(whole) + 1):
        path.write_bytes(whole[:length])
        store = opened(path)
        kept = (length - HEADER_SIZE) // RECORD_SIZE
        assert store.highest_epoch == (kept or -1)
        if kept:
            assert code_of(store, intent(kept, fill=9)) == "SN-K101"
        assert code_of(store, intent(kept + 1, fill=9)) is None
        store.close()
        assert opened_and_closed(path) == kept + 1


def opened_and_closed(path: Path) -> int:
    store = opened(path)
    store.close()
    return store.highest_epoch


def test_a_cut_header_refuses_to_open(tmp_path: Path) -> None:
    path = tmp_path / "record"
    opened(path).close()
    whole = path.read_bytes()
    for length in range(HEADER_SIZE):
        path.write_bytes(whole[:length])
        with pytest.raises(Damaged) as caught:
            opened(path)
        assert caught.value.code == "SN-K103"


def test_a_flipped_bit_anywhere_is_never_believed(tmp_path: Path) -> None:
    path = tmp_path / "record"
    store = opened(path)
    store.remember([intent(1), intent(2)])
    store.close()
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(bytes(damaged))
        with pytest.raises((Damaged, Refused)) as caught:
            opened(path)
        assert caught.value.code in {"SN-K103", "SN-K104"}


def test_zeros_after_a_crash_are_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "record"
    store = opened(path)
    store.remember([intent(1)])
    store.close()
    with path.open("ab") as file:
        file.write(b"\x01" + bytes(2 * RECORD_SIZE))
    assert opened_and_closed(path) == 1


def test_another_keys_record_and_a_second_process_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "record"
    store = opened(path)
    with pytest.raises(Refused) as caught:
        opened(path)
    assert caught.value.code == "SN-K104"
    store.close()
    with pytest.raises(Refused) as caught:
        FileSigningRecord(path, address=OTHER)
    assert caught.value.code == "SN-K104"


def test_nothing_is_signed_after_a_failed_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path / "record")

    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(module.os, "fsync", refuse)
        assert code_of(store, intent(1)) == "SN-K105"
    assert code_of(store, intent(1)) == "SN-K105"
    store.close()
    assert code_of(store, intent(1)) == "SN-K105"


def test_compaction_keeps_the_newest_epochs_and_the_height(tmp_path: Path) -> None:
    """M2: the record stays bounded."""
    path = tmp_path / "record"
    store = opened(path, keep=4, compact_above=10)
    for epoch in range(1, 40):
        store.remember([intent(epoch)])
    assert path.stat().st_size <= HEADER_SIZE + 11 * RECORD_SIZE
    store.close()
    store = opened(path, keep=4, compact_above=10)
    assert store.highest_epoch == 39
    assert code_of(store, intent(39)) is None
    assert code_of(store, intent(39, fill=9)) == "SN-K101"
    assert code_of(store, intent(3)) == "SN-K102"
    store.close()


def test_the_codes_are_explained() -> None:
    assert {"SN-K101", "SN-K102", "SN-K103", "SN-K104", "SN-K105"} <= set(CATALOGUE)


def test_a_zeroed_stretch_between_records_is_refused(tmp_path: Path) -> None:
    """operators.md row 24: zeros are a torn tail only where nothing follows them."""
    path = tmp_path / "record"
    store = opened(path)
    store.remember([intent(epoch) for epoch in range(1, 6)])
    store.close()
    whole = path.read_bytes()
    for place in range(4):
        start = HEADER_SIZE + place * RECORD_SIZE
        path.write_bytes(whole[:start] + bytes(RECORD_SIZE) + whole[start + RECORD_SIZE :])
        with pytest.raises(Damaged) as caught:
            opened(path)
        assert caught.value.code == "SN-K103"
        assert str(path) in str(caught.value)
