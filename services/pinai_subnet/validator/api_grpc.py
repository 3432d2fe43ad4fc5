"""The published gRPC services of a validator: decode, ask the service, encode. No rule lives here.

An empty or hostile message is answered with a coded status and never stops the process (known defect A2).
"""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from pinai_subnet.protocol.checkpoints import header_hash, parent_hash
from pinai_subnet.protocol.errors import Forbidden, InvalidInput, NotFound
from pinai_subnet.protocol.network import NetworkParameters, ValidatorIdentity
from pinai_subnet.protocol.signatures import recover
from pinai_subnet.validator.api_messages import (
    evidence_message,
    metrics_message,
    policy_message,
    verification_records,
)
from pinai_subnet.validator.incoming import Incoming, Sender, incoming_from
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.policy import PolicyBook
from pinai_subnet.validator.queries import Queries, limited
from pinai_subnet.validator.reception import Reception
from pinai_subnet.validator.records import EpochState
from pinai_subnet.validator.replica import Replica
from pinai_subnet.wire.authentication import current_caller
from pinai_subnet.wire.codec.checkpoints import (
    SignatureClaim,
    checkpoint_query,
    decode_header,
    decode_submission,
    encode_validator_set,
)
from pinai_subnet.wire.codec.reports import encode_receipt, encode_report
from pinai_subnet.wire.pb.subnet import (
    checkpoint_pb2,
    execution_report_pb2,
    report_pb2,
    service_pb2,
    service_pb2_grpc,
    validation_pb2,
    validation_pb2_grpc,
    validator_pb2,
)


def sender_of(context: Any) -> Sender:
    """Return who calls: the proven signer, and the peer's host without its port."""
    return Sender(signer=current_caller(), peer=str(context.peer()).rpartition(":")[0])


def incoming(message: execution_report_pb2.ExecutionReport) -> Incoming:
    """Return a report of the current call."""
    return incoming_from(message, current_caller())


