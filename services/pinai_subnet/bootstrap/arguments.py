"""What a process is told on its command line: where its configuration is, which member it is. Never a secret."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The parsed command line of one process."""

    config_dir: Path
    """Directory with network.yaml, the role's own file, auth_config.yaml and policy_config.yaml."""
    id: str | None = None
    """Which validator or agent this is; None where a role has only one member."""
