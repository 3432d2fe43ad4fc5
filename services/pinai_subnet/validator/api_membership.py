"""The HTTP side of membership: the set and its history, changes and approvals, leadership. Signatures are the password.

Nothing here needs a session: a change comes with the approval of a member, an approval is one, and moving the
leadership or withdrawing a change is signed by a member for a short time.
"""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, ConfigDict, Field

from pinai_subnet.ports.replication import Replication
from pinai_subnet.protocol.errors import Forbidden, SubnetError, WrongState
from pinai_subnet.protocol.membership import SignedSetChange, approver, change_digest, order_digest
from pinai_subnet.protocol.signatures import recover
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.validator.applied import Reply, ReplyStatus
from pinai_subnet.validator.commands import (
    ApproveSetChange,
    Command,
    ProposeSetChange,
    Stamp,
    WithdrawSetChange,
)
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.replica import Replica
from pinai_subnet.wire.set_changes import (
    SignedChangeBody,
    change_document,
    digest_text,
    member_document,
    signed_document,
    unhexed,
)

Document = dict[str, Any]

_FRESH_SECONDS = 60
_TRANSFER_SECONDS = 5.0


class ApprovalBody(BaseModel):
    """One member's approval."""

    model_config = ConfigDict(extra="forbid")

    digest: str = Field(max_length=80)
    approval: str = Field(max_length=160)


class OrderBody(BaseModel):
    """What a member orders in its own name: `transfer` to a validator, or `withdraw` a change."""

    model_config = ConfigDict(extra="forbid")

    order: str = Field(pattern="^(transfer|withdraw)$")
    subject: str = Field(max_length=256)
    """The validator that shall lead, or the digest of the change."""
    at: int = Field(ge=0, lt=1 << 53)
    signature: str = Field(max_length=160)


def add_membership_routes(
    app: FastAPI, *, replica: Replica, replication: Replication, clock: Clock
) -> None:
    """Add the routes of membership to a validator's application."""
    router = APIRouter(prefix="/api/v1", tags=["membership"])

    @router.get("/validator-set")
    async def show_set() -> Document:
        """Return the newest set, the change under way and the replication group."""
        return _present(replica)

    @router.get("/validator-set/changes")
    async def list_changes(after: int = 1) -> Document:
        """Return the signed changes after a version of the set, oldest first."""
        return {"changes": replica.read(lambda ledger: _history(ledger, after))}

    @router.post("/validator-set/changes")
    async def propose_change(body: SignedChangeBody) -> Document:
        """Propose a change that at least one member approves of."""
        await _propose(replica, body.value())
        return replica.read(_set_document)

    @router.post("/validator-set/approvals")
    async def approve_change(body: ApprovalBody) -> Document:
        """Add a member's approval of the proposed change."""
        await _approve(replica, unhexed(body.digest, "digest"), unhexed(body.approval, "approval"))
        return replica.read(_set_document)

    @router.post("/validator-set/orders")
    async def take_order(body: OrderBody) -> Document:
        """Withdraw the proposed change, or move the leadership."""
        _check_order(body, replica.read(lambda ledger: ledger), clock.now())
        if body.order == "withdraw":
            digest = unhexed(body.subject, "subject")
            await _done(replica, lambda stamp: WithdrawSetChange(stamp=stamp, change_digest=digest))
            return replica.read(_set_document)
        if not replica.leading:
            raise WrongState("SN-V118", f"{replica.validator_id} does not lead")
        taken = await replication.hand_over(timeout_seconds=_TRANSFER_SECONDS, to=body.subject)
        return {"leader_id": replica.status().leader_id, "taken": taken}

    app.include_router(router)


def _present(replica: Replica) -> Document:
    document = replica.read(_set_document)
    status = replica.status()
    document["group"] = [
        {"id": replica.validator_id, "role": status.membership, "connected": True, "lag": 0},
        *(
            {"id": one.id, "role": one.role, "connected": one.connected, "lag": one.lag}
            for one in status.peers
        ),
    ]
    document["leader_id"] = status.leader_id
    return document


async def _propose(replica: Replica, signed: SignedSetChange) -> None:
    parameters = replica.read(lambda ledger: ledger.parameters)
    if not signed.approvals:
        raise Forbidden("SN-V115", "a change is proposed together with a member's approval")
    for approval in signed.approvals:
        approver(signed.change, approval, parameters)
    digest = change_digest(signed.change)
    await _done(
        replica,
        lambda stamp: ProposeSetChange(stamp=stamp, change=signed.change, proof=signed.proof),
    )
    for approval in signed.approvals:
        await _approve(replica, digest, approval)


async def _approve(replica: Replica, digest: bytes, approval: bytes) -> None:
    await _done(
        replica,
        lambda stamp: ApproveSetChange(stamp=stamp, change_digest=digest, approval=approval),
    )


async def _done(replica: Replica, build: Callable[[Stamp], Command]) -> None:
    (reply,) = await replica.propose(build)
    if reply.status is ReplyStatus.REJECTED:
        raise _refusal(reply)


def _refusal(reply: Reply) -> SubnetError:
    kind = Forbidden if reply.code == "SN-V115" else WrongState
    return kind(reply.code, reply.message)


def _check_order(body: OrderBody, ledger: Ledger, now: float) -> None:
    if abs(now - body.at) > _FRESH_SECONDS:
        raise Forbidden("SN-V115", f"the order is of {body.at}, it is {now:.0f} now")
    digest = order_digest(
        ledger.parameters.subnet_id, order=body.order, subject=body.subject, at=body.at
    )
    signer = recover(digest, unhexed(body.signature, "signature"))
    if ledger.parameters.validator_at(signer) is None:
        raise Forbidden("SN-V115", f"the order is signed by {signer}, who is no validator")


def _set_document(ledger: Ledger) -> Document:
    record, proposed, quorum = ledger.set_state(), ledger.proposed_change(), ledger.quorum
    return {
        "version": record.version,
        "first_epoch": record.first_epoch,
        "next_epoch": ledger.next_epoch,
        "members": [member_document(member) for member in record.members],
        "raft_majority": quorum.raft_majority,
        "required_signatures": quorum.required_signatures,
        "former_keys": dict(record.former),
        "tombstoned": sorted(ledger.tombstoned()),
        "proposed": None
        if proposed is None
        else {
            "digest": digest_text(proposed.change),
            "change": change_document(proposed.change),
            "approvals": sorted(proposed.approvals),
        },
    }


def _history(ledger: Ledger, after: int) -> list[Document]:
    return [
        signed_document(record.signed, record.first_epoch)
        for record in ledger.set_changes(after)
        if record.signed is not None
    ]
