"""Digests for the chain: the published vectors, and equality with the reference ABI encoder."""

from dataclasses import replace

import pytest
from eth_abi.abi import encode
from eth_account.messages import _hash_eip191_message, encode_defunct
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.protocol.vectors import (
    AGENT,
    ASSIGNMENT,
    BID,
    DOMAIN,
    INTENT,
    ITEMS,
    KEY,
    PUBLIC_KEY,
    ROOT_HASH,
    SIGNER,
    SUBNET,
)

from pinai_subnet.protocol import digests
from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.digests import (
    ChainDomain,
    assignment_digest,
    batch_digest,
    eip191,
    intent_digest,
    items_hash,
    keccak256,
    params_hash,
    single_validation_digest,
)
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import (
    ZERO_ADDRESS,
    AssignmentId,
    BidId,
    IntentId,
    SubnetId,
    bytes32,
    parse_address,
)
from pinai_subnet.protocol.signatures import recover_eip191, sign_eip191

PARAMS = params_hash(b'{"task":"test"}', b"")
INTENT_DIGEST = intent_digest(
    intent_id=INTENT,
    subnet_id=SUBNET,
    requester=SIGNER,
    intent_type="e2e-test",
    params_hash=PARAMS,
    deadline=1800000000,
    budget_token=ZERO_ADDRESS,
    budget=100000000000000,
    domain=DOMAIN,
)
ASSIGNMENT_DIGEST = assignment_digest(
    assignment_id=ASSIGNMENT,
    intent_id=INTENT,
    bid_id=BID,
    agent=AGENT,
    status=1,
    matcher=SIGNER,
    domain=DOMAIN,
)
BATCH_DIGEST = batch_digest(
    subnet_id=SUBNET,
    items_hash=items_hash(ITEMS),
    root_height=7,
    root_hash=ROOT_HASH,
    domain=DOMAIN,
)
SINGLE_DIGEST = single_validation_digest(
    ITEMS[0], subnet_id=SUBNET, root_height=7, root_hash=ROOT_HASH, domain=DOMAIN
)

hashes = st.binary(min_size=32, max_size=32)
texts32 = hashes.map(lambda raw: "0x" + raw.hex())
addresses = st.binary(min_size=20, max_size=20).map(lambda raw: parse_address("0x" + raw.hex(), ""))
uint64s = st.integers(0, 2**64 - 1)
uint256s = st.integers(0, 2**256 - 1)
domains = st.builds(
    ChainDomain,
    chain_id=st.integers(1, 2**64),
    intent_manager=addresses,
    checkpoint_manager=addresses,
)
items = st.builds(
    BatchItem,
    intent_id=texts32.map(IntentId),
    assignment_id=texts32.map(AssignmentId),
    agent=addresses,
    result_hash=hashes,
    proof_hash=hashes,
    executed_at=uint64s,
)


