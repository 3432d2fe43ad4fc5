"""A snapshot is either exactly what was stored or a coded error."""

import random
from pathlib import Path

import pytest

from pinai_subnet.consensus.snapshot import OutgoingSnapshot, SnapshotStore
from pinai_subnet.ports.errors import Damaged, DependencyError, Refused


def store_in(directory: Path, cluster: str = "c") -> SnapshotStore:
    return SnapshotStore(directory, cluster=cluster, fsync=False)


def test_no_snapshot_is_none(tmp_path: Path) -> None:
    assert store_in(tmp_path).load() is None


def test_newest_snapshot_replaces_the_older_one(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.write(10, 1, b"old")
    header = store.write(20, 2, b"new")
    loaded = store.load()
    assert loaded is not None
    assert (loaded.header, loaded.data) == (header, b"new")
    assert (header.last_index, header.last_term) == (20, 2)


def test_equal_states_have_equal_digests(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert store.write(10, 1, b"state").digest == store.write(11, 4, b"state").digest


def test_flipped_bit_or_truncation_anywhere_is_an_error(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.write(10, 1, b"state" * 50)
    data = store.path.read_bytes()
    chance = random.Random(3)  # noqa: S311  # seeded
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << chance.randrange(8)
        store.path.write_bytes(changed)
        with pytest.raises(DependencyError, match=r"SN-R0(13|16|04)"):
            store.load()
    for length in range(0, len(data), 7):
        store.path.write_bytes(data[:length])
        with pytest.raises(Damaged, match="SN-R013"):
            store.load()
    assert (tmp_path / "quarantine" / "snapshot").exists()


def test_snapshot_of_another_cluster_is_refused(tmp_path: Path) -> None:
    store_in(tmp_path).write(10, 1, b"state")
    with pytest.raises(Refused, match="SN-R004"):
        store_in(tmp_path, "other").load()


def test_transfer_in_pieces_arrives_whole(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    source, target = store_in(tmp_path / "a"), store_in(tmp_path / "b")
    source.write(10, 1, b"state" * 1000)
    outgoing = OutgoingSnapshot(source.path, 10, 1)
    source.write(20, 1, b"newer")
    incoming = target.receive()
    while outgoing.offset < outgoing.total:
        incoming.append(outgoing.piece(700))
        outgoing.offset = incoming.size
    installed = target.install(incoming)
    outgoing.close()
    assert installed.data == b"state" * 1000
    assert target.load() == installed


def test_received_rubbish_does_not_replace_the_snapshot(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.write(10, 1, b"mine")
    incoming = store.receive()
    incoming.append(b"rubbish" * 30)
    with pytest.raises(Damaged, match="SN-R013"):
        store.install(incoming)
    loaded = store.load()
    assert loaded is not None
    assert loaded.data == b"mine"
