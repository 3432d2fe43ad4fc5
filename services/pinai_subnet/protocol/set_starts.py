"""From which epoch a validator set counts, proven by checkpoint headers that the set itself signed. Rules only.

A header's `state_root` covers the name of its epoch's set, and its `parent_hash` the header before it. So a set's
signatures over one header, with the headers that lead to it, show the first epoch of every set among them; nobody's
word is needed.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from pinai_subnet.protocol.checkpoints import (
    Header,
    commitment_state_root,
    header_hash,
    parent_hash,
)
from pinai_subnet.protocol.errors import Forbidden, InvalidInput
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.membership import set_id
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.quorum import required_signatures
from pinai_subnet.protocol.signatures import recover


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedHeader:
    """A header with what opens its `state_root`."""

    header: Header
    ledger_digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStart:
    """Headers of consecutive epochs, oldest first, and signatures over the last one's `header_hash`."""

    headers: tuple[SealedHeader, ...]
    signatures: tuple[bytes, ...]


def first_epochs(
    start: SetStart, sets: Sequence[NetworkParameters], *, settled: Container[int]
) -> list[int]:
    """Return the first epoch of each set behind `sets[0]`, the one that is known already, in order.

    `settled` are epochs that are known to be the known set's or an earlier one's. A set that was replaced before it had
    an epoch begins with its successor. Raises `InvalidInput` SN-V119 unless the headers show it.
    """
    _check_chain(start, sets[0])
    names = [set_id(one.validators) for one in sets]
    epochs = [sealed.header.epoch for sealed in start.headers]
    found: list[int] = []
    place = 0
    for sealed in start.headers:
        name, epoch = sealed.header.validator_set_id, sealed.header.epoch
        if name not in names[place:]:
            raise InvalidInput("SN-V119", f"epoch {epoch} has the set {name[:64]}, none of these")
        then = names.index(name, place)
        found += [epoch] * (then - place)
        place = then
    if start.headers[-1].header.validator_set_id != names[-1]:
        raise InvalidInput("SN-V119", f"epoch {epochs[-1]} is before the last change")
    if start.headers[0].header.validator_set_id != names[0] and not (
        epochs[0] == 1 or epochs[0] - 1 in settled
    ):
        raise InvalidInput("SN-V119", f"the set of epoch {epochs[0] - 1} is not shown")
    return found + [epochs[-1]] * (len(sets) - 1 - len(found))


def check_start_signatures(
    start: SetStart, parameters: NetworkParameters, former: Mapping[Address, Address]
) -> None:
    """Raise `Forbidden` SN-V119 unless a threshold of the last header's set signed it.

    `former` maps former keys that count in that epoch to the members' own.
    """
    digest = header_hash(start.headers[-1].header)
    signers = {recover(digest, signature) for signature in start.signatures}
    owners = {former.get(signer, signer) for signer in signers}
    signed = sum(member.address in owners for member in parameters.validators)
    needed = required_signatures(
        len(parameters.validators),
        parameters.threshold_numerator,
        parameters.threshold_denominator,
    )
    if signed < needed:
        raise Forbidden("SN-V119", f"{signed} members of the set signed its header, {needed} must")


def _check_chain(start: SetStart, parameters: NetworkParameters) -> None:
    if not start.headers:
        raise InvalidInput("SN-V119", "no header shows from when the set counts")
    before: Header | None = None
    for sealed in start.headers:
        header = sealed.header
        if header.subnet_id != parameters.subnet_id:
            raise InvalidInput("SN-V119", f"a header is of subnet {header.subnet_id}")
        if header.state_root != commitment_state_root(header, ledger_digest=sealed.ledger_digest):
            raise InvalidInput(
                "SN-V119", f"the header of epoch {header.epoch} does not name its set"
            )
        if before is not None and (
            header.epoch != before.epoch + 1
            or header.parent_hash != parent_hash(header_hash(before))
        ):
            raise InvalidInput("SN-V119", f"epoch {header.epoch} does not follow the one before it")
        before = header
