"""Canary secrets in every place where secrets live: none shows in a bundle, a log, a page, a metric or an error."""

import json
import secrets
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from tests.network_kit import LocalTestNetwork

from pinai_subnet.cli.home import is_secret
from pinai_subnet.cli.known_secrets import KnownSecrets
from pinai_subnet.wire.pb.subnet import execution_report_pb2
from pinai_subnet.wire.pb.subnet import service_pb2_grpc as validator_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
_CALL_SECONDS = 10.0
PAGES = (
    *("/health", "/healthz", "/readyz", "/metrics", "/openapi.json", "/api/v1/status"),
    *(
        "/",
        "/intents",
        "/auctions",
        "/validators",
        "/agents",
        "/settlement",
        "/alerts",
        "/api/v1/network",
    ),
)
"""What every member is asked for; the second line is the console's."""
PLACES = (
    "variable with a secret's name",
    "variable of an unknown name",
    "key file",
    "file of the secrets directory",
    "configuration",
    "configuration of an unknown name",
    "bearer token",
    "query",
    "form",
    "log line",
)


@dataclass(frozen=True)
class Planted:
    """A network that has worked with its secrets, and all of them by where they are."""

    network: LocalTestNetwork
    canaries: dict[str, str]

    @property
    def known(self) -> KnownSecrets:
        """All, in every form."""
        keys = {
            name: value
            for name, value in self.network.session.environment.items()
            if is_secret(name) and name != "WEBHOOK_TOKEN"
        }
        assert len(keys) >= 4
        return KnownSecrets(self.canaries | keys)


