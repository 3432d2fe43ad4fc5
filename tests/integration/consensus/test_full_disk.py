"""A member without room steps aside, keeps what it has, and comes back in the same process."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.consensus.cluster import Cluster, Recorder, eventually

from pinai_subnet.consensus.durable import WriteFailed
from pinai_subnet.consensus.journal import Journal
from pinai_subnet.consensus.node import ReplicatedLog
from pinai_subnet.consensus.resumable import ResumableLog
from pinai_subnet.ports.errors import Unreachable


class Once(Recorder):
    """A state machine as the port wants it for a log that is opened again: what is applied stays applied."""

    def __init__(self) -> None:
        super().__init__()
        self.index = 0
        self.order: list[int] = []

    def apply(self, index: int, command: bytes) -> object:
        if index <= self.index:
            return index
        self.index = index
        self.order.append(index)
        return super().apply(index, command)


class Pausing(Cluster):
    """A cluster whose members can step aside."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.logs: dict[int, ResumableLog] = {}

    def make(self, number: int) -> ReplicatedLog:
        kept = self.machines.get(number)
        node = super().make(number)
        self.machines[number] = kept or Once()
        node._state_machine = self.machines[number]
        return node

    async def begin(self) -> None:
        for number in range(3):
            self.logs[number] = ResumableLog(lambda n=number: self.make(n))  # type: ignore[misc]
            await self.logs[number].start()

    async def end(self) -> None:
        for log in self.logs.values():
            await log.stop()

    async def agreed(self) -> None:
        await eventually(
            lambda: len({tuple(sorted(m.values.items())) for m in self.machines.values()}) == 1
        )


@pytest.fixture
async def group(tmp_path: Path) -> object:
    cluster = Pausing(tmp_path)
    await cluster.begin()
    yield cluster
    await cluster.end()


async def put(log: ResumableLog, key: str) -> None:
    await log.submit(f"{key}=1".encode(), timeout_seconds=10)


async def test_a_leader_that_pauses_hands_over_refuses_for_now_and_catches_up(
    group: Pausing,
) -> None:
    """operators.md row 10: read-only without a restart, and back without loss."""
    await put(group.logs[0], "before")
    leader = await group.leader()
    mine = group.logs[leader]
    await mine.pause("SN-V101 0 MiB free")
    status = mine.status()
    assert (status.role, status.leader_id, status.has_quorum) == ("follower", None, False)
    assert status.paused == "SN-V101 0 MiB free"
    assert status.failure is None
    for refused in (
        mine.submit(b"x=1", timeout_seconds=1),
        mine.barrier(timeout_seconds=1),
    ):
        with pytest.raises(Unreachable, match=r"SN-R024.*SN-V101 0 MiB free"):
            await refused
    assert "before" in group.machines[leader].values
    for n in range(20):
        await put(group.logs[(leader + 1) % 3], f"meanwhile-{n}")
    assert "meanwhile-0" not in group.machines[leader].values
    assert await mine.resume()
    await put(mine, "after")
    await group.agreed()
    machine = group.machines[leader]
    assert isinstance(machine, Once)
    assert machine.order == sorted(set(machine.order))


def _refusing(monkeypatch: pytest.MonkeyPatch, directory: Path) -> Callable[[], None]:
    """Let one member's journal write only the first half of a group, as a disk does that runs full; return the end."""
    real = Journal._write

    def write(journal: Journal) -> None:
        if journal.directory == directory and journal._pending:
            half = b"".join(journal._pending)
            os.write(journal._descriptor, half[: len(half) // 2])
            raise WriteFailed(directory, OSError(errno.ENOSPC, "No space left on device"))
        real(journal)

    monkeypatch.setattr(Journal, "_write", write)
    return lambda: monkeypatch.setattr(Journal, "_write", real)


@pytest.mark.parametrize("role", ["leader", "follower"])
async def test_a_disk_that_runs_full_under_the_log_costs_nothing_that_was_acknowledged(
    group: Pausing, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    await put(group.logs[0], "before")
    await group.agreed()
    leader = await group.leader()
    victim = leader if role == "leader" else (leader + 1) % 3
    free = _refusing(monkeypatch, group.directory / group.peers[victim].id)
    for n in range(10):
        await put(group.logs[(victim + 1) % 3], f"under-{n}")
    await eventually(lambda: group.logs[victim].status().paused is not None)
    status = group.logs[victim].status()
    assert "SN-R015" in (status.paused or "")
    assert "No space left" in (status.paused or "")
    assert status.failure is None
    assert "before" in group.machines[victim].values
    free()
    assert await group.logs[victim].resume()
    await put(group.logs[victim], "after")
    await group.agreed()
    assert {f"under-{n}" for n in range(10)} <= set(group.machines[victim].values)


async def test_a_member_stays_aside_while_opening_the_log_finds_no_room(
    group: Pausing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(group.logs[0], "before")
    await group.logs[1].pause("SN-V101 0 MiB free")

    def full(*_: object, **__: object) -> None:
        raise WriteFailed(group.directory, OSError(errno.ENOSPC, "No space left on device"))

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "_continue", full)
        assert not await group.logs[1].resume()
        assert group.logs[1].status().paused is not None
    assert await group.logs[1].resume()
    await put(group.logs[1], "after")


async def test_a_fault_that_is_no_lack_of_room_still_ends_the_log(
    group: Pausing, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = (await group.leader() + 1) % 3

    def broken(_: Journal) -> None:
        raise WriteFailed(group.directory, OSError(errno.EIO, "Input/output error"))

    directory = group.directory / group.peers[follower].id
    real = Journal._write
    monkeypatch.setattr(
        Journal, "_write", lambda j: broken(j) if j.directory == directory else real(j)
    )
    await put(group.logs[(follower + 1) % 3], "one")
    await eventually(lambda: group.logs[follower].status().failure is not None)
    assert group.logs[follower].status().paused is None


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_a_disk_that_is_full_when_the_log_steps_aside_leaves_nothing_open(
    group: Pausing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing writes too; where that fails, the port and the files are released all the same."""
    await put(group.logs[0], "before")
    follower = ((await group.leader()) + 1) % 3
    real = Journal._store_meta

    def full(journal: Journal, term: int, vote: str | None) -> None:
        raise WriteFailed(journal.directory, OSError(errno.ENOSPC, "No space left on device"))

    before = _open_files()
    monkeypatch.setattr(Journal, "_store_meta", full)
    await group.logs[follower].pause("SN-V101 0 MiB free")
    monkeypatch.setattr(Journal, "_store_meta", real)
    assert _open_files() < before
    await put(group.logs[(follower + 1) % 3], "meanwhile")
    assert await group.logs[follower].resume()
    await put(group.logs[follower], "after")
    await group.agreed()
