"""Sign: this validator recomputes every sealed epoch, writes what it is about to sign to its record, and signs."""

import asyncio
from typing import NamedTuple

from pinai_subnet.ports.errors import Refused
from pinai_subnet.ports.signer import Signer
from pinai_subnet.ports.signing_record import SigningIntent, SigningRecord
from pinai_subnet.protocol.errors import SubnetError, WrongState
from pinai_subnet.runtime.health import Progress
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.validator.applied import ReplyStatus
from pinai_subnet.validator.commands import RecordSignature
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.metrics import ValidatorMetrics
from pinai_subnet.validator.recomputation import disagreement
from pinai_subnet.validator.replica import Replica

_MAX_REFUSED = 256


class _Sealed(NamedTuple):
    intent: SigningIntent
    problem: str | None


class SignEpochs:
    """Signs each epoch once. The order is fixed: recompute, remember durably, sign, publish (known defect C1)."""

    def __init__(
        self,
        *,
        replica: Replica,
        signer: Signer,
        record: SigningRecord,
        progress: Progress,
        metrics: ValidatorMetrics,
    ) -> None:
        """`record` is this validator's sign-once store."""
        self._replica = replica
        self._signer = signer
        self._record = record
        self._progress = progress
        self._metrics = metrics
        self._caught_up = False
        self._refused: dict[int, str] = {}
        self._log = get_logger()

    async def work(self) -> bool:
        """Sign every epoch that waits for this validator; return whether more may wait."""
        if not self._caught_up:
            # After a restore or with an empty directory, only the network knows what this key has signed.
            await self._replica.current()
            self._caught_up = True
        sealed, seen = self._replica.read(self._sealed)
        self._progress.set_pending(len(sealed))
        if seen > self._record.highest_epoch:
            self._log.warning(
                "signing_record_behind", highest=self._record.highest_epoch, seen=seen
            )
            await asyncio.to_thread(self._record.raise_to, seen)
        if not sealed:
            return False
        self._replica.require_part()
        intents = [one.intent for one in sealed if self._agreed(one)]
        remembered = [intent for intent in intents if await self._remember(intent)]
        await asyncio.gather(*(self._sign(intent) for intent in remembered))
        return bool(remembered)

    def _agreed(self, sealed: _Sealed) -> bool:
        if sealed.problem is None:
            return True
        self._refuse(sealed.intent.epoch, "SN-V095", sealed.problem)
        return False

    async def _remember(self, intent: SigningIntent) -> bool:
        try:
            await asyncio.to_thread(self._record.remember, [intent])
        except Refused as exc:
            self._refuse(intent.epoch, exc.code, exc.message)
            return False
        return True

    async def _sign(self, intent: SigningIntent) -> None:
        batch_signature = self._signer.sign_eip191(intent.batch_digest)
        header_signature = self._signer.sign(intent.header_hash)
        replies = await self._replica.propose(
            lambda stamp: RecordSignature(
                stamp=stamp,
                epoch=intent.epoch,
                batch_digest=intent.batch_digest,
                batch_signature=batch_signature,
                header_hash=intent.header_hash,
                header_signature=header_signature,
            )
        )
        if replies[0].status is ReplyStatus.REJECTED:
            raise WrongState(replies[0].code, replies[0].message)
        self._progress.touch()
        self._metrics.signatures.add()

    def _refuse(self, epoch: int, code: str, reason: str) -> None:
        self._refused[epoch] = code
        while len(self._refused) > _MAX_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._metrics.signing_refusals.add(code=code)
        level = self._log.warning if code == "SN-K102" else self._log.error
        level("epoch_not_signed", epoch=epoch, code=code, reason=reason)

    def _sealed(self, ledger: Ledger) -> tuple[list[_Sealed], int]:
        me = self._replica.validator_id
        waiting = [
            _Sealed(
                SigningIntent(
                    epoch=epoch.epoch,
                    batch_digest=epoch.batch_digest,
                    header_hash=epoch.header_hash,
                ),
                _problem(ledger, epoch.epoch),
            )
            for epoch in ledger.unsigned_epochs(me)
            if epoch.epoch not in self._refused
        ]
        seen = next((epoch.epoch for epoch in ledger.epochs() if me in epoch.signatures), -1)
        return waiting, seen


def _problem(ledger: Ledger, number: int) -> str | None:
    epoch = ledger.epoch(number)
    if epoch is None:
        return f"epoch {number} is not in the ledger"
    try:
        return disagreement(ledger, epoch)
    except SubnetError as exc:
        return str(exc)
