"""One simulated validator: the real service with its real duties, over the world's engine, disk and time."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.simulation.consensus.simulator import Crash
from tests.simulation.ledger.watch import Watch
from tests.unit.validator.ledger_world import SUBNET, signer

from pinai_subnet.adapters.signing_record.file import FileSigningRecord
from pinai_subnet.consensus.node import ReplicatedLog
from pinai_subnet.ports.errors import Unreachable
from pinai_subnet.ports.replication import Replication, StateMachine
from pinai_subnet.ports.root_layer import ItemResult, RootLayer, SignedBatch
from pinai_subnet.protocol.membership import SetChange, SignedSetChange
from pinai_subnet.protocol.set_starts import SetStart
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.applied import Applied
from pinai_subnet.validator.command_codec import decode_command
from pinai_subnet.validator.commands import RecordSignature
from pinai_subnet.validator.events import BatchFinal
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.service import ValidatorService
from pinai_subnet.validator.state_machine import LedgerMachine

Fate = Callable[[str], None]


class FragileRecord(FileSigningRecord):
    """The sign-once store on a disk that keeps of an unsynced write as much as it likes."""

    fate: Fate = staticmethod(lambda _: None)

    def _append(self, records: Sequence[Any]) -> None:
        if not records:
            return
        self.fate("before record")
        before = os.fstat(self._descriptor).st_size
        super()._append(records)
        try:
            self.fate("during record")
        except Crash:
            after = os.fstat(self._descriptor).st_size
            os.ftruncate(self._descriptor, before + (after - before) // 3)
            raise
        self.fate("after record")


class WatchedMachine(StateMachine):
    """The validator's own machine; the world sees every command, state and snapshot."""

    def __init__(
        self, name: str, machine: LedgerMachine, watch: Watch, observe: Callable[[int, bytes], None]
    ) -> None:
        self._name = name
        self._machine = machine
        self._watch = watch
        self._observe = observe

    def apply(self, index: int, command: bytes) -> object:
        self._observe(index, command)
        applied = self._machine.apply(index, command)
        self._machine.read(lambda ledger: self._see(ledger, applied))
        return applied

    def _see(self, ledger: Ledger, applied: Applied) -> None:
        self._watch.state(self._name, ledger)
        for event in applied.events:
            if isinstance(event, BatchFinal):
                self._watch.final(ledger, event)

    def snapshot(self) -> bytes:
        data = self._machine.snapshot()
        index = self._machine.read(lambda ledger: ledger.index)
        self._watch.snapshot(self._name, index, data)
        return data

    def restore(self, data: bytes) -> None:
        self._machine.restore(data)
        self._machine.read(lambda ledger: self._watch.state(self._name, ledger))


class SimulatedLog(ReplicatedLog):
    """The real log as the validator calls it; its engine is turned by the world instead of a thread."""

    fate: Fate = staticmethod(lambda _: None)
    leaving: Callable[[bytes], None]

    async def submit(self, command: bytes, *, timeout_seconds: float) -> object:
        self.fate("before submit")
        self.leaving(command)
        value = await super().submit(command, timeout_seconds=timeout_seconds)
        self.fate("after commit")
        return value


