"""`auth_config.yaml`: every key, changed alone, changes what the servers do."""

import asyncio
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.interop.forging import Rpc, filled, http_headers, rpcs
from tests.interop.kit import RealNetwork, new_key, running
from tests.interop.sdk_headers import headers

from pinai_subnet.runtime.errors import StartupError

pytestmark = pytest.mark.asyncio(loop_scope="session")

DEFAULTS: dict[str, Any] = {
    "matcher": {"mode": "accept"},
    "validator": {"mode": "accept"},
    "timestamp_tolerance_seconds": 300,
    "nonce_expiry_seconds": 600,
    "max_nonces": 200_000,
    "foreign_chain_ids": ["subnet-local", "subnet"],
}
MEMBERS = ("matcher", "validator-1", "registry")
CALLS: dict[str, Rpc] = {
    rpc.server: rpc
    for rpc in rpcs()
    if rpc.path.rpartition("/")[2] in ("SubmitBid", "GetValidatorSet", "ListAgents")
}
"""One harmless call to each server; let in, it answers OK or NOT_FOUND."""
ALL = tuple(CALLS)
REPORT = {"report_id": "r", "assignment_id": "a", "intent_id": "i", "agent_id": "x"}
REPORT_PATH = "/api/v1/execution-report"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNetwork]:
    """One validator, matcher, registry."""
    with running(tmp_path_factory.mktemp("auth"), {}, validators=1) as network:
        yield network


async def under(network: RealNetwork, **changes: Any) -> None:
    """Start the servers anew with these keys changed."""
    text = yaml.safe_dump(DEFAULTS | changes)
    (network.kit.home.config / "auth_config.yaml").write_text(text, "utf-8")
    await asyncio.to_thread(network.kit.stop, *MEMBERS)
    await asyncio.to_thread(network.kit.start, *MEMBERS)


async def call(network: RealNetwork, server: str, key: str | None = None, **changes: Any) -> str:
    """Make one call, signed if there is a key; return our code, or `served`. `changes` go into the headers."""
    rpc = CALLS[server]
    request = filled(rpc.request, 1)
    sent: Any = None
    if key is not None:
        fields = {"private_key": key, "chain_id": network.subnet_id} | changes
        sent = headers(method=rpc.path, request=request, **fields)
    status, details = await rpc.call(network, request, sent)
    if status in ("UNAUTHENTICATED", "RESOURCE_EXHAUSTED"):
        found = re.search(r"SN-N3\d\d", details)
        assert found, details
        return found[0]
    assert status in ("OK", "NOT_FOUND"), details
    return "served"


async def http(network: RealNetwork, sent: dict[str, str]) -> int:
    """Post a report over HTTP and return the status; 200 stands for let in."""
    target = network.validators_http[0]
    return (await network.call("POST", target, REPORT_PATH, json=REPORT, headers=sent)).status_code


def forged(network: RealNetwork) -> dict[str, str]:
    """Return HTTP headers that are signed for something else."""
    return http_headers(key=new_key(), chain_id=network.subnet_id, method="GET /", body=None)


async def test_the_shipped_values_are_the_declared_ones(small: RealNetwork) -> None:
    """Rows 2 and 3: without a change, unsigned calls are served and a signature that is there must be right."""
    shipped = small.kit.home.config / "auth_config.yaml"
    assert yaml.safe_load(shipped.read_text("utf-8")) == DEFAULTS
    old = int(time.time()) - 250
    for server in ALL:
        key = new_key()
        assert await call(small, server) == "served"
        assert await call(small, server, key, timestamp=old, nonce="once-more") == "served"
        assert await call(small, server, key, nonce="once-more") == "SN-N306"
        assert await call(small, server, key, timestamp=old - 100) == "SN-N304"
        assert await call(small, server, key, chain_id="subnet-local") == "served"
        assert await call(small, server, key, chain_id="elsewhere") == "SN-N303"
    assert await http(small, {}) == 200
    assert await http(small, forged(small)) == 401


