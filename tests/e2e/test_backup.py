"""Backups on real processes: taken while the network works, verified, drilled, restored."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.network_kit import LocalTestNetwork, wait_until

from pinai_subnet.cli.session import open_session

Make = Callable[..., LocalTestNetwork]
CHANGES = 3


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run subnetctl as an operator does."""
    return subprocess.run(
        [sys.executable, "-m", "pinai_subnet", "subnetctl", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _json(*words: str) -> dict[str, Any]:
    """Run subnetctl and return its JSON answer."""
    done = _run(*words, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def _refused(*words: str) -> str:
    """Run subnetctl and return what it says on a refusal."""
    done = _run(*words)
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_a_backup_of_a_running_network_is_verified_and_drilled(
    shared_network: LocalTestNetwork, tmp_path: Path
) -> None:
    """Operators 1.11: saved, verified without restoring, proven by use; restored beside the living only if told to."""
    network = shared_network
    home = str(network.home.root)
    ids = network.submit_many(4)
    saved = _json("backup", "save", "--home", home, "--to", str(tmp_path / "one.snb"))
    network.wait_all(ids, "COMPLETED")
    assert saved["signed_by"] == ["validator-1", "validator-2", "validator-3"]
    path = Path(saved["file"])
    assert path.stat().st_mode & 0o777 == 0o600

    verified = _json("backup", "verify", str(path), "--home", home)
    assert verified["content_digest"] == saved["content_digest"]
    assert _json("backup", "inspect", str(path))["parameters"]["validators"]

    drilled = _json("backup", "drill", str(path), "--home", home)
    assert drilled["content_digest"] == saved["content_digest"]
    assert drilled["index"] == saved["index"]

    assert "SN-R080" in _refused("backup", "restore", str(path), "--home", home)
    fork = tmp_path / "fork"
    shutil.copytree(network.home.config, fork / "config")
    shutil.copy2(network.home.root / ".env", fork / ".env")
    assert "SN-R080" in _refused("backup", "restore", str(path), "--home", str(fork))
    assert not (fork / "data").exists()
    forked = _json("backup", "restore", str(path), "--home", str(fork), "--i-know")
    assert forked["entries_lost"] >= 0
    assert {one.name for one in (fork / "data").iterdir()} >= set(network.validators)
    network.wait_all(network.submit_many(1))

    damaged = tmp_path / "damaged.snb"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    assert "SN-R070" in _refused("backup", "verify", str(damaged), "--home", home)


def test_a_lost_network_comes_back_from_its_backup_and_never_signs_an_epoch_twice(
    make_network: Make,
) -> None:
    """Everything after the backup is lost, nothing before; epochs are never numbered again (rows 26 and 29).

    It goes on with the validators that the network file names, also with one that joined after the backup.
    """
    network = make_network(validators=3, agents=1)
    network.start()
    home = str(network.home.root)
    before = network.submit_many(CHANGES)
    network.wait_all(before, "COMPLETED")
    saved = _json("backup", "save", "--home", home)
    after = network.submit_many(CHANGES)
    network.wait_all(after, "COMPLETED")
    assert _run("validator", "add", "--home", home).returncode == 0
    network.session = open_session(network.home.root)
    network.wait_all(network.submit_many(1), "COMPLETED")
    used = max(batch["group"]["rootHeight"] for batch in network.batches())
    network.kill(*network.validators)

    restored = _json("backup", "restore", saved["file"], "--home", home)
    assert restored["validators"] == list(network.validators)
    assert restored["epoch_floor"] >= int(used)
    assert (Path(restored["moved_aside"]) / "validator-1" / "log").is_dir(), "nothing is deleted"

    network.start(*network.validators)
    again = network.submit_many(CHANGES)
    network.wait_all(again, "COMPLETED")
    network.same_ledger()
    for name in network.validators:
        status = network.get(name, "/api/v1/status")
        assert status["state"]["index"] > saved["index"]
        assert status["double_signs"] == 0
        assert network.get(name, f"/api/v1/intents/{before[0]}")
    assert all(batch["conflicts"] == [] for batch in network.batches())

    # The restored set is checked and tried out like any other.
    again_saved = _json("backup", "save", "--home", home)
    assert len(again_saved["signed_by"]) == len(network.validators) == 4
    drilled = _json("backup", "drill", again_saved["file"], "--home", home)
    assert drilled["index"] == again_saved["index"]
    # A new member joins the restored network, not the one that it was.
    assert _run("validator", "add", "--home", home).returncode == 0
    network.session = open_session(network.home.root)

    # A validator of the former life does not get in any more.
    network.stop("validator-3")
    data = network.home.data
    (data / "validator-3").rename(data / "validator-3-new-life")
    (Path(restored["moved_aside"]) / "validator-3").rename(data / "validator-3")
    network.start("validator-3", wait=False)
    wait_until(lambda: "SN-R004" in network.log("validator-3"), "the former life is refused")
    network.wait_all(network.submit_many(1), "COMPLETED")


def test_a_scheduled_backup_is_taken_encrypted_and_pruned(
    make_network: Make, tmp_path: Path
) -> None:
    """On the disk that the configuration names, with the key that it names."""
    key_file, directory = tmp_path / "backup.key", tmp_path / "other-disk"
    assert _run("keys", "new", str(key_file)).returncode == 0
    settings = {
        "validator.yaml": {
            "backup.every_seconds": 0.3,
            "backup.keep": 2,
            "backup.directory": str(directory),
            "backup.key_file": str(key_file),
        }
    }
    network = make_network(validators=1, agents=0, settings=settings)
    network.start("rootlayer", "registry", "validator-1")
    mine = directory / "validator-1"

    def rotated() -> bool:
        names = sorted(path.name for path in mine.glob("*.snb"))
        return len(names) == 2 and int(names[0].rpartition("idx")[2].removesuffix(".snb")) > 4

    wait_until(rotated, "two backups, the first ones gone")
    network.stop("validator-1")
    newest = str(max(mine.glob("*.snb")))
    home = str(network.home.root)
    with_key = ("--key-file", str(key_file))
    assert _json("backup", "verify", newest, "--home", home, *with_key)["signers"] == [
        "validator-1"
    ]
    assert _json("backup", "inspect", newest, *with_key)["taken_by"] == "validator-1"
    assert "SN-K107" in _refused("backup", "verify", newest, "--home", home)
    assert _run("keys", "new", str(tmp_path / "other.key")).returncode == 0
    wrong = ("--key-file", str(tmp_path / "other.key"))
    assert "SN-K108" in _refused("backup", "verify", newest, "--home", home, *wrong)
