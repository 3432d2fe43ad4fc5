"""`subnetctl` as its users call it: one network from `init` to `down`, JSON and exit statuses included."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.network_kit import LocalTestNetwork, wait_until

from pinai_subnet.cli.session import open_session

ROOT = Path(__file__).resolve().parents[2]
SUBNETCTL = ROOT / ".venv/bin/subnetctl"
DONE, FAILED, USAGE, DOWN, CONFIGURATION = 0, 1, 2, 3, 78
UNKNOWN = "0x" + "77" * 32


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command said, and how it ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.stdout)


def subnetctl(*words: object, stdin: bytes = b"") -> Answer:
    """Run one command."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ended = subprocess.run(
        [SUBNETCTL, *map(str, words)],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=150,
        env=environment,
    )
    return Answer(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTestNetwork]:
    """A network that `subnetctl` made and started; the kit only looks and cleans up."""
    home = tmp_path_factory.mktemp("ctl") / "home"
    made = subnetctl("init", "--home", home, "--agents", 2, "--free-ports", "--json")
    assert made.status == DONE, made.stderr
    assert (made.json["validators"], made.json["signatures_needed"]) == ("3", "2")
    with LocalTestNetwork(session=open_session(home)) as seen:
        LocalTestNetwork.open_networks.append(seen)
        started = subnetctl("up", "--home", home, "--json")
        assert started.status == DONE, started.stderr
        assert started.json["ready"]
        yield seen


def test_keys_are_made_once_and_never_printed(tmp_path: Path) -> None:
    file = tmp_path / "key"
    made = subnetctl("keys", "new", file, "--json")
    assert made.status == DONE
    assert file.stat().st_mode & 0o777 == 0o600
    key = file.read_text().strip()
    shown = subnetctl("keys", "address", file), subnetctl("keys", "pubkey", file)
    assert all(answer.status == DONE for answer in shown)
    assert made.json["address"] in shown[0].stdout
    assert not any(key in answer.stdout + answer.stderr for answer in (made, *shown))
    assert subnetctl("keys", "new", file).status == CONFIGURATION
    assert file.read_text().strip() == key


def test_codes_are_explained_offline_and_usage_errors_are_two() -> None:
    assert subnetctl("explain", "SN-C001").status == DONE
    assert set(subnetctl("explain", "sn-m201", "--json").json) >= {"code", "cause", "remedy"}
    assert subnetctl("explain", "SN-X999").status == USAGE
    assert subnetctl("no-such-command").status == USAGE


def test_a_home_without_a_network_is_a_configuration_error(tmp_path: Path) -> None:
    answer = subnetctl("status", "--home", tmp_path / "nothing")
    assert answer.status == CONFIGURATION
    assert "subnetctl init" in answer.stderr


def test_init_never_overwrites(network: LocalTestNetwork) -> None:
    before = network.home.env_file.read_bytes()
    again = subnetctl("init", "--home", network.home.root)
    assert again.status == CONFIGURATION
    assert "SN-C030" in again.stderr
    assert network.home.env_file.read_bytes() == before


def test_a_second_up_changes_nothing_and_proves_the_network_again(
    network: LocalTestNetwork,
) -> None:
    before = network.running()
    assert subnetctl("up", "--home", network.home.root).status == DONE
    assert network.running() == before


def test_status_is_healthy_and_its_exit_status_says_so(network: LocalTestNetwork) -> None:
    answer = subnetctl("status", "--home", network.home.root, "--json")
    assert answer.status == DONE
    assert answer.json["healthy"]
    assert {row["id"] for row in answer.json["members"]} == set(network.members)
    text = subnetctl("status", "--home", network.home.root)
    assert text.status == DONE
    assert "NETWORK READY" in text.stdout


