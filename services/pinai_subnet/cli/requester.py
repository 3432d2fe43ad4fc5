"""The requester's side: make an intent and sign it, ready for RootLayer."""

import base64
import secrets
import time
from dataclasses import dataclass
from typing import Any

from pinai_subnet.ports.signer import Signer
from pinai_subnet.protocol.digests import ChainDomain, intent_digest, params_hash
from pinai_subnet.protocol.ids import ZERO_ADDRESS, IntentId, SubnetId

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


def deadline_in(seconds: float) -> int:
    """Return a deadline this many seconds from now."""
    return int(time.time() + seconds)
