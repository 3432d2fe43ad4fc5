"""The network under test: a throw-away home, real processes, always stopped again."""

import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from tests.free_ports import free_plan

from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import initialise
from pinai_subnet.cli.local_network import LocalNetwork, Member, Running, members
from pinai_subnet.cli.network import bring_up
from pinai_subnet.cli.session import Session, open_session
from pinai_subnet.cli.status import health

REPORT_LIMIT = 1_000_000
_LEADER_SECONDS = 15.0
_WRAPPED_READY_SECONDS = 60.0
_POLL_SECONDS = 0.2

Say = Callable[[str], None]


@dataclass(slots=True)
class Network:
    """A running network. `processes` is kept true when members are stopped."""

    session: Session
    local: LocalNetwork
    processes: dict[str, Running] = field(default_factory=dict)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of its `.env`."""
        return self.session.environment

    @property
    def pids(self) -> dict[str, int]:
        """The id of every running process."""
        return {name: process.pid for name, process in self.processes.items()}

    def start(self, say: Say) -> None:
        """Start every process and wait until each answers ready."""
        self.processes = bring_up(self.session, say)

    def stop(self, names: list[str]) -> None:
        """Stop some processes."""
        self.local.stop([self.processes.pop(name) for name in names if name in self.processes])

    def restart(self, name: str, *, timeout_seconds: float) -> None:
        """Start a member that has ended again and wait until it is ready."""
        member = next(m for m in members(self.environment) if m.name == name)
        self.processes[name] = self.local.start(member, self.environment)
        self.local.wait_ready([member], self.processes, timeout_seconds=timeout_seconds)

    def validators(self) -> tuple[str, list[str]]:
        """Return the leader's and the followers' gRPC addresses; raise `TimeoutError` without a leader."""
        until = time.monotonic() + _LEADER_SECONDS
        while (leader := health(self.session)["leader"]) is None:
            if time.monotonic() > until:
                raise TimeoutError(f"no leader; logs are in {self.session.home.logs}")
            time.sleep(_POLL_SECONDS)
        endpoints = {v.id: v.grpc_endpoint for v in self.session.network.parameters.validators}
        return endpoints.pop(leader), list(endpoints.values())

    def profile(self, name: str, output: Path) -> None:
        """Start one process anew under cProfile; it writes its statistics when it is stopped."""
        self.wrap(name, (str(Path(__file__).with_name("profiled.py")), str(output)))

    def wrap(self, name: str, wrapper: tuple[str, ...]) -> None:
        """Start one process anew as an argument of another script, given with its own first arguments."""
        member = next(m for m in members(self.environment) if m.name == name)
        wrapped = _Wrapped(
            name=member.name,
            role=member.role,
            id=member.id,
            http=member.http,
            secrets=member.secrets,
            wrapper=wrapper,
        )
        self.stop([name])
        self.processes[name] = self.local.start(wrapped, self.environment)
        self.local.wait_ready([wrapped], self.processes, timeout_seconds=_WRAPPED_READY_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wrapped(Member):
    """A member that another script runs."""

    wrapper: tuple[str, ...]

    def command(self, home: Home) -> list[str]:
        words = Member.command(self, home)
        module = words.index("-m") + 1
        return [sys.executable, *self.wrapper, *words[module:]]


@contextmanager
def network(root: Path, *, validators: int, agents: int) -> Iterator[Network]:
    """Make a home in `root` and yield its network, not yet started; stop every process at the end."""
    initialise(
        Home(root),
        validators=validators,
        agents=agents,
        ports=free_plan(validators),
        subnet_id="0x" + secrets.token_hex(32),
    )
    _lift_report_limit(root / "config" / "validator.yaml")
    session = open_session(root)
    local = LocalNetwork(home=session.home, say=lambda _: None)
    try:
        yield Network(session=session, local=local)
    finally:
        local.stop(list(local.running().values()))


def _lift_report_limit(path: Path) -> None:
    """One bench client stands for many agents: the limit per signer would be measured instead of the validator."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["intake"] |= {"reports_per_second": REPORT_LIMIT, "burst": REPORT_LIMIT}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
