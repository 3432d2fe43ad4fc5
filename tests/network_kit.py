"""A throw-away network of real processes on free ports, driven from outside. Not a test.

    settings = {"matcher.yaml": {"tasks.lease_seconds": 5}}
    with LocalTestNetwork.create(tmp_path / "net", agents=1, settings=settings) as network:
        network.start()
        ids = network.submit_many(20)
        network.wait_all(ids, "COMPLETED")

Everything that was started is stopped at the end of the block, also when a test fails or pytest is interrupted. Of
networks that are open while a test fails, `failure_notes` gives the ends of the logs (see `tests/conftest.py`).
"""

import dataclasses
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

import httpx
import yaml
from tests.free_ports import free_plan

from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import initialise
from pinai_subnet.cli.local_network import LocalNetwork, Member, Running, members
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.cli.preflight import preflight
from pinai_subnet.cli.requester import Order, deadline_in, signed_intent
from pinai_subnet.cli.session import Session, open_session
from pinai_subnet.cli.status import health
from pinai_subnet.insight.gathering import gather
from pinai_subnet.insight.intent_story import IntentStory
from pinai_subnet.insight.story_lines import lines
from pinai_subnet.insight.story_telling import tell

T = TypeVar("T")

POLL_SECONDS = 0.1
READY_SECONDS = 60.0
LIVE_SECONDS = 60.0
QUIET_SECONDS = 1.0
"""Generous: how long anything that must happen may take on a busy machine."""
ENDED = frozenset({"COMPLETED", "EXPIRED", "FAILED"})
SUBMIT_BATCH = 100
PAGE = 100
TAIL_LINES = 25
BUDGET = 10**15

Settings = Mapping[str, Mapping[str, Any]]
"""File name -> dotted key -> value, for example `{"matcher.yaml": {"windows.early_close": False}}`."""

QUICK: Settings = {
    "matcher.yaml": {
        "windows.bidding_window_seconds": 1,
        "intents.reconcile_seconds": 2,
        # Tests count intents and epochs; those about the canary switch it on.
        "canary.every_seconds": 0,
    },
    "agent.yaml": {"limits.reconnect_cap_seconds": 1, "limits.drain_seconds": 2},
    "validator.yaml": {"settle.retry_max_seconds": 1},
}
"""Shorter waits than a real network has, so that tests are quick; every test network starts from these."""


