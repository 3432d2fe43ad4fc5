"""Command envelopes: what goes in comes out, and nothing else is read. Only members speak, each for itself."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.validator.ledger_world import (
    AGENTS,
    START,
    SUBNET,
    World,
    key_of,
    parameters,
    record,
    report,
    signer,
    verdict,
)

from pinai_subnet.protocol.digests import keccak256
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import Address, AssignmentId, SubnetId, ValidatorId, bytes32
from pinai_subnet.protocol.membership import SetAction, SetChange
from pinai_subnet.protocol.reports import ErrorInfo, Evidence, ResourceUsage
from pinai_subnet.validator.command_codec import decode_command, encode_command
from pinai_subnet.validator.commands import (
    ApproveSetChange,
    Command,
    EnactSetChange,
    Expire,
    ItemSettlement,
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

PARAMETERS = parameters()
KEY = signer("validator-1")
STAMP = Stamp(request_id="r", proposer=ValidatorId("validator-1"), at_ms=START * 1000)
FULL = report(
    record(),
    evidence=Evidence(
        env_fingerprint=b"e",
        outputs_hash=b"o",
        resource_usage=ResourceUsage(cpu_ms=1, network_bytes=2),
        external_refs=("ipfs://x", ""),
    ),
    error=ErrorInfo(code="c", message="m", details=b"d"),
    signature=b"s",
    root_height=7,
    root=b"r",
    root_proof=b"p",
    signer=AGENTS[0].address,
)
CHANGE = SetChange(
    subnet_id=SUBNET,
    version=2,
    base_set_id="00" * 32,
    action=SetAction.REMOVE,
    member=PARAMETERS.validators[1],
)
COMMANDS: list[Command] = [
    RecordAssignments(stamp=STAMP, records=(record(1), record(2))),
    ReceiveReports(stamp=STAMP, reports=(report(record()), FULL), hold_unknown=True),
    RecordVerdicts(
        stamp=STAMP,
        verdicts=(
            verdict("validator-1", record(), FULL),
            verdict("validator-1", record(), FULL, passed=False),
        ),
    ),
    Seal(stamp=STAMP, epoch=3, keys=(key_of(record(1)), key_of(record(2))), timestamp=START),
    RecordSignature(
        stamp=STAMP,
        epoch=3,
        batch_digest=bytes(32),
        batch_signature=bytes(65),
        header_hash=b"\x01" * 32,
        header_signature=b"\x02" * 65,
    ),
    RecordSettlement(
        stamp=STAMP,
        epoch=3,
        results=(ItemSettlement(ok=False, message="no", receipt_id="x"),),
    ),
    Expire(stamp=STAMP),
    ProposeSetChange(stamp=STAMP, change=CHANGE, proof=bytes(65)),
    ApproveSetChange(stamp=STAMP, change_digest=bytes(32), approval=bytes(65)),
    EnactSetChange(stamp=STAMP, change_digest=bytes(32)),
    WithdrawSetChange(stamp=STAMP, change_digest=bytes(32)),
]


def keys_of(name: str) -> tuple[Address, ...]:
    member = PARAMETERS.validator(name)
    return () if member is None else (member.address,)


def envelope(kind: object, proposer: object, body: object, signature: object) -> bytes:
    return b"\x01" + msgspec.msgpack.encode([kind, proposer, body, signature])


def signed(kind: int, body: bytes, *, by: str = "validator-1") -> bytes:
    digest = keccak256(
        b"PINAI_LEDGER_COMMAND_V1" + bytes32(SUBNET, "subnet") + bytes((kind,)) + body
    )
    return envelope(kind, by, body, signer(by).sign(digest))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_every_command_survives_its_envelope(command: Command) -> None:
    data = encode_command(command, KEY, SUBNET)
    assert decode_command(data, SUBNET, keys_of) == command
    assert data[0] == 1
    assert encode_command(command, KEY, SUBNET) == data


@given(
    st.builds(
        report,
        st.just(record()),
        result=st.binary(max_size=50),
        timestamp=st.integers(-(1 << 63), (1 << 63) - 1),
        report_id=st.text(max_size=30),
        agent_id=st.text(max_size=30),
        root_height=st.integers(0, (1 << 64) - 1),
    )
)
@settings(max_examples=60)
def test_any_report_survives_its_envelope_so_that_the_ledger_can_refuse_it_alone(
    hostile: object,
) -> None:
    """L15: one agent's bad numbers must not refuse the reports that share its command."""
    command = ReceiveReports(stamp=STAMP, reports=(hostile,), hold_unknown=False)  # type: ignore[arg-type]
    assert decode_command(encode_command(command, KEY, SUBNET), SUBNET, keys_of) == command


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"\x01" + tail))
@settings(max_examples=200)
def test_garbage_is_refused_with_a_code(data: bytes) -> None:
    """A2, C7: no bytes stop a validator."""
    with pytest.raises(InvalidInput) as caught:
        decode_command(data, SUBNET, keys_of)
    assert caught.value.code in {"SN-V001", "SN-V002"}


