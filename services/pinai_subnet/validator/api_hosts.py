"""The HTTP side of validators on several hosts: who asks to join, and whom this host reaches. Changes nothing."""

from typing import Any

from fastapi import APIRouter, FastAPI

from pinai_subnet.runtime.clock import Clock
from pinai_subnet.validator.candidates import Candidates
from pinai_subnet.validator.peer_dials import PeerDials
from pinai_subnet.validator.replica import Replica
from pinai_subnet.wire.invitations import CandidacyBody, candidacy_document

Document = dict[str, Any]


def add_host_routes(app: FastAPI, *, replica: Replica, clock: Clock) -> None:
    """Add the routes of candidacies and of reachability to a validator's application."""
    router = APIRouter(prefix="/api/v1", tags=["hosts"])
    candidates, dials = Candidates(), PeerDials(clock)

    @router.post("/validator-set/candidates")
    async def ask_to_join(body: CandidacyBody) -> Document:
        """Show an invited validator to the members' operators; they approve it, or not."""
        candidacy, now = body.value(), clock.now()
        replica.read(lambda ledger: candidates.put(candidacy, ledger=ledger, now=now))
        return {"waiting": len(candidates)}

    @router.get("/validator-set/candidates")
    async def list_candidates() -> Document:
        """Return who has asked this validator lately."""
        now = clock.now()
        found = replica.read(lambda ledger: candidates.waiting(ledger=ledger, now=now))
        return {"candidates": [candidacy_document(one) for one in found]}

    @router.get("/peers")
    async def show_peers() -> Document:
        """Dial every other member's replication listener, and say what came of it."""
        peers = replica.status().peers
        outcomes = await dials.outcomes({peer.id: peer.endpoint for peer in peers})
        return {
            "id": replica.validator_id,
            "peers": [
                {
                    "id": peer.id,
                    "endpoint": peer.endpoint,
                    "dial": outcomes[peer.id],
                    "connected": peer.connected,
                    "last_heard_seconds": peer.last_heard_seconds,
                }
                for peer in peers
            ],
        }

    app.include_router(router)
