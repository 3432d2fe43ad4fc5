"""What a signed request covers: the texts of agents' calls (wire-contract 3.8) and of calls to RootLayer (3.10).

Pure: the request arrives as the JSON-ready dict that protobuf's `MessageToDict` makes, default fields omitted, and a
digest leaves. Reading headers, clocks and replay protection are the server's business. Which dict for which form:

- Python agents: proto field names; streaming calls include their request.
- Go agents: lowerCamelCase names; streaming calls pass None.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pinai_subnet.protocol.digests import keccak256

SIGNATURE_HEADER = "x-signature"
SIGNER_HEADER = "x-signer-id"
TIMESTAMP_HEADER = "x-timestamp"
NONCE_HEADER = "x-nonce"
CHAIN_HEADER = "x-chain-id"

# Go's encoder makes its output safe inside HTML and JavaScript.
_GO_ESCAPES = str.maketrans(
    {
        "<": "\\u003c",
        ">": "\\u003e",
        "&": "\\u0026",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What the headers say of one call."""

    chain_id: str
    """The subnet id text of `x-chain-id`."""
    method: str
    """Full path, `/subnet.v1.<Service>/<Method>`."""
    timestamp: int
    """Unix seconds."""
    nonce: str


def python_text(call: Call, request: Mapping[str, object] | None) -> bytes:
    """Return the text a Python agent signs: sorted keys, compact, ASCII only, an empty request left out."""
    return json.dumps(
        _envelope(call, request or None),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
        allow_nan=False,
    ).encode("ascii")


def go_text(call: Call, request: Mapping[str, object] | None) -> bytes:
    """Return the text a Go agent signs: sorted keys, compact, UTF-8 with Go's escapes; None leaves `request` out."""
    text = json.dumps(
        _envelope(call, request),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return text.translate(_GO_ESCAPES).encode()


def python_digest(call: Call, request: Mapping[str, object] | None) -> bytes:
    """Return the digest a Python agent signs plainly with v 0 or 1 (`signatures.recover_header`)."""
    return keccak256(python_text(call, request))


def go_digest(call: Call, request: Mapping[str, object] | None) -> bytes:
    """Return the digest a Go agent signs plainly with v 0 or 1 (`signatures.recover_header`)."""
    return keccak256(go_text(call, request))


def root_layer_digest(*, subnet_id: str, method: str, timestamp: int) -> bytes:
    """Return the digest a node signs plainly with v 27 or 28 for a call to RootLayer; the body is not covered."""
    return keccak256(f"{subnet_id}:{method}:{timestamp}".encode())


def _envelope(call: Call, request: Mapping[str, object] | None) -> dict[str, object]:
    envelope: dict[str, object] = {
        "chain_id": call.chain_id,
        "method": call.method,
        "nonce": call.nonce,
        "timestamp": call.timestamp,
    }
    if request is not None:
        envelope["request"] = request
    return envelope
