"""SIGSTOP of a leading process: the others go on, and it confirms nothing from its old view when it wakes."""

import signal
from pathlib import Path

from tests.integration.consensus.cluster import FAST, Cluster, eventually, free_port
from tests.integration.consensus.test_kill import acknowledged, start_member, until_acknowledged


async def test_paused_member_is_outvoted_and_rejoins_without_losing_or_doubling(
    tmp_path: Path,
) -> None:
    """Finding H: whoever is paused, a majority continues, and all agree afterwards."""
    ports = [free_port() for _ in range(3)]
    processes = [start_member(tmp_path, ports, 500, "load", number) for number in range(3)]
    try:
        await until_acknowledged(tmp_path, 200)
        for victim in processes:
            victim.send_signal(signal.SIGSTOP)
            await until_acknowledged(tmp_path, len(acknowledged(tmp_path)) + 300)
            victim.send_signal(signal.SIGCONT)
            await until_acknowledged(tmp_path, len(acknowledged(tmp_path)) + 300)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    group = Cluster(tmp_path, options=FAST, ports=ports)
    await group.start()
    await group.nodes[0].barrier(timeout_seconds=20)
    await group.settled()
    await eventually(lambda: acknowledged(tmp_path) <= group.machines[0].values.keys())
    assert len({machine.snapshot() for machine in group.machines.values()}) == 1
    await group.stop()
