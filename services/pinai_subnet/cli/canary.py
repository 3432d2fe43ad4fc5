"""Proof that a network works: one real intent that travels the whole path. Readiness is shown, never inferred."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from pinai_subnet.cli.requester import Order, deadline_in, signed_intent
from pinai_subnet.cli.session import Session
from pinai_subnet.ports.errors import DependencyError, Refused, Unreachable

POLL_SECONDS = 0.1
CANARY_TYPE = "echo"
CANARY_BUDGET = 10**15
ENDED = ("COMPLETED", "EXPIRED", "FAILED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The intent that was finalised, and how long that took."""

    intent_id: str
    seconds: float


def submit(session: Session, order: Order) -> str:
    """Sign an order with the test key, hand it to RootLayer and return the intent id."""
    parameters = session.network.parameters
    body = signed_intent(
        order, signer=session.requester(), subnet_id=parameters.subnet_id, domain=parameters.domain
    )
    session.rootlayer.post("/api/v1/intents/submit", body)
    return str(body["intentId"])


def intent_status(session: Session, intent_id: str) -> str:
    """Return RootLayer's status of an intent without its prefix, e.g. `COMPLETED`."""
    intent = session.rootlayer.get(f"/api/v1/intents/query/{intent_id}")
    return str(intent["status"]).removeprefix("INTENT_STATUS_")


def wait_ended(session: Session, intent_id: str, *, timeout_seconds: float) -> str:
    """Wait until an intent has ended and return its status; raise `Unreachable` SN-N403 when it takes too long."""
    deadline = time.monotonic() + timeout_seconds
    while (status := intent_status(session, intent_id)) not in ENDED:
        if time.monotonic() > deadline:
            raise Unreachable(
                "SN-N403",
                f"intent {intent_id} is still {status} after {timeout_seconds:.0f} s; "
                f"see `subnetctl intent explain {intent_id}` and the logs in {session.home.logs}",
            )
        time.sleep(POLL_SECONDS)
    return status


def prove_ready(
    session: Session, say: Callable[[str], None], *, timeout_seconds: float = 60.0
) -> Proof:
    """Wait until an intent has been finalised: the matcher's canary, which costs nothing, where canaries are on."""
    if _sends_canaries(session):
        return _canary(session, say, timeout_seconds)
    return _paid(session, say, timeout_seconds)


def _sends_canaries(session: Session) -> bool:
    """Say whether the matcher can be asked for one; one of an older version, or behind a firewall, cannot."""
    try:
        summary = session.matcher.find("/api/v1/summary")
    except DependencyError:
        return False
    return bool(summary and summary.get("canary", {}).get("enabled"))


def _canary(session: Session, say: Callable[[str], None], timeout_seconds: float) -> Proof:
    """Ask the matcher for a canary until one comes through; raise the last refusal when none does in time."""
    deadline = time.monotonic() + timeout_seconds
    matcher = replace(session.matcher, timeout_seconds=timeout_seconds)
    while True:
        try:
            told = matcher.post("/api/v1/canary", {})
        except Refused:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
            continue
        say(f"canary intent {told['last_intent_id']} finalised, without cost")
        return Proof(intent_id=told["last_intent_id"], seconds=told["last_seconds"])


def _paid(session: Session, say: Callable[[str], None], timeout_seconds: float) -> Proof:
    """Send one echo intent through the network and wait until it is settled."""
    begun = time.monotonic()
    order = Order(
        intent_type=CANARY_TYPE,
        payload=b"canary",
        budget=CANARY_BUDGET,
        deadline=deadline_in(timeout_seconds),
    )
    intent_id = submit(session, order)
    say(f"canary intent {intent_id} submitted")
    status = wait_ended(session, intent_id, timeout_seconds=timeout_seconds + 10)
    if status != "COMPLETED":
        raise Unreachable(
            "SN-N404",
            f"the canary intent {intent_id} ended {status}; see `subnetctl intent explain {intent_id}`",
        )
    return Proof(intent_id=intent_id, seconds=time.monotonic() - begun)
