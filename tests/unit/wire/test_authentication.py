"""Who calls: the five headers in both SDK forms, and everything that must not pass."""

import json
from dataclasses import dataclass

import pytest
from eth_account import Account
from eth_hash.auto import keccak

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.protocol.errors import Exhausted, SubnetError, Unauthenticated
from pinai_subnet.runtime.clock import ManualClock
from pinai_subnet.wire.authentication import (
    AuthMode,
    AuthPolicy,
    RequestVerifier,
    message_forms,
    sign_metadata,
)
from pinai_subnet.wire.nonces import NonceCache
from pinai_subnet.wire.pb.subnet import matcher_pb2

SUBNET = "0x" + "00" * 31 + "02"
METHOD = "/subnet.v1.MatcherService/RespondToTask"
NOW = 1_800_000_000
KEY = b"\x11" * 32
ACCOUNT = Account.from_key(KEY)


def request(agent_id: str = "agent-1") -> matcher_pb2.RespondToTaskRequest:
    response = matcher_pb2.TaskResponse(
        task_id="0x" + "b1" * 32, agent_id=agent_id, accepted=True, timestamp=NOW
    )
    return matcher_pb2.RespondToTaskRequest(response=response)


@dataclass
class Bench:
    verifier: RequestVerifier
    clock: ManualClock

    def verify(
        self,
        headers: dict[str, str],
        message: matcher_pb2.RespondToTaskRequest | None = None,
        *,
        method: str = METHOD,
        streaming: bool = False,
    ) -> str | None:
        message = message or request()
        return self.verifier.verify(
            headers, method, lambda: message_forms(message, streaming=streaming)
        )

    def code(self, headers: dict[str, str], **kwargs: object) -> str:
        with pytest.raises(SubnetError) as caught:
            self.verify(headers, **kwargs)  # type: ignore[arg-type]
        return caught.value.code


def bench(mode: AuthMode = AuthMode.ACCEPT, capacity: int = 100) -> Bench:
    clock = ManualClock(now=NOW)
    policy = AuthPolicy(
        mode=mode, timestamp_tolerance_seconds=300, foreign_chain_ids=frozenset({"subnet-local"})
    )
    nonces = NonceCache(expiry_seconds=600, capacity=capacity)
    return Bench(
        RequestVerifier(policy=policy, nonces=nonces, subnet_id=SUBNET, clock=clock), clock
    )


def signed(
    text: str, *, nonce: str = "00112233445566778899aabbccddeeff", chain_id: str = SUBNET
) -> dict[str, str]:
    signature = ACCOUNT.unsafe_sign_hash(keccak(text.encode())).signature
    return {
        "x-signature": (signature[:64] + bytes([signature[64] - 27])).hex(),
        "x-signer-id": ACCOUNT.address,
        "x-timestamp": str(NOW),
        "x-nonce": nonce,
        "x-chain-id": chain_id,
    }


