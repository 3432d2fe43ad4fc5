"""What the library needs to know of one agent. Values only; where they come from is the caller's business."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """One agent's identity, whom it talks to, and its limits. Endpoints are host:port."""

    agent_id: str
    subnet_id: str
    matcher: str
    validators: tuple[str, ...]
    """All of them: a report goes to the next one where the first cannot take it."""
    registry: str | None = None
    endpoint: str = ""
    """Where the agent itself can be reached, for the registry's list; may be empty."""
    chain_address: str | None = None
    """Who is paid. Needed without a signer; with one it is the signer's address."""
    capabilities: tuple[str, ...] = ()
    """What the registry lists; empty means the intent types that have a handler."""
    capacity: int = 4
    """Tasks run at once."""
    backlog: int = 64
    """Tasks accepted that wait for a free place; more are declined and not bid for."""
    task_seconds: float = 30.0
    """Longest a handler may take; the task's own deadline may be nearer."""
    max_result_bytes: int = 1_048_576
    rpc_seconds: float = 10.0
    """Deadline of calls to matcher and registry."""
    report_seconds: float = 20.0
    """Deadline of a report: validators may ride out an election inside it."""
    report_batch: int = 100
    bid_batch: int = 100
    report_retention_seconds: float = 86_400.0
    """How long a report is repeated before it is given up."""
    heartbeat_seconds: float = 30.0
    drain_seconds: float = 15.0
    """How long a stop waits for running tasks and for their receipts."""
    reconnect_cap_seconds: float = 10.0
    """Longest pause between attempts to reconnect."""
