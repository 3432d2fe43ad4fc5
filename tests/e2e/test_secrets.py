"""No private key shows anywhere but in its own process and in `.env`."""

import base64
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.network_kit import LocalTestNetwork

from pinai_subnet.cli.home import is_secret

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "/health",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/api/v1/status",
    "/api/v1/agents",
    "/api/v1/intents",
    "/api/v1/batches",
    "/agents",
    "/validators",
    "/no-such-page",
)
KNOWN_KEYS = (
    # The keys that development chains and the published agents ship with; each is split so that this file has none.
    "ac0974bec39a17e36ba4a6b4d238ff94" + "4bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389" + "dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f170" + "6367c2e68ca870fc3fb9a804cdab365a",
)
LITERAL_KEY = r"(key|secret|private|mnemonic)[a-z_0-9]*[\"']?\s*[:=]\s*[\"']?(0x)?[0-9a-f]{64}\b"


def forms(key: str) -> Iterator[bytes]:
    """The ways in which a key may be written down."""
    raw = bytes.fromhex(key)
    yield key.encode()
    yield key.upper().encode()
    yield base64.b64encode(raw).rstrip(b"=")
    yield str(int(key, 16)).encode()


@pytest.fixture(scope="module")
def keys(shared_network: LocalTestNetwork) -> dict[str, str]:
    """Every secret of the network by the name of its variable; the network has worked with all of them."""
    network = shared_network
    network.wait_all(network.submit_many(3))
    environment = network.session.environment
    found = {name: value for name, value in environment.items() if is_secret(name)}
    assert len(found) == 3 + 1 + 2 + 1 + 1, "validators, matcher, agents, requester, console"
    assert all(len(value) == 64 for value in found.values())
    return found


def leaks(data: bytes, keys: dict[str, str], *, allowed: str | None = None) -> list[str]:
    """The names of the keys that data holds."""
    return [
        name
        for name, key in keys.items()
        if name != allowed and any(form in data for form in forms(key))
    ]


def test_no_key_is_on_any_command_line(
    shared_network: LocalTestNetwork, keys: dict[str, str]
) -> None:
    """Claim 10 (K1)."""
    seen = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        assert leaks(line, keys) == [], path
        seen += str(shared_network.home.root).encode() in line
    assert seen >= len(shared_network.members)


def test_every_process_sees_its_own_key_only(
    shared_network: LocalTestNetwork, keys: dict[str, str]
) -> None:
    """Claim 10 (K1, K7): one environment, one key."""
    for name, member in shared_network.members.items():
        own = next(iter(member.secrets.values()), None)
        environment = Path(f"/proc/{shared_network.pid(name)}/environ").read_bytes()
        assert leaks(environment, keys, allowed=own) == [], name
        assert own is None or keys[own].encode() in environment


def test_no_key_is_in_any_file_but_env(
    shared_network: LocalTestNetwork, keys: dict[str, str]
) -> None:
    """Claim 10 (K2, K3): logs, data directories and configuration, as text or as raw bytes."""
    home = shared_network.home
    assert home.env_file.stat().st_mode & 0o777 == 0o600
    files = [path for path in home.root.rglob("*") if path.is_file() and path != home.env_file]
    assert any(path.suffix == ".log" and path.stat().st_size for path in files)
    for path in files:
        data = path.read_bytes()
        assert leaks(data, keys) == [], path
        raw = [name for name, key in keys.items() if bytes.fromhex(key) in data]
        assert raw == [], path


def test_no_key_is_in_any_answer(shared_network: LocalTestNetwork, keys: dict[str, str]) -> None:
    """Claim 10 (K6): health, metrics, queries, errors."""
    for name, member in shared_network.members.items():
        if member.http is None:
            continue
        with httpx.Client(base_url=shared_network.base(name), trust_env=False) as client:
            for page in PAGES:
                answer = client.get(page)
                text = answer.content + str(answer.headers).encode()
                assert leaks(text, keys) == [], f"{name} {page}"


@pytest.mark.parametrize("extra", [[], ["--json"]], ids=["text", "json"])
def test_config_show_masks_every_key(
    shared_network: LocalTestNetwork, keys: dict[str, str], extra: list[str]
) -> None:
    """Claim 10: what an operator pastes into a ticket has no key in it."""
    shown = subprocess.run(
        [
            ROOT / ".venv/bin/subnetctl",
            "config",
            "show",
            "--home",
            shared_network.home.root,
            *extra,
        ],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert leaks(shown.stdout + shown.stderr, keys) == []
    assert b"subnet_id" in shown.stdout


def test_no_key_is_in_the_repository() -> None:
    """Claim 10 (K3, K4): no literal key near a name that says key, and none of the well-known ones."""

    def found(*options: str) -> str:
        searched = subprocess.run(
            ["git", "grep", "-I", "-n", "-i", *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert searched.returncode in {0, 1}, searched.stderr
        return searched.stdout

    for key in KNOWN_KEYS:
        assert found("-F", key) == ""
    lines = [
        line
        for line in found("-P", LITERAL_KEY).splitlines()
        # A key that anybody sees is made up is no secret: one byte, again and again.
        if not re.search(r"(?:0x)?([0-9a-f]{2})\1{31}\b", line, re.IGNORECASE)
    ]
    assert lines == []
