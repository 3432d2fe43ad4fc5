"""The process around the ledger: what keeps it from starting, and three of them on the real replicated log."""

import asyncio
import socket
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from tests.free_ports import free_ports
from tests.integration.validator.village import until
from tests.unit.validator.ledger_world import MATCHER, SUBNET, record, report, sign_record, signer

from pinai_subnet.bootstrap import validator as bootstrap
from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.runtime.errors import StartupError
from pinai_subnet.runtime.lifecycle import Process, supervise
from pinai_subnet.wire.catalogue import CATALOGUE
from pinai_subnet.wire.codec.assignments import encode_record
from pinai_subnet.wire.codec.reports import encode_report
from pinai_subnet.wire.pb.pinai import ledger_pb2, ledger_pb2_grpc
from pinai_subnet.wire.pb.subnet import service_pb2_grpc

SHIPPED = Path(__file__).parents[3] / "config"


def network_text(*, threshold: str = "2/3", twice: bool = False, ports: list[int]) -> str:
    numerator, denominator = threshold.split("/")
    entries = []
    for n in range(3):
        key = signer("validator-1" if twice and n == 1 else f"validator-{n + 1}").public_key.hex()
        grpc_port, http_port, raft_port = ports[3 * n : 3 * n + 3]
        entries.append(
            f"  - {{id: validator-{n + 1}, public_key: '{key}', grpc: '127.0.0.1:{grpc_port}',"
            f" http: '127.0.0.1:{http_port}', raft: '127.0.0.1:{raft_port}'}}"
        )
    return (
        f"subnet_id: '{SUBNET}'\n"
        "chain: {chain_id: 84532, intent_manager: '0xB2f092E696B33b7a95e1f961369Bb59611CAd093',"
        " checkpoint_manager: '0x6A61BA20D910576A6c0B39175A6CF98358bB4008'}\n"
        f"threshold: {{numerator: {numerator}, denominator: {denominator}}}\n"
        "validators:\n" + "\n".join(entries) + "\n"
        f"matchers: ['{MATCHER.address}']\n"
        "endpoints: {matcher_grpc: 'h:1', matcher_http: 'h:1', registry_http: '127.0.0.1:1',"
        " registry_grpc: 'h:1', rootlayer_grpc: '127.0.0.1:1', rootlayer_http: 'h:1',"
        " rootlayer_tls: false}\n"
    )


class Home:
    """A configuration directory, keys and data of a three-validator network."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "config"
        self.config.mkdir()
        self.data = directory / "data"
        self.ports = free_ports(9)
        self.environ = {"DATA_DIR": str(self.data), "VALIDATOR_REGISTER": "false"}
        for name in ("validator.yaml", "policy_config.yaml", "auth_config.yaml"):
            (self.config / name).write_text((SHIPPED / name).read_text())
        self.network()

    def network(self, **changes: Any) -> None:
        (self.config / "network.yaml").write_text(network_text(ports=self.ports, **changes))

    def key(self, name: str) -> None:
        """Give the next process this validator's key."""
        self.environ["VALIDATOR_KEY"] = sha256(name.encode()).hexdigest()

    def load(self, name: str | None) -> bootstrap.Configuration:
        return bootstrap.load(Arguments(config_dir=self.config, id=name), self.environ)

    def problems(self, name: str | None) -> list[str]:
        with pytest.raises(StartupError) as caught:
            self.load(name)
        codes = [problem.code for problem in caught.value.problems]
        assert set(codes) <= set(CATALOGUE)
        assert all(problem.fix for problem in caught.value.problems)
        return codes


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_the_shipped_files_start_a_validator(home: Home) -> None:
    """C12, D1: every shipped key is known to the settings."""
    home.key("validator-2")
    configuration = home.load("validator-2")
    assert configuration.me.id == "validator-2"
    assert configuration.settings.seal.max_open_epochs == 2


def test_a_key_of_another_validator_is_named(home: Home) -> None:
    """Operators 3, K2: the wrong key stops the start and says whose it is."""
    home.key("validator-3")
    with pytest.raises(StartupError) as caught:
        home.load("validator-2")
    (problem,) = caught.value.problems
    assert problem.code == "SN-V102"
    assert "validator-3's" in problem.message
    assert sha256(b"validator-3").hexdigest() not in caught.value.report()
    home.key("nobody")
    assert home.problems("validator-2") == ["SN-V102"]


def test_all_problems_are_reported_at_once(home: Home) -> None:
    """Operators 1, 4, 14, 22: no key, the same key twice, an unknown key and an impossible threshold, in one start."""
    text = (home.config / "validator.yaml").read_text()
    home.network(threshold="1/3", twice=True)
    codes = home.problems("validator-1")
    assert {"SN-K001", "SN-C121", "SN-C120"} <= set(codes)
    (home.config / "validator.yaml").write_text(text + "seel: {}\n")
    assert "SN-C004" in home.problems("validator-1")


def test_an_unknown_or_missing_id_is_refused(home: Home) -> None:
    home.key("validator-1")
    assert home.problems("validator-9") == ["SN-V103"]
    assert home.problems(None) == ["SN-V103"]


def test_replication_timing_that_cannot_work_is_refused(home: Home) -> None:
    home.key("validator-1")
    text = (home.config / "validator.yaml").read_text()
    (home.config / "validator.yaml").write_text(
        text.replace("election_max_seconds: 0.6", "election_max_seconds: 0.1")
    )
    assert home.problems("validator-1") == ["SN-R001"]


