"""Only a configured member with its own key gets a session; every other end has its coded reason."""

import pickle
from dataclasses import replace

import msgspec
import pytest

from pinai_subnet.adapters.signer.local import LocalSigner
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


def member(number: int, *, cluster: str = "c", key: int | None = None, size: int = 3) -> Member:
    others = {p.id: p for p in map(peer, range(1, size + 1)) if p.id != f"v{number}"}
    return Member(me=peer(number), cluster=cluster, signer=signer(key or number), others=others)


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
