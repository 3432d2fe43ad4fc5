"""What can be known before anything starts: settings of every process, and whether its ports are free."""

import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pinai_subnet.bootstrap import agent, console, matcher, registry, rootlayer, validator
from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.cli.home import Home, public_environment, services_here
from pinai_subnet.cli.local_network import Member, members
from pinai_subnet.cli.session import Session, open_session
from pinai_subnet.runtime.dotenv import DotEnv
from pinai_subnet.runtime.errors import StartupError, StartupProblem
from pinai_subnet.runtime.settings import SettingsLoader
from pinai_subnet.wire.network_file import FILE_NAME, NetworkFile

Load = Callable[[Arguments, Mapping[str, str]], object]
LOADERS: Mapping[str, Load] = {
    "registry": registry.load,
    "matcher": matcher.load,
    "validator": validator.load,
    "simple-agent": agent.load,
    "rootlayer": rootlayer.load,
    "console": console.load,
}


_NUMBERED = re.compile(r"validator-([1-9][0-9]*)")


def settings_problems(home: Home, wanted: Sequence[Member] | None = None) -> list[StartupProblem]:
    """Load the settings of members, all if none are named, as they would themselves; return each problem once."""
    env = home.read_env()
    found = {(p.code, p.where, p.message): p for p in _missing_keys(home, env)}
    for member in members(env.values) if wanted is None else wanted:
        own = {name: env.values.get(source, "") for name, source in member.secrets.items()}
        origins = {
            name: f"{source} in {env.origins[source]}"
            for name, source in member.secrets.items()
            if source in env.origins
        }
        arguments = Arguments(
            config_dir=home.config.resolve(), id=member.id, origins={**env.origins, **origins}
        )
        try:
            LOADERS[member.role](arguments, public_environment(env.values) | own)
        except StartupError as error:
            for problem in error.problems:
                told = _naming_the_variable(problem, member, origins)
                if told.code != "SN-K001":  # told by _missing_keys, with the variable's name
                    found.setdefault((told.code, told.where, told.message), told)
    return list(found.values())


def _missing_keys(home: Home, env: DotEnv) -> list[StartupProblem]:
    """Return one problem per key that a local network cannot do without and `.env` does not give."""
    loaded = SettingsLoader(env.values).load(NetworkFile, home.config / FILE_NAME)
    ids = (
        loaded.part(str, "validators", index, "id") or ""
        for index in range(len(loaded.part(list, "validators") or ()))
    )
    needed = {"matcher": "MATCHER_PRIVATE_KEY"}
    needed |= {m[0]: f"VALIDATOR_KEY_{m[1]}" for one in ids if (m := _NUMBERED.fullmatch(one))}
    here = services_here(env.values)
    names = [name for service, name in needed.items() if here is None or service in here]
    return [
        StartupProblem(
            "SN-C001",
            f"{name} is {'empty' if name in env.values else 'not set'}",
            env.origins.get(name, str(home.env_file)),
            f"`subnetctl keys new FILE` makes a key; set {name} to the content of the file",
        )
        for name in names
        if not env.values.get(name, "").strip()
    ]


def _naming_the_variable(
    problem: StartupProblem, member: Member, origins: Mapping[str, str]
) -> StartupProblem:
    """Return a problem of a member's key with the variable it came from: several members share one file."""
    if not (problem.where or "").endswith(" private_key") or not origins:
        return problem
    return replace(problem, where=f"{', '.join(origins.values())} ({member.name}; {problem.where})")


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


def checked_session(root: Path) -> Session:
    """Open a session; where `network.yaml` is wrong, raise the problems of all files of all members with it."""
    try:
        return open_session(root)
    except StartupError as error:
        raise StartupError(settings_problems(Home(root)) or error.problems) from error


def preflight(session: Session, wanted: Sequence[Member]) -> None:
    """Raise one `StartupError` with every problem found before anything is started."""
    problems = [*settings_problems(session.home, wanted), *port_problems(session, wanted)]
    if problems:
        raise StartupError(problems)
