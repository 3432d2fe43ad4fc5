"""The signing duty: recompute, remember, sign, publish, in this order, and never twice."""

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.validator import ledger_world as world

from pinai_subnet.adapters.signing_record.file import FileSigningRecord
from pinai_subnet.ports.errors import Damaged
from pinai_subnet.ports.signing_record import SigningIntent
from pinai_subnet.protocol.errors import NotReady
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.runtime.health import Progress
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.validator.applied import Reply
from pinai_subnet.validator.commands import Command, RecordSignature, Stamp
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.loops.sign import SignEpochs
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.recomputation import disagreement


class OneLedger:
    """Stands for the replica: one ledger, applied at once."""

    validator_id = ValidatorId("validator-1")

    def __init__(self, on: Any) -> None:
        self._world = on
        self.proposed: list[Command] = []
        self.barriers = 0
        self.without_room = False

    def read(self, query: Callable[[Ledger], Any]) -> Any:
        return query(self._world.ledger)

    def require_part(self) -> None:
        if self.without_room:
            raise NotReady("SN-V107", "only reads")

    async def current(self) -> None:
        self.barriers += 1

    async def propose(self, build: Callable[[Stamp], Command]) -> tuple[Reply, ...]:
        command = build(self._world.stamp(by=0))
        self.proposed.append(command)
        return tuple(self._world.apply(command).replies)


@pytest.fixture
def sealed() -> Any:
    """A ledger with one sealed epoch that nobody has signed."""
    on = world.World()
    on.verified(world.record(1), world.record(2))
    on.seal(*on.ledger.sealable())
    return on


@pytest.fixture
def record(tmp_path: Path) -> Any:
    store = FileSigningRecord(tmp_path / "record", address=world.signer("validator-1").address)
    yield store
    store.close()


def duty(on: Any, store: FileSigningRecord) -> tuple[SignEpochs, OneLedger]:
    replica = OneLedger(on)
    progress = Progress(clock=ManualClock(), within_seconds=1, what="signatures")
    sign = SignEpochs(
        replica=replica,  # type: ignore[arg-type]
        signer=world.signer("validator-1"),
        record=store,
        progress=progress,
        metrics=ValidatorMetrics(Metrics("validator")),
    )
    return sign, replica


async def test_an_epoch_is_remembered_before_its_signature_leaves(sealed: Any, record: Any) -> None:
    """C1: the entry is on disk when the command is proposed."""
    sign, replica = duty(sealed, record)
    assert await sign.work()
    (command,) = replica.proposed
    assert isinstance(command, RecordSignature)
    assert record.highest_epoch == 1
    assert "validator-1" in sealed.ledger.epoch(1).signatures
    assert not await sign.work()
    assert replica.barriers == 1


async def test_a_lost_command_is_repeated_with_the_same_signature(sealed: Any, record: Any) -> None:
    """C1: killed after the entry and before the log, the restart signs the identical thing."""
    epoch = sealed.ledger.epoch(1)
    record.remember(
        [SigningIntent(epoch=1, batch_digest=epoch.batch_digest, header_hash=epoch.header_hash)]
    )
    sign, replica = duty(sealed, record)
    assert await sign.work()
    assert len(replica.proposed) == 1


async def test_a_second_digest_is_refused_whatever_the_log_says(sealed: Any, record: Any) -> None:
    """C1: the store decides, the epoch stays unsigned here, and the duty goes on."""
    record.remember([SigningIntent(epoch=1, batch_digest=bytes(32), header_hash=bytes(32))])
    sign, replica = duty(sealed, record)
    assert not await sign.work()
    assert replica.proposed == []
    assert not await sign.work()


async def test_a_restored_record_refuses_what_the_network_has_seen(
    sealed: Any, record: Any
) -> None:
    """C1: with an old or empty record, epochs up to the highest own signature in the log are not signed again."""
    sealed.sign(1, by=0)
    sealed.sign(1, by=1)
    sealed.verified(world.record(3))
    sealed.seal(*sealed.ledger.sealable())
    sign, _ = duty(sealed, record)
    assert await sign.work()
    assert record.highest_epoch == 2
    with pytest.raises(Exception, match="SN-K102"):
        record.remember([SigningIntent(epoch=1, batch_digest=bytes(32), header_hash=bytes(32))])


async def test_what_cannot_be_recomputed_is_not_signed(sealed: Any, record: Any) -> None:
    """C2: a validator signs only what it computes itself."""
    ledger: Ledger = sealed.ledger
    epoch = ledger.epoch(1)
    assert epoch is not None
    assert disagreement(ledger, epoch) is None
    item = replace(epoch.items[0], result_hash=bytes(32))
    epoch.items = (item, *epoch.items[1:])
    assert disagreement(ledger, epoch) == "the items differ"
    sign, replica = duty(sealed, record)
    assert not await sign.work()
    assert replica.proposed == []
    assert record.highest_epoch == -1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"items_hash": bytes(32)}, "the items hash to"),
        ({"header_hash": bytes(32)}, "the header hash differs"),
        ({"root_hash": b"\1" * 32}, "the root hash is not the parent's"),
        ({"batch_digest": bytes(32)}, "the batch digest differs"),
    ],
)
def test_every_part_of_an_epoch_is_recomputed(
    sealed: Any, change: dict[str, bytes], expected: str
) -> None:
    """C2, S4, S8: hashes, header, parent and digest are each derived anew."""
    epoch = sealed.ledger.epoch(1)
    for name, value in change.items():
        setattr(epoch, name, value)
    found = disagreement(sealed.ledger, epoch)
    assert found is not None
    assert found.startswith(expected)


def test_a_header_of_another_parent_or_root_differs(sealed: Any) -> None:
    epoch = sealed.ledger.epoch(1)
    epoch.header = replace(epoch.header, event_root=bytes(32))
    assert disagreement(sealed.ledger, epoch) == "the checkpoint header differs"


async def test_without_room_nothing_is_remembered_or_signed_until_there_is_some(
    sealed: Any, record: Any
) -> None:
    """operators.md row 10: below the floor a validator stops signing."""
    sign, replica = duty(sealed, record)
    replica.without_room = True
    with pytest.raises(NotReady, match="SN-V107"):
        await sign.work()
    assert (record.highest_epoch, replica.proposed) == (-1, [])
    replica.without_room = False
    assert await sign.work()
    assert len(replica.proposed) == 1


async def test_a_disk_that_runs_full_under_the_record_delays_the_signature_and_loses_no_epoch(
    sealed: Any, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """operators.md row 10: what could not be remembered is signed when there is room, without a restart."""
    sign, replica = duty(sealed, record)
    real = os.write

    def half(descriptor: int, data: Any) -> int:
        if len(data) > 20:
            return real(descriptor, data[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "write", half)
        for _ in range(3):
            with pytest.raises(Damaged, match="No space left"):
                await sign.work()
    assert replica.proposed == []
    assert await sign.work()
    assert len(replica.proposed) == 1
    record.close()
    again = FileSigningRecord(record._path, address=world.signer("validator-1").address)
    assert again.highest_epoch == 1
    again.close()
