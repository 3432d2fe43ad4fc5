"""A validator that comes back on an older copy of its data: what it signed since then is known to the network only."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.integration.validator.test_life_of_a_report import all_settled, send, stages
from tests.integration.validator.village import House, MemoryLog, MemoryReplication, Village, until
from tests.unit.validator.ledger_world import record, report, signer

from pinai_subnet.adapters.signing_record.file import FileSigningRecord
from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.ports.signing_record import SigningIntent
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.records import Stage
from pinai_subnet.validator.service import Surroundings, ValidatorService
from pinai_subnet.validator.state_machine import LedgerMachine

ME = "validator-3"
EPOCH = 2


class OldCopy(MemoryReplication):
    """Holds the log up to a place, and reaches nobody until `cut` is lifted."""

    def __init__(self, log: MemoryLog, machine: LedgerMachine, held: int) -> None:
        super().__init__(log, ME, machine)
        self.cut = True
        self._held = held

    async def start(self) -> None:
        for index in range(1, self._held + 1):
            self._machine.apply(index, self._log.commands[index - 1])
        self._applied = self._held

    async def catch_up(self) -> object:
        return None if self.cut else await super().catch_up()

    async def submit(self, command: bytes, *, timeout_seconds: float) -> object:
        self._require_network()
        return await super().submit(command, timeout_seconds=timeout_seconds)

    async def barrier(self, *, timeout_seconds: float) -> int:
        self._require_network()
        return await super().barrier(timeout_seconds=timeout_seconds)

    def _require_network(self) -> None:
        if self.cut:
            raise Unreachable("SN-R020", "no quorum")


def _before_its_signature(village: Village) -> int:
    """Return how many commands there are before this validator's signature of the epoch."""
    machine = LedgerMachine(
        ledger=Ledger(village.parameters, LedgerLimits()),
        parameters=village.parameters,
        listener=lambda *_: None,
    )

    def waits(ledger: Ledger) -> bool:
        return any(epoch.epoch == EPOCH for epoch in ledger.unsigned_epochs(ME))  # type: ignore[arg-type]

    for index, command in enumerate(village.log.commands, start=1):
        machine.apply(index, command)
        if machine.read(waits):
            return index
    raise AssertionError("the epoch was never sealed")


async def test_it_signs_nothing_until_it_has_caught_up_and_then_nothing_a_second_time(
    tmp_path: Path,
) -> None:
    """Sign-once after the restore of an older data directory: only the network knows what this key has signed."""
    async with Village(tmp_path / "village") as village:
        for number in (1, EPOCH):
            await village.assign(record(number))
            await send(village, report(record(number)))
            await until(lambda n=number: all_settled(village, n))
            if number == 1:
                live = tmp_path / "village" / ME / "signing-record.log"
                shutil.copy(live, tmp_path / "old.log")
        await _stop(village.houses[2])

        old = FileSigningRecord(tmp_path / "old.log", address=signer(ME).address)
        assert old.highest_epoch == 1
        copies: list[OldCopy] = []

        def replication(machine: LedgerMachine) -> OldCopy:
            copies.append(OldCopy(village.log, machine, _before_its_signature(village)))
            return copies[0]

        service = ValidatorService(_surroundings(village, old), replication)
        await service.start()
        house = House(service, Stop())
        village.houses[2] = house
        house.run()
        await asyncio.sleep(0.5)
        assert old.highest_epoch == 1, "signed without knowing what the network has seen"

        copies[0].cut = False
        await copies[0].catch_up()
        await until(lambda: old.highest_epoch >= EPOCH)
        with pytest.raises(Refused, match=r"SN-K10[12]"):
            old.remember(
                [SigningIntent(epoch=EPOCH, batch_digest=bytes(32), header_hash=bytes(32))]
            )
        await village.assign(record(3))
        await send(village, report(record(3)))
        await until(lambda: stages(village)[record(3).assignment.intent_id] is Stage.SETTLED)
        await until(lambda: old.highest_epoch == EPOCH + 1)
        conflicts = service.replica.read(lambda ledger: list(ledger.state.double_signs))
        assert conflicts == []
        old.close()


async def _stop(house: House) -> None:
    house.stop.set()
    await asyncio.wait(house.tasks, timeout=5)


def _surroundings(village: Village, old: FileSigningRecord) -> Surroundings:
    """Return the stopped validator's surroundings with another signing record."""
    world: Any = village.houses[2].service.world
    given = {name: getattr(world, name) for name in world.__dataclass_fields__}
    return Surroundings(**{**given, "signing_record": old, "metrics": Metrics("validator")})
