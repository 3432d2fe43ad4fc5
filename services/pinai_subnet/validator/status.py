"""The status document of a validator: replication, both quorums, epochs, backlog, digests. Reads only."""

import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from itertools import islice

import msgspec

from pinai_subnet.ports.replication import ReplicationStatus
from pinai_subnet.protocol.digests import ChainDomain
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.membership import change_digest, set_id
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.disk import DiskLook
from pinai_subnet.validator.documents import Document, hexed, settlement_dispute_document
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.policy import PolicyBook
from pinai_subnet.validator.records import EpochState
from pinai_subnet.validator.replica import Replica
from pinai_subnet.validator.roots import validator_set_id
from pinai_subnet.validator.settlement_pause import SettlementPause

_RECENT_EPOCHS = 100


class StatusReport:
    """What `subnetctl status` and a dashboard show of one validator."""

    def __init__(
        self,
        *,
        replica: Replica,
        parameters: NetworkParameters,
        policies: PolicyBook,
        version: str,
        clock: Clock,
        settlement: SettlementPause | None = None,
        disk: Callable[[], DiskLook] | None = None,
    ) -> None:
        """Take what does not change, what says whether settlement waits for funds, and how full the disk is."""
        self._disk = disk
        self._settlement = settlement or SettlementPause()
        self._replica = replica
        self._parameters = parameters
        self._version = version
        self._clock = clock
        self._started_at = clock.now()
        self._shared = shared_configuration(parameters, policies)

    def document(self) -> Document:
        """Return the whole status."""
        status = self._replica.status()
        signed = self._replica.read(_signed)
        return {
            "id": self._replica.validator_id,
            "version": self._version,
            "subnet_id": self._parameters.subnet_id,
            "now_ms": int(self._clock.now() * 1000),
            "uptime_seconds": round(self._clock.now() - self._started_at, 1),
            "replication": _replication(status),
            "quorum": self._quorums(status),
            "validators": [
                {"id": member.id, "address": member.address, **signed[member.id]}
                for member in self._replica.read(lambda ledger: ledger.members())
            ],
            "validator_set": self._replica.read(_set),
            "settlement_paused": self._settlement.reason,
            "disk": None if self._disk is None else _disk(self._disk()),
            "config_digest": config_digest(self._shared),
            "config": self._shared,
            **self._replica.read(_ledger),
        }

    def _quorums(self, status: ReplicationStatus) -> Document:
        quorum = self._replica.read(lambda ledger: ledger.quorum)
        connected = 1 + sum(p.connected for p in status.peers if p.role == "voter")
        return {
            "validators": quorum.members,
            "connected": connected,
            "raft_majority": quorum.raft_majority,
            "raft_spares": quorum.raft_spares,
            "raft_spares_now": connected - quorum.raft_majority,
            "required_signatures": quorum.required_signatures,
            "signature_spares": quorum.signature_spares,
            "signature_spares_now": connected - quorum.required_signatures,
        }


def shared_configuration(parameters: NetworkParameters, policies: PolicyBook) -> dict[str, str]:
    """Return what must be equal on all validators, field by field, so that it can be said which one differs."""
    domain = parameters.domain
    members = [
        [v.id, v.address, v.grpc_endpoint, v.http_endpoint, v.raft_endpoint]
        for v in parameters.validators
    ]
    return {
        "subnet_id": parameters.subnet_id,
        "chain": chain_text(domain),
        "threshold": f"{parameters.threshold_numerator}/{parameters.threshold_denominator}",
        "validator_set": validator_set_id(parameters),
        "validators": _digest_of(members),
        "matchers": ", ".join(parameters.matchers),
        "policies": policies_digest(policies),
    }


def policies_digest(policies: PolicyBook) -> str:
    """Return a digest that is equal where every intent type is judged alike."""
    return _digest_of(msgspec.to_builtins(policies))


def chain_text(domain: ChainDomain) -> str:
    """Return chain and contracts as one text."""
    return f"{domain.chain_id} {domain.intent_manager} {domain.checkpoint_manager}"


def config_digest(shared: Mapping[str, str]) -> str:
    """Return a digest that is equal on validators with the same network file and the same policies."""
    return _digest_of(shared)