def reference(type_string: str, typehash: bytes, *values: object) -> bytes:
    """Encode by the reference library, with the layout that the type string itself declares."""
    types = type_string[type_string.index("(") + 1 : -1].split(",")
    return keccak256(encode(["bytes32", *types], [typehash, *values]))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "key",
            keccak256(PUBLIC_KEY),
            "36e3069e78ac5a708f8a6416c833993f5facd9089d0e703f81577a8626c29868",
        ),
        (
            "params_hash",
            PARAMS,
            "73dd31a66d71840d5cf9996bd0bfbd037a1a658a10ed09998de125bf4e066fa7",
        ),
        (
            "intent",
            INTENT_DIGEST,
            "6eb03fe0f4c16a47548212b0a13ef37af04480c990a28320db685db093bcb144",
        ),
        (
            "assignment",
            ASSIGNMENT_DIGEST,
            "549d8e785d5a23b40abe6521897e685fbe6fbb4b07cc0e956b43f5d259ce6d4a",
        ),
        (
            "items",
            items_hash(ITEMS),
            "b9ef3d0bfff5d1df20864b7e506c9572e1c8e36b264dac2e014ddb0cd9777514",
        ),
        (
            "items swapped",
            items_hash(ITEMS[::-1]),
            "a8af0228b0d4efb3056b40568b6fb24197d749ce6b20b9de49c7b4941ea4816d",
        ),
        (
            "batch",
            BATCH_DIGEST,
            "954b349bab3b367291f89f7e16565b9cd49b50be9ba81fbad506d8935a615587",
        ),
        (
            "single validation",
            SINGLE_DIGEST,
            "d28dd7cb97f5ad4b312a6689e7bb1e09c18dfafe473368727adfbcd318366c75",
        ),
    ],
)
def test_digest_equals_the_published_vector(name: str, value: bytes, expected: str) -> None:
    assert value.hex() == expected


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        (
            INTENT_DIGEST,
            (
                "4f3b29f62fd870911ec2fd03e7eccc63c6d13534d2f0c1ff59668ea69c1b0cf8"
                "08d4821dab3b7d13700f5381ac6a88ebbcee13a0de78ea957b9a72f71ffda3661c"
            ),
        ),
        (
            ASSIGNMENT_DIGEST,
            (
                "6d774e02135060fc4c1970eb2d37ecabacc9eec90deadc9992b7ae19bcd24d67"
                "4138396a75a32f7e88535f8462ffb202a01de6f23bf9a232d9521ef70bf01e501b"
            ),
        ),
        (
            BATCH_DIGEST,
            (
                "f73d33d7c4418bece8bd6325b15dfb8249b1964d2b2e8c6c2d3781b9fce79be6"
                "6006eac16e1d634eb6c716222fbc15c2574c532144decd9e43f12f4b074dea441b"
            ),
        ),
    ],
)
def test_eip191_signature_equals_the_published_vector(digest: bytes, expected: str) -> None:
    signature = sign_eip191(KEY, digest)
    assert signature.hex() == expected
    assert recover_eip191(digest, signature) == SIGNER


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            digests.INTENT_TYPEHASH,
            "9f2f6d331bdf969f68be0bf76d7a65cadf5bed3811195f9f46c4899b15c627af",
        ),
        (
            digests.ASSIGNMENT_TYPEHASH,
            "df81f35bd6b981a96c1aa947b697bbe032c52587f803483d420a8b43e4d80b11",
        ),
        (
            digests.VALIDATION_TYPEHASH,
            "b3893b731985b5aec1eea59d0df50d6b756e6b081496142b2c5a7bfe7659476d",
        ),
        (
            digests.VALIDATION_BATCH_TYPEHASH,
            "3469b333ddcbcc33dbd47adef9b8d7a8721194d15784e1b0b6b402340cfbb351",
        ),
    ],
)
def test_type_hash_equals_the_published_constant(value: bytes, expected: str) -> None:
    assert value.hex() == expected


@settings(max_examples=40)
@given(digest=hashes)
def test_eip191_equals_the_reference_library(digest: bytes) -> None:
    assert eip191(digest) == bytes(_hash_eip191_message(encode_defunct(primitive=digest)))


@settings(max_examples=40)
@given(
    intent_id=texts32,
    subnet_id=texts32,
    requester=addresses,
    intent_type=st.text(max_size=40),
    params=hashes,
    deadline=uint256s,
    token=addresses,
    budget=uint256s,
    domain=domains,
)
def test_intent_digest_equals_the_reference_encoding(  # noqa: PLR0917 - hypothesis names each word
    intent_id, subnet_id, requester, intent_type, params, deadline, token, budget, domain
) -> None:
    expected = reference(
        digests.INTENT_TYPE,
        digests.INTENT_TYPEHASH,
        bytes32(intent_id),
        bytes32(subnet_id),
        requester,
        keccak256(intent_type.encode()),
        params,
        deadline,
        token,
        budget,
        domain.intent_manager,
        domain.chain_id,
    )
    assert (
        intent_digest(
            intent_id=intent_id,
            subnet_id=subnet_id,
            requester=requester,
            intent_type=intent_type,
            params_hash=params,
            deadline=deadline,
            budget_token=token,
            budget=budget,
            domain=domain,
        )
        == expected
    )


@settings(max_examples=40)
@given(
    assignment_id=texts32,
    intent_id=texts32,
    bid_id=texts32,
    agent=addresses,
    status=st.integers(0, 255),
    matcher=addresses,
    domain=domains,
)
def test_assignment_digest_equals_the_reference_encoding(  # noqa: PLR0917 - hypothesis names each word
    assignment_id, intent_id, bid_id, agent, status, matcher, domain
) -> None:
    expected = reference(
        digests.ASSIGNMENT_TYPE,
        digests.ASSIGNMENT_TYPEHASH,
        bytes32(assignment_id),
        bytes32(intent_id),
        bytes32(bid_id),
        agent,
        status,
        matcher,
        domain.intent_manager,
        domain.chain_id,
    )
    assert (
        assignment_digest(
            assignment_id=assignment_id,
            intent_id=intent_id,
            bid_id=bid_id,
            agent=agent,
            status=status,
            matcher=matcher,
            domain=domain,
        )
        == expected
    )


