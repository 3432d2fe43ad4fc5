"""The ledger as a restored network continues it, and what leftovers of a member make of it. No files."""

from collections.abc import Sequence
from dataclasses import replace

from pinai_subnet.ports.signing_record import SigningIntent
from pinai_subnet.protocol.membership import set_id
from pinai_subnet.protocol.network import NetworkParameters, ValidatorIdentity
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.records import SetState
from pinai_subnet.validator.snapshot_codec import encode_snapshot
from pinai_subnet.validator.state import LedgerState
from pinai_subnet.validator.state_machine import LedgerMachine


def state_above(
    ledger: Ledger,
    epoch: int,
    *,
    members: Sequence[ValidatorIdentity] | None = None,
    version: int = 0,
) -> bytes:
    """Return the state with which a restored network begins: the same, but its next epoch is above `epoch`.

    Epochs up to that one may be signed or settled with content that the backup does not know. Numbering them anew
    would make honest validators sign an epoch twice, so the restored network never uses their numbers.

    Where `members` are given and are not the ledger's, they are the set from the next epoch on, of that `version` or
    the one after the ledger's: who restores a network says with which validators, keys and hosts it goes on.
    """
    state = ledger.state
    latest = ledger.set_state()
    state.last_epoch = max(state.last_epoch, epoch)
    if members is not None and tuple(members) != latest.members:
        _put_set(state, latest, tuple(members), version)
    return encode_snapshot(ledger)


def _put_set(
    state: LedgerState, latest: SetState, members: tuple[ValidatorIdentity, ...], version: int
) -> None:
    first_epoch = state.last_epoch + 1
    if set_id(members) == set_id(latest.members):
        # Only hosts and ports differ: it is the same set.
        state.sets[-1:] = [replace(latest, members=members)]
        return
    kept = {member.address for member in members}
    for member in latest.members:
        if member.address not in kept:
            state.tombstones[member.address] = first_epoch
    for address in kept & state.tombstones.keys():
        del state.tombstones[address]
    state.proposed = None
    state.sets.append(
        SetState(
            version=max(version, latest.version + 1),
            first_epoch=first_epoch,
            members=members,
            former={},
        )
    )


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
