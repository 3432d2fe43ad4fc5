"""Which validators RootLayer believes in which epoch: the first set, and every signed change that followed.

A change counts only with the approvals of the set before it, so nobody has to be trusted for the members. From which
epoch it counts is the sender's word; a wrong one delays settlement, but lets nobody sign who was not approved.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pinai_subnet.protocol.errors import Conflict, InvalidInput
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


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSet:
    """One set and what it counts for."""

    version: int
    first_epoch: int
    parameters: NetworkParameters
    former: dict[Address, Address]
    """Former key -> present key, for signatures in `first_epoch`."""
    digest: bytes
    """Of the change that made it; empty for the first."""


class KnownSets:
    """The sets in order."""

    def __init__(self, genesis: NetworkParameters) -> None:
        """Begin with the network's first set."""
        self._sets = [KnownSet(version=1, first_epoch=0, parameters=genesis, former={}, digest=b"")]
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

    def check(self, signed: SignedSetChange, first_epoch: int) -> KnownSet | None:
        """Return the set that a change makes, None if it is known already; raise what `check_change` raises."""
        latest, change = self._sets[-1], signed.change
        if change.version <= latest.version:
            known = next((one for one in self._sets if one.version == change.version), None)
            if known is None or known.digest != change_digest(change):
                raise Conflict("SN-V112", f"version {change.version} was made by another change")
            return None
        check_change(
            change,
            signed.proof,
            parameters=latest.parameters,
            version=latest.version,
            used_keys=self._used,
        )
        check_approvals(signed, latest.parameters)
        if first_epoch < max(latest.first_epoch, 1):
            raise InvalidInput("SN-V111", f"first_epoch {first_epoch} is before the last change's")
        former = dict(latest.former) if latest.first_epoch == first_epoch else {}
        before = latest.parameters.validator(change.member.id)
        if change.action is SetAction.ROTATE_KEY and before is not None:
            former[before.address] = change.member.address
        return KnownSet(
            version=change.version,
            first_epoch=first_epoch,
            parameters=replace(
                latest.parameters,
                validators=members_after(latest.parameters.validators, change),
            ),
            former=former,
            digest=change_digest(change),
        )

    def add(self, known: KnownSet) -> None:
        """Take a set that `check` returned and that is stored."""
        self._sets.append(known)
        self._used |= {member.address for member in known.parameters.validators}
