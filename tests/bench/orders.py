"""Signed intents and their submission over gRPC, as a requester's own software would do it."""

import secrets
from collections.abc import Sequence

from tests.bench.network_facts import Facts

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.protocol.digests import intent_digest, params_hash
from pinai_subnet.protocol.ids import ZERO_ADDRESS, IntentId
from pinai_subnet.wire.pb.rootlayer import intent_pb2, service_pb2

BATCH = 100
"""The most RootLayer takes in one request."""
BUDGET = 10**15


def signed_request(
    facts: Facts, signer: LocalSigner, *, intent_type: str, payload: bytes, deadline: int
) -> service_pb2.SubmitIntentRequest:
    """Return one signed intent with a fresh random id."""
    intent_id = IntentId("0x" + secrets.token_hex(32))
    digest = intent_digest(
        intent_id=intent_id,
        subnet_id=facts.subnet_id,
        requester=signer.address,
        intent_type=intent_type,
        params_hash=params_hash(payload, b""),
        deadline=deadline,
        budget_token=ZERO_ADDRESS,
        budget=BUDGET,
        domain=facts.domain,
    )
    return service_pb2.SubmitIntentRequest(
        intent_id=intent_id,
        subnet_id=facts.subnet_id,
        requester=signer.address,
        settle_chain="base_sepolia",
        intent_type=intent_type,
        params=intent_pb2.IntentParams(intent_raw=payload),
        tips_token=ZERO_ADDRESS,
        tips="0",
        budget_token=ZERO_ADDRESS,
        budget=str(BUDGET),
        deadline=deadline,
        signature=signer.sign_eip191(digest),
    )


def submission(
    requests: Sequence[service_pb2.SubmitIntentRequest],
) -> service_pb2.SubmitIntentBatchRequest:
    """Return the batch of these requests; one that is refused harms no other."""
    return service_pb2.SubmitIntentBatchRequest(
        items=requests, batch_id=secrets.token_hex(8), partial_ok=True
    )
