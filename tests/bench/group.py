"""A replication group as processes of its own, driven by JSON lines: what consensus and catch-up sections measure."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.child import Child
from tests.free_ports import free_ports

_START_SECONDS = 30.0
_ORDER_SECONDS = 180.0
_POLL_SECONDS = 0.1
_RETRY_SECONDS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupProcess:
    """One member's process."""

    number: int
    port: int
    child: Child
    grpc: str
    """host:port where it takes puts."""

    def order(self, **order: Any) -> dict[str, Any]:
        """Tell it to do one thing and return its answer."""
        self.child.send(order)
        return self.child.result(timeout_seconds=_ORDER_SECONDS)


@dataclass(slots=True)
class GroupProcesses:
    """The members; those that join later are started with `join`."""

    directory: Path
    options: Mapping[str, Any]
    stack: ExitStack
    ports: list[int]
    members: list[GroupProcess] = field(default_factory=list)

    def start(self, number: int, port: int) -> GroupProcess:
        """Start one member's process and wait until it listens."""
        name = f"v{number}"
        task = {
            "number": number,
            "port": port,
            "ports": self.ports,
            "directory": str(self.directory / name),
            "options": dict(self.options),
        }
        log = self.directory / "logs" / f"{name}.log"
        child = self.stack.enter_context(Child("group-member", task, log=log))
        grpc = child.read(timeout_seconds=_START_SECONDS)["grpc"]
        member = GroupProcess(number=number, port=port, child=child, grpc=f"127.0.0.1:{grpc}")
        self.members.append(member)
        return member

    def leader(self) -> GroupProcess:
        """Return who leads, once somebody does."""
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            leading = [m for m in self.members if m.order(do="status")["role"] == "leader"]
            if len(leading) == 1:
                return leading[0]
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"no leader after {_START_SECONDS:.0f} s; see {self.directory / 'logs'}")

    def change(self, do: str, **what: Any) -> dict[str, Any]:
        """Ask whoever leads for a change of the group until it is made; return the leader's answer."""
        until = time.monotonic() + _ORDER_SECONDS
        while time.monotonic() < until:
            answer = self.leader().order(do=do, **what)
            if "refused" not in answer:
                return answer
            time.sleep(_RETRY_SECONDS)
        raise TimeoutError(f"{do} was refused for {_ORDER_SECONDS:.0f} s: {answer['refused']}")

    def follower(self) -> GroupProcess:
        """Return one that does not lead."""
        leader = self.leader()
        return next(member for member in self.members if member is not leader)


@contextmanager
def group(
    directory: Path, *, members: int = 3, options: Mapping[str, Any] | None = None
) -> Iterator[GroupProcesses]:
    """Run a group with its data in `directory`; its processes end with the block."""
    with ExitStack() as stack:
        ports = free_ports(members)
        processes = GroupProcesses(
            directory=directory, options=options or {}, stack=stack, ports=ports
        )
        for number, port in enumerate(ports):
            processes.start(number, port)
        yield processes
