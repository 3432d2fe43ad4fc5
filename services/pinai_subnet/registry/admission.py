"""What a registration may contain: names, endpoints, capabilities and their limits. Rules only, no I/O."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import parse_name

_CAPABILITY = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_PATH = re.compile(r"[A-Za-z0-9/._~%-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionLimits:
    """How much one registration may carry."""

    max_capabilities: int = 64
    max_capability_length: int = 128
    max_endpoint_length: int = 256
    calls_per_second: float = 200.0
    """Of one caller: a proven signer, or all unsigned callers of one address together."""
    burst: float = 1000.0


def admit_id(member_id: str) -> str:
    """Return a member's id; raise `InvalidInput` SN-N202 where it is missing, SN-N103 where it is not a name."""
    if not member_id:
        raise InvalidInput("SN-N202", "id is missing")
    return parse_name(member_id, "id")


def admit_capabilities(capabilities: Sequence[str], limits: AdmissionLimits) -> tuple[str, ...]:
    """Return the capabilities sorted, each once; raise `InvalidInput` SN-N202 for none, SN-N204 for bad ones."""
    if not capabilities:
        raise InvalidInput("SN-N202", "capabilities is missing or empty; name at least one")
    if len(capabilities) > limits.max_capabilities:
        raise InvalidInput(
            "SN-N204",
            f"{len(capabilities)} capabilities; at most {limits.max_capabilities} are taken",
        )
    for capability in capabilities:
        if len(capability) > limits.max_capability_length or not _CAPABILITY.fullmatch(capability):
            raise InvalidInput(
                "SN-N204",
                f"capability {capability[:40]!r}: expected 1 to {limits.max_capability_length} "
                "printable characters without space at either end",
            )
    return tuple(sorted(set(capabilities)))


def admit_endpoint(endpoint: str, limits: AdmissionLimits, *, required: bool) -> str:
    """Return an endpoint: `host:port` or an http(s) URL; raise `InvalidInput` SN-N202 or SN-N203 otherwise."""
    if not endpoint:
        if required:
            raise InvalidInput("SN-N202", "endpoint is missing")
        return ""
    if len(endpoint) > limits.max_endpoint_length or not _is_endpoint(endpoint):
        raise InvalidInput(
            "SN-N203",
            f"endpoint {endpoint[:80]!r} is neither host:port nor an http(s) URL "
            f"of at most {limits.max_endpoint_length} characters",
        )
    return endpoint


def _is_endpoint(text: str) -> bool:
    is_url = text.startswith(("http://", "https://"))
    try:
        parts = urlsplit(text if is_url else f"http://{text}")
        port = parts.port
    except ValueError:
        return False
    host, _, _ = parts.netloc.rpartition(":") if port is not None else (parts.netloc, "", "")
    plain = not (parts.query or parts.fragment or "#" in text or "?" in text)
    if not plain or not _HOST.fullmatch(host) or port == 0:
        return False
    return bool(_PATH.fullmatch(parts.path)) if is_url else port is not None and not parts.path
