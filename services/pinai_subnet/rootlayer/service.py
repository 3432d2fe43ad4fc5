"""The use cases of RootLayer behind both gRPC and HTTP. Decoding and words of the wire are the api's business."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

from pinai_subnet.ports.root_layer import ItemResult, SignedBatch
from pinai_subnet.protocol.assignments import Assignment
from pinai_subnet.protocol.errors import InvalidInput, NotFound, SubnetError
from pinai_subnet.protocol.ids import IntentId
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.protocol.membership import SignedSetChange
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.set_starts import SetStart
from pinai_subnet.rootlayer import recording
from pinai_subnet.rootlayer.assigning import check_assignment
from pinai_subnet.rootlayer.events import (
    HistoryEntry,
    IntentFilter,
    StatusChange,
    StatusFilter,
)
from pinai_subnet.rootlayer.funds import Funds
from pinai_subnet.rootlayer.intake import IntakeLimits, check_submission
from pinai_subnet.rootlayer.metrics import RootLayerMetrics
from pinai_subnet.rootlayer.recording import CheckedBatch, RefusedBatch, Submitted
from pinai_subnet.rootlayer.sets import KnownSet, KnownSets
from pinai_subnet.rootlayer.settling import check_batch, check_bundle
from pinai_subnet.rootlayer.store import assignments as assignment_rows
from pinai_subnet.rootlayer.store import batches as batch_rows
from pinai_subnet.rootlayer.store import intents as intent_rows
from pinai_subnet.rootlayer.store import sets as set_rows
from pinai_subnet.rootlayer.store.assignments import StoredAssignment
from pinai_subnet.rootlayer.store.batches import StoredBatch
from pinai_subnet.rootlayer.store.intents import IntentListing, IntentQuery
from pinai_subnet.rootlayer.subscriptions import Hub, Subscription
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.sqlite import SqliteDatabase

R = TypeVar("R")

_REPLAY_PAGE = 200
_EXPIRE_AT_ONCE = 500
_INLINE = 2
"""Up to so many signatures are checked in the event loop; more go to a thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLimits:
    """What one request may ask for."""

    intake: IntakeLimits
    batch_items: int
    """Most entries of one batch request."""
    batch_id_bytes: int = 128
    expiry_grace_seconds: int


