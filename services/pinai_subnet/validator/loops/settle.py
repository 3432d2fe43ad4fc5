"""Settle: the leader hands final epochs to RootLayer, others confirm its answer, until a majority reports the same.

The log is the outbox: what is final and not settled is what must still be sent, whoever leads. Confirming is sending
the same batch again; RootLayer takes it once (wire-contract 2.3) and repeats its answer, so the effect is exactly once
(known defects L2, L16, C11) and no single member can make up an answer.
"""

from collections import Counter
from collections.abc import Sequence

from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.ports.root_layer import ItemResult, OutOfFunds, RootLayer, SignedBatch
from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.canaries import is_canary
from pinai_subnet.protocol.errors import WrongState
from pinai_subnet.protocol.quorum import signer_bitmap
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.health import Progress
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.validator.announcing import unannounced
from pinai_subnet.validator.applied import ReplyStatus
from pinai_subnet.validator.commands import ItemSettlement, RecordSettlement
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.loops.rota import Patience, place
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.records import EpochState
from pinai_subnet.validator.replica import Replica
from pinai_subnet.validator.settlement_pause import SettlementPause

_TAKE_OVER_SECONDS = 10.0
"""How long a follower waits for somebody's word on a final epoch before it asks RootLayer itself."""
_STEP_SECONDS = 2.0
"""How much later each further member confirms when those before it are silent."""

_DRY = ItemResult(ok=True, message="a canary: RootLayer never gets it", receipt_id="")


