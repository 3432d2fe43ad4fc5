"""Taking a backup of the running network from this validator: a mark, and what the others sign. Writes no file."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256

import msgspec

from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.ports.signer import Signer
from pinai_subnet.ports.statements import Statement, Statements
from pinai_subnet.protocol.errors import Exhausted, NotReady
from pinai_subnet.protocol.network import NetworkParameters, ValidatorIdentity
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.validator.backup_file import (
    FORMAT,
    Backup,
    BackupHeader,
    counts,
    signatures_of,
    statement_digest,
)
from pinai_subnet.validator.commands import Mark, Stamp
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.marks import Marks, StateMark
from pinai_subnet.validator.replica import Replica
from pinai_subnet.validator.snapshot_codec import encode_snapshot

_ASK_EVERY_SECONDS = 0.05
_ASK_SECONDS = 5.0


class Backups:
    """One backup at a time: the state at a mark that every validator applies, signed by those that reached the same."""

    def __init__(
        self,
        *,
        replica: Replica,
        marks: Marks,
        cluster_id: str,
        signer: Signer,
        statements: Statements,
        version: str,
        clock: Clock,
    ) -> None:
        """`statements` asks the other validators."""
        self._replica = replica
        self._marks = marks
        self._cluster_id = cluster_id
        self._signer = signer
        self._statements = statements
        self._version = version
        self._clock = clock
        self._busy = False

    async def take(self) -> Backup:
        """Return a backup of everything acknowledged before the call.

        Raises `Exhausted` SN-R073 while another one is being taken and `NotReady` without a quorum.
        """
        if self._busy:
            raise Exhausted("SN-R073", "another backup is being taken; try again in a moment")
        self._busy = True
        try:
            return await self._take()
        finally:
            self._busy = False

    async def _take(self) -> Backup:
        def mark(stamp: Stamp) -> Mark:
            self._marks.want(stamp.request_id)
            return Mark(stamp=stamp)

        try:
            await self._replica.propose(mark)
        finally:
            kept = self._marks.take()
        if kept is None:
            raise NotReady("SN-R074", "the mark of the backup was not applied here; try again")
        found, state = kept
        parameters = self.parameters()
        statements = await self._collect(found, parameters)
        header = BackupHeader(
            format=FORMAT,
            software=self._version,
            taken_at_ms=int(self._clock.now() * 1000),
            taken_by=self._replica.validator_id,
            subnet_id=parameters.subnet_id,
            cluster_id=self._cluster_id,
            index=found.index,
            term=self._replica.status().term,
            history_digest=found.history_digest,
            content_digest=found.content_digest,
            size=found.size,
            parameters=_plain(parameters),
            signatures=signatures_of(statements),
        )
        get_logger().info(
            "backup_taken", index=found.index, bytes=found.size, signers=len(statements)
        )
        return Backup(header=header, state=state)

    def parameters(self) -> NetworkParameters:
        """Return what the network agrees on now, with the present validators."""
        return self._replica.read(lambda ledger: ledger.parameters)

    def statement(self, index: int) -> Statement | None:
        """Return this validator's signed word about a log position; None if it took no note of that one."""
        mark = self._marks.at(index)
        return None if mark is None else self._signed(mark)

    def _signed(self, mark: StateMark) -> Statement:
        digest = statement_digest(
            self.parameters().subnet_id,
            index=mark.index,
            history_digest=mark.history_digest,
            content_digest=mark.content_digest,
        )
        return Statement(
            validator_id=self._replica.validator_id,
            index=mark.index,
            history_digest=mark.history_digest,
            content_digest=mark.content_digest,
            signature=self._signer.sign(digest),
        )

    async def _collect(self, mark: StateMark, parameters: NetworkParameters) -> Sequence[Statement]:
        """Return the statements that agree with ours, in the order of the set; who is away or differs is left out."""
        me = self._replica.validator_id
        answers = await asyncio.gather(
            *(self._ask(member, mark.index) for member in parameters.validators if member.id != me)
        )
        mine = self._signed(mark)
        agreed = [mine]
        for answer in answers:
            if answer is None or not counts(answer, parameters):
                continue
            same = (answer.index, answer.history_digest, answer.content_digest)
            if same == (mine.index, mine.history_digest, mine.content_digest):
                agreed.append(answer)
            else:
                get_logger().error(
                    "state_differs", code="SN-R075", validator=answer.validator_id, index=mark.index
                )
        order = [member.id for member in parameters.validators]
        return sorted(agreed, key=lambda one: order.index(one.validator_id))  # type: ignore[arg-type]

    async def _ask(self, member: ValidatorIdentity, index: int) -> Statement | None:
        """Ask one validator until it has reached the mark, for a bounded time."""
        deadline = self._clock.monotonic() + _ASK_SECONDS
        while True:
            try:
                answer = await self._statements.ask(member.http_endpoint, index)
            except DependencyError as error:
                get_logger().warning(
                    "backup_not_signed", validator=member.id, code=error.code, reason=error.message
                )
                return None
            if answer is not None or self._clock.monotonic() > deadline:
                return answer if answer is None or answer.validator_id == member.id else None
            await self._clock.sleep(_ASK_EVERY_SECONDS)


def unsigned_backup(ledger: Ledger, *, term: int, version: str, taken_at_ms: int) -> Backup:
    """Return a backup of a ledger that nobody vouches for: what a recovery found, for restoring elsewhere."""
    state, parameters = encode_snapshot(ledger), ledger.parameters
    header = BackupHeader(
        format=FORMAT,
        software=version,
        taken_at_ms=taken_at_ms,
        taken_by="recovery",
        subnet_id=parameters.subnet_id,
        cluster_id=parameters.subnet_id,
        index=ledger.index,
        term=term,
        history_digest=ledger.state_digest(),
        content_digest=sha256(state).digest(),
        size=len(state),
        parameters=_plain(parameters),
        signatures=(),
    )
    return Backup(header=header, state=state)


def _plain(parameters: NetworkParameters) -> dict[str, object]:
    """Return the parameters as plain data for the header."""
    return dict(msgspec.to_builtins(parameters))