class RootLayerService:
    """Takes intents, assignments and batches, answers queries and tells subscribers what changed."""

    def __init__(
        self,
        *,
        network: NetworkParameters,
        database: SqliteDatabase,
        hub: Hub,
        limits: ServiceLimits,
        clock: Clock,
        metrics: RootLayerMetrics,
        funds: Funds | None = None,
    ) -> None:
        """Serve one network from one database; `funds` pay for settlement, without them nothing is counted."""
        self.funds = funds or Funds(None)
        self._network = network
        self._sets = KnownSets(network)
        self._following = asyncio.Lock()
        self._database = database
        self._hub = hub
        self._limits = limits
        self._clock = clock
        self._metrics = metrics
        self._log = get_logger()
        self._writing: set[asyncio.Task[object]] = set()

    @property
    def network(self) -> NetworkParameters:
        """Return the parameters that everything is checked against."""
        return self._network

    async def load_sets(self) -> None:
        """Take the sets that were followed before; call once before serving."""
        stored = await self._database.read(lambda connection: list(set_rows.every(connection)))
        for signed, first_epoch in stored:
            self._sets.restore(signed, first_epoch)

    async def follow_sets(self, changes: Sequence[SignedSetChange], start: SetStart) -> int:
        """Take the next signed changes of the validator set; return the newest version. Repeating is harmless."""
        async with self._following:
            before = start.headers[0].header.epoch - 1 if start.headers else 0
            subnet_id = self._network.subnet_id
            digest = await self._database.read(
                lambda connection: batch_rows.find_digest(connection, subnet_id, before)
            )
            settled = set() if digest is None else {before}
            made = await asyncio.to_thread(self._sets.check, changes, start, settled=settled)
            if made:
                await self._database.write(lambda connection: set_rows.insert(connection, made))
            for known in made:
                self._sets.add(known)
                self._log.info(
                    "validator_set_followed",
                    version=known.version,
                    first_epoch=known.first_epoch,
                    members=len(known.parameters.validators),
                )
        return self._sets.sets[-1].version

    def known_sets(self) -> Sequence[KnownSet]:
        """Return every set that RootLayer believes in, oldest first."""
        return self._sets.sets

    def now(self) -> int:
        """Return the time that a new intent is created at, unix seconds."""
        return int(self._clock.now())

    async def submit_intents(
        self,
        entries: Sequence[Intent | SubnetError],
        *,
        batch_id: str = "",
        partial_ok: bool = False,
        treat_exists_as_ok: bool = False,
    ) -> list[Submitted]:
        """Take intents in one transaction; one outcome per entry. An entry that could not be decoded is its error.

        Raises `InvalidInput` SN-S014 for an impossible request.
        """
        self._check_size(len(entries), batch_id)
        now = self.now()

        def check(entry: Intent) -> None:
            check_submission(entry, network=self._network, limits=self._limits.intake, now=now)

        checked = await _checked(entries, check)
        outcomes = await self._write(
            lambda connection: recording.record_intents(
                connection,
                checked,
                partial_ok=partial_ok,
                treat_exists_as_ok=treat_exists_as_ok,
                at_ms=self._now_ms(),
            )
        )
        self._metrics.submitted(outcome.error is None for outcome in outcomes)
        return outcomes

    async def post_assignments(
        self, entries: Sequence[Assignment | SubnetError], *, batch_id: str = ""
    ) -> list[SubnetError | None]:
        """Take assignments, all or none; one refusal or None per entry. Raises as `submit_intents`."""
        self._check_size(len(entries), batch_id)

        def check(entry: Assignment) -> None:
            check_assignment(entry, self._network)

        checked = await _checked(entries, check)
        answers = await self._write(
            lambda connection: recording.record_assignments(
                connection, checked, at_ms=self._now_ms()
            )
        )
        self._metrics.posted(answer is None for answer in answers)
        return answers

    async def submit_batches(
        self,
        groups: Sequence[SignedBatch | RefusedBatch],
        *,
        batch_id: str = "",
        partial_ok: bool = False,
    ) -> list[ItemResult]:
        """Settle signed batches; one answer per item of all groups. Raises as `submit_intents`."""
        self._check_size(sum(_items(group) for group in groups), batch_id)

        def check(group: SignedBatch | RefusedBatch) -> CheckedBatch | RefusedBatch:
            if isinstance(group, RefusedBatch):
                return group
            try:
                network, former = self._sets.at(group.epoch)
                return CheckedBatch(batch=group, digest=check_batch(group, network, former))
            except SubnetError as exc:
                return RefusedBatch(error=exc, items=len(group.items))

        checked = await asyncio.to_thread(lambda: [check(group) for group in groups])
        return await self._settle(checked, partial_ok=partial_ok)

    async def submit_bundle(self, bundle: SignedBatch) -> ItemResult:
        """Settle one item in the older form, signed over that item alone."""
        try:
            digest = await asyncio.to_thread(check_bundle, bundle, self._sets.at(bundle.epoch)[0])
            group: CheckedBatch | RefusedBatch = CheckedBatch(
                batch=bundle, digest=digest, kind=bundle.items[0].assignment_id
            )
        except SubnetError as exc:
            group = RefusedBatch(error=exc, items=1)
        return (await self._settle([group], partial_ok=True))[0]

    async def _settle(
        self, groups: Sequence[CheckedBatch | RefusedBatch], *, partial_ok: bool
    ) -> list[ItemResult]:
        def work(connection: sqlite3.Connection) -> tuple[list[ItemResult], list[StatusChange]]:
            new = sum(recording.is_new(connection, group) for group in groups)
            self.funds.require(new)
            answers, changes = recording.record_batches(
                connection, groups, partial_ok=partial_ok, at_ms=self._now_ms()
            )
            self.funds.spend(new)
            return answers, changes

        answers = await self._write(work)
        self._metrics.settled(answer.ok for answer in answers)
        epochs = [group.batch.epoch for group in groups if isinstance(group, CheckedBatch)]
        refused = [answer for answer in answers if not answer.ok]
        if refused:
            self._log.warning(
                "batch_items_refused",
                epochs=epochs,
                items=len(answers),
                refused=len(refused),
                first_reason=refused[0].message,
            )
        else:
            self._log.info("batch_settled", epochs=epochs, items=len(answers))
        return answers

    async def expire_intents(self) -> int:
        """Expire what is overdue, a bounded number at once; return how many it were."""

        def work(connection: sqlite3.Connection) -> tuple[int, list[StatusChange]]:
            changes = recording.record_expiry(
                connection,
                grace_seconds=self._limits.expiry_grace_seconds,
                limit=_EXPIRE_AT_ONCE,
                at_ms=self._now_ms(),
            )
            return len(changes), changes

        count = await self._write(work)
        self._metrics.expired(count)
        return count

    async def publish_metrics(self) -> None:
        """Bring the gauges up to date."""
        statuses = await self._database.read(intent_rows.count_by_status)
        self._metrics.publish(statuses, streams=len(self._hub), dropped=self._hub.dropped)

    async def get_intent(self, intent_id: IntentId) -> Intent:
        """Return one intent; raise `NotFound` SN-S012."""
        intent = await self._database.read(lambda c: intent_rows.find(c, intent_id))
        if intent is None:
            raise NotFound("SN-S012", f"intent {intent_id} is unknown")
        return intent

    async def list_intents(self, query: IntentQuery) -> IntentListing:
        """Return one page of intents."""
        return await self._database.read(lambda c: intent_rows.list_page(c, query))

    async def history(self, intent_id: IntentId) -> list[HistoryEntry]:
        """Return every status change of an intent; raise `NotFound` SN-S012."""
        entries = await self._database.read(lambda c: intent_rows.history(c, intent_id))
        if not entries:
            raise NotFound("SN-S012", f"intent {intent_id} is unknown")
        return entries

    async def assignments_of(self, intent_id: IntentId) -> list[StoredAssignment]:
        """Return the assignments of an intent, oldest first."""
        return await self._database.read(lambda c: assignment_rows.of_intent(c, intent_id))

    async def get_batch(self, epoch: int) -> StoredBatch:
        """Return the batch of an epoch; raise `NotFound` SN-S043."""
        subnet_id = self._network.subnet_id
        found = await self._database.read(lambda c: batch_rows.find(c, subnet_id, epoch))
        if found is None:
            raise NotFound("SN-S043", f"no batch of epoch {epoch} was settled")
        return found

    async def list_batches(self, after_epoch: int, limit: int) -> list[StoredBatch]:
        """Return batches of later epochs, oldest first."""
        subnet_id = self._network.subnet_id
        return await self._database.read(
            lambda c: batch_rows.list_after(c, subnet_id, after_epoch, limit)
        )

    def subscribe(
        self, wanted: IntentFilter | StatusFilter
    ) -> AbstractContextManager[Subscription]:
        """Listen from the moment the context is entered; raise `Exhausted` SN-S061."""
        return self._hub.subscription(wanted.matches)

    async def intent_events(
        self, subscription: Subscription, wanted: IntentFilter, *, include_historical: bool
    ) -> AsyncIterator[StatusChange]:
        """Yield what the subscription receives, after the stored intents that match if asked for.

        Every intent is seen: a change that happens during the replay comes after it, at worst for a second time.
        """
        replayed_to = 0
        if include_historical:
            replayed_to = await self._database.read(intent_rows.last_sequence)
            async for change in self._replay(wanted):
                yield change
        async for change in self.status_events(subscription):
            if change.sequence > replayed_to:
                yield change

    async def status_events(self, subscription: Subscription) -> AsyncIterator[StatusChange]:
        """Yield what the subscription receives; raise `Exhausted` SN-S060 after an overflow."""
        while True:
            yield await subscription.next()

    async def _replay(self, wanted: IntentFilter) -> AsyncIterator[StatusChange]:
        position = 0
        while page := await self._database.read(
            lambda c, after=position: intent_rows.read_after(c, after, _REPLAY_PAGE)  # type: ignore[misc]
        ):
            for _, intent in page:
                change = StatusChange(
                    sequence=0,
                    intent=intent,
                    old_status=IntentStatus.UNSPECIFIED,
                    reason="stored",
                    at_ms=intent.created_at * 1000,
                    historical=True,
                )
                if wanted.matches(change):
                    yield change
            position = page[-1][0]

    async def _write(
        self, work: Callable[[sqlite3.Connection], tuple[R, Iterable[StatusChange]]]
    ) -> R:
        """Write and publish as one step that a caller who goes away cannot cut in two."""

        async def run() -> R:
            result, changes = await self._database.write(work)
            self._hub.publish(changes)
            return result

        task = asyncio.get_running_loop().create_task(run())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return await asyncio.shield(task)

    def _check_size(self, entries: int, batch_id: str) -> None:
        if len(batch_id.encode()) > self._limits.batch_id_bytes:
            raise InvalidInput(
                "SN-S014", f"batch_id is longer than {self._limits.batch_id_bytes} bytes"
            )
        if entries < 1:
            raise InvalidInput("SN-S014", "the request has no entries")
        if entries > self._limits.batch_items:
            raise InvalidInput(
                "SN-S014", f"{entries} entries; at most {self._limits.batch_items} at once"
            )

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)


async def _checked(
    entries: Sequence[R | SubnetError], check: Callable[[R], None]
) -> list[R | SubnetError]:
    """Return the entries, those that fail the check replaced by their errors; many are checked in a thread."""

    def run() -> list[R | SubnetError]:
        answers: list[R | SubnetError] = []
        for entry in entries:
            try:
                if not isinstance(entry, SubnetError):
                    check(entry)
                answers.append(entry)
            except SubnetError as exc:
                answers.append(exc)
        return answers

    return run() if len(entries) <= _INLINE else await asyncio.to_thread(run)


def _items(group: SignedBatch | RefusedBatch) -> int:
    return group.items if isinstance(group, RefusedBatch) else len(group.items)
