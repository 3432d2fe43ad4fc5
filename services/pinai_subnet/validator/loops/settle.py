"""Settle: the leader hands final epochs to RootLayer, in order, until each has an answer in the log.

The log is the outbox: what is final and not settled is what must still be sent, whoever leads. A new leader may send an
epoch again; RootLayer takes it once (wire-contract 2.3), so the effect is exactly once (known defects L2, L16, C11).
"""

from collections.abc import Sequence

from pinai_subnet.ports.errors import Refused
from pinai_subnet.ports.root_layer import ItemResult, RootLayer, SignedBatch
from pinai_subnet.protocol.errors import WrongState
from pinai_subnet.protocol.quorum import signer_bitmap
from pinai_subnet.runtime.health import Progress
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.validator.applied import ReplyStatus
from pinai_subnet.validator.commands import ItemSettlement, RecordSettlement
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.replica import Replica


class SettleEpochs:
    """Sends one final epoch at a time and records RootLayer's answer."""

    def __init__(
        self,
        *,
        replica: Replica,
        root_layer: RootLayer,
        refused_attempts: int,
        progress: Progress,
        metrics: ValidatorMetrics,
    ) -> None:
        """A batch that RootLayer refuses as a whole this often ends as refused, with RootLayer's words."""
        self._replica = replica
        self._root_layer = root_layer
        self._refused_attempts = refused_attempts
        self._progress = progress
        self._metrics = metrics
        self._refusals: dict[int, int] = {}
        self._log = get_logger()

    async def work(self) -> bool:
        """Settle the earliest final epoch; return whether there was one. Raises `DependencyError` to be retried."""
        if not self._replica.leading:
            self._refusals.clear()
            self._progress.set_pending(0)
            return False
        batch, waiting = self._replica.read(self._next_batch)
        self._progress.set_pending(waiting)
        if batch is None:
            return False
        results = await self._submit(batch)
        if len(results) != len(batch.items):
            raise Refused(
                "SN-V098",
                f"RootLayer answered {len(results)} results for {len(batch.items)} items of epoch {batch.epoch}",
            )
        await self._record(batch, results)
        return True

    async def _submit(self, batch: SignedBatch) -> Sequence[ItemResult]:
        try:
            return await self._root_layer.submit_batch(batch)
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

    async def _record(self, batch: SignedBatch, results: Sequence[ItemResult]) -> None:
        settlements = tuple(
            ItemSettlement(ok=r.ok, message=r.message, receipt_id=r.receipt_id) for r in results
        )
        replies = await self._replica.propose(
            lambda stamp: RecordSettlement(stamp=stamp, epoch=batch.epoch, results=settlements)
        )
        self._refusals.pop(batch.epoch, None)
        if replies[0].status is ReplyStatus.REJECTED:
            settled = self._replica.read(lambda ledger: _settled(ledger, batch.epoch))
            if not settled:
                raise WrongState(replies[0].code, replies[0].message)
            # Another leader recorded RootLayer's first answer: that one counts.
            return
        self._progress.touch()
        refused = sum(not result.ok for result in results)
        self._metrics.settlements.add(result="refused" if refused else "settled")
        self._log.info(
            "batch_settled", epoch=batch.epoch, items=len(results), refused_items=refused
        )

    def _next_batch(self, ledger: Ledger) -> tuple[SignedBatch | None, int]:
        waiting = ledger.unsettled_final_epochs()
        if not waiting:
            return None, 0
        epoch = waiting[0]
        members = ledger.members()
        signatures = ledger.signatures(epoch.epoch)
        indexes = [members.index(member) for member, _ in signatures]
        batch = SignedBatch(
            subnet_id=ledger.parameters.subnet_id,
            epoch=epoch.epoch,
            root_hash=epoch.root_hash,
            aggregator_id=self._replica.validator_id,
            completed_at=(epoch.final_at_ms or epoch.sealed_at_ms) // 1000,
            signatures=tuple((member.address, s.batch_signature) for member, s in signatures),
            signer_bitmap=signer_bitmap(indexes, len(members)),
            total_weight=sum(member.weight for member, _ in signatures),
            items=epoch.items,
            items_hash=epoch.items_hash,
        )
        return batch, len(waiting)


def _settled(ledger: Ledger, number: int) -> bool:
    epoch = ledger.epoch(number)
    return epoch is None or epoch.settled_at_ms is not None
