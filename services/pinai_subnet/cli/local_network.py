"""Processes of a local network: start each with its own secrets only, wait until it is ready, stop it by its id."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from pinai_subnet.bootstrap.executable import role_command
from pinai_subnet.cli.home import Home, public_environment, services_here
from pinai_subnet.runtime.errors import cannot_start

POLL_SECONDS = 0.1
STOP_GRACE_SECONDS = 20.0
LOG_TAIL_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One process of the network: how it is called, what it runs and which secrets are its own."""

    name: str
    role: str
    id: str | None
    http: str | None
    """host:port of its health endpoints, if it has any."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Variable that the process reads -> variable of `.env`."""

    def command(self, home: Home) -> list[str]:
        """Return the command line; it never holds a secret."""
        words = [*role_command(self.role), "--config-dir", str(home.config.resolve())]
        return words if self.id is None else [*words, "--id", self.id]


def members(environment: Mapping[str, str]) -> list[Member]:
    """Return the processes that `.env` describes: every validator and agent that has a key there.

    On one host of several they are those of that host.
    """
    validators = [
        Member(
            name=f"validator-{number}",
            role="validator",
            id=f"validator-{number}",
            http=environment.get(f"VALIDATOR_{number}_HTTP"),
            secrets={"VALIDATOR_KEY": f"VALIDATOR_KEY_{number}"},
        )
        for number in _numbers(environment, "VALIDATOR_KEY_")
    ]
    agents = [
        Member(
            name=f"agent-{number}",
            role="simple-agent",
            id=f"agent-{number}",
            http=None,
            secrets={"AGENT_PRIVATE_KEY": f"AGENT_PRIVATE_KEY_{number}"},
        )
        for number in _numbers(environment, "AGENT_PRIVATE_KEY_")
    ]
    console = Member(
        name="console",
        role="console",
        id=None,
        http=environment.get("CONSOLE_HTTP"),
        secrets={"CONSOLE_TOKEN": "CONSOLE_TOKEN"} if environment.get("CONSOLE_TOKEN") else {},
    )
    found = [
        Member(name="rootlayer", role="rootlayer", id=None, http=environment.get("ROOTLAYER_HTTP")),
        Member(name="registry", role="registry", id=None, http=environment.get("REGISTRY_HTTP")),
        *validators,
        Member(
            name="matcher",
            role="matcher",
            id=None,
            http=environment.get("MATCHER_HTTP"),
            secrets={"MATCHER_PRIVATE_KEY": "MATCHER_PRIVATE_KEY"},
        ),
        *agents,
        # A network made before there was a console has no place for one.
        *([console] if console.http else []),
    ]
    here = services_here(environment)
    return [member for member in found if here is None or member.name in here]


def _numbers(environment: Mapping[str, str], prefix: str) -> list[int]:
    suffixes = (name.removeprefix(prefix) for name in environment if name.startswith(prefix))
    return sorted(int(suffix) for suffix in suffixes if suffix.isdigit())


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One started process, as remembered in the run directory; the start time tells it from a later namesake."""

    name: str
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether exactly this process still runs (a zombie does not)."""
        return _start_ticks(self.pid) == self.started


