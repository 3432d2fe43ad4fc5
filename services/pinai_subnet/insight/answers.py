"""Whom to ask how they are, and what they said. Values only; `judging` says what it adds up to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pinai_subnet.insight.network_status import BackupView


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One member to ask. `http` is host:port or a URL; None where it has no endpoint."""

    name: str
    role: str
    http: str | None
    pid: int | None = None
    expected_here: bool = False
    """It should run on this host as a process: without a `pid` it is down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one member said. Documents are what its routes gave; empty where it gave none."""

    target: Target
    reachable: bool
    ready: bool
    reason: str = ""
    status: Mapping[str, Any] = field(default_factory=dict)
    """A validator's `/api/v1/status`."""
    summary: Mapping[str, Any] = field(default_factory=dict)
    """The matcher's `/api/v1/summary`."""
    clock: tuple[float, float] | None = None
    """Its time and this host's at the same moment, unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is known of the network without asking anybody."""

    subnet_id: str
    required_signatures: int
    backup: BackupView | None = None
