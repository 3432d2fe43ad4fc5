"""Which intents RootLayer takes (wire-contract 2.3, 3.4). Rules only: nothing is stored and no clock is read."""

import re
from dataclasses import dataclass, replace

from pinai_subnet.protocol.digests import intent_digest
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import SubnetId
from pinai_subnet.protocol.intents import Intent
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.signatures import recover_eip191

_CHAIN_NAME = re.compile(r"[A-Za-z0-9._:@-]{0,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """How large and how far away an intent may be."""

    params_bytes: int
    """Longest intent_raw and metadata together."""
    intent_type_bytes: int
    min_deadline_seconds: int
    """Least time between submission and deadline."""
    max_deadline_seconds: int
    """Most time between submission and deadline."""


def check_submission(
    intent: Intent, *, network: NetworkParameters, limits: IntakeLimits, now: int
) -> None:
    """Raise `InvalidInput` unless the intent is ours, sane, in time and signed by its requester.

    The signature is checked last because it costs the most.
    """
    check_subnet(intent.subnet_id, network)
    _check_type(intent.intent_type, limits)
    if not _CHAIN_NAME.fullmatch(intent.settle_chain):
        raise InvalidInput(
            "SN-S016", f"settle_chain: {intent.settle_chain[:80]!r} is no chain name"
        )
    size = len(intent.intent_raw) + len(intent.metadata)
    if size > limits.params_bytes:
        raise InvalidInput("SN-S006", f"params: {size} bytes; at most {limits.params_bytes}")
    _check_deadline(intent.deadline, limits, now)
    _check_signature(intent, network)


def check_subnet(subnet_id: SubnetId, network: NetworkParameters) -> None:
    """Raise `InvalidInput` SN-S009 unless the subnet is the one served."""
    if subnet_id != network.subnet_id:
        raise InvalidInput(
            "SN-S009", f"subnet {subnet_id} is not served here; expected {network.subnet_id}"
        )


def same_submission(first: Intent, second: Intent) -> bool:
    """Say whether two intents were submitted with the same content; what RootLayer adds does not count."""
    return first == replace(
        second,
        status=first.status,
        created_at=first.created_at,
        intent_expiration=first.intent_expiration,
    )


def _check_type(intent_type: str, limits: IntakeLimits) -> None:
    size = len(intent_type.encode())
    if not 0 < size <= limits.intent_type_bytes or not intent_type.isprintable():
        raise InvalidInput(
            "SN-S005",
            f"intent_type: {size} bytes; expected 1 to {limits.intent_type_bytes} printable ones",
        )


def _check_deadline(deadline: int, limits: IntakeLimits, now: int) -> None:
    ahead = deadline - now
    if ahead < max(limits.min_deadline_seconds, 1):
        raise InvalidInput(
            "SN-S007",
            f"deadline {deadline} is {ahead} s from now; expected at least {limits.min_deadline_seconds} s",
        )
    if ahead > limits.max_deadline_seconds:
        raise InvalidInput(
            "SN-S008",
            f"deadline {deadline} is {ahead} s from now; expected at most {limits.max_deadline_seconds} s",
        )


def _check_signature(intent: Intent, network: NetworkParameters) -> None:
    digest = intent_digest(
        intent_id=intent.intent_id,
        subnet_id=intent.subnet_id,
        requester=intent.requester,
        intent_type=intent.intent_type,
        params_hash=intent.params_hash,
        deadline=intent.deadline,
        budget_token=intent.budget_token,
        budget=intent.budget,
        domain=network.domain,
    )
    signer = recover_eip191(digest, intent.signature)
    if signer != intent.requester:
        raise InvalidInput(
            "SN-S013",
            f"the intent is signed by {signer}, its requester is {intent.requester}",
        )
