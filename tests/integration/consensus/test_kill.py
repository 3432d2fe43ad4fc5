"""SIGKILL of real processes under load: everything that was acknowledged is still there afterwards."""

import asyncio
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.consensus.cluster import FAST, Cluster, free_port

ROOT = Path(__file__).parents[3]


def spawn(
    directory: Path, ports: list[int], compact_after: int, tag: str
) -> list[subprocess.Popen[str]]:
    return [
        start_member(directory, ports, compact_after, tag, number) for number in range(len(ports))
    ]


def start_member(
    directory: Path, ports: list[int], compact_after: int, tag: str, number: int
) -> subprocess.Popen[str]:
    arguments = [str(directory), str(number), ",".join(map(str, ports)), str(compact_after), tag]
    with (
        (directory / f"acknowledged-{tag}-{number}").open("w") as out,
        (directory / f"errors-{tag}-{number}").open("w") as complaints,
    ):
        return subprocess.Popen(
            [sys.executable, "-m", "tests.integration.consensus.member", *arguments],
            cwd=ROOT,
            stdout=out,
            stderr=complaints,
            text=True,
        )


def acknowledged(directory: Path) -> set[str]:
    lines = [path.read_text() for path in directory.glob("acknowledged-*")]
    whole = [line for text in lines for line in text[: text.rfind("\n") + 1].splitlines()]
    return {line.removeprefix("ack ") for line in whole if line.startswith("ack ")}


def errors(directory: Path) -> list[str]:
    return [path.read_text()[-2000:] for path in directory.glob("errors-*")]


async def until_acknowledged(directory: Path, count: int) -> None:
    for _ in range(3000):
        if len(acknowledged(directory)) >= count:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"too few commands were acknowledged: {errors(directory)}")


@pytest.mark.parametrize("compact_after", [100, 1_000_000], ids=["compacting", "plain"])
async def test_killing_all_members_under_load_loses_nothing_acknowledged(
    tmp_path: Path, compact_after: int
) -> None:
    """Findings B and C: SIGKILL of all three, twice, with and without compaction."""
    ports = [free_port() for _ in range(3)]
    wanted = 0
    for tag in ("first", "second"):
        processes = spawn(tmp_path, ports, compact_after, tag)
        try:
            wanted += 700
            await until_acknowledged(tmp_path, wanted)
        finally:
            for process in processes:
                process.send_signal(signal.SIGKILL)
            for process in processes:
                process.wait()
        wanted = len(acknowledged(tmp_path))
    keys = acknowledged(tmp_path)
    options = replace(
        FAST, compact_after_entries=compact_after, keep_entries=20, segment_entries=50
    )
    group = Cluster(tmp_path, options=options, ports=ports)
    await group.start()
    await group.nodes[0].barrier(timeout_seconds=20)
    await group.settled()
    assert keys - group.machines[0].values.keys() == set()
    assert len({machine.snapshot() for machine in group.machines.values()}) == 1
    await group.stop()


async def test_killing_the_leader_under_load_loses_nothing_acknowledged(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    processes = spawn(tmp_path, ports, 300, "load")
    try:
        await until_acknowledged(tmp_path, 500)
        for victim in (0, 1):
            processes[victim].send_signal(signal.SIGKILL)
            processes[victim].wait()
            if victim == 0:
                survivors = len(acknowledged(tmp_path))
                await until_acknowledged(tmp_path, survivors + 500)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    group = Cluster(tmp_path, options=FAST, ports=ports)
    await group.start()
    await group.nodes[2].barrier(timeout_seconds=20)
    await group.settled()
    assert acknowledged(tmp_path) - group.machines[2].values.keys() == set()
    assert len({machine.snapshot() for machine in group.machines.values()}) == 1
    await group.stop()