@settings(max_examples=40)
@given(batch=st.lists(items, max_size=5))
def test_items_hash_equals_the_reference_encoding(batch: list[BatchItem]) -> None:
    rows = [
        (
            bytes32(item.intent_id),
            bytes32(item.assignment_id),
            item.agent,
            item.result_hash,
            item.proof_hash,
        )
        for item in batch
    ]
    expected = encode(["(bytes32,bytes32,address,bytes32,bytes32)[]"], [rows])
    assert items_hash(batch) == keccak256(expected)


@settings(max_examples=40)
@given(
    subnet_id=texts32,
    item=items,
    height=uint64s,
    root=hashes,
    domain=domains,
)
def test_validation_digests_equal_the_reference_encoding(
    subnet_id, item, height, root, domain
) -> None:
    batch = reference(
        digests.VALIDATION_BATCH_TYPE,
        digests.VALIDATION_BATCH_TYPEHASH,
        bytes32(subnet_id),
        item.result_hash,
        height,
        root,
        domain.intent_manager,
        domain.chain_id,
    )
    assert (
        batch_digest(
            subnet_id=subnet_id,
            items_hash=item.result_hash,
            root_height=height,
            root_hash=root,
            domain=domain,
        )
        == batch
    )
    single = reference(
        digests.VALIDATION_TYPE,
        digests.VALIDATION_TYPEHASH,
        bytes32(item.intent_id),
        bytes32(item.assignment_id),
        bytes32(subnet_id),
        item.agent,
        item.result_hash,
        item.proof_hash,
        height,
        root,
        domain.intent_manager,
        domain.chain_id,
    )
    assert (
        single_validation_digest(
            item, subnet_id=subnet_id, root_height=height, root_hash=root, domain=domain
        )
        == single
    )


def test_executed_at_is_outside_the_items_hash() -> None:
    moved = [replace(item, executed_at=item.executed_at + 1) for item in ITEMS]
    assert items_hash(moved) == items_hash(ITEMS)


def test_the_chain_and_the_contract_change_the_digest() -> None:
    elsewhere = replace(DOMAIN, chain_id=8453)
    other = replace(DOMAIN, intent_manager=DOMAIN.checkpoint_manager)
    assert (
        len(
            {
                single_validation_digest(
                    ITEMS[0], subnet_id=SUBNET, root_height=7, root_hash=ROOT_HASH, domain=domain
                )
                for domain in (DOMAIN, elsewhere, other)
            }
        )
        == 3
    )


@pytest.mark.parametrize("agent", ["agent-1", "financial-news-agent-001", "0x22", ""])
def test_an_agent_name_is_refused_where_an_address_belongs(agent: str) -> None:
    """S15: a text agent id is never parsed into a zero or garbage address."""
    with pytest.raises(InvalidInput) as caught:
        items_hash([replace(ITEMS[0], agent=agent)])
    assert caught.value.code == "SN-N102"


@pytest.mark.parametrize("intent_id", ["0xa1", "a1" * 32, "0x" + "a1" * 33, "0x" + "zz" * 32])
def test_a_malformed_id_is_refused_instead_of_padded(intent_id: str) -> None:
    """S15: ids are never padded or truncated."""
    with pytest.raises(InvalidInput) as caught:
        items_hash([replace(ITEMS[0], intent_id=IntentId(intent_id))])
    assert caught.value.code == "SN-N101"


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_hash_of_wrong_length_is_refused(length: int) -> None:
    """S16: a long parent is neither truncated nor hashed again."""
    with pytest.raises(InvalidInput) as caught:
        batch_digest(
            subnet_id=SubnetId(SUBNET),
            items_hash=items_hash(ITEMS),
            root_height=7,
            root_hash=bytes(length),
            domain=DOMAIN,
        )
    assert caught.value.code == "SN-N115"


@pytest.mark.parametrize("status", [-1, 256])
def test_a_number_that_does_not_fit_is_refused(status: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        assignment_digest(
            assignment_id=ASSIGNMENT,
            intent_id=INTENT,
            bid_id=BidId(BID),
            agent=AGENT,
            status=status,
            matcher=SIGNER,
            domain=DOMAIN,
        )
    assert caught.value.code == "SN-N116"
