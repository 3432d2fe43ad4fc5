"""Disasters on real processes: a lost quorum, a copied identity, a lost directory, a downgrade."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from tests.network_kit import LocalTestNetwork, wait_until

from pinai_subnet.cli.home import public_environment
from pinai_subnet.consensus.meta import MetaFile

Make = Callable[..., LocalTestNetwork]
CHANGES = 3
MISCONFIGURED = 78


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run subnetctl as an operator does."""
    return subprocess.run(
        [sys.executable, "-m", "pinai_subnet", "subnetctl", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _validator(
    network: LocalTestNetwork, name: str, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run one validator in the foreground until it ends by itself."""
    member = network.members[name]
    environment = network.session.environment
    own = {key: environment[source] for key, source in member.secrets.items()}
    data = {"DATA_DIR": str(network.home.data.resolve())}
    return subprocess.run(
        [*member.command(network.home), *options],
        env=public_environment(environment) | own | data | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def _background(
    network: LocalTestNetwork, name: str, *options: str, **variables: str
) -> Iterator[None]:
    """Run one validator beside the network for the length of the block."""
    member = network.members[name]
    environment = network.session.environment
    own = {key: environment[source] for key, source in member.secrets.items()}
    data = {"DATA_DIR": str(network.home.data.resolve())}
    with (network.home.logs / f"{name}-beside.log").open("wb") as log:
        process = subprocess.Popen(
            [*member.command(network.home), *options],
            env=public_environment(environment) | own | data | variables,
            stdout=log,
            stderr=log,
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)


def test_after_a_lost_quorum_the_network_goes_on_from_the_survivor(make_network: Make) -> None:
    """Nothing that the survivor acknowledged is lost; refused while a quorum works (rows 26 and 29)."""
    network = make_network(validators=3, agents=1)
    network.start()
    home = str(network.home.root)
    before = network.submit_many(CHANGES)
    network.wait_all(before, "COMPLETED")
    network.same_ledger()
    refused = _run("recover", "--home", home, "--apply")
    assert (refused.returncode, "SN-R080" in refused.stderr) == (1, True)

    network.kill(*network.validators)
    data = network.home.data
    for name in ("validator-2", "validator-3"):
        shutil.rmtree(data / name)
    planned = _run("recover", "--home", home)
    assert planned.returncode == 0, planned.stderr
    assert "not seen: validator-2, validator-3" in planned.stdout
    assert not (data / "validator-2").exists()

    done = _run("recover", "--home", home, "--apply", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["from"] == "validator-1"
    network.start(*network.validators)
    network.wait_all(network.submit_many(CHANGES), "COMPLETED")
    network.same_ledger()
    for intent_id in before:
        assert network.get("validator-2", f"/api/v1/intents/{intent_id}")["intent_id"] == intent_id
    status = network.get("validator-1", "/api/v1/status")
    assert status["double_signs"] == 0


def test_a_copied_identity_is_refused_and_takes_over_when_told_to(make_network: Make) -> None:
    """Operators row 5: exit 78 and one line that says what to do."""
    network = make_network(validators=3, agents=0)
    network.start("rootlayer", "registry", *network.validators)
    network.leader()
    network.stop("validator-3")
    copied = network.home.root / "other-host"
    shutil.copytree(network.home.data / "validator-3", copied / "validator-3")
    network.start("validator-3")
    elsewhere = {
        "DATA_DIR": str(copied),
        "VALIDATOR_GRPC_PORT": "0",
        "VALIDATOR_HTTP_PORT": "0",
        "VALIDATOR_RAFT_PORT": "0",
        "VALIDATOR_REGISTER": "false",
    }
    second = _validator(network, "validator-3", **elsewhere)
    assert second.returncode == MISCONFIGURED
    assert "SN-K010" in second.stderr
    assert "identity validator-3 is active at" in second.stderr
    assert "--takeover" in second.stderr
    assert network.ready("validator-3")

    with _background(network, "validator-3", "--takeover", **elsewhere):
        wait_until(lambda: "SN-K011" in network.log("validator-3"), "the fenced one is told")
        wait_until(lambda: not network.ready("validator-3"), "the fenced one has ended")

        def follows() -> bool:
            peers = network.get("validator-1", "/api/v1/status")["replication"]["peers"]
            return any(peer["id"] == "validator-3" and peer["connected"] for peer in peers)

        wait_until(follows, "the taker is in its place")


def test_a_validator_without_its_data_comes_back_only_when_told_to(make_network: Make) -> None:
    """Operators row 26: amnesia is found by the others, and healed from them."""
    network = make_network(validators=3, agents=1)
    network.start()
    network.wait_all(network.submit_many(CHANGES), "COMPLETED")
    network.kill("validator-2")
    shutil.rmtree(network.home.data / "validator-2")
    amnesiac = _validator(network, "validator-2")
    assert amnesiac.returncode == MISCONFIGURED
    assert "SN-R019" in amnesiac.stderr
    assert "--rejoin-empty" in amnesiac.stderr
    with _background(network, "validator-2", "--rejoin-empty"):
        wait_until(lambda: network.ready("validator-2"), "it is back")
        network.wait_all(network.submit_many(CHANGES), "COMPLETED")
        network.same_ledger()
        assert network.get("validator-2", "/api/v1/status")["double_signs"] == 0
        mark = network.home.data / "validator-2" / "log" / "REJOIN"
        wait_until(lambda: not mark.exists(), "it has its vote back")
        _damaged_log_is_put_aside_and_fetched_again(network)


def _damaged_log_is_put_aside_and_fetched_again(network: LocalTestNetwork) -> None:
    """Operators row 24: never a guess; the damaged files stay, the quorum gives everything back."""
    network.kill("validator-3")
    log = network.home.data / "validator-3" / "log"
    segment = min(log.glob("*.seg"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 3] ^= 0xFF
    segment.write_bytes(data)
    for code in ("SN-R01", "SN-R017"):
        ended = _validator(network, "validator-3")
        assert ended.returncode == MISCONFIGURED, ended.stderr
        assert code in ended.stderr
    assert any((log / "quarantine").iterdir())
    with _background(network, "validator-3", "--rejoin-empty"):
        wait_until(lambda: network.ready("validator-3"), "it is back")
        network.wait_all(network.submit_many(1), "COMPLETED")
        network.same_ledger()


def _newer_database(directory: Path) -> Path:
    path = directory / "archive.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    return path


def _newer_stamp(directory: Path) -> Path:
    path = directory / "identity.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    return path


def _newer_record(directory: Path) -> Path:
    path = directory / "signing-record.log"
    path.write_bytes(path.read_bytes().replace(b"PINAISR1", b"PINAISR2", 1))
    return path


def _newer_meta(directory: Path) -> Path:
    path = directory / "log" / "meta"
    identity: dict[str, Any] = json.loads((directory / "identity.json").read_text())
    file = MetaFile(path, fsync=False)
    meta = file.load(cluster=identity["subnet_id"], node=identity["node_id"])
    assert meta is not None
    file.store(msgspec.structs.replace(meta, format=2))
    return path


def test_a_downgrade_is_refused_with_the_reason_and_the_data_untouched(
    make_network: Make,
) -> None:
    """Operators row 27: every kind of file that a newer build could have written."""
    network = make_network(validators=1, agents=0)
    network.start("rootlayer", "registry", "validator-1")
    network.stop("validator-1")
    directory = network.home.data / "validator-1"
    kept = network.home.root / "kept"
    shutil.copytree(directory, kept)
    for change, code in (
        (_newer_database, "SN-H005"),
        (_newer_stamp, "SN-H005"),
        (_newer_record, "SN-K106"),
        (_newer_meta, "SN-R016"),
    ):
        path = change(directory)
        before = path.read_bytes()
        ended = _validator(network, "validator-1")
        assert ended.returncode == MISCONFIGURED, ended.stderr
        assert code in ended.stderr
        assert path.read_bytes() == before
        assert not (directory / "log" / "DAMAGED").exists()
        shutil.rmtree(directory)
        shutil.copytree(kept, directory)
    network.start("validator-1")
    wait_until(lambda: network.ready("validator-1"), "the untouched data still works")
