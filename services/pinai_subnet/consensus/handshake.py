"""Who is at the other end: a mutual challenge signed with the members' keys. Pure: bytes in, bytes out, no socket.

    dialer   -> Hello   protocol, cluster, its id, the id it wants, an ephemeral public key, its build
    acceptor -> Welcome the same from its side, and a signature over the transcript
    dialer   -> Proof   its own signature over the transcript
    acceptor -> Ready

Both sign keccak256("PINAI_RAFT_HELLO_V1" || role || transcript), the transcript being every field
of Hello and Welcome with its length in front. The ephemeral keys are the nonces; what they agree on
keys a MAC on every later frame, so that nobody on the path can speak for a peer that has proven
itself. Frames are not encrypted: where the network is not trusted to read, run it inside TLS or a
tunnel.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import coincurve
import msgspec
from eth_hash.auto import keccak

from pinai_subnet.consensus.build import UNSAID, Build, check_builds
from pinai_subnet.consensus.fence import Life
from pinai_subnet.ports.errors import Refused
from pinai_subnet.ports.replication import Peer
from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.signatures import recover

PROTOCOL_VERSION = 2
MAX_HANDSHAKE_BYTES = 1024
_DOMAIN = b"PINAI_RAFT_HELLO_V1"
MAC_BYTES = 16


_NO_LIFE = Life(instance=bytes(16))


class _Base(msgspec.Struct, frozen=True, array_like=True):
    """The common shape of handshake messages. A later protocol's may be longer, and is refused by its number."""


class Hello(_Base, frozen=True, tag=101):
    """The dialer opens."""

    protocol: int
    cluster: str
    node: str
    wanted: str
    key: bytes
    build: Build = UNSAID
    life: Life = _NO_LIFE


class Welcome(_Base, frozen=True, tag=102):
    """The acceptor answers and proves itself."""

    protocol: int
    cluster: str
    node: str
    key: bytes
    signature: bytes
    build: Build = UNSAID
    life: Life = _NO_LIFE


class _Said(NamedTuple):
    """What a side says about itself, signed along."""

    build: Build
    life: Life


class Proof(_Base, frozen=True, tag=103):
    """The dialer proves itself."""

    signature: bytes


class Ready(_Base, frozen=True, tag=104):
    """The acceptor is satisfied."""