def subnetctl(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [ROOT / ".venv/bin/subnetctl", *words], capture_output=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """Plant, let an intent through, and call every member with tokens."""
    root = tmp_path_factory.mktemp("canaries") / "home"
    canaries = {place: f"canary-{secrets.token_hex(12)}" for place in PLACES}
    canaries["key file"] = secrets.token_hex(32)
    key_file = tmp_path_factory.mktemp("keys") / "backup"
    key_file.write_text(canaries["key file"], encoding="ascii")
    key_file.chmod(0o600)
    variables = {
        "WEBHOOK_TOKEN": canaries["variable with a secret's name"],
        "DATABASE": f"postgres://me:{canaries['variable of an unknown name']}@host/db",
        "BACKUP_KEY_FILE": str(key_file),
    }
    with LocalTestNetwork.create(
        root, validators=1, agents=1, variables=variables, console=True
    ) as network:
        network.start()
        network.wait_all(network.submit_many(1))
        (network.home.root / "secrets").mkdir()
        (network.home.root / "secrets" / "ca").write_text(
            canaries["file of the secrets directory"], encoding="ascii"
        )
        call_with_tokens(network, canaries)
        # Behind the back of the processes, as an operator or a library would.
        with network.local.log_file("matcher").open("a", encoding="utf-8") as log:
            log.write(f"Traceback: login(password='{canaries['log line']}')\n")
            log.write(f"opened {network.session.environment['MATCHER_PRIVATE_KEY']} and went on\n")
            log.write(f"raw {canaries['key file']} {variables['DATABASE']}\n")
        with (network.home.config / "rootlayer.yaml").open("a", encoding="utf-8") as config:
            config.write(f"api_token: {canaries['configuration']}\n")
            config.write(f"webhook: https://x/{canaries['configuration of an unknown name']}\n")
        yield Planted(network, canaries)


def call_with_tokens(network: LocalTestNetwork, canaries: dict[str, str]) -> None:
    """Send secrets where callers put them; no member asked for any."""
    bearer = {"Authorization": f"Bearer {canaries['bearer token']}"}
    for name, member in network.members.items():
        if member.http is None:
            continue
        for path in (*PAGES, "/no-such-page"):
            network.request("GET", name, f"{path}?token={canaries['query']}", headers=bearer)
        body = {"password": canaries["form"]}
        network.request("POST", name, "/api/v1/intents/submit", json=body, headers=bearer)
    target = network.session.network.parameters.validators[0].grpc_endpoint
    metadata = [("authorization", bearer["Authorization"]), ("x-signature", canaries["query"])]
    with grpc.insecure_channel(target) as channel:
        stub = validator_pb2_grpc.ValidatorServiceStub(channel)
        report = execution_report_pb2.ExecutionReport(result_data=canaries["form"].encode())
        with pytest.raises(grpc.RpcError):
            stub.SubmitExecutionReport(report, metadata=metadata, timeout=_CALL_SECONDS)


def test_no_canary_is_in_the_bundle(planted: Planted, tmp_path: Path) -> None:
    """Operators' row 37: neither in any part nor in what the command prints; and the bundle is worth having."""
    path = tmp_path / "bundle.tar.gz"
    done = subnetctl("debug", "--home", planted.network.home.root, "--output", path, "--json")
    assert done.returncode == 0, done.stderr
    known = planted.known
    assert known.found_in(done.stdout + done.stderr) == []
    with tarfile.open(path) as archive:
        files = {one.name: archive.extractfile(one) for one in archive}
        parts = {name: file.read() for name, file in files.items() if file}
    assert {name: found for name, data in parts.items() if (found := known.found_in(data))} == {}
    assert {f"support/{name}" for name in json.loads(done.stdout)["parts"]} == set(parts)
    wanted = ["versions", "environment", "disk", "status", "problems", "manifest"]
    assert {f"support/{name}.json" for name in wanted} <= set(parts)
    assert b"matcher_listening" in parts["support/members/matcher/log.txt"]
    assert b"[redacted]" in parts["support/members/matcher/log.txt"]
    assert b"subnet_validator_" in parts["support/members/validator-1/metrics.txt"]
    assert b"replication" in parts["support/members/validator-1/status.json"]
    assert b"windows" in parts["support/config/matcher.yaml"]
    assert "WEBHOOK_TOKEN" in json.loads(parts["support/environment.json"])["set"]
    assert all(json.loads(data) for name, data in parts.items() if name.endswith(".json"))


def test_no_canary_is_in_what_the_members_say(planted: Planted) -> None:
    """Pages, metrics, refusals and logs, all lines but those that were written behind their back."""
    assert "console" in planted.network.members
    known = planted.known
    for name, member in planted.network.members.items():
        lines = planted.network.log(name).splitlines()
        own = [line for line in lines if line.startswith("{")]
        assert known.found_in("\n".join(own).encode()) == [], name
        assert member.http is None or own
        for page in PAGES if member.http else ():
            answer = planted.network.request("GET", name, page)
            assert known.found_in(answer.content) == [], f"{name} {page}"


@pytest.mark.parametrize("words", [["config", "check"], ["config", "show"], ["status"]])
def test_no_canary_is_in_what_commands_say_of_a_wrong_configuration(
    planted: Planted, words: list[str]
) -> None:
    done = subnetctl(*words, "--home", planted.network.home.root)
    known = planted.known
    shown_by_name = KnownSecrets(
        {
            place: value
            for place, value in known.values.items()
            # `config show` shows what the operator wrote under names that say nothing.
            if place != "configuration of an unknown name" or words != ["config", "show"]
        }
    )
    assert shown_by_name.found_in(done.stdout + done.stderr) == []


def test_without_a_running_network_there_is_a_bundle_still(
    planted: Planted, tmp_path: Path
) -> None:
    """Support is needed most where nothing works: what is missing is said."""
    planted.network.stop()
    path = tmp_path / "bundle.tar.gz"
    done = subnetctl("debug", "--home", planted.network.home.root, "--output", path)
    assert done.returncode == 0, done.stderr
    assert b"not in it: matcher does not answer" in done.stdout
    assert planted.known.found_in(done.stdout + done.stderr) == []
    again = subnetctl("debug", "--home", planted.network.home.root, "--output", path)
    assert again.returncode == 78
    assert b"SN-H092" in again.stderr
