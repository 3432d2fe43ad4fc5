"""One round: a network of its own, load, faults, healing, and the questions at the end."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos import checks
from tests.chaos.faults import Breaker
from tests.chaos.history import Operation, acknowledged, next_acknowledged
from tests.chaos.hosts import Hosts
from tests.chaos.intents import Orders
from tests.chaos.linearizability import violations
from tests.chaos.links import Mesh
from tests.chaos.load import Load
from tests.chaos.scenarios import Scenario
from tests.network_kit import LocalTestNetwork, ports_on

from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.runtime.errors import StartupError

DEFAULT_SECONDS = 25.0
_KEPT_PROBLEMS = 20
_VALIDATORS, _AGENTS = 3, 2
_LISTENING = ("ROOTLAYER", "REGISTRY", "VALIDATOR", "MATCHER")
_MEMBERS = (
    "rootlayer",
    "registry",
    *(f"validator-{number}" for number in range(1, _VALIDATORS + 1)),
    "matcher",
    *(f"agent-{number}" for number in range(1, _AGENTS + 1)),
)
_BASE: Mapping[str, Mapping[str, Any]] = {
    "validator.yaml": {
        # One machine stands for many agents.
        "intake.reports_per_second": 1_000_000,
        "intake.burst": 1_000_000,
        "intake.unknown_assignment_wait_seconds": 0.5,
    }
}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much happens in a round."""

    seconds: float = DEFAULT_SECONDS
    """How long faults are made."""
    agents: int = 8
    pieces_each: int = 120
    pause: float = 0.12
    """Seconds between two reports of one agent."""


@dataclass(slots=True, kw_only=True)
class Finding:
    """What a round has shown."""

    scenario: str
    seed: int
    problems: list[str] = field(default_factory=list)
    skipped: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    failovers: list[float] = field(default_factory=list)
    """Seconds from the SIGKILL of a leader, a majority going on, to the acknowledgement of a report sent after it."""
    cut_failovers: list[float] = field(default_factory=list)
    """The same, from the moment when a running leader was cut off."""

    @property
    def document(self) -> dict[str, Any]:
        """Return the finding for the result file."""
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "skipped": self.skipped,
            "problems": self.problems,
            "failover_seconds": [round(one, 3) for one in self.failovers],
            "cut_failover_seconds": [round(one, 3) for one in self.cut_failovers],
            **self.facts,
            "faults": self.faults,
        }

    def add(self, problems: list[str]) -> None:
        """Keep some of these problems and the number of all."""
        self.problems += problems[:_KEPT_PROBLEMS]
        if len(problems) > _KEPT_PROBLEMS:
            self.problems.append(f"… and {len(problems) - _KEPT_PROBLEMS} more")


def run(scenario: Scenario, *, seed: int, size: Size, root: Path, say: Say) -> Finding:
    """Run one round in a directory that does not exist yet."""
    finding = Finding(scenario=scenario.name, seed=seed, skipped=scenario.skip())
    if finding.skipped is not None:
        return finding
    begun = time.monotonic()
    settings = _merged(_BASE, scenario.settings)
    with (
        Hosts(_MEMBERS if scenario.apart else ()) as hosts,
        _network(root, hosts, settings=settings) as network,
    ):
        try:
            with Mesh({} if scenario.apart else _log_endpoints(network)) as mesh:
                if not scenario.apart:
                    network.own_variables = {
                        name: _found_at(mesh.endpoints(name)) for name in network.validators
                    }
                scenario.prepare(network)
                _round(finding, scenario, network, mesh=mesh, hosts=hosts, size=size, say=say)
        except (AssertionError, DependencyError, StartupError) as error:
            finding.problems.append(f"the round could not be finished: {error}")
        finally:
            network.close()
            scenario.clean(network)
    finding.facts["seconds"] = round(time.monotonic() - begun, 1)
    return finding


def _network(
    root: Path, hosts: Hosts, *, settings: Mapping[str, Mapping[str, Any]]
) -> LocalTestNetwork:
    """Make a network on this host, or on these."""
    if not hosts.addresses:
        return LocalTestNetwork.create(
            root, validators=_VALIDATORS, agents=_AGENTS, settings=settings
        )
    return LocalTestNetwork.create(
        root,
        validators=_VALIDATORS,
        agents=_AGENTS,
        settings=settings,
        variables={f"{role}_LISTEN_HOST": "0.0.0.0" for role in _LISTENING},
        ports=ports_on(hosts.addresses, validators=_VALIDATORS),
        elsewhere={name: hosts.inside(name) for name in hosts.addresses},
    )


def _log_endpoints(network: LocalTestNetwork) -> dict[str, str]:
    members = network.session.network.parameters.validators
    return {str(one.id): one.raft_endpoint for one in members}


