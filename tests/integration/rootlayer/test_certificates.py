"""A RootLayer whose TLS certificate is not good: one coded failure that names it, and work again with a good one."""

import asyncio
from pathlib import Path

import grpc
import pytest
from tests.certificates import make_certificate

from pinai_subnet.adapters.root_layer.grpc import GrpcRootLayer
from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.ports.errors import DependencyError, Unreachable
from pinai_subnet.protocol.ids import SubnetId
from pinai_subnet.protocol.intents import IntentStatus
from pinai_subnet.runtime.clock import SystemClock

SUBNET = SubnetId("0x" + "00" * 31 + "07")


@pytest.mark.parametrize(
    ("name", "days", "trusted", "words"),
    [
        ("localhost", -1, True, "certificate has expired"),
        ("elsewhere.example", 90, True, "Hostname"),
        ("localhost", 90, False, "self signed"),
    ],
)
async def test_a_certificate_that_is_not_good_is_a_coded_failure_with_its_name(
    tmp_path: Path, *, name: str, days: int, trusted: bool, words: str
) -> None:
    """Operators row 23: what the matcher's readiness then says, since its listing fails."""
    certificate, key = make_certificate(tmp_path, name=name, days=days)
    server = grpc.aio.server()
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    port = server.add_secure_port("localhost:0", credentials)
    await server.start()
    root_layer = GrpcRootLayer(
        f"localhost:{port}",
        signer=LocalSigner((7).to_bytes(32, "big")),
        subnet_id=SUBNET,
        clock=SystemClock(),
        tls=True,
        ca_certificate=certificate.read_bytes() if trusted else None,
        call_timeout_seconds=5.0,
    )
    try:
        async with asyncio.timeout(30):
            with pytest.raises(DependencyError) as caught:
                await root_layer.list_intents(SUBNET, IntentStatus.PENDING, 1)
    finally:
        await root_layer.close()
        await server.stop(0)
    assert isinstance(caught.value, Unreachable)
    assert caught.value.code.startswith("SN-S")
    assert f"localhost:{port}" in caught.value.message
    assert words in caught.value.message
