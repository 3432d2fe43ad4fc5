"""A seeded network of whole validators: real ledger, duties, receipts and sign-once stores over the simulated engine.

What the engine's world does (clock, network, crashes, torn disks) is inherited; here every member also has the process
around its engine, and agents, a matcher and a RootLayer make work for it.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

from tests.simulation.consensus.simulator import STEP_SECONDS, Crash, World
from tests.simulation.ledger.loop import ZERO, ProcessClock, SteppedLoop, slow_threads
from tests.simulation.ledger.process import (
    FragileRecord,
    FragileRootLayer,
    Process,
    SimulatedLog,
    SimulatedRootLayer,
    WatchedMachine,
    as_replication,
    forged,
    leaving,
    record_path,
)
from tests.simulation.ledger.watch import Watch
from tests.unit.validator.ledger_world import START, SUBNET, parameters, record, report, signer

from pinai_subnet.consensus.engine import Results
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.consensus.requests import Inbox
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.ports.replication import Peer, StateMachine
from pinai_subnet.protocol import signatures
from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.membership import (
    SetAction,
    SetChange,
    change_digest,
    proof_digest,
    set_id,
)
from pinai_subnet.protocol.reports import ExecutionReport
from pinai_subnet.runtime.metrics import Metrics
from pinai_subnet.validator.commands import (
    ApproveSetChange,
    ProposeSetChange,
    RecordAssignments,
    RecordSignature,
    Seal,
    Stamp,
)
from pinai_subnet.validator.incoming import Incoming, Sender
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.policy import PolicyBook
from pinai_subnet.validator.records import EpochState
from pinai_subnet.validator.service import Surroundings, ValidatorService
from pinai_subnet.validator.settings import ValidatorSettings

OPTIONS = ReplicationOptions(
    heartbeat_seconds=0.1,
    election_min_seconds=0.5,
    election_max_seconds=1.0,
    leader_lease_seconds=0.8,
    compact_after_entries=25,
    keep_entries=5,
    segment_entries=10,
    snapshot_chunk_bytes=20_000,
    batch_bytes=4_000,
    fsync=False,
)
SETTINGS = ValidatorSettings.model_validate(
    {
        "safety_tick_seconds": 1.0,
        "expire_every_seconds": 0.5,
        "intake": {"unknown_assignment_wait_seconds": 0.0},
        "settle": {"retry_initial_seconds": 0.1, "retry_max_seconds": 1.0},
        "replication": {"submit_timeout_seconds": 5},
        "seal": {"min_interval_seconds": 0.1, "max_items": 4},
    }
)
LIMITS = LedgerLimits(report_grace_ms=1_000, verdict_timeout_ms=15_000)
LIFETIME = 20
"""Seconds from an assignment to its deadline."""


@dataclass(slots=True, eq=False)
class Job:
    """One assignment and its report, from the agent's side."""

    number: int
    record: AssignmentRecord
    report: ExecutionReport
    assigned: bool = False
    answered: bool = False
    """The agent has a receipt."""
    given_up: bool = False
    """A final refusal: the deadline is over."""


