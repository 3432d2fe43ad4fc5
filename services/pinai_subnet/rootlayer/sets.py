"""Which validators RootLayer believes in which epoch: the first set, and every signed change that followed.

A change counts only with the approvals of the set before it, and from the epoch that headers signed by the set show
(`protocol.set_starts`), so nobody has to be trusted for either.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from pinai_subnet.protocol.errors import Conflict
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.membership import (
    SetAction,
    SignedSetChange,
    change_digest,
    check_approvals,
    check_change,
    members_after,
)
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.set_starts import SetStart, check_start_signatures, first_epochs


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSet:
    """One set and what it counts for."""

    version: int
    first_epoch: int
    parameters: NetworkParameters
    former: dict[Address, Address]
    """Former key -> present key, for signatures in `first_epoch`."""
    signed: SignedSetChange | None
    """The change that made it; the first has none."""


class KnownSets:
    """The sets in order."""

    def __init__(self, genesis: NetworkParameters) -> None:
        """Begin with the network's first set."""
        first = KnownSet(version=1, first_epoch=0, parameters=genesis, former={}, signed=None)
        self._sets = [first]
        self._used: set[Address] = {member.address for member in genesis.validators}

    @property
    def sets(self) -> Sequence[KnownSet]:
        """All sets, oldest first."""
        return self._sets

    def at(self, epoch: int) -> tuple[NetworkParameters, dict[Address, Address]]:
        """Return the set of an epoch and the former keys that still count in it."""
        for known in reversed(self._sets):
            if known.first_epoch <= epoch:
                return known.parameters, known.former if epoch == known.first_epoch else {}
        return self._sets[0].parameters, {}

    def check(
        self, changes: Sequence[SignedSetChange], start: SetStart, *, settled: Container[int]
    ) -> list[KnownSet]:
        """Return the sets that are new, none if all are known; raise what `check_change` and `first_epochs` raise.

        `settled` are the epochs of which a batch was taken.
        """
        new = self._unknown(changes)
        parameters = [self._sets[-1].parameters]
        used = set(self._used)
        for version, signed in enumerate(new, start=self._sets[-1].version):
            check_change(
                signed.change,
                signed.proof,
                parameters=parameters[-1],
                version=version,
                used_keys=used,
            )
            check_approvals(signed, parameters[-1])
            parameters.append(_after(parameters[-1], signed))
            used.add(signed.change.member.address)
        if not new:
            return []
        made: list[KnownSet] = []
        for signed, first in zip(
            new, first_epochs(start, parameters, settled=settled), strict=True
        ):
            made.append(_made(signed, first, before=made[-1] if made else self._sets[-1]))
        last = made[-1]
        ends_with = start.headers[-1].header.epoch
        former = last.former if last.first_epoch == ends_with else {}
        check_start_signatures(start, last.parameters, former)
        return made

    def add(self, known: KnownSet) -> None:
        """Take a set that `check` returned and that is stored."""
        self._sets.append(known)
        self._used |= {member.address for member in known.parameters.validators}

    def restore(self, signed: SignedSetChange, first_epoch: int) -> None:
        """Take a set that was checked and stored before."""
        self.add(_made(signed, first_epoch, before=self._sets[-1]))

    def _unknown(self, changes: Sequence[SignedSetChange]) -> list[SignedSetChange]:
        by_version = {one.version: one.signed for one in self._sets}
        new = []
        for signed in changes:
            version = signed.change.version
            if version > self._sets[-1].version:
                new.append(signed)
                continue
            known = by_version.get(version)
            if known is None or change_digest(known.change) != change_digest(signed.change):
                raise Conflict("SN-V112", f"version {version} was made by another change")
        return new


def _after(parameters: NetworkParameters, signed: SignedSetChange) -> NetworkParameters:
    return replace(parameters, validators=members_after(parameters.validators, signed.change))


def _made(signed: SignedSetChange, first_epoch: int, *, before: KnownSet) -> KnownSet:
    change = signed.change
    former = dict(before.former) if before.first_epoch == first_epoch else {}
    was = before.parameters.validator(change.member.id)
    if change.action is SetAction.ROTATE_KEY and was is not None:
        former[was.address] = change.member.address
    return KnownSet(
        version=change.version,
        first_epoch=first_epoch,
        parameters=_after(before.parameters, signed),
        former=former,
        signed=signed,
    )
