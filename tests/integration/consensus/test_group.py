"""Three members on loopback: agreement, failover, restart, catch-up and honest failure."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.consensus.cluster import (
    CLUSTER,
    FAST,
    Cluster,
    Recorder,
    eventually,
    signer_of,
)

from pinai_subnet.consensus.node import ReplicatedLog
from pinai_subnet.consensus.rejoin import forgot_votes, prepare_rejoin, rejoining, start_over
from pinai_subnet.ports.errors import Damaged, Refused, Unreachable
from pinai_subnet.protocol.errors import Exhausted


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[Cluster]:
    cluster = Cluster(tmp_path)
    yield cluster
    await cluster.stop()


async def write(node: ReplicatedLog, first: int, last: int) -> None:
    commands = [f"k{n}=v{n}".encode() for n in range(first, last)]
    await asyncio.gather(*(node.submit(command, timeout_seconds=15) for command in commands))


async def test_command_given_to_a_follower_is_applied_on_every_member(group: Cluster) -> None:
    await group.start()
    follower = await group.follower()
    index = await group.nodes[follower].submit(b"a=1", timeout_seconds=10)
    assert index == group.nodes[follower].status().applied_index
    await group.settled()
    assert all(machine.values.keys() == {"a"} for machine in group.machines.values())


async def test_barrier_covers_everything_acknowledged_before(group: Cluster) -> None:
    await group.start()
    leader = await group.leader()
    follower = await group.follower()
    acknowledged = await group.nodes[leader].submit(b"a=1", timeout_seconds=10)
    index = await group.nodes[follower].barrier(timeout_seconds=10)
    assert isinstance(acknowledged, int)
    assert index > acknowledged
    assert "a" in group.machines[follower].values


async def test_stopped_leader_is_replaced_and_nothing_acknowledged_is_lost(group: Cluster) -> None:
    await group.start()
    leader = await group.leader()
    await write(group.nodes[leader], 0, 100)
    survivor = await group.follower()
    pending = asyncio.create_task(write(group.nodes[survivor], 100, 300))
    await asyncio.sleep(0.01)
    await group.stop(leader)
    await pending
    await write(group.nodes[survivor], 300, 320)
    await group.settled()
    expected = {f"k{n}" for n in range(320)}
    for number in group.nodes:
        assert group.machines[number].values.keys() == expected


async def test_all_members_restart_from_disk(group: Cluster) -> None:
    await group.start()
    await write(group.nodes[await group.leader()], 0, 200)
    await group.stop()
    await group.start()
    await group.nodes[0].barrier(timeout_seconds=15)
    assert group.machines[0].values.keys() == {f"k{n}" for n in range(200)}


async def test_lagging_member_catches_up_by_snapshot_and_keeps_following(tmp_path: Path) -> None:
    """Findings B and D: compaction, a member far behind, and a restart of all afterwards."""
    options = replace(
        FAST,
        compact_after_entries=100,
        keep_entries=10,
        segment_entries=20,
        snapshot_chunk_bytes=1000,
    )
    group = Cluster(tmp_path, options=options)
    await group.start()
    absent = await group.follower()
    await write(group.nodes[absent], 0, 20)
    await group.stop(absent)
    for first in range(20, 600, 20):
        await write(group.nodes[await group.leader()], first, first + 20)
    await group.start(absent)
    await group.nodes[absent].barrier(timeout_seconds=15)
    assert group.machines[absent].values.keys() == {f"k{n}" for n in range(600)}
    assert group.machines[absent].applied < 580, "it replayed everything instead of a snapshot"
    await write(group.nodes[absent], 600, 700)
    await group.settled()
    await group.stop()
    await group.start()
    await group.nodes[absent].barrier(timeout_seconds=15)
    await group.settled()
    states = {machine.snapshot() for machine in group.machines.values()}
    assert len(states) == 1
    assert group.machines[absent].values.keys() == {f"k{n}" for n in range(700)}
    await group.stop()


async def test_the_log_is_cut_after_so_many_bytes_too(tmp_path: Path) -> None:
    """Few large commands fill a disk as well as many small ones."""
    options = replace(
        FAST, compact_after_bytes=200_000, keep_bytes=50_000, keep_entries=2, segment_bytes=50_000
    )
    group = Cluster(tmp_path, size=1, options=options)
    await group.start()
    for number in range(100):
        value = b"x" * 20_000
        await group.nodes[0].submit(b"k%d=" % (number % 5) + value, timeout_seconds=10)

    def bytes_on_disk() -> int:
        return sum(path.stat().st_size for path in (tmp_path / "v0").rglob("*") if path.is_file())

    await eventually(lambda: bytes_on_disk() < 600_000)
    await group.stop()
    await group.start()
    await group.nodes[0].barrier(timeout_seconds=5)
    assert len(group.machines[0].values) == 5
    await group.stop()


async def test_leadership_is_handed_over_without_losing_a_command(group: Cluster) -> None:
    await group.start()
    leader = await group.leader()
    pending = asyncio.create_task(write(group.nodes[leader], 0, 300))
    await asyncio.sleep(0.01)
    assert await group.nodes[leader].hand_over(timeout_seconds=10)
    await pending
    assert await group.leader() != leader
    assert len(group.machines[leader].values) == 300


async def test_one_member_alone_is_its_own_majority(tmp_path: Path) -> None:
    group = Cluster(tmp_path, size=1)
    await group.start()
    await write(group.nodes[0], 0, 50)
    assert await group.nodes[0].barrier(timeout_seconds=5) > 50
    assert not await group.nodes[0].hand_over(timeout_seconds=0.1)
    await group.stop()
    await group.start()
    await group.nodes[0].barrier(timeout_seconds=5)
    assert len(group.machines[0].values) == 50
    await group.stop()


async def test_minority_acknowledges_nothing_and_leader_steps_down(group: Cluster) -> None:
    """Finding H: an isolated leader must not believe in itself."""
    await group.start()
    leader = await group.leader()
    await group.stop(*[n for n in group.nodes if n != leader])
    with pytest.raises(Unreachable, match="SN-R020"):
        await group.nodes[leader].submit(b"lonely=1", timeout_seconds=0.3)
    await eventually(lambda: group.nodes[leader].status().role != "leader", 5)
    assert not group.nodes[leader].status().has_quorum
    assert "lonely" not in group.machines[leader].values


async def test_large_commands_are_replicated_from_a_follower(tmp_path: Path) -> None:
    # The members share one interpreter: while one works on 8 MiB, the others hear nothing and must not vote at once.
    options = replace(FAST, election_min_seconds=0.6, election_max_seconds=1.2)
    group = Cluster(tmp_path, options=options)
    await group.start()
    follower = await group.follower()
    sizes = [64 * 1024, 300_000, FAST.max_command_bytes]
    for size in sizes:
        await group.nodes[follower].submit(b"%d=" % size + bytes(size - 8), timeout_seconds=20)
    await group.settled()
    assert all(len(machine.values) == 3 for machine in group.machines.values())
    with pytest.raises(Refused, match="SN-R021"):
        await group.nodes[follower].submit(bytes(FAST.max_command_bytes + 1), timeout_seconds=1)
    await group.stop()


async def test_failing_state_machine_stops_its_node_for_good_and_no_other(group: Cluster) -> None:
    """Finding E: an exception is not retried for ever and does not block the others."""
    await group.start()
    broken = await group.follower()
    group.machines[broken].raise_on = b"bad=1"
    leader = await group.leader()
    await group.nodes[leader].submit(b"bad=1", timeout_seconds=10)
    await eventually(lambda: group.nodes[broken].status().failure is not None)
    status = group.nodes[broken].status()
    assert "SN-R030" in (status.failure or "")
    assert not status.has_quorum
    with pytest.raises(Refused, match="SN-R030"):
        await group.nodes[broken].submit(b"x=1", timeout_seconds=1)
    await group.nodes[leader].submit(b"good=1", timeout_seconds=10)


async def test_too_many_waiting_commands_are_refused(tmp_path: Path) -> None:
    group = Cluster(tmp_path, options=replace(FAST, max_pending_requests=5))
    await group.start(0)
    waiting = [
        asyncio.create_task(group.nodes[0].submit(b"x=%d" % n, timeout_seconds=0.3))
        for n in range(5)
    ]
    await asyncio.sleep(0)
    with pytest.raises(Exhausted, match="SN-R022"):
        await group.nodes[0].submit(b"x=6", timeout_seconds=0.3)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, Unreachable) for result in results)
    await group.stop()


async def test_cancelled_submit_leaves_the_log_usable(group: Cluster) -> None:
    await group.start()
    node = group.nodes[await group.follower()]
    task = asyncio.create_task(node.submit(b"a=1", timeout_seconds=10))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await node.submit(b"b=1", timeout_seconds=10)


async def test_status_names_peers_lag_and_terms(group: Cluster) -> None:
    await group.start()
    leader = await group.leader()
    await group.nodes[leader].submit(b"a=1", timeout_seconds=10)
    await group.settled()
    status = group.nodes[leader].status()
    assert status.leader_id == status.id
    assert status.term >= 1
    assert [peer.connected for peer in status.peers] == [True, True]
    assert all(peer.last_heard_seconds is not None for peer in status.peers)
    await eventually(lambda: all(peer.lag == 0 for peer in group.nodes[leader].status().peers))


async def test_stopping_twice_and_before_the_start_is_safe(tmp_path: Path) -> None:
    group = Cluster(tmp_path)
    node = group.make(0)
    assert node.status().role == "follower"
    with pytest.raises(Unreachable, match="SN-R023"):
        await node.submit(b"a=1", timeout_seconds=1)
    await node.stop()
    await group.start(1)
    waiting = asyncio.create_task(group.nodes[1].submit(b"a=1", timeout_seconds=10))
    await asyncio.sleep(0.02)
    stopped = group.nodes[1]
    await stopped.stop()
    await stopped.stop()
    with pytest.raises(Unreachable, match="SN-R023"):
        await waiting


async def test_second_process_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    group = Cluster(tmp_path)
    await group.start(0)
    first = group.nodes[0]
    with pytest.raises(Refused, match="SN-R003"):
        await group.make(0).start()
    await first.stop()


async def test_endpoint_in_use_is_refused_and_the_directory_released(tmp_path: Path) -> None:
    group = Cluster(tmp_path)
    await group.start(0)
    group.peers[1] = replace(group.peers[1], endpoint=group.peers[0].endpoint)
    with pytest.raises(Refused, match="SN-R005"):
        await group.make(1).start()
    await group.stop(0)
    await group.start(1)
    await group.stop(1)


async def test_key_that_is_not_the_members_is_refused(tmp_path: Path) -> None:
    group = Cluster(tmp_path)
    log = ReplicatedLog(
        me=group.peers[0],
        others=group.peers[1:],
        listen=group.peers[0].endpoint,
        cluster_id=CLUSTER,
        directory=tmp_path / "x",
        state_machine=Recorder(),
        signer=signer_of(2),
        options=FAST,
    )
    with pytest.raises(Refused, match="SN-R006"):
        await log.start()


async def test_damaged_directory_is_refused_again_on_the_next_start(tmp_path: Path) -> None:
    group = Cluster(tmp_path, size=1)
    await group.start()
    await write(group.nodes[0], 0, 20)
    await group.stop()
    segment = next(iter((tmp_path / "v0").glob("*.seg")))
    data = bytearray(segment.read_bytes())
    data[120] ^= 4
    segment.write_bytes(data)
    with pytest.raises(Damaged, match="SN-R010"):
        await group.make(0).start()
    with pytest.raises(Damaged, match="SN-R017"):
        await group.make(0).start()


async def test_lost_snapshot_behind_a_compacted_journal_is_refused(tmp_path: Path) -> None:
    options = replace(FAST, compact_after_entries=50, keep_entries=0, segment_entries=10)
    group = Cluster(tmp_path, size=1, options=options)
    await group.start()
    oldest = tmp_path / "v0" / "0000000000000001.seg"
    for first in range(0, 200, 20):
        await write(group.nodes[0], first, first + 20)
    await eventually(lambda: not oldest.exists())
    await group.stop()
    (tmp_path / "v0" / "snapshot").unlink()
    with pytest.raises(Damaged, match="SN-R014"):
        await group.make(0).start()


@pytest.mark.parametrize("victim", ["journal", "meta", "snapshot"])
async def test_damaged_member_rejoins_without_a_vote_and_fetches_everything(
    tmp_path: Path, victim: str
) -> None:
    options = replace(
        FAST,
        compact_after_entries=50,
        keep_entries=5,
        segment_entries=10,
        rejoin_wait_seconds=0.2,
    )
    group = Cluster(tmp_path, options=options)
    await group.start()
    for first in range(0, 200, 20):
        await write(group.nodes[0], first, first + 20)
    await group.settled()
    await group.stop(0)
    directory = tmp_path / "v0"
    names = {"journal": max(directory.glob("*.seg")).name, "meta": "meta", "snapshot": "snapshot"}
    path = directory / names[victim]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged):
        await group.make(0).start()
    with pytest.raises(Damaged, match="SN-R017"):
        await group.make(0).start()
    aside = prepare_rejoin(directory, cluster=CLUSTER, node="v0")
    assert any(aside.iterdir())
    await group.start(0)
    await eventually(lambda: not rejoining(directory))
    await group.nodes[0].barrier(timeout_seconds=10)
    assert group.machines[0].values.keys() == {f"k{n}" for n in range(200)}
    await group.stop()


async def test_member_starts_over_from_an_intact_old_copy(tmp_path: Path) -> None:
    """The copy has forgotten what was acknowledged since: nothing in it counts, and it votes when it has everything."""
    group = Cluster(tmp_path)
    await group.start()
    await write(group.nodes[0], 0, 20)
    await group.stop()
    directory = tmp_path / "v0"
    shutil.copytree(directory, tmp_path / "copy")
    await group.start()
    await write(group.nodes[1], 20, 60)
    await group.stop()
    shutil.rmtree(directory)
    (tmp_path / "copy").rename(directory)
    aside = start_over(directory)
    assert any(aside.iterdir())
    assert rejoining(directory)
    assert forgot_votes(directory)
    await group.start(0, 1)
    await asyncio.sleep(1.0)
    assert all(node.status().role != "leader" for node in group.nodes.values())
    await group.start(2)
    await eventually(lambda: not rejoining(directory))
    await group.nodes[0].barrier(timeout_seconds=15)
    assert group.machines[0].values.keys() == {f"k{n}" for n in range(60)}
    await group.stop()


async def test_rejoining_member_does_not_help_to_elect(tmp_path: Path) -> None:
    group = Cluster(tmp_path)
    await group.start()
    await write(group.nodes[0], 0, 20)
    await group.stop()
    prepare_rejoin(tmp_path / "v0", cluster=CLUSTER, node="v0")
    await group.start(0, 1)
    await asyncio.sleep(1.0)
    assert all(node.status().role != "leader" for node in group.nodes.values())
    await group.start(2)
    await group.nodes[0].barrier(timeout_seconds=15)
    assert len(group.machines[0].values) == 20
    await group.stop()


async def test_rejoin_is_refused_where_it_makes_no_sense(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="SN-R018"):
        prepare_rejoin(tmp_path, cluster=CLUSTER, node="v0")
    group = Cluster(tmp_path, size=1)
    await group.start()
    await group.stop()
    with pytest.raises(Refused, match="SN-R004"):
        prepare_rejoin(tmp_path / "v0", cluster="another", node="v0")
    prepare_rejoin(tmp_path / "v0", cluster=CLUSTER, node="v0")
    with pytest.raises(Refused, match="SN-R018"):
        await group.make(0).start()


async def test_advertised_endpoint_may_be_a_name_and_differ_from_the_listen_address(
    tmp_path: Path,
) -> None:
    group = Cluster(tmp_path)
    listens = [peer.endpoint for peer in group.peers]
    group.peers = [
        replace(peer, endpoint=peer.endpoint.replace("127.0.0.1", "localhost"))
        for peer in group.peers
    ]
    nodes = [
        ReplicatedLog(
            me=peer,
            others=[other for other in group.peers if other is not peer],
            listen=listens[number],
            cluster_id=CLUSTER,
            directory=tmp_path / peer.id,
            state_machine=Recorder(),
            signer=signer_of(number),
            options=FAST,
        )
        for number, peer in enumerate(group.peers)
    ]
    for node in nodes:
        await node.start()
    await nodes[0].barrier(timeout_seconds=15)
    for node in nodes:
        await node.stop()


async def test_unresolvable_or_silent_peer_does_not_disturb_the_others(tmp_path: Path) -> None:
    group = Cluster(tmp_path)
    group.peers[0] = replace(group.peers[0], endpoint="no-such-host.invalid:7400")
    await group.start(1, 2)
    await group.nodes[2].submit(b"a=1", timeout_seconds=15)
    peers = {peer.id: peer for peer in group.nodes[2].status().peers}
    assert not peers["v0"].connected
    assert peers["v0"].last_heard_seconds is None

    def told(peer_id: str) -> str:
        peers = {peer.id: peer for peer in group.nodes[2].status().peers}
        return peers[peer_id].failure or ""

    await eventually(lambda: "no-such-host.invalid:7400" in told("v0"))
    assert told("v1") == "", "only who is not connected"
    await group.stop()


@pytest.mark.parametrize("endpoint", ["nonsense", "127.0.0.1:99999", "127.0.0.1:"])
async def test_malformed_listen_endpoint_is_refused(tmp_path: Path, endpoint: str) -> None:
    group = Cluster(tmp_path)
    group.peers[0] = replace(group.peers[0], endpoint=endpoint)
    with pytest.raises(Refused, match="SN-R005"):
        await group.make(0).start()


async def test_five_members_survive_the_loss_of_two(tmp_path: Path) -> None:
    group = Cluster(tmp_path, size=5)
    await group.start()
    await write(group.nodes[0], 0, 50)
    first = await group.leader()
    await group.stop(first)
    second = await group.leader()
    await group.stop(second)
    survivor = next(iter(group.nodes))
    await write(group.nodes[survivor], 50, 100)
    await group.settled()
    for number in group.nodes:
        assert group.machines[number].values.keys() == {f"k{n}" for n in range(100)}
    await group.stop()