def _digest_of(value: object) -> str:
    return hexed(sha256(msgspec.json.encode(value, order="sorted")).digest())


def _disk(look: DiskLook) -> Document:
    full_in = look.full_in_seconds
    return {
        "free_bytes": look.space.free_bytes,
        "free_ratio": round(look.space.free_ratio, 4),
        "full_in_seconds": None if full_in is None or math.isinf(full_in) else round(full_in),
        "warning": look.warning,
    }


def _replication(status: ReplicationStatus) -> Document:
    return {
        "role": status.role,
        "leader_id": status.leader_id,
        "term": status.term,
        "last_index": status.last_index,
        "commit_index": status.commit_index,
        "applied_index": status.applied_index,
        "has_quorum": status.has_quorum,
        "tick_lag_seconds": round(status.tick_lag_seconds, 4),
        "failure": status.failure,
        "paused": status.paused,
        "membership": status.membership,
        "change_pending": status.change_pending,
        "peers": [
            {
                "id": peer.id,
                "connected": peer.connected,
                "last_heard_seconds": peer.last_heard_seconds,
                "lag": peer.lag,
                "role": peer.role,
                "endpoint": peer.endpoint,
            }
            for peer in status.peers
        ],
    }


def _signed(ledger: Ledger) -> dict[str, Document]:
    """Return per validator what it signed, how far its clock has come, and what is held against it."""
    epochs = list(ledger.epochs())
    final = list(islice((e for e in epochs if e.final_at_ms is not None), _RECENT_EPOCHS))
    found: dict[str, Document] = {}
    for member in ledger.members():
        signatures = [e.signatures[member.id] for e in epochs if member.id in e.signatures]
        found[member.id] = {
            "signed": len(signatures),
            "expected": len(epochs),
            "recent": _recent(ledger, member.id, final),
            "last_signed_at_ms": max((s.at_ms for s in signatures), default=None),
            "clock_ms": ledger.clock(member.id) or None,
            "double_signs": sum(d.validator_id == member.id for d in ledger.double_signs()),
            "settlement_disputes": sum(
                d.validator_id == member.id for d in ledger.settlement_disputes()
            ),
        }
    return found


def _recent(ledger: Ledger, validator_id: ValidatorId, final: Sequence[EpochState]) -> Document:
    """Return how many of the newest final epochs of its time in the set a member has signed."""
    asked = [
        epoch
        for epoch in final
        if ledger.parameters_at(epoch.epoch).validator(validator_id) is not None
    ]
    return {
        "signed": sum(validator_id in epoch.signatures for epoch in asked),
        "expected": len(asked),
    }


def _set(ledger: Ledger) -> Document:
    """Return the newest set's place in history, and the change that is under way."""
    record, proposed = ledger.set_state(), ledger.proposed_change()
    return {
        "version": record.version,
        "first_epoch": record.first_epoch,
        "set_id": set_id(record.members),
        "proposed": None
        if proposed is None
        else {
            "action": proposed.change.action.value,
            "validator_id": proposed.change.member.id,
            "digest": hexed(change_digest(proposed.change)),
            "approvals": sorted(proposed.approvals),
        },
        "tombstoned": sorted(ledger.tombstoned()),
    }


def _ledger(ledger: Ledger) -> Document:
    final = next((e.epoch for e in ledger.epochs() if e.final_at_ms is not None), 0)
    settled = next((e.epoch for e in ledger.epochs() if e.settled_at_ms is not None), 0)
    return {
        "state": {
            "index": ledger.index,
            "digest": hexed(ledger.state_digest()),
            "now_ms": ledger.now_ms,
            "sequence": ledger.sequence,
        },
        "assignments": {stage.name.lower(): count for stage, count in ledger.counts().items()},
        "epochs": {
            "sealed": ledger.next_epoch - 1,
            "final": final,
            "settled": settled,
            "open": sum(epoch.final_at_ms is None for epoch in ledger.epochs()),
            "settlement_backlog": len(ledger.unsettled_final_epochs()),
        },
        "double_signs": len(ledger.double_signs()),
        "settlement_disputes": [
            settlement_dispute_document(found) for found in ledger.settlement_disputes()
        ],
    }