class LedgerWorld(World):
    """A group of validators, their work and their witness."""

    options = OPTIONS
    record_class: type[FragileRecord] = FragileRecord
    forgeries = 0.05
    """How often a member answers a new epoch with signatures of somebody else."""

    def __init__(
        self,
        directory: Path,
        seed: int,
        *,
        size: int = 3,
        goals: Sequence[tuple[SetAction, str]] = (),
    ) -> None:
        """`goals` are changes of the set that its operators see through, one after the other."""
        self.goals = goals
        self.parameters = parameters(size)
        joining = sum(action is SetAction.ADD for action, _ in goals)
        self.identities = {member.id: member for member in parameters(size + joining).validators}
        names = list(self.identities)
        super().__init__(directory, seed, names=names, first=size)
        self.loop = SteppedLoop(self.clock)
        self.watch = Watch(members=self.parameters.validators)
        self.root_layer = SimulatedRootLayer(self.watch, self.delay, self.chance.random)
        self.processes: dict[str, Process] = {}
        self.skews = {name: self.chance.uniform(-1.5, 1.5) for name in names}
        self.jobs: list[Job] = []
        self.doomed: list[str] = []
        self.failures: list[str] = []
        self._policies = PolicyBook()
        self._look_at = 0.0

    def __enter__(self) -> Self:
        super().__enter__()
        self._stack.enter_context(patch("asyncio.to_thread", slow_threads(self.delay)))
        self._stack.enter_context(patch("os.fsync", lambda _: None))
        # A pure function, asked the same by every validator.
        remembered = lru_cache(maxsize=4096)(signatures._recover)
        self._stack.enter_context(patch.object(signatures, "_recover", remembered))
        ids = random.Random(f"ids {self.seed}")  # noqa: S311  # seeded
        self._stack.enter_context(
            patch(
                "pinai_subnet.validator.replica.secrets.token_hex", lambda n: ids.randbytes(n).hex()
            )
        )
        return self

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        self.loop.close()

    def delay(self) -> float:
        """Return how long a sync of the disk or a call to RootLayer takes this time."""
        return self.chance.expovariate(200)

    # -- members -----------------------------------------------------------------------------------

    def peer(self, name: str) -> Peer:
        member = self.identities[ValidatorId(name)]
        return Peer(id=name, address=member.address, endpoint=member.raft_endpoint)

    def process(self, name: str) -> tuple[StateMachine, Inbox, Callable[[Results], None]]:
        """Build the validator around an engine that is about to start."""
        fate = partial(self.fate, name)
        key = signer(name)
        store = self.record_class(record_path(self.directory / name), address=key.address)
        store.fate = fate
        peers = [self.peer(one) for one in self.names]
        log = SimulatedLog(
            me=self.peer(name),
            others=[one for one in peers if one.id != name],
            listen="127.0.0.1:0",
            cluster_id="c",
            directory=self.directory / name,
            state_machine=None,  # type: ignore[arg-type]  # the engine gets it from here
            signer=key,
            options=self.options,
        )
        log.fate = fate
        log.leaving = partial(leaving, name, self.watch)
        log._loop = self.loop
        surroundings = Surroundings(
            validator_id=name,  # type: ignore[arg-type]
            parameters=self.parameters,
            policies=self._policies,
            hold_unknown=False,
            settings=SETTINGS,
            signer=key,
            root_layer=FragileRootLayer(self.root_layer, fate),
            signing_record=store,
            archive=None,  # type: ignore[arg-type]  # its duty does not run
            clock=ProcessClock(self.clock, self.skews[name]),
            metrics=Metrics("validator"),
        )
        service = ValidatorService(surroundings, as_replication(log), limits=LIMITS)
        service.feed.bind(self.loop)
        self.processes[name] = Process(
            name=name,
            service=service,
            log=log,
            record=store,
            loop=self.loop,
            ended=self._ended,
        )
        machine = WatchedMachine(name, service.machine, self.watch, self._observe)
        return machine, log._inbox, log._deliver

    def start(self, name: str) -> None:
        super().start(name)
        process = self.processes[name]
        process.log._engine = self.engines[name]
        process.run()

    def _die(self, name: str) -> None:
        process = self.processes.pop(name)
        process.end()
        super()._die(name)
        self.loop.pump()

    def fate(self, name: str, where: str) -> None:
        if self.dies(name, where):
            self.doomed.append(name)
            raise Crash

    def _ended(self, name: str, what: str, error: BaseException) -> None:
        if isinstance(error, AssertionError):
            self.failures.append(str(error))
        elif not isinstance(error, Crash):
            self.failures.append(f"{what} ended: {error!r}")

    # -- time --------------------------------------------------------------------------------------

    def next_at(self) -> float:
        return min(super().next_at(), self.loop.next_at())

    def step(self, seconds: float = STEP_SECONDS) -> None:
        super().step(seconds)
        self.loop.pump()
        doomed, self.doomed = self.doomed, []
        for name in doomed:
            if name in self.engines:
                self.crash(name)
        if self.failures:
            raise AssertionError("; ".join(self.failures))

    def turn(self, name: str) -> None:
        super().turn(name)
        self.doomed = [one for one in self.doomed if one in self.engines]

    # -- work --------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the true wall time."""
        return START + self.clock.now - ZERO

    def new_job(self) -> Job:
        """The matcher assigns one more intent; now and then the report that follows will be a bad one."""
        number = len(self.jobs) + 1
        made = record(number, agent=number % 3, deadline=int(self.now()) + LIFETIME)
        result = b"" if self.chance.random() < 0.1 else b"result %d" % number
        job = Job(number, made, report(made, result=result, timestamp=int(self.now())))
        self.jobs.append(job)
        return job

    def push(self, name: str) -> None:
        """Do everything that is owed: assignments and reports go to this validator, again and again."""
        process = self.processes[name]
        if not self.takes_part(name):
            return
        for job in self.jobs:
            if job.given_up or (job.answered and self.chance.random() < 0.9):
                continue
            if not job.assigned:
                process.spawn("assign", self._assign(process, job))
            else:
                process.spawn("report", self._report(process, job))

    async def _assign(self, process: Process, job: Job) -> None:
        try:
            replies = await process.service.replica.propose(
                lambda stamp: RecordAssignments(stamp=stamp, records=(job.record,))
            )
        except (DependencyError, SubnetError):
            return
        job.assigned = job.assigned or replies[0].taken
        job.given_up = job.given_up or replies[0].code == "SN-V008"
        if job.assigned:
            await self._report(process, job)

    async def _report(self, process: Process, job: Job) -> None:
        sent = job.report
        if job.answered and self.chance.random() < 0.5:
            sent = report(job.record, result=b"another", timestamp=sent.timestamp + 1)
        incoming = Incoming(caller_report_id=sent.report_id, intent_id=sent.intent_id, report=sent)
        try:
            receipt = await process.service.reception.receive(
                incoming, Sender(signer=None, peer=sent.agent_id)
            )
        except (DependencyError, SubnetError):
            return
        if receipt.status == "rejected":
            job.given_up = not job.answered
            assert not job.answered, f"job {job.number} was acknowledged and is now {receipt.code}"
            return
        job.answered = True
        self.watch.receipt(job.record.assignment.assignment_id, receipt)

    def forge(self, name: str) -> None:
        """Let a member send signatures that are not its own for the next epoch that wants some, and seal it again."""
        process = self.processes[name]
        process.spawn("forge", self._forge(process))

    async def _forge(self, process: Process) -> None:
        for _ in range(250):
            for epoch in process.service.replica.read(lambda ledger: list(ledger.epochs())):
                if epoch.final_at_ms is None and process.name not in epoch.signatures:
                    await self._send_forged(process, epoch)
                    return
            await asyncio.sleep(STEP_SECONDS)

    async def _send_forged(self, process: Process, epoch: EpochState) -> None:
        try:
            await process.service.replica.propose(
                lambda stamp: forged(
                    RecordSignature(
                        stamp=stamp,
                        epoch=epoch.epoch,
                        batch_digest=epoch.batch_digest,
                        batch_signature=b"",
                        header_hash=epoch.header_hash,
                        header_signature=b"",
                    )
                )
            )
            await process.service.replica.propose(
                lambda stamp: Seal(
                    stamp=stamp,
                    epoch=epoch.epoch,
                    keys=epoch.keys,
                    timestamp=epoch.header.timestamp,
                )
            )
        except (DependencyError, SubnetError):
            return

    # -- the set -----------------------------------------------------------------------------------

    def takes_part(self, name: str) -> bool:
        """Say whether this validator believes that it is one."""
        return self.ledger(name, lambda ledger: ledger.parameters.validator(name)) is not None

    def reached(self, name: str) -> int:
        """Return how many changes of the set a validator knows."""
        return int(self.ledger(name, lambda ledger: ledger.set_state().version)) - 1

    def ask_for_change(self, name: str) -> None:
        """Let an operator propose the next change at this validator, with everybody's approval."""
        process = self.processes[name]
        if self.takes_part(name) and self.reached(name) < len(self.goals):
            process.spawn("change", self._change(process, *self.goals[self.reached(name)]))

    async def _change(self, process: Process, action: SetAction, name: str) -> None:
        current = process.service.replica.read(lambda ledger: ledger.set_state())
        change = SetChange(
            subnet_id=SUBNET,
            version=current.version + 1,
            base_set_id=set_id(current.members),
            action=action,
            member=self.identities[ValidatorId(name)],
        )
        proof = signer(name).sign(proof_digest(change)) if action is SetAction.ADD else b""
        digest = change_digest(change)
        try:
            await process.service.replica.propose(
                lambda stamp: ProposeSetChange(stamp=stamp, change=change, proof=proof)
            )
            for member in current.members:
                approval = signer(member.id).sign(digest)
                await process.service.replica.propose(
                    partial(_approval, change_digest=digest, approval=approval)
                )
        except (DependencyError, SubnetError):
            return

    # -- the end -----------------------------------------------------------------------------------

    def assert_everything_ended(self) -> None:
        """Heal everything; then all validators reach one state in which every acknowledged report has its end."""
        self.heal()
        self.root_layer.trouble = 0.0
        for _ in range(3):
            self.run(1.0)
            for name in self.names:
                self.push(name)
        for _ in range(60):
            self.heal()
            if all(self.reached(name) == len(self.goals) for name in self.members()):
                break
            self.ask_for_change(self.chance.choice(self.members()))
            self.run(1.0)
        members = self.members()
        quiet = self.run(150.0, self.quiet)
        for name in members:
            assert self.reached(name) == len(self.goals), f"{name}: a change of the set never came"
            self.ledger(name, partial(self.watch.ended, name))
        assert quiet, f"the validators' states differ: {self.positions()}"
        snapshots = {self.processes[name].service.machine.snapshot() for name in members}
        assert len(snapshots) == 1, "equal digests of different states"

    def members(self) -> list[str]:
        """Return who belongs to the set that is newest anywhere."""
        newest = max(
            (self.ledger(name, lambda ledger: ledger.set_state()) for name in self.processes),
            key=lambda state: state.version,
        )
        return [member.id for member in newest.members]

    def quiet(self) -> bool:
        """Whether nothing is open and all are at one place; asked often, so it looks rarely."""
        if self.clock.now < self._look_at:
            return False
        self._look_at = self.clock.now + 0.5
        return (
            all(self.ledger(name, _idle) for name in self.members()) and len(self.positions()) == 1
        )

    def positions(self) -> set[tuple[int, bytes]]:
        """Return where the validators are."""
        return {
            self.ledger(name, lambda ledger: (ledger.index, ledger.state_digest()))
            for name in self.members()
        }

    def ledger(self, name: str, query: Callable[[Ledger], Any]) -> Any:
        """Ask one validator's ledger."""
        return self.processes[name].service.machine.read(query)


def _idle(ledger: Ledger) -> bool:
    return not ledger.open_count() and not ledger.unsettled_final_epochs()


def _approval(stamp: Stamp, *, change_digest: bytes, approval: bytes) -> ApproveSetChange:
    return ApproveSetChange(stamp=stamp, change_digest=change_digest, approval=approval)
