"""What a worker process must know of the network under test, as JSON values. Read from a session, never guessed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pinai_subnet.cli.session import Session
from pinai_subnet.protocol.digests import ChainDomain
from pinai_subnet.protocol.ids import SubnetId, parse_address, parse_bytes32


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The network as a client sees it."""

    subnet_id: SubnetId
    domain: ChainDomain
    rootlayer: str
    """host:port of its gRPC."""


def facts_document(session: Session) -> dict[str, Any]:
    """Return the facts for a worker's task."""
    parameters, endpoints = session.network.parameters, session.network.endpoints
    return {
        "subnet_id": parameters.subnet_id,
        "chain_id": parameters.domain.chain_id,
        "intent_manager": parameters.domain.intent_manager,
        "checkpoint_manager": parameters.domain.checkpoint_manager,
        "rootlayer": endpoints.rootlayer_grpc,
    }


def read_facts(task: Mapping[str, Any]) -> Facts:
    """Return the facts of a worker's task."""
    return Facts(
        subnet_id=SubnetId(parse_bytes32(task["subnet_id"], "subnet_id")),
        domain=ChainDomain(
            chain_id=int(task["chain_id"]),
            intent_manager=parse_address(task["intent_manager"], "intent_manager"),
            checkpoint_manager=parse_address(task["checkpoint_manager"], "checkpoint_manager"),
        ),
        rootlayer=task["rootlayer"],
    )
