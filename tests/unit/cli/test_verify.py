"""The independent check of a batch: it accepts what the network signs and notices every change."""

from dataclasses import replace

import pytest
from tests.unit.protocol.vectors import DOMAIN, ITEMS

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.cli.verify import Item, PublishedBatch, batch_digest, items_hash, verify_batch
from pinai_subnet.protocol import digests

SUBNET = "0x" + "00" * 31 + "02"
SIGNERS = [LocalSigner(bytes([n]) * 32) for n in (0x21, 0x22, 0x23)]
MEMBERS = {signer.address: f"validator-{n}" for n, signer in enumerate(SIGNERS, 1)}


def published() -> PublishedBatch:
    items = [
        Item(
            intent_id=item.intent_id,
            assignment_id=item.assignment_id,
            agent=item.agent,
            result_hash=item.result_hash,
            proof_hash=item.proof_hash,
        )
        for item in ITEMS
    ]
    root_hash = b"\xf1" * 32
    hashed = digests.items_hash(ITEMS)
    digest = digests.batch_digest(
        subnet_id=SUBNET, items_hash=hashed, root_height=7, root_hash=root_hash, domain=DOMAIN
    )
    return PublishedBatch(
        subnet_id=SUBNET,
        epoch=7,
        root_hash="0x" + root_hash.hex(),
        items_hash=hashed,
        items=items,
        signatures=[(signer.address, signer.sign_eip191(digest)) for signer in SIGNERS[:2]],
    )


def problems(batch: PublishedBatch, required: int = 2) -> tuple[str, ...]:
    return verify_batch(
        batch,
        members=MEMBERS,
        required=required,
        intent_manager=DOMAIN.intent_manager,
        chain_id=DOMAIN.chain_id,
    ).problems


def test_a_batch_of_the_network_passes() -> None:
    assert problems(published()) == ()


def test_both_implementations_compute_the_same_digests() -> None:
    """S4: the submitted items hash is the signed one."""
    batch = published()
    assert items_hash(batch.items) == batch.items_hash
    assert batch_digest(
        batch, intent_manager=DOMAIN.intent_manager, chain_id=DOMAIN.chain_id
    ) == digests.batch_digest(
        subnet_id=SUBNET,
        items_hash=batch.items_hash,
        root_height=7,
        root_hash=b"\xf1" * 32,
        domain=DOMAIN,
    )


def test_items_in_another_order_are_noticed() -> None:
    batch = published()
    assert "items_hash" in problems(replace(batch, items=batch.items[::-1]))[0]


def test_a_signature_of_somebody_else_is_noticed() -> None:
    batch = published()
    (_, first), second = batch.signatures
    assert any(
        "said to be" in p
        for p in problems(replace(batch, signatures=[(SIGNERS[2].address, first), second]))
    )


def test_the_same_signer_counts_once() -> None:
    """A4."""
    batch = published()
    assert any("twice" in p for p in problems(replace(batch, signatures=[batch.signatures[0]] * 2)))


def test_too_few_signatures_are_noticed() -> None:
    assert any("3 are required" in p for p in problems(published(), required=3))


@pytest.mark.parametrize("change", [{"epoch": 8}, {"root_hash": "0x" + "00" * 32}])
def test_signatures_do_not_carry_over_to_another_batch(change: dict[str, object]) -> None:
    assert problems(replace(published(), **change))  # type: ignore[arg-type]