class ValidatorServicer(service_pb2_grpc.ValidatorServiceServicer):
    """subnet.v1.ValidatorService."""

    def __init__(
        self,
        *,
        reception: Reception,
        queries: Queries,
        replica: Replica,
        policies: PolicyBook,
    ) -> None:
        """Serve these."""
        self._reception = reception
        self._queries = queries
        self._replica = replica
        self._policies = policies

    @property
    def _parameters(self) -> NetworkParameters:
        return self._queries.parameters()

    async def SubmitExecutionReport(  # noqa: N802 - the protocol names it
        self, request: execution_report_pb2.ExecutionReport, context: Any
    ) -> report_pb2.Receipt:
        """Take one report; a bad one is answered in band (interop row 7)."""
        receipt = await self._reception.receive(incoming(request), sender_of(context))
        if receipt.code:
            # The published receipt has no field for the reason.
            context.set_trailing_metadata((("x-error-code", receipt.code),))
        return encode_receipt(receipt)

    async def SubmitExecutionReportBatch(  # noqa: N802 - the protocol names it
        self, request: service_pb2.ExecutionReportBatchRequest, context: Any
    ) -> service_pb2.ExecutionReportBatchResponse:
        """Take several reports; receipts are aligned with them."""
        if not request.reports:
            raise InvalidInput("SN-V088", "the batch has no reports")
        receipts = await self._reception.receive_batch(
            [incoming(report) for report in request.reports],
            sender_of(context),
            partial_ok=request.partial_ok,
        )
        failed = sum(receipt.status == "rejected" for receipt in receipts)
        codes = ", ".join(sorted({receipt.code for receipt in receipts if receipt.code}))
        success = len(receipts) - failed
        return service_pb2.ExecutionReportBatchResponse(
            receipts=[encode_receipt(receipt) for receipt in receipts],
            success=success,
            failed=failed,
            msg=f"{success} of {len(receipts)} reports taken"
            + (f"; refused: {codes}" if codes else ""),
        )

    async def GetCheckpoint(  # noqa: N802 - the protocol names it
        self, request: service_pb2.GetCheckpointRequest, _context: Any
    ) -> checkpoint_pb2.CheckpointHeader:
        """Return a checkpoint by epoch or hash; without either the newest one."""
        self._check_subnet(request.subnet_id)
        return await self._queries.checkpoint(checkpoint_query(request))

    async def ProposeHeader(  # noqa: N802 - the protocol names it
        self, request: checkpoint_pb2.CheckpointHeader, _context: Any
    ) -> service_pb2.Ack:
        """Compare a validator's header with our own; nothing is ever signed because somebody asked (defect A3)."""
        caller = self._calling_validator()
        proposed = decode_header(request)
        own = self._replica.read(lambda ledger: _header_of(ledger, proposed.epoch))
        if own is None:
            return service_pb2.Ack(
                ok=False, msg=f"SN-V089 epoch {proposed.epoch} is not sealed here"
            )
        if proposed != own.header:
            return service_pb2.Ack(
                ok=False,
                msg=f"SN-V092 {caller.id}'s header of epoch {proposed.epoch} hashes to "
                f"0x{header_hash(proposed).hex()}, ours to 0x{own.header_hash.hex()}",
            )
        return service_pb2.Ack(ok=True, msg="equal to our own header")

    async def SubmitSignature(  # noqa: N802 - the protocol names it
        self, request: validator_pb2.SignatureSubmission, _context: Any
    ) -> service_pb2.Ack:
        """Check a validator's header signature; only its own log entry makes it count (defects A2 to A4)."""
        caller = self._calling_validator()
        claim = decode_submission(request)
        epoch = self._replica.read(lambda ledger: _claimed_epoch(ledger, claim))
        if epoch is None:
            raise InvalidInput("SN-V093", "the signed hash is no header of a remembered epoch")
        number, digest, counted = epoch
        signer = recover(digest, claim.signature)
        if signer != caller.address:
            raise Forbidden(
                "SN-V093", f"epoch {number}: signed by {signer}, {caller.id} is {caller.address}"
            )
        if claim.signer_id and claim.signer_id != caller.id:
            raise Forbidden("SN-V093", f"signed by {caller.id}, not by {claim.signer_id[:128]}")
        state = "counted" if caller.id in counted else "valid; it counts once the signer records it"
        return service_pb2.Ack(ok=True, msg=f"signature of {caller.id} for epoch {number}: {state}")

    async def GetSignatures(  # noqa: N802 - the protocol names it
        self, request: service_pb2.GetCheckpointRequest, _context: Any
    ) -> AsyncIterator[checkpoint_pb2.Signature]:
        """Stream the counted header signatures of a checkpoint."""
        self._check_subnet(request.subnet_id)
        for signature in await self._queries.signatures(checkpoint_query(request)):
            yield signature

    async def GetValidatorSet(  # noqa: N802 - the protocol names it
        self, request: service_pb2.GetCheckpointRequest, _context: Any
    ) -> validator_pb2.ValidatorSet:
        """Return the newest set with endpoints and threshold, and the epoch from which it counts."""
        self._check_subnet(request.subnet_id)
        record = self._replica.read(lambda ledger: ledger.set_state())
        return encode_validator_set(
            self._parameters,
            required=self._queries.quorum().required_signatures,
            effective_epoch=max(record.first_epoch, 1),
        )

    async def GetDoubleSignEvidences(  # noqa: N802 - the protocol names it
        self, request: service_pb2.DoubleSignQuery, _context: Any
    ) -> AsyncIterator[service_pb2.DoubleSignEvidence]:
        """Stream proofs of double signing, with both signatures."""
        for found in self._queries.double_signs(
            validator_id=request.validator_id, epoch=request.epoch, limit=request.limit
        ):
            yield evidence_message(found)

    async def GetValidationPolicy(  # noqa: N802 - the protocol names it
        self, request: service_pb2.GetValidationPolicyRequest, _context: Any
    ) -> validation_pb2.ValidationPolicy:
        """Return the policy that judges this intent type."""
        policy = self._policies.for_type(request.intent_type)
        return policy_message(policy, min_validators=self._queries.quorum().required_signatures)

    async def GetVerificationRecords(  # noqa: N802 - the protocol names it
        self, request: service_pb2.GetVerificationRecordsRequest, _context: Any
    ) -> AsyncIterator[validation_pb2.VerificationRecord]:
        """Stream every validator's verdicts, newest reports first."""
        async for record in _records(self._queries, request):
            yield record

    async def GetValidatorMetrics(  # noqa: N802 - the protocol names it
        self, request: service_pb2.GetValidatorMetricsRequest, _context: Any
    ) -> service_pb2.ValidatorMetrics:
        """Return what a validator has done; an empty id asks for this one."""
        validator_id = request.validator_id or self._replica.validator_id
        return metrics_message(self._queries.activity(validator_id))

    async def GetExecutionReport(  # noqa: N802 - the protocol names it
        self, request: service_pb2.GetExecutionReportRequest, _context: Any
    ) -> execution_report_pb2.ExecutionReport:
        """Return a report by the computed id or the caller's own."""
        return encode_report((await self._queries.report(request.report_id)).report)

    async def ListExecutionReports(  # noqa: N802 - the protocol names it
        self, request: service_pb2.ListExecutionReportsRequest, _context: Any
    ) -> service_pb2.ListExecutionReportsResponse:
        """Return the newest reports of an intent, or of all, within the size of one message."""
        found, total = await self._queries.reports(intent_id=request.intent_id, limit=request.limit)
        entries = [
            service_pb2.ExecutionReportEntry(
                report_id=one.document["report"]["report_id"], report=encode_report(one.report)
            )
            for one in found
        ]
        return service_pb2.ListExecutionReportsResponse(reports=entries, total=total)

    def _calling_validator(self) -> ValidatorIdentity:
        caller = current_caller()
        member = None if caller is None else self._parameters.validator_at(caller)
        if member is None:
            raise Forbidden(
                "SN-V091",
                "only validators may call this; the caller is "
                + (f"{caller}, who is none" if caller else "nobody that is proven"),
            )
        return member

    def _check_subnet(self, subnet_id: str) -> None:
        if subnet_id and subnet_id.lower() != self._parameters.subnet_id:
            raise NotFound(
                "SN-V089",
                f"subnet {subnet_id[:80]!r} is not served here, {self._parameters.subnet_id} is",
            )


