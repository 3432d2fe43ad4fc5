"""The bytes of a command's content: a msgpack array of its stamp and fields, in a checked shape. Not signed here.

A field's place is its meaning: new fields go to the end with a default, and none is ever removed or moved. Fields that
this build does not know are refused, never skipped: skipping would read foreign nesting of any depth.
"""

import msgspec
from msgspec import Struct

from pinai_subnet.protocol.ids import SubnetId, ValidatorId, parse_bytes32, parse_name
from pinai_subnet.protocol.membership import SetAction, SetChange
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.protocol.signatures import address_of
from pinai_subnet.validator.command_items import (
    Hash,
    KeyItem,
    Number,
    RecordItem,
    ReportItem,
    Signature,
    VerdictItem,
    decode_key,
    decode_record,
    decode_report,
    decode_verdict,
    encode_key,
    encode_record,
    encode_report,
    encode_verdict,
)
from pinai_subnet.validator.commands import (
    ApproveSetChange,
    Command,
    EnactSetChange,
    Expire,
    ItemSettlement,
    Mark,
    MembershipCommand,
    ProposeSetChange,
    ReceiveReports,
    RecordAssignments,
    RecordSettlement,
    RecordSignature,
    RecordVerdicts,
    Seal,
    Stamp,
    WithdrawSetChange,
)


