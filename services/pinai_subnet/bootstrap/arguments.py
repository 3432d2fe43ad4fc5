"""What a process is told on its command line: where its configuration is, which member it is. Never a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The parsed command line of one process."""

    config_dir: Path
    """Directory with network.yaml, the role's own file, auth_config.yaml and policy_config.yaml."""
    id: str | None = None
    """Which validator or agent this is; None where a role has only one member."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where variables were set (`.env:14`), for messages; empty where that is not known."""
    takeover: bool = False
    """A validator's: end whichever other process has this identity."""
    rejoin_empty: bool = False
    """A validator's: its data is lost; come back without a vote and fetch everything from the others."""
