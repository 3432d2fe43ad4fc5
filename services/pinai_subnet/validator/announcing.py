"""What RootLayer has to be told of the validator set before it can take a batch, and the proof. Only reads."""

from dataclasses import dataclass

from pinai_subnet.protocol.membership import SignedSetChange
from pinai_subnet.protocol.set_starts import SealedHeader, SetStart
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.records import SetState


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """Changes in order, and from when they count."""

    changes: tuple[SignedSetChange, ...]
    start: SetStart


def unannounced(ledger: Ledger, after_version: int, epoch: int) -> Announcement | None:
    """Return the changes up to a final epoch's set that RootLayer may not know, None if there is none.

    It knows a set once an epoch under it is settled, canaries included: it is told before.
    """
    records = [
        record
        for record in ledger.set_changes(after_version)
        if record.first_epoch <= epoch and not _settled(ledger, record)
    ]
    changes = tuple(record.signed for record in records if record.signed is not None)
    if not changes:
        return None
    headers = tuple(_headers(ledger, records[0].first_epoch - 1, epoch))
    signatures = tuple(one.header_signature for _, one in ledger.signatures(epoch))
    return Announcement(changes=changes, start=SetStart(headers=headers, signatures=signatures))


def _settled(ledger: Ledger, record: SetState) -> bool:
    first = ledger.epoch(record.first_epoch)
    return first is None or first.settled_at_ms is not None


def _headers(ledger: Ledger, first: int, last: int) -> list[SealedHeader]:
    """Return the headers of a row of epochs, oldest first; those that are forgotten were settled before."""
    found: list[SealedHeader] = []
    for number in range(last, first - 1, -1):
        epoch = ledger.epoch(number)
        if epoch is None:
            break
        found.append(SealedHeader(header=epoch.header, ledger_digest=epoch.ledger_digest))
    return found[::-1]