def _start_ticks(pid: int) -> int | None:
    try:
        after_name = (
            Path(f"/proc/{pid}/stat")
            .read_text(encoding="ascii", errors="replace")
            .rpartition(")")[2]
            .split()
        )
    except OSError:
        return None
    return None if after_name[0] == "Z" else int(after_name[19])


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalNetwork:
    """The processes of one home. `say` receives one line of progress at a time."""

    home: Home
    say: Callable[[str], None]

    def running(self) -> dict[str, Running]:
        """Return the processes that were started and still run; stale records are removed."""
        alive = {}
        for record in sorted(self.home.run.glob("*.json")):
            process = Running(**json.loads(record.read_text(encoding="utf-8")))
            if process.alive:
                alive[process.name] = process
            else:
                record.unlink(missing_ok=True)
        return alive

    def start(self, member: Member, environment: Mapping[str, str]) -> Running:
        """Start one process in its own session, its output in its log file."""
        own = {name: environment[source] for name, source in member.secrets.items()}
        places = {
            "DATA_DIR": str(self.home.data.resolve()),
            "LOG_FILE": str(self.log_file(member.name).resolve()),
        }
        variables = public_environment(environment) | own | places
        log = os.open(self.log_file(member.name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(  # noqa: S603 (our own executable and fixed words)
                member.command(self.home),
                env=variables,
                cwd=self.home.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
        running = Running(name=member.name, pid=process.pid, started=_start_ticks(process.pid) or 0)
        record = {"name": running.name, "pid": running.pid, "started": running.started}
        (self.home.run / f"{member.name}.json").write_text(json.dumps(record), encoding="utf-8")
        return running

    def log_file(self, name: str) -> Path:
        """Return where a process writes what it has to say."""
        return self.home.logs / f"{name}.log"

    def wait_ready(
        self, wanted: Sequence[Member], started: Mapping[str, Running], *, timeout_seconds: float
    ) -> None:
        """Wait until every member answers ready; raise SN-H030 with the log's end as soon as one has ended."""
        begun = time.monotonic()
        waiting = {member.name: member for member in wanted}
        last = dict.fromkeys(waiting, "no answer yet")
        while waiting:
            for name, member in list(waiting.items()):
                if not started[name].alive:
                    raise cannot_start(
                        "SN-H030",
                        f"{name} ended while starting:\n{self.log_tail(name)}",
                        where=str(self.log_file(name)),
                        fix="correct what the log's last lines say, then start again",
                    )
                ready, last[name] = readiness(member)
                if ready:
                    state = "ready" if member.http else "runs"
                    self.say(f"  {name} {state} after {time.monotonic() - begun:.1f} s")
                    del waiting[name]
            if waiting and time.monotonic() - begun > timeout_seconds:
                reasons = "; ".join(f"{name}: {last[name]}" for name in waiting)
                raise cannot_start(
                    "SN-H031",
                    f"not ready after {timeout_seconds:.0f} s: {reasons}",
                    where=str(self.home.logs),
                    fix="read the logs named above; `subnetctl status` shows the present state",
                )
            time.sleep(POLL_SECONDS)

    def stop(self, processes: Sequence[Running], *, hard: bool = False) -> None:
        """Ask every process to end, wait, and kill what has not ended within the grace period."""
        for process in processes:
            self.signal(process, signal.SIGKILL if hard else signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        left = list(processes)
        while left and time.monotonic() < deadline:
            _reap()
            left = [process for process in left if process.alive]
            time.sleep(POLL_SECONDS / 2)
        for process in left:
            self.say(f"  {process.name} did not end within {STOP_GRACE_SECONDS:.0f} s: killed")
            self.signal(process, signal.SIGKILL)
        for process in processes:
            (self.home.run / f"{process.name}.json").unlink(missing_ok=True)

    def signal(self, process: Running, number: signal.Signals) -> None:
        """Send a signal to exactly this process, never to a later one of the same id."""
        if process.alive:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)

    def log_tail(self, name: str) -> str:
        """Return the last lines of a process's log."""
        with suppress(OSError):
            return "\n".join(
                self.log_file(name).read_text("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:]
            )
        return "(no log)"


def _reap() -> None:
    """Collect ended children, so that a process that we started ourselves is not taken for running."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def readiness(member: Member) -> tuple[bool, str]:
    """Ask a member whether it is ready; return the answer and its reason. A member without endpoint is ready."""
    if member.http is None:
        return True, "has no health endpoint"
    try:
        answer = httpx.get(f"http://{member.http}/readyz", timeout=2.0)
    except httpx.HTTPError as error:
        return False, type(error).__name__
    return answer.status_code == httpx.codes.OK, answer.text.strip()[:300]
