"""Questions about intents, reports, epochs and validators, answered from the ledger and from the archive."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

from pinai_subnet.protocol.checkpoints import parent_hash
from pinai_subnet.protocol.errors import InvalidInput, NotFound
from pinai_subnet.protocol.ids import IntentId, ValidatorId, bytes32_hex, parse_bytes32
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.protocol.quorum import Quorum
from pinai_subnet.protocol.reports import ExecutionReport
from pinai_subnet.validator.archive import Archive, ArchivedReport
from pinai_subnet.validator.checkpoint_messages import checkpoint_message, signature_messages
from pinai_subnet.validator.documents import (
    Document,
    assignment_document,
    double_sign_document,
    epoch_document,
)
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.records import AssignmentState, DoubleSign, EpochState
from pinai_subnet.validator.replica import Replica
from pinai_subnet.wire.codec.checkpoints import encode_signature
from pinai_subnet.wire.codec.reports import decode_report
from pinai_subnet.wire.pb.subnet import checkpoint_pb2, execution_report_pb2

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100
MAX_LISTING_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundReport:
    """One report with what is known about it. Without its result where this validator never had or no longer has it."""

    report: ExecutionReport
    document: Document
    has_result: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorActivity:
    """What one validator has done, as the ledger shows it."""

    validator_id: str
    reports_verified: int
    epochs_signed: int
    epochs_sealed: int
    last_active_ms: int

    @property
    def signed_percentage(self) -> float:
        """Return the share of the remembered epochs that carry its signature; 100 while there is none."""
        return 100.0 * self.epochs_signed / self.epochs_sealed if self.epochs_sealed else 100.0


def limited(limit: int) -> int:
    """Return how many entries to give for a requested limit; 0 means the default (wire-contract 1.5)."""
    return min(limit or DEFAULT_LIMIT, MAX_LIMIT)


class Queries:
    """Reads only. Lists come from the archive after it has caught up, single things from the ledger first."""

    def __init__(
        self, *, replica: Replica, archive: Archive, catch_up: Callable[[], Awaitable[None]]
    ) -> None:
        """`catch_up` brings the archive to the state of the ledger."""
        self._replica = replica
        self._archive = archive
        self._catch_up = catch_up

    async def intent(self, intent_id: str) -> Document:
        """Return every attempt of an intent with report, verdicts, epoch, signatures and settlement; or `NotFound`."""
        wanted = IntentId(parse_bytes32(intent_id, "intent_id"))
        live: list[Document] = self._replica.read(
            lambda ledger: [assignment_document(state) for state in ledger.assignments_of(wanted)]
        )
        known = {document["assignment_id"] for document in live}
        archived = [
            d for d in await self._archive.attempts(wanted) if d["assignment_id"] not in known
        ]
        attempts = sorted((*archived, *live), key=lambda document: int(document["attempt"]))
        if not attempts:
            raise NotFound("SN-V089", f"no assignment of intent {wanted} is known here")
        for document in attempts:
            await self._complete(document)
        return {"intent_id": wanted, "attempts": attempts}

    async def _complete(self, document: Document) -> None:
        """Add the epoch's part and the result's size, which live elsewhere."""
        report = document["report"]
        if report is not None and report["result_bytes"] is None:
            await self._catch_up()
            kept = await self._archive.report_of(document["assignment_id"])
            if kept is not None:
                report["result_bytes"] = kept.document["report"]["result_bytes"]
        document["settlement"] = None
        if document["epoch"] is None:
            return
        epoch = await self.epoch(document["epoch"])
        place = next(
            i
            for i, item in enumerate(epoch["items"])
            if item["assignment_id"] == document["assignment_id"]
        )
        document["settlement"] = {
            "epoch": epoch["epoch"],
            "item": place,
            "sealed_by": epoch["sealed_by"],
            "sealed_at_ms": epoch["sealed_at_ms"],
            "final_at_ms": epoch["final_at_ms"],
            "settled_at_ms": epoch["settled_at_ms"],
            "required_signatures": epoch["required_signatures"],
            "signatures": epoch["signatures"],
            "result": epoch["results"][place] if epoch["results"] else None,
        }

    def parameters(self) -> NetworkParameters:
        """Return what the network agrees on now."""
        return self._replica.read(lambda ledger: ledger.parameters)

    def quorum(self) -> Quorum:
        """Return both quorums of the set that counts now."""
        return self._replica.read(lambda ledger: ledger.quorum)

    async def epoch(self, number: int) -> Document:
        """Return one epoch with all that is needed to recompute it; raise `NotFound` SN-V089."""
        live = self._replica.read(lambda ledger: _epoch_document(ledger, ledger.epoch(number)))
        if live is not None:
            return live
        found = await self._archive.epoch(number)
        if found is None:
            raise NotFound("SN-V089", f"epoch {number} is not known here")
        return found[0]

    async def checkpoint(self, query: int | bytes | None) -> checkpoint_pb2.CheckpointHeader:
        """Return a checkpoint by epoch, by hash (parent-hash form or header hash) or, for None, the newest one."""

        def live(ledger: Ledger) -> checkpoint_pb2.CheckpointHeader | None:
            epoch = _find_epoch(ledger, query)
            return (
                None
                if epoch is None
                else checkpoint_message(epoch, ledger.parameters_at(epoch.epoch))
            )

        message = self._replica.read(live)
        if message is not None:
            return message
        found = await self._archived_epoch(query)
        return checkpoint_pb2.CheckpointHeader.FromString(found[1])

    async def signatures(self, query: int | bytes | None) -> list[checkpoint_pb2.Signature]:
        """Return the counted header signatures of a checkpoint; raise `NotFound` SN-V089 for an unknown one."""

        def live(ledger: Ledger) -> list[checkpoint_pb2.Signature] | None:
            epoch = _find_epoch(ledger, query)
            return (
                None
                if epoch is None
                else signature_messages(epoch, ledger.parameters_at(epoch.epoch))
            )

        messages = self._replica.read(live)
        if messages is not None:
            return messages
        document, _ = await self._archived_epoch(query)
        return [
            encode_signature(
                signature=_unhexed(one["header_signature"]),
                public_key=_unhexed(one["public_key"]),
                header_digest=_unhexed(document["header_hash"]),
                signer_id=one["validator_id"],
            )
            for one in document["signatures"]
        ]

    async def _archived_epoch(self, query: int | bytes | None) -> tuple[Document, bytes]:
        found = None
        if isinstance(query, bytes):
            found = await self._archive.checkpoint(bytes32_hex(query))
        elif query is not None:
            found = await self._archive.epoch(query)
        if found is None:
            named = "newest checkpoint" if query is None else f"checkpoint {_named(query)}"
            raise NotFound("SN-V089", f"{named} is not known here")
        return found

    async def report(self, report_id: str) -> FoundReport:
        """Return a report by the computed id or the caller's own; raise `InvalidInput` or `NotFound`."""
        if not report_id:
            raise InvalidInput("SN-V090", "report_id: empty")

        def live(ledger: Ledger) -> FoundReport | None:
            state = ledger.find_report(report_id)
            return None if state is None else _live_report(state)

        found = self._replica.read(live)
        if found is not None and found.has_result:
            return found
        await self._catch_up()
        if found is None:
            kept = await self._archive.report(report_id)
        else:
            kept = await self._archive.report_of(found.report.assignment_id)
        if kept is not None and kept.report is not None:
            return _archived_report(kept, _decoded(kept.report), found)
        if found is not None:
            return found
        raise NotFound("SN-V089", f"report {report_id[:300]!r} is not known here")

    async def reports(
        self, *, intent_id: str = "", limit: int = 0
    ) -> tuple[list[FoundReport], int]:
        """Return the newest reports of an intent, or of all, and how many there are; large ones end the list early."""
        await self._catch_up()
        rows, total = await self._archive.reports(
            intent_id=intent_id.lower(), limit=limited(limit), max_bytes=MAX_LISTING_BYTES
        )
        return [
            _archived_report(row, _decoded(row.report), None) for row in rows if row.report
        ], total

    async def judged(
        self, *, intent_id: str = "", agent_id: str = "", limit: int = 0
    ) -> list[Document]:
        """Return the newest reported assignments that fit the filters, each with its verdicts."""
        await self._catch_up()
        rows, _ = await self._archive.reports(
            intent_id=intent_id.lower(), agent_id=agent_id, limit=limited(limit)
        )
        return [row.document for row in rows]

    def double_signs(
        self, *, validator_id: str = "", epoch: int = 0, limit: int = 0
    ) -> list[DoubleSign]:
        """Return the proofs of double signing that fit the filters; an empty text and 0 fit everything."""
        found = self._replica.read(lambda ledger: ledger.double_signs())
        fitting = [
            one
            for one in found
            if validator_id in ("", one.validator_id) and epoch in (0, one.epoch)
        ]
        return fitting[: limited(limit)]

    def double_sign_documents(self) -> list[Document]:
        """Return all proofs of double signing."""
        return [double_sign_document(one) for one in self.double_signs(limit=MAX_LIMIT)]

    def activity(self, validator_id: str) -> ValidatorActivity:
        """Return what a validator has done, over what the ledger remembers; raise `NotFound` SN-V089."""

        def read(ledger: Ledger) -> ValidatorActivity | None:
            member = ledger.parameters.validator(validator_id)
            return None if member is None else _activity(ledger, member.id)

        found = self._replica.read(read)
        if found is None:
            raise NotFound("SN-V089", f"{validator_id[:128]!r} is not a validator of this network")
        return found


