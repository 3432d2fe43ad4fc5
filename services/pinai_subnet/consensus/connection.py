"""One socket to one peer: frames in, frames out, bounded buffers. Knows neither who the peer is nor what frames mean.

A frame is a little-endian 32-bit payload length, after the handshake a 16-byte MAC, then the
payload.
"""

import contextlib
import socket
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from pysyncobj.monotonic import monotonic

from pinai_subnet.consensus.handshake import (
    MAC_BYTES,
    MAX_HANDSHAKE_BYTES,
    Acceptor,
    Dialer,
    Session,
)
from pinai_subnet.ports.errors import Refused, Unreachable

_READ_BYTES = 256 * 1024
_VECTORS = 64


@dataclass(slots=True, eq=False)
class Connection:
    """A non-blocking socket with its handshake and buffers. Owned by the engine's thread."""

    sock: socket.socket
    side: Dialer | Acceptor
    max_frame_bytes: int
    where: str
    """The remote end as an operator would write it."""
    connecting: bool = False
    session: Session | None = None
    opened_at: float = field(default_factory=monotonic)
    received_at: float = field(default_factory=monotonic)
    sent_at: float = field(default_factory=monotonic)
    backlog: int = 0
    """Bytes queued and not yet taken by the kernel."""
    _out: deque[memoryview] = field(default_factory=deque)
    _in: bytearray = field(default_factory=bytearray)

    @property
    def partial(self) -> bool:
        """Whether a frame has begun to arrive and is not complete."""
        return len(self._in) > 4

    def shake(self, payload: bytes) -> None:
        """Take the next message of the handshake and queue the answer; raises as `Dialer.receive`.

        Who is refused for its build gets the answer nevertheless, to say on its side what does not fit.
        """
        try:
            answer = self.side.receive(payload)
        except Refused:
            if self.side.farewell is not None:
                self.queue(self.side.farewell)
                with contextlib.suppress(OSError):
                    self.write()
            raise
        if answer is not None:
            self.queue(answer)

    def queue(self, payload: bytes) -> None:
        """Append one frame to the send buffer."""
        parts = [len(payload).to_bytes(4, "little")]
        if self.session is not None:
            parts.append(self.session.seal(payload))
        if len(payload) < 4096:
            parts = [b"".join((*parts, payload))]
        else:
            parts.append(payload)
        for part in parts:
            self._out.append(memoryview(part))
            self.backlog += len(part)

    def write(self) -> bool:
        """Give the kernel what it takes; True when nothing is left. Raises `OSError` when the peer is gone."""
        while self._out:
            vectors = [self._out[i] for i in range(min(len(self._out), _VECTORS))]
            try:
                taken = self.sock.sendmsg(vectors)
            except (BlockingIOError, InterruptedError):
                return False
            self.sent_at = monotonic()
            self.backlog -= taken
            while taken:
                head = self._out[0]
                if taken < len(head):
                    self._out[0] = head[taken:]
                    break
                taken -= len(head)
                self._out.popleft()
        return True

    def read(self) -> None:
        """Take what the kernel has, at most one buffer; raises `Unreachable` when the peer closed."""
        try:
            data = self.sock.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        if not data:
            raise Unreachable("SN-R048", "the peer closed the connection")
        self.received_at = monotonic()
        self._in += data

    def frames(self) -> Iterator[bytes]:
        """Yield the complete payloads that have arrived, checked; raises `Refused` for one that breaks a rule."""
        position = 0
        try:
            while len(self._in) - position >= 4:
                session = self.session
                limit = self.max_frame_bytes if session else MAX_HANDSHAKE_BYTES
                length = int.from_bytes(self._in[position : position + 4], "little")
                if length > limit:
                    raise Refused(
                        "SN-R045", f"a frame of {length} bytes; at most {limit} are allowed"
                    )
                start = position + 4 + (MAC_BYTES if session else 0)
                if len(self._in) < start + length:
                    break
                payload = bytes(memoryview(self._in)[start : start + length])
                if session is not None:
                    session.check(bytes(self._in[position + 4 : start]), payload)
                position = start + length
                yield payload
        finally:
            del self._in[:position]

    def close(self) -> None:
        """Close the socket and drop what was queued."""
        self.sock.close()
        self._out.clear()
        self.backlog = 0