def test_an_intent_is_submitted_listed_shown_explained_and_watched(
    network: LocalTestNetwork, tmp_path: Path
) -> None:
    where = ("--home", network.home.root, "--json")
    payload = tmp_path / "payload.json"
    payload.write_text('{"data": {"n": [3, 4]}, "expression": "sum(n)"}')
    waited = subnetctl(
        "intent", "submit", "--type", "json-transform", "--file", payload, "--wait", *where
    )
    assert waited.status == DONE, waited.stderr
    intent_id = waited.json["intent_id"]
    assert waited.json["ending"]["status"] == "COMPLETED"

    quick = subnetctl("intent", "submit", "--type", "echo", "--file", "-", *where, stdin=b"hi")
    assert quick.status == DONE
    second = quick.json["intent_id"]
    watched = subnetctl("intent", "watch", second, *where)
    assert watched.status == DONE
    assert watched.json["ending"]["status"] == "COMPLETED"

    listed = subnetctl("intent", "list", *where)
    assert [row["intent_id"] for row in listed.json][:2] == [second, intent_id]
    shown = subnetctl("intent", "show", intent_id, *where)
    assert shown.json["intentType"] == "json-transform"
    told = subnetctl("intent", "explain", intent_id, "--home", network.home.root)
    assert told.status == DONE
    for word in ("submitted", "window 1", "bid of", "rank", "verdict of", "sealed by", "settled"):
        assert word in told.stdout


def test_an_intent_that_nobody_takes_ends_with_a_failing_status(network: LocalTestNetwork) -> None:
    waited = subnetctl(
        "intent",
        "submit",
        "--type",
        "nobody-does-this",
        "--file",
        "-",
        "--deadline-seconds",
        "4",
        "--wait",
        "--home",
        network.home.root,
        "--json",
        stdin=b"x",
    )
    assert waited.status == FAILED
    assert waited.json["ending"]["status"] == "EXPIRED"


@pytest.mark.parametrize("command", ["show", "explain"])
def test_an_unknown_or_malformed_intent_is_a_coded_failure(
    network: LocalTestNetwork, command: str
) -> None:
    for intent_id in (UNKNOWN, "0x12"):
        answer = subnetctl("intent", command, intent_id, "--home", network.home.root)
        assert answer.status == FAILED
        assert "SN-" in answer.stderr
        assert "Traceback" not in answer.stderr


def test_agents_and_validators_are_listed(network: LocalTestNetwork) -> None:
    agents = subnetctl("agents", "--home", network.home.root, "--json")
    assert agents.status == DONE
    assert {row["id"] for row in agents.json} == {"agent-1", "agent-2"}
    validators = subnetctl("validators", "--home", network.home.root, "--json")
    assert [row["id"] for row in validators.json] == network.validators
    text = subnetctl("validators", "--home", network.home.root)
    assert "2 of 3 signatures" in text.stdout + text.stderr


def test_config_check_and_show(network: LocalTestNetwork) -> None:
    good = subnetctl("config", "check", "--home", network.home.root, "--json")
    assert (good.status, good.json) == (DONE, {"problems": []})
    shown = subnetctl("config", "show", "matcher.yaml", "--home", network.home.root)
    assert shown.status == DONE
    assert "bidding_window_seconds" in shown.stdout
    assert subnetctl("config", "show", "no.yaml", "--home", network.home.root).status == USAGE

    file = network.home.config / "registry.yaml"
    text = file.read_text()
    try:
        file.write_text(text + "no_such_key: 1\n")
        bad = subnetctl("config", "check", "--home", network.home.root, "--json")
    finally:
        file.write_text(text)
    assert bad.status == CONFIGURATION
    assert any("registry.yaml" in problem["where"] for problem in bad.json["problems"])


def test_status_fails_while_a_validator_is_down_and_up_heals_it(network: LocalTestNetwork) -> None:
    victim = next(name for name in network.validators if name != network.leader())
    network.local.signal(network.running()[victim], signal.SIGKILL)
    wait_until(lambda: victim not in network.running(), f"{victim} is gone")
    down = subnetctl("status", "--home", network.home.root, "--json")
    assert down.status == FAILED
    assert not down.json["healthy"]
    row = next(row for row in down.json["members"] if row["id"] == victim)
    assert (row["ready"], row["pid"]) == (False, None)
    assert down.json["raft_quorum"]["have"] == 2

    assert subnetctl("up", "--home", network.home.root).status == DONE
    assert subnetctl("status", "--home", network.home.root).status == DONE


def test_down_stops_everything_and_keeps_the_data(network: LocalTestNetwork) -> None:
    """Last: the next `up` would find everything again."""
    stopped = subnetctl("down", "--home", network.home.root, "--json")
    assert stopped.status == DONE
    assert set(stopped.json["stopped"]) == set(network.members)
    assert network.running() == {}
    assert any(network.home.data.iterdir())
    assert subnetctl("status", "--home", network.home.root).status == DOWN
    again = subnetctl("down", "--home", network.home.root)
    assert (again.status, again.stdout) == (DONE, "nothing ran\n")