class SettleEpochs:
    """Sends one final epoch at a time and records RootLayer's answer as this member's word."""

    def __init__(
        self,
        *,
        replica: Replica,
        root_layer: RootLayer,
        refused_attempts: int,
        early_attempts: int,
        clock: Clock,
        progress: Progress,
        pause: SettlementPause,
        metrics: ValidatorMetrics,
    ) -> None:
        """Say how often what RootLayer refuses is sent before it ends as refused, with RootLayer's words.

        `refused_attempts` is for a batch that is refused as a whole; `early_attempts` for one with items that RootLayer
        may take later, because the matcher still has to post their assignments.
        """
        self._replica = replica
        self._root_layer = root_layer
        self._refused_attempts = refused_attempts
        self._early_attempts = early_attempts
        self._progress = progress
        self._pause = pause
        self._metrics = metrics
        self._refusals: dict[int, int] = {}
        self._announced = 1
        """Version of the newest set that RootLayer was told of."""
        self._early: dict[int, int] = {}
        self._patience = Patience(clock=clock)
        self._log = get_logger()

    async def work(self) -> bool:
        """Settle or confirm the earliest final epoch; return whether there was one. Raises `DependencyError`."""
        batch, waiting = self._replica.read(self._next_batch)
        self._progress.set_pending(waiting)
        if batch is None:
            # Epochs that others settled meanwhile leave their counts behind.
            self._refusals.clear()
            self._early.clear()
            self._paid()
            return False
        # Before a dry batch too: a settled epoch says that RootLayer knows its set, and its header may be forgotten.
        await self._announce_sets(batch.epoch)
        if _is_dry(batch.items):
            await self._record(batch, [_DRY] * len(batch.items))
            return True
        results = await self._submit(batch)
        self._paid()
        if len(results) != len(batch.items):
            raise Refused(
                "SN-V098",
                f"RootLayer answered {len(results)} results for {len(batch.items)} items of epoch {batch.epoch}",
            )
        self._wait_for_early_items(batch, results)
        await self._record(batch, results)
        return True

    async def _announce_sets(self, epoch: int) -> None:
        """Tell RootLayer of every set up to this epoch's, before the first batch that it signed."""
        found = self._replica.read(lambda ledger: unannounced(ledger, self._announced, epoch))
        if found is not None:
            await self._root_layer.follow_sets(found.changes, found.start)
            self._announced = found.changes[-1].change.version

    async def _submit(self, batch: SignedBatch) -> Sequence[ItemResult]:
        try:
            return await self._root_layer.submit_batch(batch)
        except OutOfFunds as exc:
            self._unpaid(exc)
            raise
        except Refused as exc:
            count = self._refusals.get(batch.epoch, 0) + 1
            self._refusals[batch.epoch] = count
            self._metrics.settlement_retries.add()
            if count < self._refused_attempts:
                raise
            self._log.error(
                "batch_refused_for_good",
                epoch=batch.epoch,
                code=exc.code,
                reason=exc.message,
                attempts=count,
            )
            return [ItemResult(ok=False, message=str(exc), receipt_id="")] * len(batch.items)

    def _unpaid(self, error: OutOfFunds) -> None:
        """Wait for funds: that is neither a refusal of the batch nor a standstill of this validator."""
        if self._pause.reason is None:
            self._log.error("settlement_paused", code=error.code, reason=error.message)
        self._pause.reason = error.message
        self._progress.set_pending(0)
        self._metrics.settlement_retries.add()
        self._metrics.settlement_paused.set(1)

    def _paid(self) -> None:
        if self._pause.reason is not None:
            self._log.info("settlement_resumed")
        self._pause.reason = None
        self._metrics.settlement_paused.set(0)

    def _wait_for_early_items(self, batch: SignedBatch, results: Sequence[ItemResult]) -> None:
        """Raise `Unreachable` SN-S074 for another attempt where RootLayer may take a refused item later."""
        early = [result for result in results if not result.ok and result.retryable]
        count = self._early.get(batch.epoch, 0) + 1
        if not early or count >= self._early_attempts:
            return
        self._early[batch.epoch] = count
        self._metrics.settlement_retries.add()
        raise Unreachable(
            "SN-S074",
            f"RootLayer cannot take {len(early)} of {len(results)} items of epoch {batch.epoch} yet: "
            f"{early[0].message}",
        )

    async def _record(self, batch: SignedBatch, results: Sequence[ItemResult]) -> None:
        settlements = tuple(
            ItemSettlement(ok=r.ok, message=r.message, receipt_id=r.receipt_id) for r in results
        )
        replies = await self._replica.propose(
            lambda stamp: RecordSettlement(stamp=stamp, epoch=batch.epoch, results=settlements)
        )
        self._refusals.pop(batch.epoch, None)
        self._early.pop(batch.epoch, None)
        self._patience.forget(("ask again", batch.epoch))
        if replies[0].status is ReplyStatus.REJECTED:
            settled = self._replica.read(lambda ledger: _settled(ledger, batch.epoch))
            if not settled:
                raise WrongState(replies[0].code, replies[0].message)
            # A majority reported something else meanwhile: that counts, and the ledger has noted the difference.
            return
        self._progress.touch()
        refused = sum(not result.ok for result in results)
        self._metrics.settlements.add(result="refused" if refused else "settled")
        self._log.debug(
            "batch_answered", epoch=batch.epoch, items=len(results), refused_items=refused
        )

    def _next_batch(self, ledger: Ledger) -> tuple[SignedBatch | None, int]:
        leading = self._replica.leading
        owed = [
            epoch
            for epoch in ledger.unsettled_final_epochs()
            if self._owes(ledger, epoch, leading=leading)
        ]
        if not owed:
            return None, 0
        # A follower that steps in for a silent leader is not itself late.
        waiting = len(owed) if leading else sum(bool(epoch.claims) for epoch in owed)
        # What costs nothing never waits for what RootLayer does not take yet.
        first = next((epoch for epoch in owed if _is_dry(epoch.items)), owed[0])
        return self._batch(ledger, first), waiting

    def _owes(self, ledger: Ledger, epoch: EpochState, *, leading: bool) -> bool:
        me, number = self._replica.validator_id, epoch.epoch
        said = {name: _taken(claim) for name, claim in epoch.claims.items()}
        if me in said:
            # RootLayer may take later what it refused at first, so a difference is asked about again.
            differs = any(other != said[me] for other in said.values())
            return differs and self._patience.over(("ask again", number), _TAKE_OVER_SECONDS)
        if ledger.parameters.validator(me) is None:
            # Its word would not count: it has not joined yet, or is removed.
            return False
        if leading:
            return True
        before = place(me, [member.id for member in ledger.members()], tuple(said), number)
        if not said:
            seconds = _TAKE_OVER_SECONDS + before * _STEP_SECONDS
            return self._patience.over(("take over", number), seconds)
        agreeing = Counter(said.values()).most_common(1)[0][1]
        spare = before - (ledger.quorum.raft_majority - agreeing) + 1
        return self._patience.over(("confirm", number), max(0, spare) * _STEP_SECONDS)

    def _batch(self, ledger: Ledger, epoch: EpochState) -> SignedBatch:
        members = ledger.parameters_at(epoch.epoch).validators
        signatures = ledger.signatures(epoch.epoch)
        indexes = [members.index(member) for member, _ in signatures]
        return SignedBatch(
            subnet_id=ledger.parameters.subnet_id,
            epoch=epoch.epoch,
            root_hash=epoch.root_hash,
            aggregator_id=self._replica.validator_id,
            completed_at=(epoch.final_at_ms or epoch.sealed_at_ms) // 1000,
            signatures=tuple(
                (s.signer or member.address, s.batch_signature) for member, s in signatures
            ),
            signer_bitmap=signer_bitmap(indexes, len(members)),
            total_weight=sum(member.weight for member, _ in signatures),
            items=epoch.items,
            items_hash=epoch.items_hash,
        )


def _is_dry(items: Sequence[BatchItem]) -> bool:
    """Say whether RootLayer has nothing to do with a batch: canaries are sealed in batches of their own."""
    return all(is_canary(item.intent_id) for item in items)


def _taken(results: Sequence[ItemSettlement]) -> tuple[bool, ...]:
    return tuple(result.ok for result in results)


def _settled(ledger: Ledger, number: int) -> bool:
    epoch = ledger.epoch(number)
    return epoch is None or epoch.settled_at_ms is not None
