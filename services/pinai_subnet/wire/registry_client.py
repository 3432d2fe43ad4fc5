"""The registry's HTTP API from a member's side: register, heartbeat, leave, look around. Not the registry itself.

Requests are signed where a signer is given: the canonical form of `protocol.request_signing` with `METHOD /path` in
place of the gRPC path, the subnet id as chain id and the JSON body as the request.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.request_signing import (
    CHAIN_HEADER,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    SIGNER_HEADER,
    TIMESTAMP_HEADER,
    Call,
    python_digest,
)
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.json_text import parse_json

MemberKind = Literal["agents", "validators"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry of the registry as its lists show it."""

    id: str
    endpoint: str
    status: str
    """`AGENT_STATUS_ACTIVE` and so on."""
    last_seen: int
    capabilities: tuple[str, ...] = ()
    address: Address | None = None
    """The key the entry is bound to; None for one that anybody may change."""


def registry_call(
    *, subnet_id: str, method: str, path: str, timestamp: int, nonce: str
) -> tuple[str, Call]:
    """Return the method text that a signed registry request covers, and the call that is signed."""
    text = f"{method} {path}"
    return text, Call(chain_id=subnet_id, method=text, timestamp=timestamp, nonce=nonce)


def sign_request(
    *,
    signer: Signer,
    subnet_id: str,
    method: str,
    path: str,
    body: Mapping[str, object] | None,
    now: float,
) -> dict[str, str]:
    """Return the five headers that prove one request to the registry."""
    _, call = registry_call(
        subnet_id=subnet_id,
        method=method,
        path=path,
        timestamp=int(now),
        nonce=secrets.token_hex(16),
    )
    signature = signer.sign(python_digest(call, body))
    return {
        SIGNATURE_HEADER: (signature[:64] + bytes([signature[64] - 27])).hex(),
        SIGNER_HEADER: signer.address,
        TIMESTAMP_HEADER: str(call.timestamp),
        NONCE_HEADER: call.nonce,
        CHAIN_HEADER: subnet_id,
    }


class RegistryClient:
    """One member's connection to the registry; close it at the end.

    All calls raise `Unreachable` SN-N230 (retry later) or `Refused` SN-N231 (the registry said no).
    """

    def __init__(
        self,
        *,
        endpoint: str,
        subnet_id: str,
        clock: Clock,
        signer: Signer | None = None,
        timeout_seconds: float = 10.0,
    ) -> None:
        """Talk to the registry at `host:port` or an http(s) URL; sign where a signer is given."""
        base = endpoint if "://" in endpoint else f"http://{endpoint}"
        # The environment's proxies are not for the members of a network.
        self._http = httpx.AsyncClient(
            base_url=base.rstrip("/"), timeout=timeout_seconds, trust_env=False
        )
        self._subnet_id = subnet_id
        self._clock = clock
        self._signer = signer

    async def register_agent(
        self, agent_id: str, *, capabilities: Sequence[str], endpoint: str
    ) -> None:
        """Register or overwrite an agent; with a signer the id belongs to its key from then on."""
        body = {"id": agent_id, "capabilities": list(capabilities), "endpoint": endpoint}
        await self._call("POST", "/agents", body)

    async def register_validator(self, validator_id: str, *, http_endpoint: str) -> None:
        """Register a validator with the host:port that serves `/api/v1/execution-report`."""
        await self._call("POST", "/validators", {"id": validator_id, "endpoint": http_endpoint})

    async def heartbeat(self, kind: MemberKind, member_id: str) -> bool:
        """Say that the member lives; False where the registry does not know it and it must register again."""
        path = f"/{kind}/{member_id}/heartbeat"
        return await self._call("POST", path, None, missing_is_none=True) is not None

    async def unregister(self, kind: MemberKind, member_id: str) -> None:
        """Take the member off the lists; one that is not on them is fine."""
        await self._call("DELETE", f"/{kind}/{member_id}", None, missing_is_none=True)

    async def members(self, kind: MemberKind) -> list[Member]:
        """Return the visible members of a kind, by id."""
        answer = await self._call("GET", f"/{kind}", None) or {}
        return [_member(entry) for entry in answer.get(kind, [])]

    async def close(self) -> None:
        """Close the connection; safe to call twice."""
        await self._http.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        *,
        missing_is_none: bool = False,
    ) -> dict[str, Any] | None:
        headers = {}
        if self._signer is not None and method != "GET":
            headers = sign_request(
                signer=self._signer,
                subnet_id=self._subnet_id,
                method=method,
                path=path,
                body=body,
                now=self._clock.now(),
            )
        where = f"{method} {self._http.base_url}{path}"
        try:
            response = await self._http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as exc:
            raise Unreachable("SN-N230", f"{where}: {type(exc).__name__} {exc}".rstrip()) from exc
        if response.status_code == httpx.codes.NOT_FOUND and missing_is_none:
            return None
        if response.status_code >= 500 or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise Unreachable("SN-N230", f"{where}: HTTP {response.status_code}")
        if response.is_error:
            raise Refused("SN-N231", f"{where}: HTTP {response.status_code} {response.text[:300]}")
        return _object(response, where)


def _object(response: httpx.Response, where: str) -> dict[str, Any]:
    try:
        answer = parse_json(response.content)
    except ValueError as exc:
        raise Unreachable("SN-N230", f"{where}: the answer is not JSON") from exc
    return answer if isinstance(answer, dict) else {}


def _member(entry: Mapping[str, Any]) -> Member:
    address = entry.get("address")
    return Member(
        id=str(entry["id"]),
        endpoint=str(entry.get("endpoint", "")),
        status=str(entry.get("status", "")),
        last_seen=int(entry.get("last_seen", 0)),
        capabilities=tuple(map(str, entry.get("capabilities", ()))),
        address=Address(str(address)) if address else None,
    )
