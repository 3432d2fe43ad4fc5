"""Whether a ledger's validator set can be believed by somebody who knows only the first one, or the present one.

Every change carries the approvals of the set that it changed, so the first set vouches for the newest one. A set that a
restore put there has no approvals; it is believed where the reader's own `network.yaml` names it. Pure.
"""

from collections.abc import Sequence
from dataclasses import replace

from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.membership import check_approvals, members_after, set_id
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.validator.records import SetState


def vouched_set(
    history: Sequence[SetState], *, first: NetworkParameters, present: NetworkParameters
) -> NetworkParameters | None:
    """Return the newest set of a history that begins with `first`; None where nothing vouches for one of its steps."""
    believed = set_id(present.validators)
    base = first
    for record in history:
        if set_id(record.members) != believed and not _approved(record, base):
            return None
        base = replace(first, validators=record.members)
    return base


def _approved(record: SetState, base: NetworkParameters) -> bool:
    signed = record.signed
    if signed is None or signed.change.subnet_id != base.subnet_id:
        return False
    if (signed.change.version, signed.change.base_set_id) != (
        record.version,
        set_id(base.validators),
    ):
        return False
    try:
        check_approvals(signed, base)
        after = members_after(base.validators, signed.change)
    except SubnetError:
        return False
    return set_id(after) == set_id(record.members)