def _activity(ledger: Ledger, validator_id: ValidatorId) -> ValidatorActivity:
    times = [
        state.verdict_times[validator_id]
        for state in ledger.assignments()
        if validator_id in state.verdict_times
    ]
    signed = [epoch.signatures.get(validator_id) for epoch in ledger.epochs()]
    moments = [*times, *(signature.at_ms for signature in signed if signature is not None)]
    return ValidatorActivity(
        validator_id=validator_id,
        reports_verified=len(times),
        epochs_signed=sum(signature is not None for signature in signed),
        epochs_sealed=len(signed),
        last_active_ms=max(moments, default=0),
    )


def _find_epoch(ledger: Ledger, query: int | bytes | None) -> EpochState | None:
    if query is None:
        return ledger.latest_epoch()
    if isinstance(query, int):
        return ledger.epoch(query)
    by_header = ledger.epoch_by_header(query)
    return by_header or next(_by_parent_form(ledger, query), None)


def _by_parent_form(ledger: Ledger, cp_hash: bytes) -> Iterator[EpochState]:
    """Yield the epoch whose header, hashed once more as the next header's parent, is this."""
    for epoch in ledger.epochs():
        if epoch.header.parent_hash == cp_hash:
            previous = ledger.epoch(epoch.epoch - 1)
            if previous is not None:
                yield previous
    latest = ledger.latest_epoch()
    if latest is not None and _parent_form(latest) == cp_hash:
        yield latest


def _parent_form(epoch: EpochState) -> bytes:
    return parent_hash(epoch.header_hash)


def _epoch_document(ledger: Ledger, epoch: EpochState | None) -> Document | None:
    return None if epoch is None else epoch_document(epoch, ledger.parameters_at(epoch.epoch))


def _live_report(state: AssignmentState) -> FoundReport | None:
    if state.report is None:
        return None
    return FoundReport(
        report=state.report,
        document=assignment_document(state),
        has_result=bool(state.report.result_data) or not state.stage.ended,
    )


def _archived_report(
    kept: ArchivedReport, report: ExecutionReport, live: FoundReport | None
) -> FoundReport:
    document = kept.document if live is None else live.document
    document["report"]["result_bytes"] = len(report.result_data)
    signer = document["report"]["signer"]
    return FoundReport(report=replace(report, signer=signer), document=document, has_result=True)


def _decoded(data: bytes | None) -> ExecutionReport:
    message = execution_report_pb2.ExecutionReport.FromString(data or b"")
    return decode_report(message, signer=None)


def _unhexed(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _named(query: int | bytes) -> str:
    return f"0x{query.hex()}" if isinstance(query, bytes) else str(query)
