"""A report on its way in, and who sent it. Decoded as far as it can be; nothing is judged here."""

from dataclasses import dataclass

from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.ids import Address
from pinai_subnet.protocol.reports import ExecutionReport
from pinai_subnet.wire.codec.reports import decode_report
from pinai_subnet.wire.pb.subnet import execution_report_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who handed a report in: the proven signer of the request, if any, and where it came from."""

    signer: Address | None
    peer: str

    @property
    def key(self) -> str:
        """Return what its rate is counted under: never something it merely claims (known defect A12)."""
        return self.signer or self.peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One report as it came: decoded, or the reason why it could not be."""

    caller_report_id: str
    intent_id: str
    report: ExecutionReport | None = None
    error: SubnetError | None = None


def incoming_from(
    message: execution_report_pb2.ExecutionReport, signer: Address | None
) -> Incoming:
    """Return the report, or why it cannot be read: that is answered in band."""
    report: ExecutionReport | None = None
    error: SubnetError | None = None
    try:
        report = decode_report(message, signer=signer)
    except SubnetError as exc:
        error = exc
    return Incoming(
        caller_report_id=message.report_id[:256],
        intent_id=message.intent_id[:128],
        report=report,
        error=error,
    )
