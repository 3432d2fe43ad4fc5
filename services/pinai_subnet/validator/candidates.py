"""Who asks to become a validator: kept in memory for the members' operators to see and approve. Decides nothing.

A candidate repeats itself while it waits, so nothing is lost with a restart; what fits the set no more is dropped.
"""

from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.invitations import Candidacy, check_candidacy
from pinai_subnet.validator.ledger import Ledger

MAX_CANDIDATES = 16
_FRESH_SECONDS = 60.0


class Candidates:
    """The newest candidacies, one per key."""

    def __init__(self) -> None:
        self._found: dict[Address, tuple[float, Candidacy]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def put(self, candidacy: Candidacy, *, ledger: Ledger, now: float) -> None:
        """Keep a candidacy that was invited and fits the set; the oldest makes room. Raises what its check raises."""
        record = ledger.set_state()
        check_candidacy(
            candidacy,
            parameters=ledger.parameters,
            version=record.version,
            used_keys={*ledger.tombstoned(), *(member.address for member in record.members)},
            now=now,
        )
        self._found.pop(candidacy.change.member.address, None)
        self._found[candidacy.change.member.address] = (now, candidacy)
        if len(self._found) > MAX_CANDIDATES:
            del self._found[next(iter(self._found))]

    def waiting(self, *, ledger: Ledger, now: float) -> list[Candidacy]:
        """Return who has asked lately and still fits the set."""
        version = ledger.set_state().version
        self._found = {
            address: (at, candidacy)
            for address, (at, candidacy) in self._found.items()
            if now - at <= _FRESH_SECONDS and candidacy.change.version == version + 1
        }
        return [candidacy for _, candidacy in self._found.values()]
