"""Backups as bytes: what is intact, what is refused, whose signatures count, and marks that make them possible."""

from dataclasses import replace
from hashlib import sha256
from itertools import count

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.validator.ledger_world import (
    START_MS,
    SUBNET,
    World,
    parameters,
    record,
    signer,
)

from pinai_subnet.ports.errors import Damaged, Refused
from pinai_subnet.protocol.ids import SubnetId, ValidatorId
from pinai_subnet.validator.backup_file import (
    FORMAT,
    Backup,
    BackupHeader,
    BackupSignature,
    decode_backup,
    encode_backup,
    file_name,
    statement_digest,
    verify_backup,
)
from pinai_subnet.validator.command_codec import encode_command
from pinai_subnet.validator.commands import Mark, Stamp
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.reopening import open_intents, replayed, state_above
from pinai_subnet.validator.snapshot_codec import decode_snapshot, encode_snapshot
from pinai_subnet.validator.state_machine import LedgerMachine

PARAMETERS = parameters()
LIMITS = LedgerLimits()
_requests = count()


def mark(by: str = "validator-1", request: str | None = None) -> Mark:
    """A mark proposed by one validator."""
    name = request or f"mark-{next(_requests)}"
    return Mark(stamp=Stamp(request_id=name, proposer=ValidatorId(by), at_ms=START_MS))


def marked(command: Mark, index: int = 5) -> LedgerMachine:
    """Return a machine that applied one mark."""
    machine = LedgerMachine(
        ledger=Ledger(PARAMETERS, LIMITS), parameters=PARAMETERS, listener=lambda *_: None
    )
    machine.marks.want(command.stamp.request_id)
    machine.apply(index, encode_command(command, signer(command.stamp.proposer), SUBNET))
    return machine


def ledger() -> Ledger:
    """A ledger with a settled, a final and an open epoch."""
    world = World()
    world.settle(world.final(record(1)))
    world.final(record(2))
    world.verified(record(3))
    world.seal()
    return world.ledger


def backup(
    *names: str,
    of: Ledger | None = None,
    subnet: SubnetId = SUBNET,
    signers: dict[str, str] | None = None,
) -> Backup:
    """Return a backup signed in these members' names, by other keys where `signers` says so."""
    ledger_ = of or ledger()
    state = encode_snapshot(ledger_)
    facts = {
        "index": ledger_.index,
        "history_digest": ledger_.state_digest(),
        "content_digest": sha256(state).digest(),
    }
    digest = statement_digest(SUBNET, **facts)
    header = BackupHeader(
        format=FORMAT,
        software="test",
        taken_at_ms=START_MS,
        taken_by="validator-1",
        subnet_id=subnet,
        cluster_id=subnet,
        term=3,
        size=len(state),
        parameters={},
        signatures=tuple(
            BackupSignature(
                validator_id=name, signature=signer((signers or {}).get(name, name)).sign(digest)
            )
            for name in names
        ),
        **facts,
    )
    return Backup(header=header, state=state)


def signed_by(found: Backup) -> tuple[str, ...]:
    """Return the signers that verification counts."""
    return verify_backup(found, PARAMETERS, LIMITS, required=2).signers


def test_a_backup_comes_back_from_its_bytes() -> None:
    original = backup("validator-1", "validator-3")
    assert decode_backup(encode_backup(original.header, original.state)) == original


def test_the_state_is_verified_without_restoring() -> None:
    found = verify_backup(backup("validator-1", "validator-2"), PARAMETERS, LIMITS, required=2)
    assert found.signers == ("validator-1", "validator-2")
    assert found.problems == ()
    assert encode_snapshot(found.ledger) == encode_snapshot(ledger())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_or_cut_file_is_refused(data: st.DataObject) -> None:
    whole = encode_backup(backup("validator-1").header, backup("validator-1").state)
    if data.draw(st.booleans()):
        changed = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        place = data.draw(st.integers(0, len(whole) - 1))
        other = whole[place] ^ data.draw(st.integers(1, 255))
        changed = whole[:place] + bytes((other,)) + whole[place + 1 :]
    with pytest.raises(Damaged, match="SN-R070"):
        decode_backup(changed)


def test_a_newer_format_is_refused_with_the_reason() -> None:
    """Operators row 27."""
    original = backup("validator-1")
    newer = msgspec.structs.replace(original.header, format=FORMAT + 1)
    with pytest.raises(Refused, match=r"SN-R071 .*format 2; this build reads format 1"):
        decode_backup(encode_backup(newer, original.state))


def test_a_backup_of_another_subnet_is_refused() -> None:
    other = SubnetId("0x" + "11" * 32)
    with pytest.raises(Refused, match="SN-R072"):
        verify_backup(backup("validator-1", subnet=other), PARAMETERS, LIMITS, required=2)


def test_a_state_that_is_not_the_headers_is_refused() -> None:
    honest = backup("validator-1", "validator-2")
    other = replace(honest, state=encode_snapshot(Ledger(PARAMETERS, LIMITS)))
    with pytest.raises(Damaged, match="SN-R070"):
        verify_backup(other, PARAMETERS, LIMITS, required=2)


def test_only_distinct_members_signing_with_their_own_keys_count() -> None:
    assert signed_by(backup("validator-1", "validator-1")) == ("validator-1",)
    assert signed_by(backup("validator-1", "stranger")) == ("validator-1",)
    stolen = backup("validator-1", "validator-2", signers={"validator-2": "validator-1"})
    assert signed_by(stolen) == ("validator-1",)


def test_files_sort_by_age() -> None:
    header = backup("validator-1").header
    later = msgspec.structs.replace(header, taken_at_ms=header.taken_at_ms + 1, index=1)
    assert file_name(header) < file_name(later)


def test_a_mark_names_the_same_digest_on_every_validator_and_gives_the_bytes_to_who_asked() -> None:
    command = mark()
    one, other = marked(command), marked(command)
    assert one.marks.at(5) == other.marks.at(5) is not None
    kept = one.marks.take()
    assert kept is not None
    assert kept[0].content_digest == sha256(kept[1]).digest()
    assert one.marks.take() is None
    one.apply(6, encode_command(mark(), signer("validator-1"), SUBNET))
    assert one.marks.take() is None, "somebody else's mark"


def test_a_restored_state_has_the_same_mark() -> None:
    source = marked(mark())
    target = marked(mark(), index=2)
    target.restore(source.snapshot())
    assert target.marks.at(5) == source.marks.at(5)


def test_marks_are_bounded() -> None:
    machine = marked(mark(), index=1)
    for index in range(2, 100):
        machine.apply(index, encode_command(mark(), signer("validator-1"), SUBNET))
    assert machine.marks.at(1) is None
    assert machine.marks.at(99) is not None


def test_a_restored_network_never_uses_an_epoch_number_again() -> None:
    state = state_above(ledger(), 17)
    again = decode_snapshot(state, PARAMETERS, LIMITS)
    assert again.next_epoch == 18
    assert decode_snapshot(state_above(ledger(), 0), PARAMETERS, LIMITS).next_epoch == 4


def test_only_sealed_epochs_that_are_not_final_may_still_be_signed() -> None:
    assert [intent.epoch for intent in open_intents(ledger())] == [3]


def test_replaying_a_log_gives_the_ledger_of_the_one_who_wrote_it() -> None:
    machine = marked(mark())
    snapshot = machine.snapshot()
    command = encode_command(mark(), signer("validator-2"), SUBNET)
    machine.apply(9, command)
    again = replayed(snapshot, [(9, command)], PARAMETERS, LIMITS)
    assert again.state_digest() == machine.read(lambda one: one.state_digest())