async def test_modes_hold_for_each_service_alone(small: RealNetwork) -> None:
    """Row 2: require, accept and off; the registry has its own `require_signed`."""
    bad = {"timestamp": 1}
    await under(small, matcher={"mode": "require"}, validator={"mode": "off"})
    assert await call(small, "matcher") == "SN-N301"
    assert await call(small, "matcher", new_key()) == "served"
    assert await call(small, "validator") == "served"
    assert await call(small, "validator", new_key(), **bad) == "served"
    assert await http(small, forged(small)) == 200
    await under(small, matcher={"mode": "off"}, validator={"mode": "require"})
    assert await call(small, "matcher") == "served"
    assert await call(small, "matcher", new_key(), **bad) == "served"
    assert await call(small, "validator") == "SN-N301"
    assert await call(small, "validator", new_key()) == "served"
    assert await http(small, {}) == 401
    assert await call(small, "registry") == "served"
    assert await call(small, "registry", new_key(), **bad) == "SN-N304"


async def test_the_tolerance_is_how_far_clocks_may_differ(small: RealNetwork) -> None:
    """Row 3: 30 s apart is too much for 10 s, in both directions; 5 s is not. The error has both clocks."""
    await under(small, timestamp_tolerance_seconds=10)
    for server in ALL:
        now = int(time.time())
        for apart in (-30, 30):
            assert await call(small, server, new_key(), timestamp=now + apart) == "SN-N304"
        assert await call(small, server, new_key(), timestamp=now - 5) == "served"
    rpc, at = CALLS["validator"], int(time.time()) - 30
    request = filled(rpc.request, 1)
    stale = headers(
        private_key=new_key(),
        chain_id=small.subnet_id,
        method=rpc.path,
        request=request,
        timestamp=at,
    )
    _, details = await rpc.call(small, request, stale)
    told = re.search(r"caller's clock says (\d+), ours (\d+): .* 10 s are allowed", details)
    assert told, details
    assert int(told[1]) == at
    assert abs(int(told[2]) - at - 30) < 10


async def test_the_expiry_is_how_long_a_nonce_is_remembered(small: RealNetwork) -> None:
    """Row 3: a nonce is refused within 4 s and may come back in a new request afterwards."""
    await under(small, timestamp_tolerance_seconds=2, nonce_expiry_seconds=4)
    keys = {server: new_key() for server in ALL}
    for expected in ("served", "SN-N306"):
        for server, key in keys.items():
            assert await call(small, server, key, nonce="comes-back") == expected
    await asyncio.sleep(4.1)
    for server, key in keys.items():
        assert await call(small, server, key, nonce="comes-back") == "served"


async def test_the_number_of_nonces_is_bounded_and_no_signer_takes_them_all(
    small: RealNetwork,
) -> None:
    """Row 3; A12: a full memory refuses signed calls; one signer fills half of it, so a stranger shuts nobody out."""
    await under(small, max_nonces=4)
    # The validator and the registry also remember what our own processes sign, so this is exact at the matcher only.
    stranger, victim = new_key(), new_key()
    answers = [await call(small, "matcher", stranger) for _ in range(4)]
    assert answers == ["served", "served", "SN-N307", "SN-N307"]
    answers = [await call(small, "matcher", victim) for _ in range(3)]
    assert answers == ["served", "served", "SN-N307"]
    assert await call(small, "matcher", new_key()) == "SN-N307"
    assert await call(small, "matcher") == "served"
    for server in ("validator", "registry"):
        key = new_key()
        assert "SN-N307" in [await call(small, server, key) for _ in range(5)]


async def test_foreign_chain_ids_count_as_unsigned(small: RealNetwork) -> None:
    """Rows 2 and 7: only the listed ids; a signature for any other network is refused."""
    await under(small, foreign_chain_ids=["dev-net"])
    for server in ALL:
        assert await call(small, server, new_key(), chain_id="dev-net") == "served"
        # It proves nothing, so it need not be right either.
        assert await call(small, server, new_key(), chain_id="dev-net", timestamp=1) == "served"
        assert await call(small, server, new_key(), chain_id="subnet-local") == "SN-N303"
    await under(small, foreign_chain_ids=[])
    for server in ALL:
        assert await call(small, server, new_key(), chain_id="subnet") == "SN-N303"


async def test_a_memory_shorter_than_the_clock_window_is_refused_at_the_start(
    small: RealNetwork,
) -> None:
    """Row 3: otherwise a request could be replayed."""
    with pytest.raises(StartupError, match="SN-C123"):
        await under(small, timestamp_tolerance_seconds=300, nonce_expiry_seconds=500)
