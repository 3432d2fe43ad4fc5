"""What was settled can be checked by anybody: every batch against its signed digest, every hash against the data."""

import base64
from collections import Counter
from hashlib import sha256
from typing import Any

import pytest
from eth_utils.crypto import keccak
from tests.network_kit import LocalTestNetwork, wait_until

from pinai_subnet.cli.verify import PublishedBatch, published_batch, verify_batch

EPOCHS = 10
WAVE = 12
MAX_WAVES = 60


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _check(network: LocalTestNetwork, batch: PublishedBatch) -> None:
    parameters = network.session.network.parameters
    finding = verify_batch(
        batch,
        members={str(v.address): str(v.id) for v in parameters.validators},
        required=network.session.required_signatures,
        intent_manager=parameters.domain.intent_manager,
        chain_id=parameters.domain.chain_id,
    )
    assert finding.problems == ()
    assert len(set(finding.signers)) == len(finding.signers) >= 2


def test_every_batch_of_ten_epochs_verifies_against_its_signed_digest(
    shared_network: LocalTestNetwork,
) -> None:
    """Claim 1 (L1, S4, S5, S6, A4): several intents per batch, from the second epoch on as in the first."""
    network = shared_network
    submitted: list[str] = []
    several: set[int] = set()
    for _ in range(MAX_WAVES):
        wave = network.submit_many(WAVE)
        network.wait_all(wave)
        submitted += wave
        heads = network.get("rootlayer", "/api/v1/batches", limit=100)["batches"]
        several = {head["epoch"] for head in heads if head["settled"] > 1}
        if len(several) >= EPOCHS:
            break
    assert len(several) >= EPOCHS

    settled: Counter[str] = Counter()
    for document in network.batches():
        batch = published_batch(document)
        _check(network, batch)
        assert all(result["ok"] for result in document["results"])
        assert document["conflicts"] == []
        settled.update(item.intent_id for item in batch.items)
        # Every validator holds the same items in the same order, and signed the same digest.
        for name in network.validators:
            epoch = network.get(name, f"/api/v1/epochs/{batch.epoch}")
            assert [item["intent_id"] for item in epoch["items"]] == [
                item.intent_id for item in batch.items
            ]
            assert epoch["batch_digest"] == document["batchDigest"]
    assert {settled[intent_id] for intent_id in submitted} == {1}


def test_every_validator_goes_on_signing(shared_network: LocalTestNetwork) -> None:
    """Claim 1 (L1): followers do not fall behind after the first epoch, also where two signatures are enough."""
    network = shared_network
    network.wait_all([network.submit()])
    first = network.get("validator-1", "/api/v1/status")["epochs"]["sealed"]
    waiting = set(network.validators)

    def all_signed() -> bool:
        # A slow validator may miss an epoch that was settled without it, but not all of them.
        network.wait_all(network.submit_many(WAVE))
        sealed = network.get("validator-2", "/api/v1/status")["epochs"]["sealed"]
        for number in range(first + 1, sealed + 1):
            epoch = network.get("validator-2", f"/api/v1/epochs/{number}")
            waiting.difference_update(one["validator_id"] for one in epoch["signatures"])
        return not waiting

    wait_until(all_signed, "every validator has signed an epoch after the first ones")


# -- claim 8: the hashes, from HTTP JSON alone and with nothing of the product's code ---------------------------------


def _tagged(tag: bytes, *parts: bytes) -> bytes:
    """sha256 over the tag and every part, each behind its length as four big-endian bytes."""
    data = b"".join(len(part).to_bytes(4, "big") + part for part in (tag, *parts))
    return sha256(data).digest()


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")


STATUS_NUMBERS = {"UNSPECIFIED": 0, "SUCCESS": 1, "FAILED": 2, "PARTIAL": 3}
EVIDENCE_HASHES = (
    "env_fingerprint",
    "inputs_hash",
    "outputs_hash",
    "transcript_root",
    "proof_exec",
)
USAGE = ("cpu_ms", "memory_mb", "io_ops", "network_bytes")


def _proof_hash(attempt: dict[str, Any]) -> bytes:
    report = attempt["report"]
    error, evidence = report["error"], report["evidence"]
    parts = [
        _unhex(attempt["intent_id"]),
        _unhex(attempt["assignment_id"]),
        report["agent_id"].encode(),
        report["caller_report_id"].encode(),
        _number(STATUS_NUMBERS[report["status"]]),
        _number(report["timestamp"]),
    ]
    if error is None:
        parts.append(b"\0")
    else:
        parts += [b"\1", error["code"].encode(), error["message"].encode()]
        parts.append(_unhex(error["details"]))
    if evidence is None:
        parts.append(b"\0")
    else:
        parts += [b"\1", *(_unhex(evidence[name]) for name in EVIDENCE_HASHES)]
        parts.append(_number(len(evidence["external_refs"])))
        parts += [reference.encode() for reference in evidence["external_refs"]]
        usage = evidence["resource_usage"]
        parts += [b"\0"] if usage is None else [b"\1", *(_number(usage[name]) for name in USAGE)]
    return _tagged(b"pinai/report-proof/1", *parts)


def _word(value: bytes) -> bytes:
    return value.rjust(32, b"\0")


@pytest.mark.parametrize(
    ("intent_type", "payload", "expected"),
    [
        ("echo", b"\x00\xffany bytes at all", b"\x00\xffany bytes at all"),
        ("json-transform", b'{"data": {"a": [1, 2, 3]}, "expression": "sum(a)"}', b"6"),
    ],
    ids=["echo", "json-transform"],
)
def test_anyone_can_recompute_result_and_proof_hash_from_published_data(
    shared_network: LocalTestNetwork, intent_type: str, payload: bytes, expected: bytes
) -> None:
    """Claim 8 (S2, S3): the chain's two words commit to the result and to everything else the agent claimed."""
    network = shared_network
    intent_id = network.submit(intent_type=intent_type, payload=payload)
    network.wait_all([intent_id])
    attempt = network.get("validator-1", f"/api/v1/intents/{intent_id}")["attempts"][-1]
    batch = network.get("rootlayer", f"/api/v1/batches/{attempt['epoch']}")
    item = next(one for one in batch["group"]["items"] if one["intentId"] == intent_id)

    delivered = network.get("validator-2", f"/api/v1/reports/{attempt['report']['report_id']}")
    result = base64.b64decode(delivered["report"]["result_data"])
    assert result == expected
    assert base64.b64decode(item["resultHash"]) == sha256(result).digest()
    assert base64.b64decode(item["proofHash"]) == _proof_hash(attempt)

    # Other results and other claims have other hashes.
    assert sha256(result + b"x").digest() != base64.b64decode(item["resultHash"])
    attempt["report"]["timestamp"] += 1
    assert base64.b64decode(item["proofHash"]) != _proof_hash(attempt)

    # The signed digest follows from the items by hand: the array's head, its length, five words per item.
    items = batch["group"]["items"]
    words = [_word(b"\x20"), _word(bytes([len(items)]))]
    for one in items:
        words += [
            _unhex(one["intentId"]),
            _unhex(one["assignmentId"]),
            _word(_unhex(one["agentId"])),
            base64.b64decode(one["resultHash"]),
            base64.b64decode(one["proofHash"]),
        ]
    assert keccak(b"".join(words)) == base64.b64decode(batch["group"]["itemsHash"])