class SimulatedRootLayer(RootLayer):
    """Takes every epoch once and repeats its answer; slow, away or forgetful of its answers as the world wants."""

    def __init__(self, watch: Watch, delay: Callable[[], float], chance: Callable[[], float]):
        self._watch = watch
        self._delay = delay
        self._chance = chance
        self.taken: dict[int, tuple[str, ...]] = {}
        self.settled: dict[str, int] = {}
        self.trouble = 0.0
        """How often a call fails."""
        self.sets: dict[int, SetChange] = {}

    async def submit_batch(self, batch: SignedBatch) -> Sequence[ItemResult]:
        await asyncio.sleep(self._delay())
        if self._chance() < self.trouble:
            raise Unreachable("SN-S101", "away")
        assert batch.epoch in self._watch.finals, f"epoch {batch.epoch} is not final anywhere"
        items = tuple(item.intent_id for item in batch.items)
        first = self.taken.setdefault(batch.epoch, items)
        assert first == items, f"RootLayer got two batches for epoch {batch.epoch}"
        for item in items:
            epoch = self.settled.setdefault(item, batch.epoch)
            assert epoch == batch.epoch, f"{item} was settled in {epoch} and {batch.epoch}"
        if self._chance() < self.trouble:
            raise Unreachable("SN-S101", "the answer was lost")
        return [
            ItemResult(ok=True, message="", receipt_id=f"receipt-{batch.epoch}")
            for _ in batch.items
        ]

    async def follow_sets(self, changes: Sequence[SignedSetChange], start: SetStart) -> None:
        for signed in changes:
            known = self.sets.setdefault(signed.change.version, signed.change)
            assert known == signed.change, "RootLayer is told of two sets of one version"
        assert sorted(self.sets) == list(range(2, len(self.sets) + 2)), "a set was left out"

    def watch_intents(self, subnet_id: Any) -> Any:
        raise NotImplementedError

    async def list_intents(self, subnet_id: Any, status: Any, page: int) -> Any:
        raise NotImplementedError

    async def get_intent(self, intent_id: Any) -> Any:
        raise NotImplementedError

    async def post_assignments(self, assignments: Any) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        return None


class FragileRootLayer(SimulatedRootLayer):
    """One validator's way to RootLayer: it may die before or after RootLayer took a batch."""

    def __init__(self, shared: SimulatedRootLayer, fate: Fate) -> None:
        self._shared = shared
        self._fate = fate

    async def submit_batch(self, batch: SignedBatch) -> Sequence[ItemResult]:
        self._fate("before settlement")
        results = await self._shared.submit_batch(batch)
        self._fate("after settlement")
        return results

    async def follow_sets(self, changes: Sequence[SignedSetChange], start: SetStart) -> None:
        await self._shared.follow_sets(changes, start)


class Process:
    """A running validator; it ends without a word."""

    def __init__(
        self,
        *,
        name: str,
        service: ValidatorService,
        log: SimulatedLog,
        record: FileSigningRecord,
        loop: asyncio.AbstractEventLoop,
        ended: Callable[[str, str, BaseException], None],
    ) -> None:
        self.name = name
        self.service = service
        self.log = log
        self._record = record
        self._loop = loop
        self._ended = ended
        self._tasks: set[asyncio.Task[Any]] = set()

    def run(self) -> None:
        """Start every duty but the archive's, which is a projection outside the agreement."""
        stop = Stop(self.service.world.clock)
        for duty in self.service._duties():
            if duty.name != "archive_changes":
                self.spawn(duty.name, duty.run(stop))

    def spawn(self, what: str, work: Any) -> "asyncio.Task[Any]":
        """Run something in this process; it ends with it."""
        task: asyncio.Task[Any] = self._loop.create_task(work, name=f"{self.name} {what}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._ended(self.name, task.get_name(), error)

    def end(self) -> None:
        """The process is gone: nothing of it runs any more, its files are as they are."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.remove_done_callback(self._done)
            task.cancel()
        self._record.close()


def leaving(name: str, watch: Watch, command: bytes) -> None:
    """See what leaves a process: its signatures above all."""
    keys = (signer(name).address,)
    decoded = decode_command(command, SUBNET, lambda _: keys)
    if isinstance(decoded, RecordSignature) and not _forged(decoded):
        watch.signature(name, decoded)


FORGED = signer("a stranger")


def _forged(command: RecordSignature) -> bool:
    return command.batch_signature == FORGED.sign_eip191(command.batch_digest)


def forged(command: RecordSignature) -> RecordSignature:
    """Return the command with signatures of somebody who is no validator."""
    return replace(
        command,
        batch_signature=FORGED.sign_eip191(command.batch_digest),
        header_signature=FORGED.sign(command.header_hash),
    )


def record_path(directory: Path) -> Path:
    """Return where a validator keeps what it signed."""
    return directory / "signing-record.log"


def as_replication(log: SimulatedLog) -> Callable[[LedgerMachine], Replication]:
    """Return what the service asks for its log with; the engine gets its machine from the world."""
    return lambda _machine: log
