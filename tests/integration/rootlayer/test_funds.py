"""A settlement account that runs empty: what this development RootLayer says, and what the adapter makes of it."""

import time
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from tests.rootlayer_kit import (
    SUBNET,
    VALIDATORS,
    Running,
    item_of,
    running_rootlayer,
    signed_assignment,
    signed_batch,
    signed_intent,
)

from pinai_subnet.adapters.root_layer import grpc as adapter
from pinai_subnet.adapters.root_layer.grpc import GrpcRootLayer
from pinai_subnet.ports.root_layer import OutOfFunds, SignedBatch
from pinai_subnet.runtime.clock import SystemClock
from pinai_subnet.wire.codec.intents import encode_submission
from pinai_subnet.wire.pb.rootlayer import service_pb2_grpc


async def finished(running: Running, root_layer: GrpcRootLayer, epoch: int) -> SignedBatch:
    """Return a batch of one intent that RootLayer knows with its assignment."""
    intent = signed_intent(deadline=int(time.time()) + 600)
    async with grpc.aio.insecure_channel(running.grpc_target) as channel:
        pool: Any = service_pb2_grpc.IntentPoolServiceStub(channel)
        await pool.SubmitIntent(encode_submission(intent))
    assignment = signed_assignment(intent.intent_id)
    assert (await root_layer.post_assignments([assignment]))[0].ok
    return signed_batch([item_of(assignment)], epoch=epoch)


async def test_an_empty_account_refuses_new_batches_repeats_old_answers_and_pays_after_a_deposit(
    tmp_path: Path,
) -> None:
    """operators.md row 32."""
    async with running_rootlayer(tmp_path / "d", settlement={"balance_batches": 1}) as running:
        root_layer = GrpcRootLayer(
            running.grpc_target, signer=VALIDATORS[0], subnet_id=SUBNET, clock=SystemClock()
        )
        first = await finished(running, root_layer, 1)
        second = await finished(running, root_layer, 2)
        assert (await root_layer.submit_batch(first))[0].ok
        with pytest.raises(OutOfFunds, match=r"SN-S075.*SN-S045 insufficient funds"):
            await root_layer.submit_batch(second)
        assert (await root_layer.submit_batch(first))[0].ok
        async with httpx.AsyncClient(base_url=running.http_base) as http:
            assert (await http.get("/api/v1/balance")).json() == {"batches": 0}
            added = await http.post("/api/v1/balance", json={"batches": 2})
            assert added.json() == {"batches": 2}
            assert (await http.post("/api/v1/balance", json={"batches": -1})).status_code == 400
            assert (await root_layer.submit_batch(second))[0].ok
            assert (await http.get("/api/v1/balance")).json() == {"batches": 1}
        await root_layer.close()


async def test_without_a_balance_nothing_is_counted_and_nothing_can_be_deposited(
    tmp_path: Path,
) -> None:
    async with (
        running_rootlayer(tmp_path / "d") as running,
        httpx.AsyncClient(base_url=running.http_base) as http,
    ):
        assert (await http.post("/api/v1/balance", json={"batches": 1})).status_code == 404


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("insufficient funds for gas * price + value", True),
        ("INTENT_BLOCKCHAIN_INSUFFICIENT_BALANCE (7205): top up", True),
        ("Insufficient balance", True),
        ("SN-S035 epoch 3: 1 valid signatures, 2 are required", False),
        ("INTENT_INSUFFICIENT_VALIDATORS (5303)", False),
        ("INTENT_INSUFFICIENT_STAKE (5107)", False),
    ],
)
def test_the_words_of_chains_are_understood(words: str, expected: bool) -> None:
    assert bool(adapter._NO_FUNDS.search(words)) is expected
