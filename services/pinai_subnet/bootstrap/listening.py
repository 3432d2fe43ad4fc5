"""On which ports a process listens, and whether it can have them. Opens no server."""

from collections.abc import Mapping

from pinai_subnet.runtime.binding import bind
from pinai_subnet.runtime.errors import StartupError, StartupProblem


def port_of(configured: int | None, endpoint: str) -> int:
    """Return the configured port, or the port of this member's endpoint in network.yaml."""
    return int(endpoint.rpartition(":")[2]) if configured is None else configured


def require_free(host: str, ports: Mapping[str, int]) -> None:
    """Raise one `StartupError` that names every port of a process that cannot be had, before it touches its data.

    `ports` says for each setting which port it gives; 0 stands for any free one.
    """
    problems = []
    for setting, port in ports.items():
        try:
            bind(host, port).close()
        except StartupError as error:
            problems += [
                StartupProblem(p.code, p.message, f"{p.where} ({setting})", p.fix)
                for p in error.problems
            ]
    if problems:
        raise StartupError(problems)
