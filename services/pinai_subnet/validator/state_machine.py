"""The ledger as the replication engine sees it: bytes in, one lock around everything. Knows no transport."""

from collections.abc import Callable
from threading import RLock
from typing import TypeVar

from pinai_subnet.ports.replication import StateMachine
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.validator.applied import Applied
from pinai_subnet.validator.command_codec import decode_command
from pinai_subnet.validator.commands import Mark, Stamp
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.marks import Marks
from pinai_subnet.validator.snapshot_codec import decode_snapshot, encode_snapshot

T = TypeVar("T")

Listener = Callable[[int, Applied], None]
"""Called with the log position and what happened, in log order, from the engine's thread: it must only hand over."""


class LedgerMachine(StateMachine):
    """Applies the log to one ledger. The engine's thread writes; any thread may `read`.

    `parameters` are what the network began with; later sets of validators are in the ledger.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        parameters: NetworkParameters,
        listener: Listener,
        stamped: Callable[[Stamp], None] = lambda _: None,
    ) -> None:
        """`stamped` hears of each member's time stamp, from the engine's thread like the listener."""
        self._ledger = ledger
        self._parameters = parameters
        self._listener = listener
        self._stamped = stamped
        self._lock = RLock()
        self.marks = Marks()
        """Digests of the whole state at marks and after restores; what a backup is checked against."""

    def apply(self, index: int, command: bytes) -> Applied:
        """Apply one entry; bytes that are no command of a member are a recorded refusal.

        An entry that is applied already changes nothing: a log that was paused replays them when it is opened again.
        """
        with self._lock:
            if index <= self._ledger.index:
                return Applied(index=index, replies=(), events=())
        try:
            decoded = decode_command(command, self._parameters.subnet_id, self._keys_of)
        except SubnetError as error:
            with self._lock:
                applied = self._ledger.refuse(index, error)
        else:
            with self._lock:
                applied = self._ledger.apply(index, decoded)
                if isinstance(decoded, Mark):
                    self.marks.note(self._ledger, decoded.stamp)
            self._stamped(decoded.stamp)
        self._listener(index, applied)
        return applied

    def _keys_of(self, name: str) -> tuple[Address, ...]:
        with self._lock:
            found = self._ledger.proposer(name)
        return () if found is None else found[1]

    def snapshot(self) -> bytes:
        """Return the whole ledger as canonical bytes."""
        with self._lock:
            return encode_snapshot(self._ledger)

    def restore(self, data: bytes) -> None:
        """Continue from a snapshot; the listener hears of it as of a command without events."""
        with self._lock:
            restored = decode_snapshot(data, self._parameters, self._ledger.limits)
            if restored.index < self._ledger.index:
                # A log that is opened again after a pause begins with its snapshot; what is held here includes it.
                return
            self._ledger = restored
            index = restored.index
            self.marks.note(self._ledger)
        self._listener(index, Applied(index=index, replies=(), events=()))

    def read(self, query: Callable[[Ledger], T]) -> T:
        """Run a short query under the lock; it must change nothing and copy what it keeps."""
        with self._lock:
            return query(self._ledger)