def _found_at(endpoints: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that send a validator through the relays."""
    return {
        f"{name.upper().replace('-', '_')}_RAFT": endpoint for name, endpoint in endpoints.items()
    }


def _merged(*layers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for file, values in layer.items():
            merged.setdefault(file, {}).update(values)
    return merged


def _round(
    finding: Finding,
    scenario: Scenario,
    network: LocalTestNetwork,
    *,
    mesh: Mesh,
    hosts: Hosts,
    size: Size,
    say: Say,
) -> None:
    if scenario.full:
        network.start()
    else:
        network.start("rootlayer", *network.validators)
    random = Random(f"{scenario.name} {finding.seed}")  # noqa: S311 - repeatable on purpose
    breaker = Breaker(network=network, random=random, mesh=mesh, hosts=hosts, until=0.0, say=say)
    finding.faults = breaker.faults
    work = _Intents(network) if scenario.full else _Reports(network, random, size)
    work.start()
    breaker.begun = time.monotonic()
    breaker.until = breaker.begun + size.seconds
    try:
        while not breaker.over:
            scenario.step(breaker)
    finally:
        work.stop()
    breaker.until = float("inf")
    breaker.heal()
    work.after_healing(finding, breaker)
    finding.facts["converge_seconds"] = round(checks.wait_converged(network), 2)
    finding.add([f"{name} ended by itself" for name in breaker.ended])
    finding.add(_uncoded(network, breaker))
    books = checks.Books(network)
    finding.facts |= {"epochs": len(books.batches), "settled": len(books.settled)}
    work.judge(finding, books)
    finding.add([f"intent {one} was settled twice" for one in books.duplicates()])
    finding.add(list(books.batch_problems()))
    finding.add(list(books.epoch_problems()))
    network.stop()
    finding.add(list(checks.signing_problems(network, books)))


def _uncoded(network: LocalTestNetwork, breaker: Breaker) -> list[str]:
    """A validator that was started on a full disk and ended has said so with a code."""
    return [
        f"{name} ended without a code"
        for name in breaker.may_end
        if f"{name} ended by itself" in " ".join(breaker.faults) and "SN-" not in network.log(name)
    ]


class _Reports:
    """The load of the rounds with validators only."""

    def __init__(self, network: LocalTestNetwork, random: Random, size: Size) -> None:
        self._network = network
        own = Random(random.random())  # noqa: S311 - repeatable on purpose
        self._load = Load(
            network, own, agents=size.agents, pieces_each=size.pieces_each, pause=size.pause
        )

    def start(self) -> None:
        self._load.prepare()
        self._load.start()

    def stop(self) -> None:
        self._load.stop()

    def after_healing(self, finding: Finding, breaker: Breaker) -> None:
        """Judge what the clients were told, whatever the ledgers will say."""
        finding.facts["acknowledged_under_faults"] = len(acknowledged(self._load.history))
        self._load.confirm()
        history = self._load.history
        wrong = violations(history)
        finding.facts |= {
            "operations": len(history),
            "acknowledged": len(acknowledged(history)),
            "not_linearizable": len(wrong),
            "answers": dict(sorted(self._load.answers.items())),
        }
        finding.add([str(one) for one in wrong])
        finding.failovers = _until_acknowledged(history, breaker.leader_kills)
        finding.cut_failovers = _until_acknowledged(history, breaker.leader_cuts)

    def judge(self, finding: Finding, books: checks.Books) -> None:
        promised = acknowledged(self._load.history)
        lost = checks.lost_reports(self._network, books, promised, self._load.pieces)
        finding.facts |= {"lost": len(lost), "duplicated": len(books.duplicates())}
        finding.add(lost)


def _until_acknowledged(history: Sequence[Operation], moments: Sequence[float]) -> list[float]:
    times = [next_acknowledged(history, moment) for moment in moments]
    return [one for one in times if one is not None]


class _Intents:
    """The load of the rounds with the whole network."""

    def __init__(self, network: LocalTestNetwork) -> None:
        self._orders = Orders(network)
        self._late: list[str] = []

    def start(self) -> None:
        self._orders.start()

    def stop(self) -> None:
        self._orders.stop()

    def after_healing(self, finding: Finding, breaker: Breaker) -> None:
        self._late = self._orders.late()

    def judge(self, finding: Finding, books: checks.Books) -> None:
        completed = set(self._orders.completed())
        lost = completed ^ set(books.settled)
        finding.facts |= {
            "intents": len(self._orders.submitted),
            "completed": len(completed),
            "late": len(self._late),
            "lost": len(lost),
            "duplicated": len(books.duplicates()),
        }
        finding.add([f"intent {one} had not ended by its deadline" for one in self._late])
        finding.add([f"intent {one}: RootLayer's status and batches differ" for one in lost])
