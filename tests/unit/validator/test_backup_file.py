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
from tests.unit.validator.test_ledger_sets import approve, change_of, identity, propose

from pinai_subnet.ports.errors import Damaged, Refused
from pinai_subnet.protocol.ids import SubnetId, ValidatorId
from pinai_subnet.protocol.membership import SetAction, change_digest
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.validator.backup_file import (
    FORMAT,
    Backup,
    BackupHeader,
    BackupSignature,
    Finding,
    decode_backup,
    encode_backup,
    file_name,
    statement_digest,
    verify_backup,
)
from pinai_subnet.validator.command_codec import encode_command
from pinai_subnet.validator.commands import EnactSetChange, Mark, Stamp
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


def verified(
    found: Backup,
    *,
    genesis: NetworkParameters = PARAMETERS,
    present: NetworkParameters = PARAMETERS,
) -> Finding:
    """Return what somebody finds who knows these sets."""
    return verify_backup(found, genesis=genesis, present=present, limits=LIMITS)


def signed_by(found: Backup) -> tuple[str, ...]:
    """Return the signers that verification counts."""
    return verified(found).signers


def test_a_backup_comes_back_from_its_bytes() -> None:
    original = backup("validator-1", "validator-3")
    assert decode_backup(encode_backup(original.header, original.state)) == original


def test_the_state_is_verified_without_restoring() -> None:
    found = verified(backup("validator-1", "validator-2"))
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
        verified(backup("validator-1", subnet=other))


def test_a_state_that_is_not_the_headers_is_refused() -> None:
    honest = backup("validator-1", "validator-2")
    other = replace(honest, state=encode_snapshot(Ledger(PARAMETERS, LIMITS)))
    with pytest.raises(Damaged, match="SN-R070"):
        verified(other)


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


def grown(world: World) -> NetworkParameters:
    """Let the world's set take in validator-4, approved by all; return the network with that set."""
    member = identity("validator-4")
    change = change_of(world, SetAction.ADD, member)
    propose(world, change, key=signer("validator-4"))
    for name in ("validator-1", "validator-2", "validator-3"):
        approve(world, change, signer(name))
    world.apply(EnactSetChange(stamp=world.stamp(), change_digest=change_digest(change)))
    assert world.ledger.set_state().version == 2
    return replace(PARAMETERS, validators=world.ledger.members())


def test_signatures_count_for_the_set_of_the_backup_that_the_first_set_vouches_for() -> None:
    """Also who knows only the first set, or another later one, can check a backup of a set that followed."""
    world = World()
    later = grown(world)
    taken = backup("validator-1", "validator-2", "validator-4", of=world.ledger)
    for present in (PARAMETERS, later):
        found = verified(taken, present=present)
        assert (found.signers, found.required) == (("validator-1", "validator-2", "validator-4"), 3)


def test_a_set_that_nobody_approved_does_not_count() -> None:
    """One validator cannot make itself the only one in a backup of its own."""
    world = World()
    state_above(world.ledger, 5, members=PARAMETERS.validators[:1])
    made_up = backup("validator-1", of=world.ledger)
    found = verified(made_up)
    assert (found.signers, found.required) == ((), 1)
    assert "nothing vouches" in found.problems[0]


def test_a_restored_network_goes_on_with_the_validators_of_its_own_network_file() -> None:
    world = World()
    later = grown(world)
    rotated = tuple(
        identity("validator-2", signer("new-key")) if member.id == "validator-2" else member
        for member in later.validators
    )
    again = decode_snapshot(
        state_above(world.ledger, 17, members=rotated, version=7), PARAMETERS, LIMITS
    )
    assert again.members() == rotated
    assert (again.set_state().version, again.set_state().first_epoch) == (7, 18)
    assert signer("validator-2").address in again.state.tombstones
    believing = replace(PARAMETERS, validators=rotated)
    taken = backup("validator-1", "validator-3", "validator-4", of=again)
    assert verified(taken, present=believing).signers == taken_by(taken)


def test_a_restore_on_other_hosts_keeps_the_set_and_its_version() -> None:
    world = World()
    grown(world)
    moved = tuple(replace(one, raft_endpoint="10.1.2.3:7400") for one in world.ledger.members())
    again = decode_snapshot(state_above(world.ledger, 9, members=moved), PARAMETERS, LIMITS)
    assert again.members() == moved
    assert again.set_state().version == 2


def taken_by(found: Backup) -> tuple[str, ...]:
    """Return who signed, by the header."""
    return tuple(one.validator_id for one in found.header.signatures)


def test_only_sealed_epochs_that_are_not_final_may_still_be_signed() -> None:
    assert [intent.epoch for intent in open_intents(ledger())] == [3]


def test_replaying_a_log_gives_the_ledger_of_the_one_who_wrote_it() -> None:
    machine = marked(mark())
    snapshot = machine.snapshot()
    command = encode_command(mark(), signer("validator-2"), SUBNET)
    machine.apply(9, command)
    again = replayed(snapshot, [(9, command)], PARAMETERS, LIMITS)
    assert again.state_digest() == machine.read(lambda one: one.state_digest())
