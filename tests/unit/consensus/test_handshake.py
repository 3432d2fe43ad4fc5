"""Only a configured member with its own key gets a session; every other end has its coded reason."""

import pickle
from dataclasses import replace

import msgspec
import pytest

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.consensus.build import UNSAID, Build
from pinai_subnet.consensus.handshake import (
    PROTOCOL_VERSION,
    Acceptor,
    Dialer,
    Hello,
    Member,
    Proof,
    Session,
    Welcome,
)
from pinai_subnet.ports.errors import Refused
from pinai_subnet.ports.replication import Peer


def signer(number: int) -> LocalSigner:
    return LocalSigner(bytes([number]) * 32)


def peer(number: int) -> Peer:
    return Peer(id=f"v{number}", address=signer(number).address, endpoint="127.0.0.1:1")


def member(
    number: int,
    *,
    cluster: str = "c",
    key: int | None = None,
    size: int = 3,
    build: Build = UNSAID,
) -> Member:
    others = {p.id: p for p in map(peer, range(1, size + 1)) if p.id != f"v{number}"}
    return Member(
        me=peer(number), cluster=cluster, signer=signer(key or number), others=others, build=build
    )


def shake(dialer: Dialer, acceptor: Acceptor) -> tuple[Session, Session]:
    welcome = acceptor.receive(dialer.opening())
    assert welcome is not None
    proof = dialer.receive(welcome)
    assert proof is not None
    ready = acceptor.receive(proof)
    assert ready is not None
    assert dialer.session is None
    dialer.receive(ready)
    assert dialer.session is not None
    assert acceptor.session is not None
    return dialer.session, acceptor.session


def test_members_prove_themselves_to_each_other() -> None:
    dialled, accepted = shake(Dialer(member(1), peer(2)), Acceptor(member(2)))
    assert (dialled.peer.id, accepted.peer.id) == ("v2", "v1")


def test_frames_are_authenticated_in_order_and_direction() -> None:
    dialled, accepted = shake(Dialer(member(1), peer(2)), Acceptor(member(2)))
    first, second = dialled.seal(b"one"), dialled.seal(b"two")
    accepted.check(first, b"one")
    with pytest.raises(Refused, match="SN-R046"):
        accepted.check(first, b"one")
    with pytest.raises(Refused, match="SN-R046"):
        accepted.check(second, b"TWO")
    accepted.check(second, b"two")
    with pytest.raises(Refused, match="SN-R046"):
        dialled.check(dialled.seal(b"x"), b"x")


def test_another_cluster_is_refused_by_both_sides() -> None:
    with pytest.raises(Refused, match="SN-R040"):
        Acceptor(member(2)).receive(Dialer(member(1, cluster="d"), peer(2)).opening())


def test_unknown_peer_is_refused() -> None:
    with pytest.raises(Refused, match="SN-R041"):
        Acceptor(member(2)).receive(Dialer(member(9, size=2), peer(2)).opening())


def test_dialer_that_wants_another_node_is_refused() -> None:
    with pytest.raises(Refused, match="SN-R041"):
        Acceptor(member(2)).receive(Dialer(member(1), peer(3)).opening())


def test_another_member_at_the_expected_endpoint_is_refused() -> None:
    dialer = Dialer(member(1), peer(2))
    hello = msgspec.msgpack.decode(dialer.opening(), type=Hello)
    retargeted = msgspec.structs.replace(hello, wanted="v3")
    welcome = Acceptor(member(3)).receive(msgspec.msgpack.encode(retargeted))
    assert welcome is not None
    with pytest.raises(Refused, match="SN-R041"):
        dialer.receive(welcome)


def test_acceptor_with_the_wrong_key_is_refused() -> None:
    dialer = Dialer(member(1), peer(2))
    welcome = Acceptor(member(2, key=3)).receive(dialer.opening())
    assert welcome is not None
    with pytest.raises(Refused, match="SN-R042"):
        dialer.receive(welcome)


def test_dialer_with_the_wrong_key_is_refused() -> None:
    dialer, acceptor = Dialer(member(1, key=3), peer(2)), Acceptor(member(2))
    welcome = acceptor.receive(dialer.opening())
    assert welcome is not None
    proof = dialer.receive(welcome)
    assert proof is not None
    with pytest.raises(Refused, match="SN-R042"):
        acceptor.receive(proof)
    assert acceptor.session is None


def test_proof_of_an_earlier_handshake_is_worthless() -> None:
    first_dialer, first_acceptor = Dialer(member(1), peer(2)), Acceptor(member(2))
    proof = first_dialer.receive(first_acceptor.receive(first_dialer.opening()) or b"")
    assert proof is not None
    second = Acceptor(member(2))
    second.receive(Dialer(member(1), peer(2)).opening())
    with pytest.raises(Refused, match="SN-R042"):
        second.receive(proof)


def test_own_signature_reflected_back_is_refused() -> None:
    dialer, acceptor = Dialer(member(1), peer(2)), Acceptor(member(2))
    welcome = acceptor.receive(dialer.opening())
    assert welcome is not None
    theirs = msgspec.msgpack.decode(welcome, type=Welcome).signature
    with pytest.raises(Refused, match="SN-R042"):
        acceptor.receive(msgspec.msgpack.encode(Proof(theirs)))


