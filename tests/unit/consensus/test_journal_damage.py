"""Finding F: whatever happens to the files, a wrong value is never served; it is a coded error or a repair."""

import random
import zlib
from pathlib import Path

import pytest
from tests.unit.consensus.test_journal import contents, fill, open_journal

from pinai_subnet.consensus.journal import Journal
from pinai_subnet.consensus.segment import HEADER_BYTES
from pinai_subnet.ports.errors import Damaged, DependencyError

Entries = list[tuple[bytes, int, int]]


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Entries]:
    """Three segments, a vote and a clean entry list; closed as by a crash."""
    journal = open_journal(tmp_path, segment_entries=20)
    journal.setCurrentTerm(3, "v1")
    for index in range(2, 57):
        fill(journal, index, index, term=1 + index // 20, text=b"\x00" + bytes([index]) * 40)
        journal.sync()
    expected = contents(journal)
    journal.abandon()
    return tmp_path, expected


def reopen(directory: Path) -> Journal | DependencyError:
    try:
        return open_journal(directory, segment_entries=20)
    except DependencyError as error:
        return error


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.seg"))


def restore(directory: Path, kept: dict[Path, bytes]) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            path.unlink()
    for path, data in kept.items():
        path.write_bytes(data)


def test_flipped_bit_anywhere_is_an_error_or_the_true_entries(
    written: tuple[Path, Entries],
) -> None:
    directory, expected = written
    kept = {path: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    chance = random.Random(7)  # noqa: S311  # seeded
    for path, data in kept.items():
        positions = range(len(data)) if len(data) < 300 else chance.sample(range(len(data)), 150)
        for position in positions:
            changed = bytearray(data)
            changed[position] ^= 1 << chance.randrange(8)
            path.write_bytes(changed)
            outcome = reopen(directory)
            assert isinstance(outcome, DependencyError), (path.name, position)
            assert outcome.code in {"SN-R010", "SN-R011", "SN-R012", "SN-R016", "SN-R004"}
            restore(directory, kept)
    outcome = reopen(directory)
    assert isinstance(outcome, Journal)
    assert contents(outcome) == expected
    outcome.close()


def test_truncated_newest_segment_is_cut_to_whole_entries_and_older_ones_refused(
    written: tuple[Path, Entries],
) -> None:
    directory, expected = written
    kept = {path: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    newest = segments(directory)[-1]
    for path in segments(directory):
        for length in range(0, len(kept[path]), 13):
            path.write_bytes(kept[path][:length])
            outcome = reopen(directory)
            if isinstance(outcome, Journal):
                assert path == newest
                found = contents(outcome)
                assert found == expected[: len(found)]
                assert len(found) >= 38
                outcome.abandon()
            else:
                assert outcome.code in {"SN-R010", "SN-R012"}
            restore(directory, kept)


def test_zeroed_page_inside_the_log_is_refused(written: tuple[Path, Entries]) -> None:
    directory, _ = written
    path = segments(directory)[1]
    data = bytearray(path.read_bytes())
    data[200:712] = bytes(512)
    path.write_bytes(data)
    assert isinstance(reopen(directory), Damaged)


def test_zeros_that_an_interrupted_write_left_are_cut(written: tuple[Path, Entries]) -> None:
    directory, expected = written
    path = segments(directory)[-1]
    path.write_bytes(path.read_bytes() + bytes(3000))
    outcome = reopen(directory)
    assert isinstance(outcome, Journal)
    assert contents(outcome) == expected
    fill(outcome, 57, 60, term=4)
    outcome.close()
    again = reopen(directory)
    assert isinstance(again, Journal)
    assert again.last_index == 60
    again.close()


def test_missing_segment_is_refused(written: tuple[Path, Entries]) -> None:
    directory, _ = written
    segments(directory)[1].unlink()
    outcome = reopen(directory)
    assert isinstance(outcome, Damaged)
    assert outcome.code == "SN-R012"


def test_missing_newest_segment_is_noticed_after_a_clean_stop(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, segment_entries=20)
    for index in range(2, 57):
        fill(journal, index, index)
        journal.sync()
    journal.close()
    segments(tmp_path)[-1].unlink()
    outcome = reopen(tmp_path)
    assert isinstance(outcome, Damaged)
    assert outcome.code == "SN-R012"


def test_durable_bytes_that_vanished_after_a_clean_stop_are_noticed(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    fill(journal, 2, 50)
    journal.close()
    path = segments(tmp_path)[-1]
    path.write_bytes(path.read_bytes()[: HEADER_BYTES + 300])
    outcome = reopen(tmp_path)
    assert isinstance(outcome, Damaged)
    assert outcome.code == "SN-R012"


def test_missing_meta_is_an_error_and_never_term_zero(written: tuple[Path, Entries]) -> None:
    directory, _ = written
    (directory / "meta").unlink()
    outcome = reopen(directory)
    assert isinstance(outcome, Damaged)
    assert outcome.code == "SN-R011"


def test_damaged_file_is_kept_in_quarantine_and_the_directory_marked(
    written: tuple[Path, Entries],
) -> None:
    directory, _ = written
    path = segments(directory)[0]
    changed = bytearray(path.read_bytes())
    changed[HEADER_BYTES + 40] ^= 1
    path.write_bytes(changed)
    outcome = reopen(directory)
    assert isinstance(outcome, Damaged)
    assert (directory / "quarantine" / path.name).read_bytes() == bytes(changed)
    assert "SN-R010" in (directory / "DAMAGED").read_text()


def test_newer_file_format_is_refused_with_its_own_code(written: tuple[Path, Entries]) -> None:
    directory, _ = written
    path = segments(directory)[0]
    data = bytearray(path.read_bytes())
    data[8] = 9
    data[HEADER_BYTES - 4 : HEADER_BYTES] = zlib.crc32(bytes(data[: HEADER_BYTES - 4])).to_bytes(
        4, "little"
    )
    path.write_bytes(data)
    outcome = reopen(directory)
    assert isinstance(outcome, DependencyError)
    assert outcome.code == "SN-R016"
