"""Taking a backup, and its HTTP side: who signs, who may ask, what a lying validator changes; the schedule's files."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.unit.validator.ledger_world import START_MS, SUBNET, parameters, signer

from pinai_subnet.ports.errors import Unreachable
from pinai_subnet.ports.statements import Statement, Statements
from pinai_subnet.protocol.errors import Exhausted, NotReady
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.runtime.clock import ManualClock, SystemClock
from pinai_subnet.runtime.health import Health
from pinai_subnet.runtime.http_server import create_app
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.api_backups import BACKUPS_PATH, backup_router
from pinai_subnet.validator.backup_file import SUFFIX, Finding, decode_backup, verify_backup
from pinai_subnet.validator.backup_seal import unseal
from pinai_subnet.validator.backups import Backups
from pinai_subnet.validator.command_codec import encode_command
from pinai_subnet.validator.commands import Command, Stamp
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.loops.backup import SaveBackups
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.state_machine import LedgerMachine
from pinai_subnet.wire.auth_file import AuthFile
from pinai_subnet.wire.registry_client import sign_request
from pinai_subnet.wire.status import http_problem

PARAMETERS = parameters()
LIMITS = LedgerLimits()


class Members(Statements):
    """Three validators on one log, and the way to ask them. `behind` and `away` misbehave by name."""

    def __init__(self) -> None:
        self.machines = {
            member.id: LedgerMachine(
                ledger=Ledger(PARAMETERS, LIMITS), parameters=PARAMETERS, listener=lambda *_: None
            )
            for member in PARAMETERS.validators
        }
        self.index = 0
        self.away: set[str] = set()
        self.behind: set[str] = set()
        self.backups = {name: self._backups(name) for name in self.machines}
        self.asked: list[str] = []

    def _backups(self, name: ValidatorId) -> Backups:
        async def propose(build: Callable[[Stamp], Command]) -> None:
            self.index += 1
            stamp = Stamp(request_id=f"r{self.index}", proposer=name, at_ms=START_MS + self.index)
            data = encode_command(build(stamp), signer(name), SUBNET)
            for each, machine in self.machines.items():
                if each not in self.behind:
                    machine.apply(self.index, data)
            await asyncio.sleep(0)

        replica = SimpleNamespace(
            validator_id=name,
            propose=propose,
            read=self.machines[name].read,
            status=lambda: SimpleNamespace(term=4),
        )
        return Backups(
            replica=replica,  # type: ignore[arg-type]
            marks=self.machines[name].marks,
            cluster_id=SUBNET,
            signer=signer(name),
            statements=self,
            version="test",
            clock=SystemClock(),
        )

    async def ask(self, endpoint: str, index: int) -> Statement | None:
        # All members of this world have the same endpoint: they are asked in the order of the set.
        others = [name for name in self.machines if name != "validator-1"]
        name = others[len(self.asked) % len(others)]
        self.asked.append(name)
        if name in self.away:
            raise Unreachable("SN-R079", "away")
        return self.backups[name].statement(index)

    async def close(self) -> None:
        """Nothing is open."""


def checked(backup: Any) -> Finding:
    return verify_backup(backup, genesis=PARAMETERS, present=PARAMETERS, limits=LIMITS)


async def test_a_backup_is_signed_by_every_validator_that_reached_its_state() -> None:
    members = Members()
    backup = await members.backups[ValidatorId("validator-1")].take()
    assert checked(backup).signers == ("validator-1", "validator-2", "validator-3")
    assert (backup.header.index, backup.header.term) == (1, 4)
    assert backup.header.parameters["subnet_id"] == SUBNET


async def test_a_validator_that_is_away_only_costs_its_signature() -> None:
    members = Members()
    members.away = {"validator-2"}
    backup = await members.backups[ValidatorId("validator-1")].take()
    assert checked(backup).signers == ("validator-1", "validator-3")


async def test_a_validator_with_another_state_does_not_sign_ours() -> None:
    members = Members()
    members.behind = {"validator-3"}
    other = LedgerMachine(
        ledger=Ledger(PARAMETERS, LIMITS), parameters=PARAMETERS, listener=lambda *_: None
    )
    other.apply(1, b"not what the others applied")
    members.machines[ValidatorId("validator-3")].restore(other.snapshot())
    backup = await members.backups[ValidatorId("validator-1")].take()
    assert backup.header.index == 1
    assert checked(backup).signers == ("validator-1", "validator-2")


async def test_one_backup_at_a_time() -> None:
    backups = Members().backups[ValidatorId("validator-1")]
    first = asyncio.ensure_future(backups.take())
    await asyncio.sleep(0)
    with pytest.raises(Exhausted, match="another backup"):
        await backups.take()
    await first
    await backups.take()


async def test_without_its_mark_there_is_no_backup() -> None:
    members = Members()
    members.behind = {"validator-1"}
    with pytest.raises(NotReady):
        await members.backups[ValidatorId("validator-1")].take()


# -- HTTP --------------------------------------------------------------------------------


def app(members: Members) -> FastAPI:
    application = create_app(
        title="t", version="0", error_mapper=http_problem, health=Health(), docs=False
    )
    verifier = AuthFile().verifier("validator", subnet_id=SUBNET, clock=SystemClock())
    backups = members.backups[ValidatorId("validator-1")]
    application.include_router(backup_router(backups, verifier))
    return application


def client(application: FastAPI, host: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=application, client=(host, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://validator")


def proof(name: str) -> dict[str, str]:
    return sign_request(
        signer=signer(name),
        subnet_id=SUBNET,
        method="POST",
        path=BACKUPS_PATH,
        body=None,
        now=SystemClock().now(),
    )


async def test_the_validators_own_host_gets_a_backup() -> None:
    members = Members()
    async with client(app(members), "127.0.0.1") as http:
        answer = await http.post(BACKUPS_PATH)
        assert answer.status_code == 200
        assert checked(decode_backup(answer.content)).problems == ()
        statement = await http.get(f"{BACKUPS_PATH}/1")
        assert statement.json()["validator_id"] == "validator-1"
        assert (await http.get(f"{BACKUPS_PATH}/2")).status_code == 404


async def test_from_elsewhere_only_a_validators_key_gets_a_backup() -> None:
    application = app(Members())
    async with client(application, "192.0.2.7") as http:
        refused = await http.post(BACKUPS_PATH)
        assert (refused.status_code, refused.json()["code"]) == (403, "SN-R077")
        assert (await http.post(BACKUPS_PATH, headers=proof("agent-1"))).status_code == 403
        assert (await http.post(BACKUPS_PATH, headers=proof("validator-2"))).status_code == 200
    async with client(application, "127.0.0.1") as http:
        forwarded = await http.post(BACKUPS_PATH, headers={"X-Forwarded-For": "192.0.2.7"})
        assert forwarded.status_code == 403, "a proxy on this host speaks for somebody else"


# -- schedule ----------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, bytes(range(32))])
async def test_the_schedule_keeps_the_newest_and_touches_no_other_file(
    tmp_path: Path, key: bytes | None
) -> None:
    clock = ManualClock()
    metrics = Metrics("validator")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / f"snap-other{SUFFIX}").write_text("of another subnet")
    schedule = SaveBackups(
        backups=Members().backups[ValidatorId("validator-1")],
        directory=tmp_path,
        every_seconds=60,
        keep=2,
        key=key,
        metrics=ValidatorMetrics(metrics),
        clock=clock,
    )
    stop = Stop(clock)
    running = asyncio.ensure_future(schedule.run(stop))

    def saved() -> list[Path]:
        return sorted(tmp_path.glob(f"snap-{SUBNET[-8:]}-*{SUFFIX}"))

    async def until(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 (files and a clock have no event to wait for)
                await asyncio.sleep(0.001)

    newest: list[str] = []
    for turn in range(1, 5):
        await until(lambda: clock.sleeping)
        clock.advance(60)
        end = f"idx{turn}{SUFFIX}"
        await until(lambda end=end: saved() and saved()[-1].name.endswith(end))  # type: ignore[misc]
        newest.append(saved()[-1].name)
    await until(lambda: clock.sleeping)
    stop.set()
    await running
    assert [path.name for path in saved()] == newest[-2:]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in saved())
    data = saved()[0].read_bytes()
    assert (unseal(data, key) != data) is (key is not None)
    assert checked(decode_backup(unseal(data, key))).problems == ()
    others = {path.name for path in tmp_path.glob("*")} - set(newest)  # noqa: ASYNC240 (a test)
    assert others == {"notes.txt", f"snap-other{SUFFIX}"}