async def _status_of(configuration: bootstrap.Configuration) -> int:
    async def build(process: Process) -> None:
        await bootstrap.start(process, configuration)

    return await supervise(build, name="validator", grace_seconds=3)


async def test_another_networks_data_and_a_used_port_stop_the_start(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """Operators 7 and 25: exit 78, each with its code, the data untouched."""
    home.key("validator-1")
    configuration = home.load("validator-1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", home.ports[0]))
        taken.listen()
        assert await _status_of(configuration) == 78
    assert "SN-H001" in capsys.readouterr().err
    assert not (home.data / "validator-1").exists()
    running = Running(configuration)
    await running.up()
    await running.down()
    home.key("validator-2")
    stranger = home.load("validator-2")
    (home.data / "validator-1").rename(home.data / "validator-2")
    assert await _status_of(stranger) == 78
    assert "SN-H004" in capsys.readouterr().err


async def test_a_damaged_signing_record_stops_the_start(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """C1: without an intact record of what was signed nothing is signed."""
    home.key("validator-1")
    configuration = home.load("validator-1")
    directory = home.data / "validator-1"
    running = Running(configuration)
    await running.up()
    await running.down()
    (directory / "signing-record.log").write_bytes(b"garbage")
    assert await _status_of(configuration) == 78
    assert "SN-K103" in capsys.readouterr().err


class Running:
    """One validator process inside this one."""

    def __init__(self, configuration: bootstrap.Configuration) -> None:
        self.configuration = configuration
        self.process: Process | None = None
        self.task: asyncio.Task[int] | None = None
        self._ready = asyncio.Event()

    async def up(self) -> None:
        async def build(process: Process) -> None:
            self.process = process
            await bootstrap.start(process, self.configuration)
            self._ready.set()

        self._ready.clear()
        self.task = asyncio.ensure_future(supervise(build, name="validator", grace_seconds=8))
        ready = asyncio.ensure_future(self._ready.wait())
        await asyncio.wait((ready, self.task), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        assert not self.task.done(), "the validator did not start"

    async def down(self) -> int:
        assert self.process is not None
        assert self.task is not None
        self.process.request_stop()
        return await self.task

    @property
    def grpc_target(self) -> str:
        return self.configuration.me.grpc_endpoint

    async def get(self, path: str) -> Any:
        async with httpx.AsyncClient() as http:
            return (await http.get(f"http://{self.configuration.me.http_endpoint}{path}")).json()


def fresh_record(number: int, now: int) -> Any:
    base = record(number, deadline=now + 120)
    return sign_record(replace(base, assigned_at=now))


async def deliver(running: Running, number: int) -> str:
    """Hand an assignment and its report to one validator; return the intent."""
    now = int(running.process.clock.now())  # type: ignore[union-attr]
    assigned = fresh_record(number, now)
    async with grpc.aio.insecure_channel(running.grpc_target) as channel:
        answer = await ledger_pb2_grpc.LedgerServiceStub(channel).RecordAssignments(
            ledger_pb2.RecordAssignmentsRequest(records=[encode_record(assigned)], request_id="r")
        )
        assert answer.results[0].accepted, answer.results[0]
        receipt = await service_pb2_grpc.ValidatorServiceStub(channel).SubmitExecutionReport(
            encode_report(report(assigned, timestamp=now))
        )
        assert receipt.status == "accepted"
    return str(assigned.assignment.intent_id)


async def final_on(running: Running, intent_id: str) -> bool:
    document = await running.get(f"/api/v1/intents/{intent_id}")
    settlement = document.get("attempts", [{}])[0].get("settlement")
    return bool(settlement and settlement["final_at_ms"])


async def test_three_validators_finalise_hand_over_and_come_back(home: Home) -> None:
    """L20, C4, C6, claim 2: on the real log; RootLayer is away throughout, the leader leaves, a node restarts."""
    members = []
    for n in (1, 2, 3):
        home.key(f"validator-{n}")
        members.append(Running(home.load(f"validator-{n}")))
    await asyncio.gather(*(member.up() for member in members))
    try:
        await until(lambda: _able(members[0]))
        first = await deliver(members[0], 1)
        for member in members:
            await until(lambda member=member: final_on(member, first))
        status = await members[0].get("/api/v1/status")
        leader_id = status["replication"]["leader_id"]
        assert status["quorum"]["connected"] == 3
        (leader,) = (member for member in members if member.configuration.me.id == leader_id)
        rest = [member for member in members if member is not leader]
        assert await leader.down() == 0
        second = await deliver(rest[0], 2)
        await until(lambda: final_on(rest[1], second))
        await leader.up()
        await until(lambda: final_on(leader, second))
        await until(lambda: _same_state(members))
        third = await deliver(leader, 3)
        await until(lambda: final_on(rest[0], third))
        backlog = (await leader.get("/api/v1/status"))["epochs"]["settlement_backlog"]
        assert backlog == 3
    finally:
        codes = await asyncio.gather(*(member.down() for member in members))
    assert codes == [0, 0, 0]


async def _able(member: Running) -> bool:
    return bool((await member.get("/health"))["able_to_finalise"]["ok"])


async def _same_state(members: list[Running]) -> bool:
    states = [(await member.get("/api/v1/status"))["state"] for member in members]
    return len({(state["index"], state["digest"]) for state in states}) == 1
