"""The ledger behind the replication port, and its snapshots: bytes in, no error out, and back to the same state."""

import threading
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.validator.ledger_world import (
    SUBNET,
    World,
    key_of,
    parameters,
    record,
    report,
    signature,
    signer,
)

from pinai_subnet.ports.errors import Damaged
from pinai_subnet.protocol.ids import SubnetId
from pinai_subnet.validator.applied import Applied
from pinai_subnet.validator.command_codec import encode_command
from pinai_subnet.validator.commands import RecordAssignments
from pinai_subnet.validator.events import CommandRefused
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.records import Stage
from pinai_subnet.validator.snapshot_codec import VERSION, decode_snapshot, encode_snapshot
from pinai_subnet.validator.state_machine import LedgerMachine

PARAMETERS = parameters()
LIMITS = LedgerLimits()


def machine(heard: list[tuple[int, Applied]] | None = None) -> LedgerMachine:
    log = [] if heard is None else heard
    return LedgerMachine(
        ledger=Ledger(PARAMETERS, LIMITS),
        parameters=PARAMETERS,
        listener=lambda index, applied: log.append((index, applied)),
    )


def busy() -> World:
    """Something in every table: held, open, rejected, sealed, stray, evidence, settled."""
    world = World()
    world.settle(world.final(record(1), record(2)), refuse=(0,))
    world.final(record(3))
    world.verified(record(4))
    world.seal()
    other = b"\x09" * 32
    world.sign(3, batch_digest=other, batch_signature=signer("validator-1").sign_eip191(other))
    world.sign(3, by=0)
    world.sign(3, by=1, header_hash=other, header_signature=signer("validator-2").sign(other))
    world.assign(record(5), record(6, intent=5, agent=1))
    world.send(report(record(5)), report(record(77)))
    world.judge(record(5), report(record(5)), by=2, passed=False)
    return world


def test_commands_travel_as_bytes_and_the_listener_hears_of_each_in_order() -> None:
    heard: list[tuple[int, Applied]] = []
    node = machine(heard)
    world = World()
    command = RecordAssignments(stamp=world.stamp(), records=(record(),))
    data = encode_command(command, signer("validator-1"), SUBNET)
    applied = node.apply(3, data)
    assert [reply.status for reply in applied.replies] == ["accepted"]
    garbage = node.apply(4, b"garbage")
    assert heard == [(3, applied), (4, garbage)]
    assert garbage.replies == ()
    assert [event.code for event in garbage.events if isinstance(event, CommandRefused)] == [
        "SN-V001"
    ]
    assert node.read(lambda ledger: ledger.index) == 4


@given(st.lists(st.binary(max_size=100), max_size=20))
@settings(max_examples=40)
def test_no_bytes_raise_and_two_nodes_refuse_them_alike(entries: list[bytes]) -> None:
    """A2, C7, consensus finding E."""
    one, two = machine(), machine()
    for index, entry in enumerate(entries, start=1):
        assert one.apply(index, entry) == two.apply(index, entry)
    assert one.snapshot() == two.snapshot()


def test_a_snapshot_brings_back_everything_and_is_equal_on_every_node() -> None:
    """C6: restore refills the whole ledger; equal histories give equal bytes."""
    world = busy()
    data = encode_snapshot(world.ledger)
    assert encode_snapshot(world.replay()) == data
    restored = decode_snapshot(data, PARAMETERS, LIMITS)
    assert restored.state == world.ledger.state
    assert restored.state_digest() == world.ledger.state_digest()
    assert encode_snapshot(restored) == data
    assert restored.counts() == world.ledger.counts()
    assert restored.outcomes_after(0) == world.ledger.outcomes_after(0)
    assert restored.double_signs() == world.ledger.double_signs()
    assert len(restored.double_signs()) == 1
    held = [one.report.assignment_id for one in restored.held_reports()]
    assert held == [record(77).assignment.assignment_id]


