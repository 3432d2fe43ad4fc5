"""The HTTP side of a validator: the report endpoint of agents without gRPC, status, and everything behind `explain`.

Reports go through the same pipeline as over gRPC (known defect A7); health and metrics are the process's own routes.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.validator.documents import Document
from pinai_subnet.validator.incoming import Sender, incoming_from
from pinai_subnet.validator.queries import Queries, limited
from pinai_subnet.validator.reception import Reception
from pinai_subnet.validator.status import StatusReport
from pinai_subnet.wire.authentication import Forms, RequestVerifier
from pinai_subnet.wire.pb.subnet import execution_report_pb2

REPORT_PATH = "/api/v1/execution-report"

_Status = execution_report_pb2.ExecutionReport.Status
_STATUS_WORDS = {
    "": _Status.SUCCESS,
    "success": _Status.SUCCESS,
    "ok": _Status.SUCCESS,
    "accepted": _Status.SUCCESS,
    "failed": _Status.FAILED,
    "error": _Status.FAILED,
    "rejected": _Status.FAILED,
    "partial": _Status.PARTIAL,
    "unspecified": _Status.STATUS_UNSPECIFIED,
    "status_unspecified": _Status.STATUS_UNSPECIFIED,
}


class ErrorBody(BaseModel):
    """Why the execution failed."""

    model_config = ConfigDict(extra="ignore")

    code: str = Field(default="", max_length=256)
    message: str = Field(default="", max_length=4096)


class ReportBody(BaseModel):
    """A report as agents send it over HTTP; unknown keys such as `metadata` are ignored (interop row 22)."""

    model_config = ConfigDict(extra="ignore")

    report_id: str = Field(min_length=1, max_length=256)
    assignment_id: str = Field(min_length=1, max_length=128)
    intent_id: str = Field(min_length=1, max_length=128)
    agent_id: str = Field(min_length=1, max_length=128)
    status: str = ""
    """success, ok, accepted or empty; failed, error, rejected; partial; unspecified. Any case."""
    result_data: str = ""
    """Base64; what is not base64 is taken as text."""
    timestamp: int = 0
    """Unix seconds; 0 means now."""
    error: ErrorBody | None = None

    def message(self, now: float) -> execution_report_pb2.ExecutionReport:
        """Return the report as it would have come over gRPC."""
        status = _STATUS_WORDS.get(self.status.strip().lower())
        if status is None:
            words = ", ".join(word for word in _STATUS_WORDS if word)
            raise InvalidInput("SN-V080", f"status: {self.status[:40]!r}; expected one of {words}")
        if not -(1 << 63) <= self.timestamp < 1 << 63:
            raise InvalidInput("SN-V080", f"timestamp: {self.timestamp} is not unix seconds")
        message = execution_report_pb2.ExecutionReport(
            report_id=self.report_id,
            assignment_id=self.assignment_id,
            intent_id=self.intent_id,
            agent_id=self.agent_id,
            status=status,
            result_data=_result_bytes(self.result_data),
            timestamp=self.timestamp or int(now),
        )
        if self.error is not None:
            message.error.code, message.error.message = self.error.code, self.error.message
        return message


class ReceiptBody(BaseModel):
    """The answer to a report; also a refused one is answered with 200."""

    report_id: str
    intent_id: str
    validator_id: str
    status: str
    received_ts: int
    phase: str
    message: str | None = None
    code: str | None = None


def add_routes(
    app: FastAPI,
    *,
    reception: Reception,
    queries: Queries,
    status: StatusReport,
    verifier: RequestVerifier,
    clock: Clock,
) -> None:
    """Add the validator's routes to its application."""
    app.include_router(_report_router(reception, verifier, clock))
    app.include_router(_query_router(queries, status))


def _report_router(reception: Reception, verifier: RequestVerifier, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["reports"])

    @router.post(REPORT_PATH, response_model_exclude_none=True)
    async def submit_report(request: Request, body: ReportBody) -> ReceiptBody:
        """Take one execution report."""
        signed = await request.json()
        signer = verifier.verify(_headers(request), f"POST {REPORT_PATH}", lambda: _forms(signed))
        peer = request.client.host if request.client else "unknown"
        receipt = await reception.receive(
            incoming_from(body.message(clock.now()), signer), Sender(signer=signer, peer=peer)
        )
        return ReceiptBody(
            report_id=receipt.report_id,
            intent_id=receipt.intent_id,
            validator_id=receipt.validator_id,
            status=receipt.status,
            received_ts=receipt.received_at,
            phase=receipt.phase,
            message=receipt.message or None,
            code=receipt.code or None,
        )

    return router


def _query_router(queries: Queries, status: StatusReport) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["queries"])

    @router.get("/status")
    async def show_status() -> Document:
        """Replication, quorums, epochs, backlog and digests of this validator."""
        return status.document()

    @router.get("/intents/{intent_id}")
    async def show_intent(intent_id: str) -> Document:
        """Every attempt of an intent: report, verdicts, epoch, signatures, settlement, times."""
        return await queries.intent(intent_id)

    @router.get("/epochs/{epoch}")
    async def show_epoch(epoch: int) -> Document:
        """Return one epoch with all that is needed to recompute its digests and check its signatures."""
        return await queries.epoch(epoch)

    @router.get("/reports/{report_id}")
    async def show_report(report_id: str) -> Document:
        """Return a report by either id, with its result so that the result hash can be recomputed."""
        found = await queries.report(report_id)
        report = dict(found.document["report"])
        report["result_data"] = (
            base64.b64encode(found.report.result_data).decode() if found.has_result else None
        )
        return {
            "intent_id": found.document["intent_id"],
            "assignment_id": found.document["assignment_id"],
            "stage": found.document["stage"],
            "report": report,
            "verdicts": found.document["verdicts"],
        }

    @router.get("/reports")
    async def list_reports(
        intent_id: str = "", agent_id: str = "", limit: int = Query(default=100, ge=0, le=1000)
    ) -> Document:
        """Return the newest reported assignments that fit the filters, with their verdicts."""
        documents = await queries.judged(
            intent_id=intent_id, agent_id=agent_id, limit=limited(limit)
        )
        return {"reports": documents}

    @router.get("/double-signs")
    async def list_double_signs() -> Document:
        """Return the proofs of double signing, each checkable by anyone."""
        return {"double_signs": queries.double_sign_documents()}

    return router


def _headers(request: Request) -> Mapping[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _forms(body: Any) -> Forms:
    """Return what a caller signs over HTTP: the JSON object as it was sent, in either form."""
    signed = body if isinstance(body, dict) else {}
    return Forms(python=signed, go=lambda: signed)


def _result_bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", errors="replace")
