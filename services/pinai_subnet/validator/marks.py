"""What this validator's whole state was at certain log positions: its digests, for signing backups. Takes no backup."""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock

from pinai_subnet.validator.commands import Stamp
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.snapshot_codec import encode_snapshot

_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMark:
    """One state, named by its bytes: equal digests mean equal ledgers, content included."""

    index: int
    """Log position of the last command in it."""
    history_digest: bytes
    """The ledger's chain of digests: equal histories."""
    content_digest: bytes
    """SHA-256 of the state's canonical bytes: equal content."""
    size: int


class Marks:
    """The newest marks by log position, and the bytes of the state that was asked for last. Safe for threads."""

    def __init__(self) -> None:
        """Begin empty; a replay of the log fills it again."""
        self._lock = Lock()
        self._marks: OrderedDict[int, StateMark] = OrderedDict()
        self._wanted: str | None = None
        self._kept: tuple[StateMark, bytes] | None = None

    def note(self, ledger: Ledger, stamp: Stamp | None = None) -> None:
        """Take note of the state as it is now; called with the ledger locked."""
        data = encode_snapshot(ledger)
        mark = StateMark(
            index=ledger.index,
            history_digest=ledger.state_digest(),
            content_digest=sha256(data).digest(),
            size=len(data),
        )
        with self._lock:
            self._marks[mark.index] = mark
            self._marks.move_to_end(mark.index)
            while len(self._marks) > _KEPT:
                self._marks.popitem(last=False)
            if stamp is not None and stamp.request_id == self._wanted:
                self._kept = (mark, data)

    def at(self, index: int) -> StateMark | None:
        """Return what is known of a log position."""
        with self._lock:
            return self._marks.get(index)

    def want(self, request_id: str) -> None:
        """Keep the bytes of the state at the mark with this request id; forget those asked for before."""
        with self._lock:
            self._wanted, self._kept = request_id, None

    def take(self) -> tuple[StateMark, bytes] | None:
        """Return the bytes asked for and let them go; None if the mark did not come by."""
        with self._lock:
            kept, self._kept, self._wanted = self._kept, None, None
            return kept