def test_a_restored_ledger_continues_as_the_first_would_have() -> None:
    """C6: duplicates, evidence and order are remembered across a snapshot."""
    world = busy()
    ledger = decode_snapshot(encode_snapshot(world.ledger), PARAMETERS, LIMITS)
    state = ledger.epoch(3)
    assert state is not None
    commands = [
        world.log[2],
        signature(world.stamp(1), state, signer("validator-2")),
        RecordAssignments(stamp=world.stamp(), records=(record(77),)),
    ]
    for index, command in enumerate(commands, start=len(world.log) + 1):
        assert ledger.apply(index, command) == world.ledger.apply(index, command)
    assert len(ledger.double_signs()) == 2
    assert ledger.state == world.ledger.state
    assert ledger.sealable() == world.ledger.sealable() == []


def test_restore_replaces_the_ledger_and_wakes_the_listener() -> None:
    heard: list[tuple[int, Applied]] = []
    node = machine(heard)
    world = busy()
    node.restore(encode_snapshot(world.ledger))
    assert node.snapshot() == encode_snapshot(world.ledger)
    assert heard == [(len(world.log), Applied(index=len(world.log), replies=(), events=()))]
    assert node.read(lambda ledger: ledger.counts()[Stage.SETTLED]) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:0],
        lambda data: data[:-1],
        lambda data: data + b"\x00",
        lambda data: b"\x01" + data[1:],
        lambda data: data[:200] + bytes((data[200] ^ 1,)) + data[201:],
        lambda data: data[:20],
    ],
)
def test_a_damaged_snapshot_is_refused_and_the_old_state_stays(spoil: object) -> None:
    """Consensus finding F: never a wrong value."""
    node = machine()
    before = node.snapshot()
    with pytest.raises(Damaged, match="SN-V039"):
        node.restore(spoil(encode_snapshot(busy().ledger)))  # type: ignore[operator]
    assert node.snapshot() == before


def test_a_snapshot_with_a_right_digest_but_wrong_content_is_refused() -> None:
    for payload in (b"\xc1", msgspec.msgpack.encode([SUBNET, {"index": "many"}])):
        with pytest.raises(Damaged, match="no ledger state"):
            decode_snapshot(
                bytes((VERSION,)) + sha256(payload).digest() + payload, PARAMETERS, LIMITS
            )


def test_a_snapshot_of_another_network_is_refused() -> None:
    other = parameters(subnet_id=SubnetId("0x" + "00" * 31 + "03"))
    with pytest.raises(Damaged, match="SN-V039"):
        decode_snapshot(encode_snapshot(busy().ledger), other, LIMITS)


def test_reads_from_another_thread_see_whole_commands() -> None:
    """C15: one lock around every read and write."""
    node = machine()
    world = World()
    done = threading.Event()
    torn: list[int] = []

    def watch() -> None:
        while not done.is_set():
            seen = node.read(
                lambda ledger: (
                    ledger.counts().total(),
                    sum(1 for _ in ledger.assignments()),
                )
            )
            if seen[0] != seen[1] or seen[0] % 5:
                torn.append(seen[0])

    watcher = threading.Thread(target=watch)
    watcher.start()
    for turn in range(20):
        records = tuple(record(turn * 5 + n) for n in range(5))
        command = RecordAssignments(stamp=world.stamp(), records=records)
        node.apply(turn + 1, encode_command(command, signer("validator-1"), SUBNET))
    done.set()
    watcher.join()
    assert not torn
    assert node.read(
        lambda ledger: ledger.assignments_of(record(3).assignment.intent_id)[0].key
    ) == (key_of(record(3)))


def test_a_log_that_is_opened_again_changes_nothing_that_is_applied() -> None:
    """operators.md row 10: after a pause the log replays its snapshot and its entries; nobody hears of them twice."""
    heard: list[tuple[int, Applied]] = []
    node, world = machine(heard), World()
    early = node.snapshot()
    commands = [RecordAssignments(stamp=world.stamp(), records=(record(n),)) for n in (1, 2, 3)]
    entries = [encode_command(command, signer("validator-1"), SUBNET) for command in commands]
    for index, entry in enumerate(entries, start=2):
        node.apply(index, entry)
    before, count = node.snapshot(), len(heard)
    node.restore(early)
    for index, entry in enumerate(entries, start=2):
        assert node.apply(index, entry).replies == ()
    assert node.snapshot() == before
    assert len(heard) == count