class ValidationServicer(validation_pb2_grpc.ValidationServiceServicer):
    """subnet.v1.ValidationService (known defect V6: declared, never served)."""

    def __init__(self, *, queries: Queries, policies: PolicyBook) -> None:
        """Serve these."""
        self._queries = queries
        self._policies = policies

    async def GetValidationPolicy(  # noqa: N802 - the protocol names it
        self, request: validation_pb2.PolicyQuery, _context: Any
    ) -> validation_pb2.ValidationPolicy:
        """Return the policy that judges this intent type; it holds for every epoch."""
        policy = self._policies.for_type(request.intent_type)
        return policy_message(policy, min_validators=self._queries.quorum().required_signatures)

    async def GetVerificationRecords(  # noqa: N802 - the protocol names it
        self, request: validation_pb2.VerificationQuery, _context: Any
    ) -> AsyncIterator[validation_pb2.VerificationRecord]:
        """Stream every validator's verdicts, newest reports first."""
        async for record in _records(self._queries, request):
            yield record


def register(
    server: grpc.aio.Server, validator: ValidatorServicer, validation: ValidationServicer
) -> None:
    """Add both services to a server."""
    service_pb2_grpc.add_ValidatorServiceServicer_to_server(validator, server)
    validation_pb2_grpc.add_ValidationServiceServicer_to_server(validation, server)


async def _records(
    queries: Queries,
    request: service_pb2.GetVerificationRecordsRequest | validation_pb2.VerificationQuery,
) -> AsyncIterator[validation_pb2.VerificationRecord]:
    left = limited(request.limit)
    for document in await queries.judged(
        intent_id=request.intent_id, agent_id=request.agent_id, limit=left
    ):
        for record in verification_records(document):
            if left == 0:
                return
            left -= 1
            yield record


def _header_of(ledger: Ledger, number: int) -> EpochState | None:
    return ledger.epoch(number)


def _claimed_epoch(
    ledger: Ledger, claim: SignatureClaim
) -> tuple[int, bytes, frozenset[str]] | None:
    """Return number, header hash and counted signers of the epoch that a claim is about."""
    wanted = {value for value in (claim.cp_hash, claim.message_hash) if value}
    for epoch in ledger.epochs():
        if wanted & {epoch.header_hash, parent_hash(epoch.header_hash)}:
            return epoch.epoch, epoch.header_hash, frozenset(epoch.signatures)
    return None
