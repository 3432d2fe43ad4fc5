"""The contract's checkpoint digest: the published vectors and the reference ABI encoder."""

import pytest
from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.protocol.vectors import DOMAIN, SUBNET

from pinai_subnet.protocol.contract_checkpoint import (
    CHECKPOINT_TYPE,
    CHECKPOINT_TYPEHASH,
    ContractCheckpoint,
    DataCommitment,
    contract_checkpoint_digest,
    da_hash,
    epoch_slot_hash,
    roots_hash,
)
from pinai_subnet.protocol.digests import keccak256
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import SubnetId, bytes32

ROOTS = tuple(bytes((number,)) * 32 for number in range(1, 9))
CHECKPOINT = ContractCheckpoint(subnet_id=SUBNET, epoch=7, timestamp=1800000010, roots=ROOTS)

hashes = st.binary(min_size=32, max_size=32)
uint32s = st.integers(0, 2**32 - 1)
uint64s = st.integers(0, 2**64 - 1)
commitments = st.builds(
    DataCommitment,
    kind=st.text(max_size=40),
    pointer=st.text(max_size=70),
    size_hint=uint64s,
    segment_hashes=st.lists(hashes, max_size=3).map(tuple),
    expiry=uint64s,
)
checkpoints = st.builds(
    ContractCheckpoint,
    subnet_id=hashes.map(lambda raw: SubnetId("0x" + raw.hex())),
    epoch=uint64s,
    timestamp=uint64s,
    roots=st.lists(hashes, min_size=8, max_size=8).map(tuple),
    parent_hash=hashes,
    version=uint32s,
    params_hash=hashes,
    data_commitments=st.lists(commitments, max_size=2).map(tuple),
    slot=uint64s,
    stats=st.binary(max_size=50),
    aux_hash=hashes,
    assignments_root=hashes,
    validation_commitment=hashes,
    policy_root=hashes,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            CHECKPOINT_TYPEHASH,
            "28eac5c37e8c745bf7b3bda0a115b4f814dc9378d0652744f81cfe1472980bb3",
        ),
        (
            contract_checkpoint_digest(CHECKPOINT, DOMAIN),
            "6ecb4793e8b87186e6b0377bb42ea4eacd650321664cff9f83f44378843ff1c1",
        ),
        (roots_hash(ROOTS), "9d36db03f9aefb9dac94c792141edac2b81eab9c6ecda2382c241e07b4f62b3f"),
        (da_hash([]), "569e75fc77c1a856f6daaf9e69d8a9566ca34aa47f9133711ce065a571af0cfd"),
        (
            epoch_slot_hash(7, 0),
            "870253054e3d98b71abec8fff9ebf8a15d167f15909091a800d4acaab9266d2b",
        ),
    ],
)
def test_hash_equals_the_published_vector(value: bytes, expected: str) -> None:
    assert value.hex() == expected


@settings(max_examples=40)
@given(listed=st.lists(commitments, max_size=4))
def test_da_hash_equals_the_reference_encoding(listed: list[DataCommitment]) -> None:
    rows = [
        (one.kind, one.pointer, one.size_hint, one.segment_hashes, one.expiry) for one in listed
    ]
    expected = encode(["(string,string,uint256,bytes32[],uint256)[]"], [rows])
    assert da_hash(listed) == keccak256(expected)


@settings(max_examples=30)
@given(checkpoint=checkpoints)
def test_digest_equals_the_reference_encoding(checkpoint: ContractCheckpoint) -> None:
    types = CHECKPOINT_TYPE[CHECKPOINT_TYPE.index("(") + 1 : -1].split(",")
    expected = encode(
        ["bytes32", *types],
        [
            CHECKPOINT_TYPEHASH,
            bytes32(checkpoint.subnet_id),
            checkpoint.epoch,
            checkpoint.parent_hash,
            checkpoint.timestamp,
            checkpoint.version,
            checkpoint.params_hash,
            roots_hash(checkpoint.roots),
            da_hash(checkpoint.data_commitments),
            epoch_slot_hash(checkpoint.epoch, checkpoint.slot),
            keccak256(checkpoint.stats),
            checkpoint.aux_hash,
            checkpoint.assignments_root,
            checkpoint.validation_commitment,
            checkpoint.policy_root,
            DOMAIN.checkpoint_manager,
            DOMAIN.chain_id,
        ],
    )
    assert contract_checkpoint_digest(checkpoint, DOMAIN) == keccak256(expected)


@pytest.mark.parametrize("roots", [(), ROOTS[:7], (*ROOTS, ROOTS[0]), (*ROOTS[:7], b"short")])
def test_roots_are_eight_whole_hashes(roots: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        roots_hash(roots)
    assert caught.value.code == "SN-N115"