@given(st.integers(0, 6), st.data())
@settings(max_examples=100)
def test_a_changed_byte_is_never_accepted_as_another_command(
    which: int, data: st.DataObject
) -> None:
    good = encode_command(COMMANDS[which], KEY, SUBNET)
    position = data.draw(st.integers(0, len(good) - 1))
    flipped = bytearray(good)
    flipped[position] ^= data.draw(st.integers(1, 255))
    try:
        decoded = decode_command(bytes(flipped), SUBNET, keys_of)
    except InvalidInput:
        return
    assert decoded == COMMANDS[which]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "SN-V001"),
        (b"\x02" + encode_command(COMMANDS[6], KEY, SUBNET)[1:], "SN-V001"),
        (encode_command(COMMANDS[6], KEY, SUBNET) + b"\x00", "SN-V001"),
        (encode_command(COMMANDS[6], KEY, SUBNET)[:-1], "SN-V001"),
        (signed(99, b"\x90"), "SN-V001"),
        (signed(7, b"\x90"), "SN-V001"),
        (signed(7, b""), "SN-V001"),
        (signed(7, msgspec.msgpack.encode([["r", "validator-1", -5]])), "SN-V001"),
        (signed(7, msgspec.msgpack.encode([["r", "validator-2", 5]])), "SN-V002"),
        (signed(7, b"\x91\x93\xa1\xff\xa0\x00"), "SN-V001"),
        (
            signed(4, msgspec.msgpack.encode([["r", "validator-1", 5], 1, [[b"x", b"y"]], 1])),
            "SN-V001",
        ),
        (envelope(7, "validator-9", b"", bytes(65)), "SN-V002"),
        (envelope(7, "validator-1", b"", bytes(65)), "SN-V002"),
        (envelope(7, "validator-1", b"", bytes(64)), "SN-V001"),
        (envelope("7", "validator-1", b"", bytes(65)), "SN-V001"),
        (encode_command(COMMANDS[6], signer("validator-2"), SUBNET), "SN-V002"),
        (encode_command(COMMANDS[6], KEY, SubnetId("0x" + "00" * 31 + "03")), "SN-V002"),
    ],
)
def test_other_versions_kinds_signers_and_networks_are_refused(data: bytes, code: str) -> None:
    """A6, A16: every command is signed by its proposer for this network."""
    with pytest.raises(InvalidInput) as caught:
        decode_command(data, SUBNET, keys_of)
    assert caught.value.code == code


def test_a_malformed_id_is_refused_before_it_is_signed() -> None:
    bad = report(record(), assignment_id=AssignmentId("0x12"))
    with pytest.raises(InvalidInput, match="SN-N101"):
        encode_command(ReceiveReports(stamp=STAMP, reports=(bad,), hold_unknown=False), KEY, SUBNET)


def test_a_hundred_small_reports_stay_below_the_engines_message_size() -> None:
    """Consensus finding L: a command above 64 KiB costs throughput."""
    world = World()
    reports = tuple(report(record(n), signer=AGENTS[0].address) for n in range(100))
    command = ReceiveReports(stamp=world.stamp(), reports=reports, hold_unknown=True)
    assert len(encode_command(command, KEY, SUBNET)) < 32 * 1024


@pytest.mark.parametrize("depth", [1, 900, 5000])
@pytest.mark.parametrize("where", ["envelope", "body", "stamp"])
def test_unknown_fields_of_any_depth_are_refused_alike(depth: int, where: str) -> None:
    """A member's command must neither exhaust a node's stack nor depend on how deep that is."""
    deep = b"\x91" * depth + b"\xc0"
    stamp = msgspec.msgpack.encode(["r", "validator-1", 5])
    body = b"\x91" + stamp
    if where == "body":
        body = b"\x92" + stamp + deep
    elif where == "stamp":
        body = b"\x91\x94" + stamp[1:] + deep
    data = signed(7, body)
    if where == "envelope":
        data = data[:1] + b"\x95" + data[2:] + deep
    with pytest.raises(InvalidInput, match="SN-V001"):
        decode_command(data, SUBNET, keys_of)
