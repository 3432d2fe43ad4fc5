"""Request headers as the published agent SDKs make them, written from wire-contract 3.8 alone.

Independent on purpose: only eth_account signs here, none of our own signing code, so that the two can disagree.
"""

import json
import secrets
import time
from typing import Any

from eth_account import Account
from eth_utils.crypto import keccak
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

Headers = tuple[tuple[str, str], ...]


def python_text(
    *, chain_id: str, method: str, timestamp: int, nonce: str, request: Message
) -> bytes:
    """Return the text the Python SDK signs: proto names, sorted, compact, ASCII; streams include their request."""
    envelope: dict[str, Any] = {
        "chain_id": chain_id,
        "method": method,
        "nonce": nonce,
        "timestamp": timestamp,
    }
    body = MessageToDict(request, preserving_proto_field_name=True)
    if body:
        envelope["request"] = body
    return json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode("ascii")


def go_text(
    *, chain_id: str, method: str, timestamp: int, nonce: str, request: Message, streaming: bool
) -> bytes:
    """Return the text the Go SDK signs: lowerCamelCase names, raw UTF-8 with HTML escapes; streams omit the request."""
    envelope: dict[str, Any] = {
        "chain_id": chain_id,
        "method": method,
        "nonce": nonce,
        "timestamp": timestamp,
    }
    if not streaming:
        envelope["request"] = MessageToDict(request)
    text = json.dumps(envelope, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for plain, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(plain, escaped)
    return text.encode()


def address_of(private_key: str) -> str:
    """Return the checksummed address of a key of 64 hex digits, with or without 0x."""
    return str(Account.from_key("0x" + private_key.removeprefix("0x")).address)


def headers(
    *,
    private_key: str,
    chain_id: str,
    method: str,
    request: Message,
    streaming: bool = False,
    go: bool = False,
    timestamp: int | None = None,
    nonce: str | None = None,
) -> Headers:
    """Return the five headers of one call; `timestamp` and `nonce` can be forced, for stale and replayed calls."""
    at = int(time.time()) if timestamp is None else timestamp
    once = secrets.token_hex(16) if nonce is None else nonce
    if go:
        text = go_text(
            chain_id=chain_id,
            method=method,
            timestamp=at,
            nonce=once,
            request=request,
            streaming=streaming,
        )
    else:
        text = python_text(
            chain_id=chain_id, method=method, timestamp=at, nonce=once, request=request
        )
    account = Account.from_key("0x" + private_key.removeprefix("0x"))
    signed = account.unsafe_sign_hash(keccak(text))
    signature = bytes(signed.signature[:64]) + bytes([signed.signature[64] - 27])
    return (
        ("x-signature", signature.hex()),
        ("x-signer-id", str(account.address)),
        ("x-timestamp", str(at)),
        ("x-nonce", once),
        ("x-chain-id", chain_id),
    )
