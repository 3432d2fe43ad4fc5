"""The requester's side: make an intent, sign it, hand it to RootLayer over HTTP, and ask what became of it."""

import base64
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.digests import ChainDomain, intent_digest, params_hash
from pinai_subnet.protocol.ids import ZERO_ADDRESS, IntentId, SubnetId

TIMEOUT_SECONDS = 10.0
SETTLE_CHAINS = {8453: "base", 84532: "base_sepolia", 31337: "local"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a requester wants done. `budget` is in wei of the native coin, `deadline` in unix seconds."""

    intent_type: str
    payload: bytes
    budget: int
    deadline: int
    metadata: bytes = b""


def signed_intent(
    order: Order, *, signer: Signer, subnet_id: SubnetId, domain: ChainDomain
) -> dict[str, Any]:
    """Return the JSON body of an intent submission (wire-contract 2.4) with a fresh random id."""
    intent_id = IntentId("0x" + secrets.token_hex(32))
    digest = intent_digest(
        intent_id=intent_id,
        subnet_id=subnet_id,
        requester=signer.address,
        intent_type=order.intent_type,
        params_hash=params_hash(order.payload, order.metadata),
        deadline=order.deadline,
        budget_token=ZERO_ADDRESS,
        budget=order.budget,
        domain=domain,
    )
    return {
        "intentId": intent_id,
        "subnetId": subnet_id,
        "requester": signer.address,
        "settleChain": SETTLE_CHAINS.get(domain.chain_id, str(domain.chain_id)),
        "intentType": order.intent_type,
        "params": {
            "intentRaw": base64.b64encode(order.payload).decode(),
            "metadata": base64.b64encode(order.metadata).decode(),
        },
        "tipsToken": ZERO_ADDRESS,
        "tips": "0",
        "budgetToken": ZERO_ADDRESS,
        "budget": str(order.budget),
        "deadline": order.deadline,
        "signature": base64.b64encode(signer.sign_eip191(digest)).decode(),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonApi:
    """One member's HTTP API. Raises `Unreachable` SN-N401 or `Refused` with the code the member gave."""

    name: str
    base: str
    """host:port, or a URL without trailing slash."""

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON at a path."""
        return self._call("GET", path, params=dict(parameters or {}))

    def find(self, path: str) -> Any | None:
        """Return the JSON at a path, or None where the member answers 404."""
        return self._call("GET", path, missing_is_none=True)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a JSON body and return the JSON answer."""
        return self._call("POST", path, json=dict(body))

    def _call(
        self, method: str, path: str, *, missing_is_none: bool = False, **options: Any
    ) -> Any:
        url = (self.base if "://" in self.base else f"http://{self.base}") + path
        try:
            answer = httpx.request(method, url, timeout=TIMEOUT_SECONDS, **options)
        except httpx.HTTPError as error:
            raise Unreachable(
                "SN-N401", f"{self.name} at {self.base} does not answer: {error}"
            ) from error
        if missing_is_none and answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            code, text = _problem(answer)
            raise Refused(code, f"{self.name} refused {method} {path}: {text}")
        return answer.json()


def _problem(answer: httpx.Response) -> tuple[str, str]:
    try:
        body = answer.json()
    except ValueError:
        return "SN-N402", f"HTTP {answer.status_code} {answer.text[:200]}"
    text = body.get("detail") or body.get("error") or body.get("msg") or answer.text[:200]
    return str(body.get("code", "SN-N402")), f"HTTP {answer.status_code} {text}"


def deadline_in(seconds: float) -> int:
    """Return a deadline this many seconds from now."""
    return int(time.time() + seconds)
