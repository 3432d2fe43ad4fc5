"""The ledger as a restored network continues it, and what leftovers of a member make of it. No files."""

from collections.abc import Sequence

from pinai_subnet.ports.signing_record import SigningIntent
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.snapshot_codec import encode_snapshot
from pinai_subnet.validator.state_machine import LedgerMachine


def state_above(ledger: Ledger, epoch: int) -> bytes:
    """Return the state with which a restored network begins: the same, but its next epoch is above `epoch`.

    Epochs up to that one may be signed or settled with content that the backup does not know. Numbering them anew
    would make honest validators sign an epoch twice, so the restored network never uses their numbers.
    """
    ledger.state.last_epoch = max(ledger.state.last_epoch, epoch)
    return encode_snapshot(ledger)


def open_intents(ledger: Ledger) -> Sequence[SigningIntent]:
    """Return what may still be signed of the epochs in a ledger: they are sealed, so each has one digest for ever."""
    return [
        SigningIntent(
            epoch=epoch.epoch, batch_digest=epoch.batch_digest, header_hash=epoch.header_hash
        )
        for epoch in sorted(ledger.epochs(), key=lambda one: one.epoch)
        if epoch.final_at_ms is None
    ]


def replayed(
    state: bytes | None,
    commands: Sequence[tuple[int, bytes]],
    parameters: NetworkParameters,
    limits: LedgerLimits,
) -> Ledger:
    """Return the ledger that a snapshot and the commands behind it give; raise `Damaged` for a bad snapshot."""
    machine = LedgerMachine(
        ledger=Ledger(parameters, limits), parameters=parameters, listener=lambda *_: None
    )
    if state is not None:
        machine.restore(state)
    for index, command in commands:
        machine.apply(index, command)
    return machine.read(lambda ledger: ledger)