def test_newer_protocol_is_refused_with_its_own_code() -> None:
    hello = msgspec.msgpack.decode(Dialer(member(1), peer(2)).opening(), type=Hello)
    newer = msgspec.structs.replace(hello, protocol=PROTOCOL_VERSION + 1)
    with pytest.raises(Refused, match="SN-R043"):
        Acceptor(member(2)).receive(msgspec.msgpack.encode(newer))


def test_longer_message_of_a_newer_protocol_is_refused_by_its_number() -> None:
    """Operators row 28: not as garbage."""
    fields = msgspec.msgpack.decode(Dialer(member(1), peer(2)).opening())
    fields[1] = 3
    for part in fields[-2:]:
        part.append("more")
    with pytest.raises(Refused, match="SN-R043 peer speaks protocol 3, this node"):
        Acceptor(member(2)).receive(msgspec.msgpack.encode([*fields, "more", ["x"]]))


OURS = Build(rules=5, oldest_rules=4, release="1.5.0", chain="84532 0xA 0xB")


@pytest.mark.parametrize(
    "theirs",
    [
        Build(rules=4, oldest_rules=2, release="1.4.0", chain=OURS.chain),
        Build(rules=6, oldest_rules=5, release="1.6.0", chain=OURS.chain),
        OURS,
    ],
)
def test_neighbouring_builds_work_together(theirs: Build) -> None:
    """Operators row 28: one release apart is a rolling upgrade."""
    shake(Dialer(member(1, build=OURS), peer(2)), Acceptor(member(2, build=theirs)))
    shake(Dialer(member(1, build=theirs), peer(2)), Acceptor(member(2, build=OURS)))


@pytest.mark.parametrize(
    ("theirs", "code", "words"),
    [
        (
            Build(rules=3, oldest_rules=1, release="1.3.0", chain=OURS.chain),
            "SN-R050",
            "1.3.0 (ledger rules 3, works with 1 and later)",
        ),
        (
            Build(rules=9, oldest_rules=6, release="2.0.0", chain=OURS.chain),
            "SN-R050",
            "2.0.0 (ledger rules 9, works with 6 and later)",
        ),
        (UNSAID, "SN-R050", "a build that does not say which"),
        (
            Build(rules=5, oldest_rules=4, release="1.5.0", chain="1 0xA 0xB"),
            "SN-R051",
            "'1 0xA 0xB'",
        ),
    ],
)
def test_both_sides_refuse_a_build_that_does_not_fit_and_name_both(
    theirs: Build, code: str, words: str
) -> None:
    """Operators rows 20 and 28."""
    mine = (
        "84532 0xA 0xB" if code == "SN-R051" else "1.5.0 (ledger rules 5, works with 4 and later)"
    )
    for here, there in ((OURS, theirs), (theirs, OURS)):
        dialer, acceptor = Dialer(member(1, build=here), peer(2)), Acceptor(member(2, build=there))
        with pytest.raises(Refused) as accepting:
            acceptor.receive(dialer.opening())
        assert acceptor.farewell is not None
        with pytest.raises(Refused) as dialling:
            dialer.receive(acceptor.farewell)
        for refusal in (accepting.value, dialling.value):
            assert refusal.code == code
            assert words in refusal.message
            assert mine in refusal.message
        assert (acceptor.session, dialer.session) == (None, None)


def test_build_is_covered_by_the_signatures() -> None:
    dialer, acceptor = Dialer(member(1, build=OURS), peer(2)), Acceptor(member(2, build=OURS))
    hello = msgspec.msgpack.decode(dialer.opening(), type=Hello)
    other = msgspec.structs.replace(hello, build=msgspec.structs.replace(OURS, release="9"))
    welcome = acceptor.receive(msgspec.msgpack.encode(other))
    assert welcome is not None
    with pytest.raises(Refused, match="SN-R042"):
        dialer.receive(welcome)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        pickle.dumps("v1"),
        msgspec.msgpack.encode([104]),
        b"\xff" * 64,
        # A text that is no UTF-8: msgspec raises UnicodeDecodeError for it, not an error of its own.
        b"\x96\x65\x01\xa1c\xa2\xff\xff\xa2v2\xc4\x00",
    ],
)
def test_anything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(Refused, match="SN-R044"):
        Acceptor(member(2)).receive(payload)


def test_bad_public_key_is_refused() -> None:
    dialer, acceptor = Dialer(member(1), peer(2)), Acceptor(member(2))
    hello = msgspec.msgpack.decode(dialer.opening(), type=Hello)
    dialer._hello = msgspec.structs.replace(hello, key=b"\x02" + bytes(32))
    welcome = acceptor.receive(msgspec.msgpack.encode(dialer._hello))
    assert welcome is not None
    proof = dialer.receive(welcome)
    assert proof is not None
    with pytest.raises(Refused, match="SN-R044"):
        acceptor.receive(proof)


def test_addresses_are_compared_with_the_configuration() -> None:
    stranger = replace(peer(2), address=signer(7).address)
    ours = member(1)
    ours = replace(ours, others={**ours.others, "v2": stranger})
    dialer = Dialer(ours, stranger)
    welcome = Acceptor(member(2)).receive(dialer.opening())
    assert welcome is not None
    with pytest.raises(Refused, match="SN-R042"):
        dialer.receive(welcome)
