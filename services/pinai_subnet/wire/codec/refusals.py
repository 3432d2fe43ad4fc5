"""Refusals as RootLayer words them: our code beside the number of rootlayer.v1 `IntentErrorReason`."""

import re

from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.wire.pb.rootlayer import error_reason_pb2

_NUMBER = re.compile(r"\((\d{4})\)")
_LATER = range(6000, 8000)
"""Limits, locks, missing dependencies (6xxx) and RootLayer's own troubles (7xxx): the same call may succeed later."""

_REASONS: dict[str, str] = {
    "SN-N101": "INTENT_INVALID_UUID",
    "SN-N102": "INTENT_INVALID_ADDRESS",
    "SN-N110": "INTENT_INVALID_SIGNATURE_FORMAT",
    "SN-N111": "INTENT_INVALID_SIGNATURE_FORMAT",
    "SN-N112": "INTENT_INVALID_SIGNATURE",
    "SN-N113": "INTENT_INVALID_SIGNATURE",
    "SN-S002": "INTENT_INVALID_FIELD_FORMAT",
    "SN-S003": "INTENT_INVALID_BUDGET",
    "SN-S004": "INTENT_INVALID_TIMESTAMP",
    "SN-S005": "INTENT_INVALID_INTENT_TYPE",
    "SN-S006": "INTENT_PARAMS_TOO_LARGE",
    "SN-S007": "INTENT_EXPIRED_DEADLINE",
    "SN-S008": "INTENT_DEADLINE_TOO_LATE",
    "SN-S009": "INTENT_SUBNET_NOT_FOUND",
    "SN-S010": "INTENT_ALREADY_EXISTS",
    "SN-S011": "INTENT_VERSION_CONFLICT",
    "SN-S012": "INTENT_NOT_FOUND",
    "SN-S013": "INTENT_SIGNER_MISMATCH",
    "SN-S016": "INTENT_UNSUPPORTED_CHAIN",
    "SN-S020": "INTENT_BIDDER_NOT_QUALIFIED",
    "SN-S021": "INTENT_SIGNER_MISMATCH",
    "SN-S022": "INTENT_INVALID_STATUS",
    "SN-S023": "INTENT_CONCURRENT_MODIFICATION",
    "SN-S024": "INTENT_VERSION_CONFLICT",
    "SN-S025": "INTENT_STATUS_TRANSITION_INVALID",
    "SN-S031": "INTENT_VALIDATION_CONSENSUS_FAILED",
    "SN-S032": "INTENT_VALIDATION_SIGNATURE_INVALID",
    "SN-S033": "INTENT_VALIDATION_SIGNATURE_INVALID",
    "SN-S034": "INTENT_VALIDATION_SIGNATURE_INVALID",
    "SN-S035": "INTENT_INSUFFICIENT_VALIDATORS",
    "SN-S036": "INTENT_DEPENDENCY_CONFLICT",
    "SN-S037": "INTENT_VALIDATION_FAILED",
    "SN-S038": "INTENT_STATUS_TRANSITION_INVALID",
    "SN-S039": "INTENT_VALIDATION_CONSENSUS_FAILED",
    "SN-S040": "INTENT_STATUS_TRANSITION_INVALID",
    "SN-S041": "INTENT_ALREADY_PROCESSED",
    "SN-S042": "INTENT_DEPENDENCY_CONFLICT",
    "SN-S045": "INTENT_BLOCKCHAIN_INSUFFICIENT_BALANCE",
    "SN-S050": "INTENT_API_AUTHENTICATION_FAILED",
    "SN-S051": "INTENT_SIGNATURE_EXPIRED",
    "SN-S052": "INTENT_API_AUTHENTICATION_FAILED",
    "SN-S053": "INTENT_SUBNET_NOT_FOUND",
    "SN-S060": "INTENT_QUEUE_FULL",
    "SN-S061": "INTENT_MAX_CONCURRENT_LIMIT",
    "SN-S062": "INTENT_SERVICE_UNAVAILABLE",
}


def reason_number(code: str) -> int:
    """Return the number of `IntentErrorReason` that says the same as a catalogue code; 4000 where none does."""
    name = _REASONS.get(code, "INTENT_INVALID_REQUEST")
    return int(error_reason_pb2.IntentErrorReason.Value(name))


def refusal_text(error: SubnetError) -> str:
    """Return `CODE REASON_NAME (number): message`, as it goes into every `msg` field."""
    return f"{error.code} {refusal_detail(error)}"


def refusal_detail(error: SubnetError) -> str:
    """Return `REASON_NAME (number): message`, for answers that carry the code in a member of its own."""
    number = reason_number(error.code)
    name = error_reason_pb2.IntentErrorReason.Name(
        error_reason_pb2.IntentErrorReason.ValueType(number)
    )
    return f"{name} ({number}): {error.message}"


def may_be_taken_later(text: str) -> bool:
    """Tell whether a refusal's text names a reason that passes by itself; a text without a number does not."""
    found = _NUMBER.search(text)
    return found is not None and int(found.group(1)) in _LATER
