"""Seal: the leader fixes the next epoch's content and order as soon as something is verified.

A follower seals only what has waited long: the ledger checks every seal alike, so a leader that seals nothing, or only
nonsense, holds nothing up for good.
"""

from collections.abc import Sequence

from pinai_subnet.protocol.canaries import is_canary
from pinai_subnet.protocol.reports import ReportKey
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.validator.applied import ReplyStatus
from pinai_subnet.validator.commands import Seal
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.loops.rota import Patience, place
from pinai_subnet.validator.replica import Replica

_TAKE_OVER_SECONDS = 10.0
_STEP_SECONDS = 2.0


class SealEpochs:
    """Seals adaptively: at once when idle; with epochs open, what is verified gathers for the next one."""

    def __init__(
        self,
        *,
        replica: Replica,
        clock: Clock,
        max_items: int,
        max_open_epochs: int,
        min_interval_seconds: float,
    ) -> None:
        """At most `max_open_epochs` wait for signatures at a time, and seals keep `min_interval_seconds` apart."""
        self._replica = replica
        self._clock = clock
        self._max_items = max_items
        self._max_open_epochs = max_open_epochs
        self._min_interval_seconds = min_interval_seconds
        self._sealed_at = float("-inf")
        self._patience = Patience(clock=clock)
        self._log = get_logger()

    async def work(self) -> bool:
        """Seal one epoch if there is something to seal; return whether it was sealed."""
        epoch, keys, open_epochs = self._replica.read(self._sealable)
        if not keys or open_epochs >= self._max_open_epochs:
            return False
        if not self._replica.leading and not self._leader_is_silent(epoch, keys[0]):
            return False
        wait = self._sealed_at + self._min_interval_seconds - self._clock.monotonic()
        if wait > 0:
            await self._clock.sleep(wait)
            return True
        self._sealed_at = self._clock.monotonic()
        replies = await self._replica.propose(
            lambda stamp: Seal(
                stamp=stamp, epoch=epoch, keys=tuple(keys), timestamp=stamp.at_ms // 1000
            )
        )
        if replies[0].status is ReplyStatus.REJECTED:
            # Another leader sealed meanwhile: expected around an election, the next turn sees its epoch.
            self._log.debug("seal_refused", epoch=epoch, code=replies[0].code)
            return False
        self._log.debug("epoch_sealed", epoch=epoch, items=len(keys))
        return True

    def _leader_is_silent(self, epoch: int, oldest: ReportKey) -> bool:
        members = self._replica.read(lambda ledger: [member.id for member in ledger.members()])
        if self._replica.validator_id not in members:
            # A member to be, or one that was: its seal would not count.
            return False
        before = place(self._replica.validator_id, members, (), epoch)
        return self._patience.over(oldest, _TAKE_OVER_SECONDS + before * _STEP_SECONDS)

    def _sealable(self, ledger: Ledger) -> tuple[int, list[ReportKey], int]:
        keys = _of_one_kind(ledger, ledger.sealable(self._max_items))
        return ledger.next_epoch, keys, ledger.open_epoch_count()


def _of_one_kind(ledger: Ledger, keys: Sequence[ReportKey]) -> list[ReportKey]:
    """Return the keys that go with the oldest one: canaries, which RootLayer never gets, have epochs of their own."""
    found = [(key, state) for key in keys if (state := ledger.assignment(key.assignment_id))]
    kinds = [(key, is_canary(state.record.assignment.intent_id)) for key, state in found]
    return [key for key, canary in kinds if canary == kinds[0][1]]
