"""What can be known before anything starts: settings of every process, and whether its ports are free."""

import os
import socket
from collections.abc import Callable, Mapping, Sequence

from pinai_subnet.bootstrap import agent, matcher, registry, rootlayer, validator
from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.cli.home import public_environment
from pinai_subnet.cli.local_network import Member
from pinai_subnet.cli.session import Session
from pinai_subnet.runtime.errors import StartupError, StartupProblem

Load = Callable[[Arguments, Mapping[str, str]], object]
LOADERS: Mapping[str, Load] = {
    "registry": registry.load,
    "matcher": matcher.load,
    "validator": validator.load,
    "simple-agent": agent.load,
    "rootlayer": rootlayer.load,
}


def settings_problems(session: Session, wanted: Sequence[Member]) -> list[StartupProblem]:
    """Load every member's settings as it would itself; return each problem once, in order."""
    found: dict[tuple[str, str | None, str], StartupProblem] = {}
    for member in wanted:
        own = {name: session.environment.get(source, "") for name, source in member.secrets.items()}
        arguments = Arguments(config_dir=session.home.config.resolve(), id=member.id)
        try:
            LOADERS[member.role](arguments, public_environment(session.environment) | own)
        except StartupError as error:
            for problem in error.problems:
                found.setdefault((problem.code, problem.where, problem.message), problem)
    return list(found.values())


def port_problems(session: Session, wanted: Sequence[Member]) -> list[StartupProblem]:
    """Try every port that the members will listen on; return one problem per port that is taken."""
    found = []
    for member in wanted:
        prefix = member.name.upper().replace("-", "_")
        for kind in ("GRPC", "HTTP", "RAFT"):
            endpoint = session.environment.get(f"{prefix}_{kind}")
            if endpoint and (reason := _taken(endpoint)):
                found.append(
                    StartupProblem(
                        "SN-H001",
                        f"{member.name} cannot listen on {endpoint}: {reason}",
                        f"{prefix}_{kind} in {session.home.env_file}",
                        f"`ss -ltnp` shows who has the port; stop it, or set {prefix}_{kind} to another port",
                    )
                )
    return found


def _taken(endpoint: str) -> str | None:
    host, _, port = endpoint.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            return os.strerror(error.errno or 0)
    return None


def preflight(session: Session, wanted: Sequence[Member]) -> None:
    """Raise one `StartupError` with every problem found before anything is started."""
    problems = [*settings_problems(session, wanted), *port_problems(session, wanted)]
    if problems:
        raise StartupError(problems)
