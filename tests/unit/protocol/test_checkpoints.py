"""Checkpoint hashes and roots: the published vectors, and what our own roots add."""

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.protocol.vectors import AGENT, ASSIGNMENT, INTENT, KEY, SIGNER, SUBNET

from pinai_subnet.protocol.checkpoints import (
    Header,
    commitment_state_root,
    header_hash,
    parent_hash,
    published_event_root,
    published_merkle_root,
    published_state_root,
    tagged_merkle_root,
)
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.signatures import recover, sign

STATE_ROOT = published_state_root([("validator-1", 1), ("validator-2", 1), ("validator-3", 1)])
EVENT_ROOT = published_event_root([(ASSIGNMENT, INTENT, AGENT, 1800000001)])
HEADER = Header(
    subnet_id=SUBNET,
    epoch=7,
    timestamp=1800000010,
    state_root=STATE_ROOT,
    event_root=EVENT_ROOT,
)
HEADER_HASH = header_hash(HEADER)
SIGNATURE = sign(KEY, HEADER_HASH)
COVERED_BY_HEADER_HASH = {
    "subnet_id",
    "epoch",
    "timestamp",
    "parent_hash",
    "state_root",
    "agent_root",
    "event_root",
}
OTHER = b"\x07" * 32

# Leaves and roots of the Certificate Transparency reference tree (RFC 6962).
RFC6962_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
RFC6962_ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (STATE_ROOT, "ee7c1c3a79fedb46b2852f9c219d7fffe43ebea223666020800b1f1900c7542d"),
        (EVENT_ROOT, "b34ffa3d479b0d86ef121ceb2bdb7fbd5d4ef8a5a9ee6e130375304e77db8c34"),
        (HEADER_HASH, "ee66d181397f2bc39eae6efde34811bd244aba9a1f16a9e881707216d53dc5af"),
        (
            parent_hash(HEADER_HASH, [SIGNATURE], b"\x01"),
            "e8026342e0b1d8cbe640cb1389ba9091b1ce6a8e31c8e83d8dcc369eb54fd60b",
        ),
        (
            parent_hash(HEADER_HASH),
            "6d3b22e265ded14a536eb9a90565e4410409663b65b9d0b67deb1796025237bc",
        ),
    ],
)
def test_hash_equals_the_published_vector(value: bytes, expected: str) -> None:
    assert value.hex() == expected


def test_header_signature_equals_the_published_vector_and_verifies() -> None:
    """S1: the 65-byte signature that is made is the one that verifies."""
    assert SIGNATURE.hex() == (
        "fae94d82b72b22035f5f3529cdee2527ffd0c6dec857e0f8122274a69168ab4c"
        "12c86a650ff2b7b57b26ba0c50240a5568c5fc0d31a18db17602e899f8c49e051b"
    )
    assert recover(HEADER_HASH, SIGNATURE) == SIGNER


def test_a_header_root_of_zeros_equals_an_empty_one() -> None:
    assert header_hash(replace(HEADER, agent_root=bytes(32), parent_hash=bytes(32))) == HEADER_HASH


@pytest.mark.parametrize("field", ["parent_hash", "state_root", "agent_root", "event_root"])
@pytest.mark.parametrize("length", [1, 31, 33, 64])
def test_a_header_hash_of_wrong_length_is_refused(field: str, length: int) -> None:
    """S8: a parent or root of wrong length is an error, not silently zero."""
    with pytest.raises(InvalidInput) as caught:
        header_hash(replace(HEADER, **{field: bytes(length)}))
    assert caught.value.code == "SN-N115"
    assert field in caught.value.message


@pytest.mark.parametrize(("field", "value"), [("epoch", -1), ("epoch", 2**64), ("timestamp", -1)])
def test_a_header_number_out_of_range_is_refused(field: str, value: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        header_hash(replace(HEADER, **{field: value}))
    assert caught.value.code == "SN-N116"


def changed(name: str) -> Header:
    """Return the header with another value in one field."""
    old = getattr(HEADER, name)
    new: object = old + 1 if isinstance(old, int) else f"{old}x" if isinstance(old, str) else OTHER
    return replace(HEADER, **{name: new})


@pytest.mark.parametrize("name", [field.name for field in fields(Header)])
def test_every_header_field_is_covered_by_hash_or_commitment(name: str) -> None:
    """S8: what the published header hash omits is inside state_root, which it covers."""
    digest = b"\x01" * 32
    commitment = commitment_state_root(HEADER, ledger_digest=digest)
    other = changed(name)
    if name in COVERED_BY_HEADER_HASH:
        assert header_hash(other) != HEADER_HASH
        assert commitment_state_root(other, ledger_digest=digest) == commitment
    else:
        assert header_hash(other) == HEADER_HASH
        assert commitment_state_root(other, ledger_digest=digest) != commitment


def test_the_ledger_is_covered_by_the_commitment() -> None:
    """S10: state_root says something about the state, not only about the validators' weights."""
    roots = {commitment_state_root(HEADER, ledger_digest=bytes((n,)) * 32) for n in range(3)}
    assert len(roots) == 3
    with pytest.raises(InvalidInput):
        commitment_state_root(HEADER, ledger_digest=b"")


def test_the_order_of_signatures_does_not_change_the_parent() -> None:
    other = sign(KEY, OTHER)
    assert parent_hash(HEADER_HASH, [SIGNATURE, other]) == parent_hash(
        HEADER_HASH, [other, SIGNATURE]
    )


def test_no_signatures_differs_from_signatures_unset() -> None:
    assert parent_hash(HEADER_HASH, []) != parent_hash(HEADER_HASH)


@pytest.mark.parametrize(("count", "expected"), RFC6962_ROOTS.items())
def test_our_tree_is_the_one_of_rfc_6962(count: int, expected: str) -> None:
    assert tagged_merkle_root(RFC6962_LEAVES[:count]).hex() == expected


def test_an_odd_leaf_is_not_its_own_sibling_in_our_tree() -> None:
    """S9: [a, b, c] and [a, b, c, c] share a root in the published tree, not in ours."""
    leaves = [bytes((n,)) * 32 for n in range(3)]
    doubled = [*leaves, leaves[-1]]
    assert published_merkle_root(leaves) == published_merkle_root(doubled)
    assert tagged_merkle_root(leaves) != tagged_merkle_root(doubled)


def test_a_node_cannot_pose_as_a_leaf_in_our_tree() -> None:
    """S9: in the published tree two leaves and the leaf made of their parent share a root."""
    leaves = [bytes((n,)) * 32 for n in range(2)]
    assert published_merkle_root([published_merkle_root(leaves)]) == published_merkle_root(leaves)
    assert tagged_merkle_root([tagged_merkle_root(leaves)]) != tagged_merkle_root(leaves)
    assert tagged_merkle_root([b"".join(leaves)]) != tagged_merkle_root(leaves)


@settings(max_examples=60)
@given(
    first=st.lists(st.binary(max_size=3), max_size=9),
    second=st.lists(st.binary(max_size=3), max_size=9),
)
def test_two_lists_share_our_root_only_when_they_are_equal(
    first: list[bytes], second: list[bytes]
) -> None:
    assert (tagged_merkle_root(first) == tagged_merkle_root(second)) == (first == second)


def test_the_published_tree_of_nothing_is_zeros() -> None:
    assert published_merkle_root([]) == bytes(32)


def test_the_published_event_root_joins_without_separators() -> None:
    """S3: two different reports can share a published leaf; that is why our roots do not use it."""
    assert published_event_root([("ab", "c", "d", 1)]) == published_event_root(
        [("a", "bc", "d", 1)]
    )
