"""Which validators count for which epoch: the first set, and every one that followed. Reads the state, changes nothing.

A set counts from the epoch it names on. In that epoch a validator that rotated its key may still sign with the former
one; once it is final, that key counts for nothing any more.
"""

from dataclasses import replace

from pinai_subnet.protocol.ids import Address, ValidatorId
from pinai_subnet.protocol.membership import set_id
from pinai_subnet.protocol.network import NetworkParameters, ValidatorIdentity
from pinai_subnet.protocol.quorum import Quorum, quorum_of
from pinai_subnet.validator.records import SetState
from pinai_subnet.validator.tables import Tables


class Sets:
    """The sets of one ledger. `genesis` is what the network began with."""

    def __init__(self, tables: Tables, genesis: NetworkParameters) -> None:
        self._tables = tables
        self._state = tables.state
        self.genesis = genesis
        self._cached: dict[int, tuple[NetworkParameters, Quorum, str]] = {}
        self._first = SetState(version=1, first_epoch=0, members=genesis.validators, former={})

    def record(self, epoch: int) -> SetState:
        """Return the set that counts for an epoch."""
        for record in reversed(self._state.sets):
            if record.first_epoch <= epoch:
                return record
        return self._first

    def latest(self) -> SetState:
        """Return the newest set, which counts for the next epoch at the latest."""
        return self._state.sets[-1] if self._state.sets else self._first

    def parameters(self, epoch: int) -> NetworkParameters:
        """Return what the network agrees on in an epoch."""
        return self._at(epoch)[0]

    def quorum(self, epoch: int) -> Quorum:
        """Return both quorums of an epoch's set."""
        return self._at(epoch)[1]

    def set_id(self, epoch: int) -> str:
        """Return the name of an epoch's set."""
        return self._at(epoch)[2]

    @property
    def next_epoch(self) -> int:
        """The epoch that is sealed next: its set judges reports and proposes commands."""
        return self._state.last_epoch + 1

    def keys(self, validator_id: ValidatorId, epoch: int) -> tuple[Address, ...]:
        """Return the addresses that speak for a validator in an epoch: its key, and the former one in the overlap."""
        record = self.record(epoch)
        member = next((one for one in record.members if one.id == validator_id), None)
        if member is None:
            return ()
        former = record.former.get(validator_id) if epoch == record.first_epoch else None
        return (member.address,) if former is None else (member.address, former)

    def proposer(self, name: str) -> tuple[ValidatorIdentity, tuple[Address, ...]] | None:
        """Return who may put commands into the log under this name now, and with which keys; None for nobody.

        Members of the next epoch's set may, and those of epochs that still wait for signatures.
        """
        keys: dict[Address, None] = {}
        found: ValidatorIdentity | None = None
        for epoch in (self.next_epoch, *self._tables.open_epochs):
            member = self.parameters(epoch).validator(name)
            if member is not None:
                found = found or member
                keys |= dict.fromkeys(self.keys(member.id, epoch))
        return None if found is None else (found, tuple(keys))

    def tombstoned(self) -> frozenset[Address]:
        """Return the keys that were a validator's and never will be again."""
        return frozenset(self._state.tombstones)

    def _at(self, epoch: int) -> tuple[NetworkParameters, Quorum, str]:
        record = self.record(epoch)
        found = self._cached.get(record.version)
        if found is None:
            genesis = self.genesis
            found = self._cached[record.version] = (
                genesis if record is self._first else replace(genesis, validators=record.members),
                quorum_of(
                    len(record.members), genesis.threshold_numerator, genesis.threshold_denominator
                ),
                set_id(record.members),
            )
        return found