_decoder = msgspec.msgpack.Decoder(Hello | Welcome | Proof | Ready)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Everything a side needs to know about itself and the group."""

    me: Peer
    cluster: str
    signer: Signer
    others: dict[str, Peer]
    """Who is admitted now; changes with the group."""
    build: Build = UNSAID
    life: Callable[[], Life] = lambda: _NO_LIFE
    """This process, as it is now."""


class Session:
    """A proven connection: authenticates frames in both directions, in order."""

    def __init__(self, peer: Peer, life: Life, *, send_key: bytes, receive_key: bytes) -> None:
        """Bind the peer and one key for each direction."""
        self.peer = peer
        self.life = life
        """Which process of the peer it is, by its own signed word."""
        self._send_key = send_key
        self._receive_key = receive_key
        self._sent = 0
        self._received = 0

    @staticmethod
    def _mac(key: bytes, counter: int, payload: bytes) -> bytes:
        state = hashlib.blake2b(counter.to_bytes(8, "little"), key=key, digest_size=MAC_BYTES)
        state.update(payload)
        return state.digest()

    def seal(self, payload: bytes) -> bytes:
        """Return the MAC of the next frame to send."""
        mac = self._mac(self._send_key, self._sent, payload)
        self._sent += 1
        return mac

    def check(self, mac: bytes, payload: bytes) -> None:
        """Raise `Refused` SN-R046 unless the frame is the next one that the peer sent."""
        if not hmac.compare_digest(mac, self._mac(self._receive_key, self._received, payload)):
            raise Refused("SN-R046", "a frame was changed, repeated or left out on the way")
        self._received += 1


class _Side:
    """What both sides share."""

    role = b""

    def __init__(self, member: Member) -> None:
        self.session: Session | None = None
        self.peer: Peer | None = None
        self.farewell: bytes | None = None
        """What to send with a refusal, so that the other side can say as well what does not fit."""
        self._member = member
        self._ephemeral = coincurve.PrivateKey()
        self._transcript = b""

    def receive(self, payload: bytes) -> bytes | None:
        """Take the peer's next message and return the answer to send, if any.

        Raises `Refused` (SN-R040 to SN-R044) when the peer is not who it has to be; `session` is
        set once it has proven itself.
        """
        try:
            message = _decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refused("SN-R044", f"not a handshake message: {error}") from error
        return self._take(message)

    def _take(self, message: Hello | Welcome | Proof | Ready) -> bytes | None:
        raise NotImplementedError

    @property
    def _public(self) -> bytes:
        return bytes(self._ephemeral.public_key.format(compressed=True))

    def _identify(self, protocol: int, cluster: str, node: str) -> Peer:
        if protocol != PROTOCOL_VERSION:
            raise Refused(
                "SN-R043", f"peer speaks protocol {protocol}, this node {PROTOCOL_VERSION}"
            )
        if cluster != self._member.cluster:
            raise Refused(
                "SN-R040", f"peer is of cluster {cluster[:80]!r}, not {self._member.cluster!r}"
            )
        peer = self._member.others.get(node)
        if peer is None:
            raise Refused("SN-R041", f"{node[:64]!r} is not a member of this group")
        return peer

    def _bind(self, hello: Hello, cluster: str, node: str, key: bytes, said: _Said) -> None:
        fields = (
            hello.protocol.to_bytes(4, "big"),
            hello.cluster.encode(),
            hello.node.encode(),
            hello.wanted.encode(),
            hello.key,
            msgspec.msgpack.encode((hello.build, hello.life)),
            cluster.encode(),
            node.encode(),
            key,
            msgspec.msgpack.encode((said.build, said.life)),
        )
        self._transcript = b"".join(len(field).to_bytes(4, "big") + field for field in fields)

    def _digest(self, role: bytes) -> bytes:
        return bytes(keccak(_DOMAIN + role + self._transcript))

    def _sign(self) -> bytes:
        return self._member.signer.sign(self._digest(self.role))

    def _verify(self, peer: Peer, role: bytes, signature: bytes) -> None:
        try:
            found = recover(self._digest(role), signature)
        except SubnetError as error:
            raise Refused(
                "SN-R042", f"peer {peer.id!r} sent no valid signature: {error}"
            ) from error
        if found not in {peer.address, peer.former_address}:
            raise Refused(
                "SN-R042",
                f"peer {peer.id!r} signs with the key of {found}, expected {peer.address}",
            )

    def _agree(self, peer: Peer, theirs: bytes, life: Life) -> Session:
        try:
            secret = bytes(self._ephemeral.ecdh(theirs))
        except ValueError as error:
            raise Refused("SN-R044", f"peer {peer.id!r} sent no public key") from error
        keys = {
            role: hashlib.blake2b(
                self._transcript, key=secret, person=role.ljust(16, b"\0"), digest_size=32
            ).digest()
            for role in (_DIALER, _ACCEPTOR)
        }
        other = _ACCEPTOR if self.role == _DIALER else _DIALER
        return Session(peer, life, send_key=keys[self.role], receive_key=keys[other])


_DIALER = b"dialer"
_ACCEPTOR = b"acceptor"


class Dialer(_Side):
    """The side that opened the connection."""

    role = _DIALER

    def __init__(self, member: Member, peer: Peer) -> None:
        """Prepare to prove ourselves to `peer`."""
        super().__init__(member)
        self.peer = peer
        self._hello = Hello(
            PROTOCOL_VERSION,
            member.cluster,
            member.me.id,
            peer.id,
            self._public,
            member.build,
            member.life(),
        )
        self._proven: Session | None = None

    def opening(self) -> bytes:
        """Return the first message."""
        return msgspec.msgpack.encode(self._hello)

    def _take(self, message: Hello | Welcome | Proof | Ready) -> bytes | None:
        match message:
            case Welcome() if self._proven is None and self.peer is not None:
                peer = self._identify(message.protocol, message.cluster, message.node)
                if peer.id != self.peer.id:
                    raise Refused(
                        "SN-R041", f"{peer.id!r} answered where {self.peer.id!r} should be"
                    )
                said = _Said(message.build, message.life)
                self._bind(self._hello, message.cluster, message.node, message.key, said)
                self._verify(peer, _ACCEPTOR, message.signature)
                check_builds(self._member.build, message.build, peer.id)
                self._proven = self._agree(peer, message.key, message.life)
                return msgspec.msgpack.encode(Proof(self._sign()))
            case Ready() if self._proven is not None:
                self.session = self._proven
                return None
            case _:
                raise Refused("SN-R044", f"unexpected {type(message).__name__} in the handshake")


class Acceptor(_Side):
    """The side that was called."""

    role = _ACCEPTOR

    def __init__(self, member: Member) -> None:
        """Wait for the dialer to speak first."""
        super().__init__(member)
        self._key: bytes | None = None
        self._peer_life = _NO_LIFE

    def _take(self, message: Hello | Welcome | Proof | Ready) -> bytes | None:
        match message:
            case Hello() if self.peer is None:
                self.peer = self._identify(message.protocol, message.cluster, message.node)
                if message.wanted != self._member.me.id:
                    raise Refused(
                        "SN-R041", f"the dialer wants {message.wanted[:64]!r}, not this node"
                    )
                self._key, self._peer_life = message.key, message.life
                me, cluster = self._member.me.id, self._member.cluster
                said = _Said(self._member.build, self._member.life())
                self._bind(message, cluster, me, self._public, said)
                self.farewell = msgspec.msgpack.encode(
                    Welcome(
                        PROTOCOL_VERSION,
                        cluster,
                        me,
                        self._public,
                        self._sign(),
                        said.build,
                        said.life,
                    )
                )
                check_builds(said.build, message.build, self.peer.id)
                return self.farewell
            case Proof() if self.peer is not None and self._key is not None:
                self.farewell = None
                self._verify(self.peer, _DIALER, message.signature)
                self.session = self._agree(self.peer, self._key, self._peer_life)
                return msgspec.msgpack.encode(Ready())
            case _:
                raise Refused("SN-R044", f"unexpected {type(message).__name__} in the handshake")