class _Stamp(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    request_id: str
    proposer: str
    at_ms: Number


class AssignmentsBody(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Content of `RecordAssignments`."""

    stamp: _Stamp
    records: tuple[RecordItem, ...]

    def value(self) -> Command:
        """Return the command."""
        return RecordAssignments(
            stamp=_stamp_value(self.stamp), records=tuple(map(decode_record, self.records))
        )


class ReportsBody(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Content of `ReceiveReports`."""

    stamp: _Stamp
    reports: tuple[ReportItem, ...]
    hold_unknown: bool

    def value(self) -> Command:
        """Return the command."""
        return ReceiveReports(
            stamp=_stamp_value(self.stamp),
            reports=tuple(map(decode_report, self.reports)),
            hold_unknown=self.hold_unknown,
        )


class VerdictsBody(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Content of `RecordVerdicts`."""

    stamp: _Stamp
    verdicts: tuple[VerdictItem, ...]

    def value(self) -> Command:
        """Return the command."""
        return RecordVerdicts(
            stamp=_stamp_value(self.stamp), verdicts=tuple(map(decode_verdict, self.verdicts))
        )


class SealBody(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Content of `Seal`."""

    stamp: _Stamp
    epoch: Number
    keys: tuple[KeyItem, ...]
    timestamp: Number

    def value(self) -> Command:
        """Return the command."""
        return Seal(
            stamp=_stamp_value(self.stamp),
            epoch=self.epoch,
            keys=tuple(map(decode_key, self.keys)),
            timestamp=self.timestamp,
        )


class SignatureBody(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Content of `RecordSignature`."""

    stamp: _Stamp
    epoch: Number
    batch_digest: Hash
    batch_signature: Signature
    header_hash: Hash
    header_signature: Signature

    def value(self) -> Command:
        """Return the command."""
        return RecordSignature(
            stamp=_stamp_value(self.stamp),
            epoch=self.epoch,
            batch_digest=self.batch_digest,
            batch_signature=self.batch_signature,
            header_hash=self.header_hash,
            header_signature=self.header_signature,
        )


class SettlementBody(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Content of `RecordSettlement`."""

    stamp: _Stamp
    epoch: Number
    results: tuple[tuple[bool, str, str], ...]

    def value(self) -> Command:
        """Return the command."""
        return RecordSettlement(
            stamp=_stamp_value(self.stamp),
            epoch=self.epoch,
            results=tuple(
                ItemSettlement(ok=ok, message=message, receipt_id=receipt_id)
                for ok, message, receipt_id in self.results
            ),
        )


class ExpireBody(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Content of `Expire`."""

    stamp: _Stamp

    def value(self) -> Command:
        """Return the command."""
        return Expire(stamp=_stamp_value(self.stamp))


class MemberItem(Struct, array_like=True, frozen=True):
    """One validator."""

    id: str
    public_key: bytes
    weight: Number
    grpc_endpoint: str
    http_endpoint: str
    raft_endpoint: str


class ChangeItem(Struct, array_like=True, frozen=True):
    """One change of the set."""

    subnet_id: str
    version: Number
    base_set_id: str
    action: SetAction
    member: MemberItem


class ProposeBody(Struct, array_like=True, frozen=True):
    """Content of `ProposeSetChange`."""

    stamp: _Stamp
    change: ChangeItem
    proof: bytes

    def value(self) -> Command:
        """Return the command."""
        return ProposeSetChange(
            stamp=_stamp_value(self.stamp), change=decode_change(self.change), proof=self.proof
        )


class ApproveBody(Struct, array_like=True, frozen=True):
    """Content of `ApproveSetChange`."""

    stamp: _Stamp
    change_digest: Hash
    approval: Signature

    def value(self) -> Command:
        """Return the command."""
        return ApproveSetChange(
            stamp=_stamp_value(self.stamp),
            change_digest=self.change_digest,
            approval=self.approval,
        )


class EnactBody(Struct, array_like=True, frozen=True):
    """Content of `EnactSetChange`."""

    stamp: _Stamp
    change_digest: Hash

    def value(self) -> Command:
        """Return the command."""
        return EnactSetChange(stamp=_stamp_value(self.stamp), change_digest=self.change_digest)


class WithdrawBody(Struct, array_like=True, frozen=True):
    """Content of `WithdrawSetChange`."""

    stamp: _Stamp
    change_digest: Hash

    def value(self) -> Command:
        """Return the command."""
        return WithdrawSetChange(stamp=_stamp_value(self.stamp), change_digest=self.change_digest)


class MarkBody(Struct, array_like=True, frozen=True):
    """Content of `Mark`."""

    stamp: _Stamp

    def value(self) -> Command:
        """Return the command."""
        return Mark(stamp=_stamp_value(self.stamp))


Body = (
    AssignmentsBody
    | ReportsBody
    | VerdictsBody
    | SealBody
    | SignatureBody
    | SettlementBody
    | ExpireBody
    | ProposeBody
    | ApproveBody
    | EnactBody
    | WithdrawBody
    | MarkBody
)

KINDS: dict[int, type[Body]] = {
    1: AssignmentsBody,
    2: ReportsBody,
    3: VerdictsBody,
    4: SealBody,
    5: SignatureBody,
    6: SettlementBody,
    7: ExpireBody,
    8: ProposeBody,
    9: ApproveBody,
    10: EnactBody,
    11: WithdrawBody,
    16: MarkBody,
}
"""The kinds of command as the envelope numbers them; numbers are never used again."""

_DECODERS = {kind: msgspec.msgpack.Decoder(body) for kind, body in KINDS.items()}


def encode_body(command: Command) -> tuple[int, bytes]:
    """Return kind and bytes of a command; raise `InvalidInput` for a malformed id or address in it."""
    body = _body(command)
    kind = next(number for number, known in KINDS.items() if isinstance(body, known))
    return kind, msgspec.msgpack.encode(body)


def decode_body(kind: int, data: bytes) -> Command:
    """Return the command; raise `msgspec.MsgspecError` for other bytes and `KeyError` for an unknown kind."""
    return _DECODERS[kind].decode(data).value()


def _body(command: Command) -> Body:
    stamp = _Stamp(command.stamp.request_id, command.stamp.proposer, command.stamp.at_ms)
    match command:
        case RecordAssignments():
            return AssignmentsBody(stamp, tuple(map(encode_record, command.records)))
        case ReceiveReports():
            return ReportsBody(
                stamp, tuple(map(encode_report, command.reports)), command.hold_unknown
            )
        case RecordVerdicts():
            return VerdictsBody(stamp, tuple(map(encode_verdict, command.verdicts)))
        case _:
            return _epoch_body(stamp, command)


def encode_change(change: SetChange) -> ChangeItem:
    """Return a change in its packed form."""
    member = change.member
    return ChangeItem(
        change.subnet_id,
        change.version,
        change.base_set_id,
        change.action,
        MemberItem(
            member.id,
            member.public_key,
            member.weight,
            member.grpc_endpoint,
            member.http_endpoint,
            member.raft_endpoint,
        ),
    )


def decode_change(item: ChangeItem) -> SetChange:
    """Return a change from its packed form; raise `InvalidInput` for a malformed id, key or name."""
    member = item.member
    return SetChange(
        subnet_id=SubnetId(parse_bytes32(item.subnet_id, "subnet_id")),
        version=item.version,
        base_set_id=item.base_set_id,
        action=item.action,
        member=ValidatorIdentity(
            id=ValidatorId(parse_name(member.id, "id")),
            address=address_of(member.public_key),
            public_key=member.public_key,
            weight=member.weight,
            grpc_endpoint=member.grpc_endpoint,
            http_endpoint=member.http_endpoint,
            raft_endpoint=member.raft_endpoint,
        ),
    )


def _membership_body(stamp: _Stamp, command: MembershipCommand) -> Body:
    match command:
        case ProposeSetChange():
            return ProposeBody(stamp, encode_change(command.change), command.proof)
        case ApproveSetChange():
            return ApproveBody(stamp, command.change_digest, command.approval)
        case EnactSetChange():
            return EnactBody(stamp, command.change_digest)
        case WithdrawSetChange():
            return WithdrawBody(stamp, command.change_digest)


def _epoch_body(
    stamp: _Stamp,
    command: Seal | RecordSignature | RecordSettlement | Expire | Mark | MembershipCommand,
) -> Body:
    match command:
        case Seal():
            return SealBody(
                stamp, command.epoch, tuple(map(encode_key, command.keys)), command.timestamp
            )
        case RecordSignature():
            return SignatureBody(
                stamp,
                command.epoch,
                command.batch_digest,
                command.batch_signature,
                command.header_hash,
                command.header_signature,
            )
        case RecordSettlement():
            results = tuple((one.ok, one.message, one.receipt_id) for one in command.results)
            return SettlementBody(stamp, command.epoch, results)
        case Expire():
            return ExpireBody(stamp)
        case Mark():
            return MarkBody(stamp)
        case _:
            return _membership_body(stamp, command)


def _stamp_value(stamp: _Stamp) -> Stamp:
    return Stamp(
        request_id=stamp.request_id, proposer=ValidatorId(stamp.proposer), at_ms=stamp.at_ms
    )