def python_text(nonce: str = "00112233445566778899aabbccddeeff", chain_id: str = SUBNET) -> str:
    """The Python SDK's canonical text, written by hand from wire-contract 3.8."""
    body = {
        "chain_id": chain_id,
        "method": METHOD,
        "nonce": nonce,
        "request": {
            "response": {
                "accepted": True,
                "agent_id": "agent-1",
                "task_id": "0x" + "b1" * 32,
                "timestamp": str(NOW),
            }
        },
        "timestamp": NOW,
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def go_text() -> str:
    body = json.loads(python_text())
    response = body["request"]["response"]
    body["request"]["response"] = {
        "accepted": True,
        "agentId": response["agent_id"],
        "taskId": response["task_id"],
        "timestamp": response["timestamp"],
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def test_the_python_sdk_form_proves_its_signer() -> None:
    assert bench().verify(signed(python_text())) == ACCOUNT.address


def test_the_go_sdk_form_proves_its_signer() -> None:
    """S11: both published canonical forms are understood."""
    assert bench().verify(signed(go_text())) == ACCOUNT.address


def test_a_go_stream_is_signed_without_its_request() -> None:
    body = json.loads(python_text())
    del body["request"]
    headers = signed(json.dumps(body, sort_keys=True, separators=(",", ":")))
    assert bench().verify(headers, streaming=True) == ACCOUNT.address
    assert bench().code(headers, streaming=False) == "SN-N305"


def test_an_unsigned_call_is_nobody_where_that_is_accepted() -> None:
    assert bench(AuthMode.ACCEPT).verify({}) is None


def test_an_unsigned_call_is_refused_where_signatures_are_required() -> None:
    """A1, A15: no silent pass."""
    assert bench(AuthMode.REQUIRE).code({}) == "SN-N301"


def test_headers_are_ignored_when_switched_off() -> None:
    assert bench(AuthMode.OFF).verify({"x-signature": "junk"}) is None


def test_a_tampered_request_is_refused() -> None:
    assert bench().code(signed(python_text()), message=request("agent-2")) == "SN-N305"


def test_a_signature_for_another_method_is_refused() -> None:
    """A14: the real method is bound."""
    assert (
        bench().code(signed(python_text()), method="/subnet.v1.MatcherService/SubmitBid")
        == "SN-N305"
    )


def test_a_nonce_works_once() -> None:
    """A15, M4: nonces are remembered, per signer, for a bounded time."""
    at = bench()
    headers = signed(python_text())
    at.verify(headers)
    assert at.code(headers) == "SN-N306"


def test_a_forged_request_does_not_burn_the_nonce() -> None:
    """A14: the signature is checked before the nonce is spent."""
    at = bench()
    headers = signed(python_text())
    assert at.code(headers, message=request("agent-2")) == "SN-N305"
    assert at.verify(headers) == ACCOUNT.address


@pytest.mark.parametrize("offset", [-301, 301])
def test_a_request_outside_the_clock_window_is_refused_with_both_clocks(offset: int) -> None:
    at = bench()
    at.clock.advance(offset)
    with pytest.raises(Unauthenticated) as caught:
        at.verify(signed(python_text()))
    assert caught.value.code == "SN-N304"
    assert str(NOW) in caught.value.message
    assert str(NOW + offset) in caught.value.message


def test_a_request_for_another_network_is_refused() -> None:
    other = "0x" + "00" * 31 + "03"
    assert bench().code(signed(python_text(chain_id=other), chain_id=other)) == "SN-N303"


def test_an_unconfigured_agent_counts_as_unsigned() -> None:
    headers = signed(python_text(chain_id="subnet-local"), chain_id="subnet-local")
    assert bench(AuthMode.ACCEPT).verify(headers) is None
    assert bench(AuthMode.REQUIRE).code(headers) == "SN-N301"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-signature", "00"),
        ("x-signature", "zz" * 65),
        ("x-timestamp", "soon"),
        ("x-timestamp", "-1"),
        ("x-nonce", ""),
        ("x-nonce", "n" * 200),
    ],
)
def test_a_malformed_header_is_refused(header: str, value: str) -> None:
    assert bench().code(signed(python_text()) | {header: value}) == "SN-N302"


@pytest.mark.parametrize("header", ["x-signature", "x-signer-id", "x-timestamp", "x-nonce"])
def test_a_missing_header_is_refused(header: str) -> None:
    headers = signed(python_text())
    del headers[header]
    assert bench().code(headers) == "SN-N302"


def test_a_header_signature_with_chain_v_is_refused() -> None:
    headers = signed(python_text())
    headers["x-signature"] = headers["x-signature"][:128] + "1b"
    with pytest.raises(SubnetError):
        bench().verify(headers)


def test_a_full_nonce_memory_refuses_instead_of_forgetting() -> None:
    at = bench(capacity=1)
    at.verify(signed(python_text()))
    with pytest.raises(Exhausted) as caught:
        at.verify(signed(python_text(nonce="ff" * 16), nonce="ff" * 16))
    assert caught.value.code == "SN-N307"


def test_one_signer_fills_at_most_half_of_the_nonce_memory() -> None:
    """A12: a stranger that signs a lot shuts nobody else out."""
    cache = NonceCache(expiry_seconds=600, capacity=4)
    cache.use("stranger", "n1", 0.0)
    cache.use("stranger", "n2", 1.0)
    with pytest.raises(Exhausted, match="SN-N307"):
        cache.use("stranger", "n3", 2.0)
    cache.use("victim", "n1", 2.0)
    cache.use("stranger", "n3", 600.0)


def test_a_malformed_proof_is_unauthenticated_not_invalid() -> None:
    for header, value in (("x-signer-id", "agent-1"), ("x-signature", "00" * 65)):
        with pytest.raises(Unauthenticated, match="SN-N302"):
            bench().verify(signed(python_text()) | {header: value})


def test_old_nonces_are_forgotten() -> None:
    cache = NonceCache(expiry_seconds=600, capacity=1)
    cache.use("a", "n" * 8, 0.0)
    cache.use("a", "m" * 8, 600.0)
    assert len(cache) == 1


def test_our_own_calls_verify() -> None:
    metadata = dict(sign_metadata(LocalSigner(KEY), SUBNET, METHOD, request(), now=NOW))
    assert bench(AuthMode.REQUIRE).verify(metadata) == ACCOUNT.address