def wait_until(condition: Callable[[], T | None], what: str, *, seconds: float = LIVE_SECONDS) -> T:
    """Return the condition's first true value; fail with `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(POLL_SECONDS)
    return value


def failure_notes() -> Iterator[tuple[str, str]]:
    """Return title and text for every network that is open now: where its logs are, and how they end."""
    for network in list(LocalTestNetwork.open_networks):
        for name in network.members:
            path = network.local.log_file(name)
            if path.exists():
                yield f"log of {name}: {path}", network.log_tail(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Elsewhere(Member):
    """A member that other words start on another host."""

    words: tuple[str, ...]

    def command(self, home: Home) -> list[str]:
        return [*self.words, *Member.command(self, home)]


def ports_on(addresses: Mapping[str, str], *, validators: int) -> PortPlan:
    """Return the documented ports of the members that have a host, each at its address."""
    plan = PortPlan.documented(validators)
    hosts = {name.upper().replace("-", "_"): address for name, address in addresses.items()}
    return PortPlan(
        {
            name: f"{hosts[name.rpartition('_')[0]]}:{endpoint.rpartition(':')[2]}"
            for name, endpoint in plan.endpoints.items()
            if name.rpartition("_")[0] in hosts
        }
    )


@dataclass(kw_only=True)
class LocalTestNetwork:
    """One home, its session and the processes that were started from it."""

    open_networks: ClassVar[list["LocalTestNetwork"]] = []

    session: Session
    own_variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Member -> variables of this member only."""
    elsewhere: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Member -> the words before its command that start it on another host than this one."""
    paused: set[str] = field(default_factory=set)

    @classmethod
    def create(
        cls,
        root: Path,
        *,
        validators: int = 3,
        agents: int = 1,
        settings: Settings | None = None,
        variables: Mapping[str, str] | None = None,
        own_variables: Mapping[str, Mapping[str, str]] | None = None,
        ports: PortPlan | None = None,
        elsewhere: Mapping[str, Sequence[str]] | None = None,
        console: bool = False,
    ) -> Self:
        """Make keys, ports and configuration, with overrides of any YAML key and any `.env` variable; start nothing."""
        home = Home(root)
        ports = ports or free_plan(validators)
        if not console:  # one process less for every test that does not look at pages
            ports = PortPlan({k: v for k, v in ports.endpoints.items() if k != "CONSOLE_HTTP"})
        initialise(home, validators=validators, agents=agents, ports=ports, subnet_id=None)
        for overrides in (QUICK, settings or {}):
            for name, values in overrides.items():
                _override(home.config / name, values)
        if variables:
            with home.env_file.open("a", encoding="utf-8") as file:
                file.writelines(f"{name}={value}\n" for name, value in variables.items())
        network = cls(
            session=open_session(root),
            own_variables=own_variables or {},
            elsewhere=elsewhere or {},
        )
        cls.open_networks.append(network)
        return network

    def __enter__(self) -> Self:
        """Return the network."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything."""
        self.close()

    def close(self) -> None:
        """Kill whatever still runs; a test that is about the stopping stops before."""
        running = self.running()
        for process in running.values():
            self.local.signal(process, signal.SIGKILL)
        self._stop(list(running.values()), hard=True)
        if self in self.open_networks:
            self.open_networks.remove(self)

    # -- members ----------------------------------------------------------------------------------------------------

    @property
    def home(self) -> Home:
        """The directory of the network."""
        return self.session.home

    @property
    def local(self) -> LocalNetwork:
        """The processes, as `subnetctl` sees them."""
        return LocalNetwork(home=self.home, say=lambda _: None)

    @property
    def members(self) -> dict[str, Member]:
        """Every member that the configuration knows, by name, in the order of a start."""
        return {member.name: member for member in members(self.session.environment)}

    @property
    def validators(self) -> list[str]:
        """The names of the validators."""
        return [name for name in self.members if name.startswith("validator-")]

    def running(self) -> dict[str, Running]:
        """The processes that were started and still run."""
        return self.local.running()

    def start(self, *names: str, wait: bool = True) -> None:
        """Start these members (all, if none is named) that do not run yet, and wait until they are ready."""
        wanted = [self.members[name] for name in names or self.members]
        started = self.running()
        missing = [member for member in wanted if member.name not in started]
        # Whether a port of another host is free cannot be seen from here.
        preflight(self.session, [one for one in missing if one.name not in self.elsewhere])
        for member in missing:
            own = dict(self.session.environment) | dict(self.own_variables.get(member.name, {}))
            with warnings.catch_warnings():
                # The child is remembered by its id; its Popen object may go.
                warnings.simplefilter("ignore", ResourceWarning)
                started[member.name] = self.local.start(self._placed(member), own)
        if wait:
            self.local.wait_ready(wanted, started, timeout_seconds=READY_SECONDS)
            agents = [member.name for member in wanted if member.role == "simple-agent"]
            if agents and "matcher" in started:
                self.wait_connected(*agents)

    def _placed(self, member: Member) -> Member:
        words = self.elsewhere.get(member.name)
        if words is None:
            return member
        fields = {one.name: getattr(member, one.name) for one in dataclasses.fields(member)}
        return _Elsewhere(**fields, words=tuple(words))

    def stop(self, *names: str) -> None:
        """Ask these members (all, if none is named) to end, as an operator does, and wait until they have."""
        self._stop([p for name, p in self.running().items() if name in names or not names])

    def kill(self, *names: str) -> None:
        """End these members with SIGKILL and wait until they are gone."""
        running = self.running()
        self._stop([running[name] for name in names], hard=True)

    def _stop(self, processes: Sequence[Running], *, hard: bool = False) -> None:
        for process in processes:
            self.resume(process.name)
        self.local.stop(processes, hard=hard)

    def pause(self, name: str) -> None:
        """Freeze a member with SIGSTOP."""
        self.local.signal(self.running()[name], signal.SIGSTOP)
        self.paused.add(name)

    def resume(self, name: str) -> None:
        """Let a frozen member go on."""
        if name in self.paused:
            self.paused.discard(name)
            if process := self.running().get(name):
                self.local.signal(process, signal.SIGCONT)

    def restart(self, name: str, *, hard: bool = False) -> None:
        """Stop (or kill) a member and start it again."""
        if hard:
            self.kill(name)
        else:
            self.stop(name)
        self.start(name)

    def pid(self, name: str) -> int:
        """The process id of a running member."""
        return self.running()[name].pid

    def log(self, name: str) -> str:
        """Everything a member has logged."""
        path = self.local.log_file(name)
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def log_tail(self, name: str) -> str:
        """The last lines of a member's log."""
        return "\n".join(self.log(name).splitlines()[-TAIL_LINES:])

    # -- HTTP -------------------------------------------------------------------------------------------------------

    def base(self, name: str) -> str:
        """The base URL of a member's HTTP API."""
        return f"http://{self.members[name].http}"

    def request(self, method: str, name: str, path: str, **options: Any) -> httpx.Response:
        """Call a member's HTTP API; any answer is returned."""
        options.setdefault("timeout", 10.0)
        with httpx.Client(verify=False, trust_env=False) as client:  # noqa: S501 (plain HTTP; saves loading certificates)
            return client.request(method, self.base(name) + path, **options)

    def get(self, name: str, path: str, **parameters: Any) -> Any:
        """Return the JSON that a member answers; fail on any other answer than 200."""
        answer = self.request("GET", name, path, params=parameters)
        assert answer.status_code == httpx.codes.OK, f"{name} {path}: {answer.text[:500]}"
        return answer.json()

    def ready(self, name: str) -> bool:
        """Whether a member answers that it is ready."""
        try:
            return self.request("GET", name, "/readyz").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def health(self) -> dict[str, Any]:
        """What `subnetctl status` finds."""
        return health(self.session)

    def leader(self) -> str:
        """Wait until exactly one validator leads and return its name."""
        return str(wait_until(lambda: self.health()["leader"], "one validator leads"))

    def agents(self) -> dict[str, dict[str, Any]]:
        """What the matcher knows of every agent it has met."""
        return {row["agent_id"]: row for row in self.get("matcher", "/api/v1/agents")["agents"]}

    def wait_connected(self, *agents: str) -> None:
        """Wait until these agents have a task stream to the matcher."""

        def connected() -> bool:
            known = self.agents()
            return all(known.get(name, {}).get("connected") for name in agents)

        wait_until(connected, f"{', '.join(agents)} connected to the matcher")

    # -- intents ----------------------------------------------------------------------------------------------------

    def body(
        self,
        *,
        intent_type: str = "echo",
        payload: bytes = b"hello",
        deadline_seconds: float = 60,
        budget: int = BUDGET,
    ) -> dict[str, Any]:
        """Return the body of a submission: a signed intent with a fresh id."""
        parameters = self.session.network.parameters
        order = Order(
            intent_type=intent_type,
            payload=payload,
            budget=budget,
            deadline=deadline_in(deadline_seconds),
        )
        return signed_intent(
            order,
            signer=self.session.requester(),
            subnet_id=parameters.subnet_id,
            domain=parameters.domain,
        )

    def submit(self, **fields: Any) -> str:
        """Submit one intent (see `body` for the fields) and return its id."""
        return self.submit_many(1, **fields)[0]

    def submit_many(self, count: int, **fields: Any) -> list[str]:
        """Submit many intents in few requests and return their ids."""
        bodies = [self.body(**fields) for _ in range(count)]
        for begin in range(0, count, SUBMIT_BATCH):
            items = bodies[begin : begin + SUBMIT_BATCH]
            batch = {"items": items, "batchId": os.urandom(8).hex(), "partialOk": False}
            answer = self.request("POST", "rootlayer", "/api/v1/intents/submit/batch", json=batch)
            assert answer.status_code == httpx.codes.OK, answer.text[:500]
        return [str(body["intentId"]) for body in bodies]

    def statuses(self) -> dict[str, str]:
        """Return RootLayer's status of every intent, e.g. `COMPLETED`."""
        found: dict[str, str] = {}
        page = 1
        while True:
            query = {"page": page, "pageSize": PAGE, "orderBy": "created_at", "orderDir": "asc"}
            rows = self.get("rootlayer", "/api/v1/intents/query", **query)["intents"]
            found |= {row["intentId"]: row["status"].removeprefix("INTENT_STATUS_") for row in rows}
            if len(rows) < PAGE:
                return found
            page += 1

    def wait_all(
        self, ids: Sequence[str], status: str = "COMPLETED", *, seconds: float = LIVE_SECONDS
    ) -> None:
        """Wait until all these intents have ended; fail with the story of one that ended otherwise."""

        def ended() -> dict[str, str] | None:
            now = self.statuses()
            mine = {one: now.get(one, "UNKNOWN") for one in ids}
            return mine if all(state in ENDED for state in mine.values()) else None

        try:
            final = wait_until(ended, f"{len(ids)} intents ended", seconds=seconds)
        except AssertionError as error:
            now = self.statuses()
            open_ids = [one for one in ids if now.get(one) not in ENDED]
            raise AssertionError(
                f"{error}; {len(open_ids)} open\n{self.story(open_ids[0])}"
            ) from None
        other = [one for one, state in final.items() if state != status]
        assert not other, f"{len(other)} ended otherwise than {status}\n{self.story(other[0])}"

    def story(self, intent_id: str) -> str:
        """Return the story of an intent, as `subnetctl intent explain` prints it."""
        return "\n".join(lines(self.told(intent_id)))

    def told(self, intent_id: str) -> IntentStory:
        """Return the story of an intent, as values."""
        return tell(gather(self.session.sources, intent_id))

    def matching(self, intent_id: str) -> dict[str, Any]:
        """Return what the matcher tells of an intent, empty where it does not know it."""
        answer = self.request("GET", "matcher", f"/api/v1/intents/{intent_id}")
        return dict(answer.json()) if answer.status_code == httpx.codes.OK else {}

    def history(self, intent_id: str) -> list[str]:
        """Return the statuses that an intent has had at RootLayer, in order."""
        changes = self.get("rootlayer", f"/api/v1/intents/{intent_id}/history")["history"]
        return [change["newStatus"] for change in changes]

    def batches(self) -> list[dict[str, Any]]:
        """Return every settled batch as RootLayer publishes it, oldest first."""
        epochs: list[int] = []
        while rows := self.get(
            "rootlayer",
            "/api/v1/batches",
            after_epoch=epochs[-1] if epochs else -1,
            limit=PAGE,
        )["batches"]:
            epochs += [row["epoch"] for row in rows]
        return [self.get("rootlayer", f"/api/v1/batches/{epoch}") for epoch in epochs]

    def wait_told(self, ids: Sequence[str]) -> None:
        """Wait until these ended intents are settled in the ledger and nothing more is told of them for a second.

        A threshold ends an intent; a slower validator's verdict or signature may follow, or never come.
        """
        seen: list[str] = []

        def told() -> bool:
            gathered = [gather(self.session.sources, one) for one in ids]
            settled = all(
                "SETTLED" in attempt["times_ms"] for one in gathered for attempt in one.attempts
            )
            texts = ["\n".join(lines(tell(one))) for one in gathered]
            same, seen[:] = texts == seen, texts
            time.sleep(QUIET_SECONDS)
            return settled and same

        wait_until(told, "the whole story of every intent is told")

    def same_ledger(self) -> None:
        """Wait until every validator holds the same ledger."""

        def same() -> bool:
            try:
                found = [self.get(name, "/api/v1/status")["state"] for name in self.validators]
            except httpx.HTTPError:
                return False
            return len({(state["index"], state["digest"]) for state in found}) == 1

        wait_until(same, "all validators hold the same ledger")


def _override(path: Path, values: Mapping[str, Any]) -> None:
    """Set dotted keys of a YAML file; unknown ones are set too, for the process to refuse."""
    document = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    for dotted, value in values.items():
        *parents, last = dotted.split(".")
        section = document
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)
    path.write_text(text, encoding="utf-8")
