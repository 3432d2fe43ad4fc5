"""Validators come, go and change keys: who may say so, from when it counts, and what former keys are worth."""

from dataclasses import replace

import pytest
from tests.unit.validator.ledger_world import (
    MATCHER,
    START,
    World,
    key_of,
    record,
    report,
    signature,
    signer,
    verdict,
)

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.protocol.errors import Forbidden, SubnetError
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.membership import (
    SetAction,
    SetChange,
    change_digest,
    check_approvals,
    members_after,
    proof_digest,
    set_id,
)
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.validator.applied import Applied, Reply
from pinai_subnet.validator.command_codec import decode_command, encode_command
from pinai_subnet.validator.commands import (
    ApproveSetChange,
    EnactSetChange,
    Expire,
    ProposeSetChange,
    RecordVerdicts,
    Stamp,
    WithdrawSetChange,
)
from pinai_subnet.validator.records import Stage
from pinai_subnet.validator.snapshot_codec import decode_snapshot, encode_snapshot


def identity(name: str, key: LocalSigner | None = None) -> ValidatorIdentity:
    key = key or signer(name)
    return ValidatorIdentity(
        id=ValidatorId(name),
        address=key.address,
        public_key=key.public_key,
        grpc_endpoint="127.0.0.1:11",
        http_endpoint="127.0.0.1:12",
        raft_endpoint="127.0.0.1:13",
    )


def change_of(world: World, action: SetAction, member: ValidatorIdentity) -> SetChange:
    current = world.ledger.set_state()
    return SetChange(
        subnet_id=world.parameters.subnet_id,
        version=current.version + 1,
        base_set_id=set_id(current.members),
        action=action,
        member=member,
    )


def propose(
    world: World, change: SetChange, *, key: LocalSigner | None = None, by: int = 0
) -> Reply:
    proof = b"" if key is None else key.sign(proof_digest(change))
    return only(world.apply(ProposeSetChange(stamp=world.stamp(by), change=change, proof=proof)))


def approve(world: World, change: SetChange, key: LocalSigner, by: int = 0) -> Reply:
    return only(
        world.apply(
            ApproveSetChange(
                stamp=world.stamp(by),
                change_digest=change_digest(change),
                approval=key.sign(change_digest(change)),
            )
        )
    )


def enact(world: World, change: SetChange, by: int = 0) -> Reply:
    return only(
        world.apply(EnactSetChange(stamp=world.stamp(by), change_digest=change_digest(change)))
    )


def only(applied: Applied) -> Reply:
    (reply,) = applied.replies
    return reply


def changed(
    world: World, action: SetAction, member: ValidatorIdentity, key: LocalSigner | None = None
) -> SetChange:
    """See one change through, approved by everybody."""
    change = change_of(world, action, member)
    assert propose(world, change, key=key).code == ""
    for one in world.ledger.members():
        approve(world, change, signer(one.id))
    assert enact(world, change).code == ""
    world.names = [one.id for one in world.ledger.members()]
    return change


def added(world: World, name: str) -> SetChange:
    return changed(world, SetAction.ADD, identity(name), signer(name))


def test_set_grows_from_three_to_five_and_back_to_three_and_its_threshold_follows() -> None:
    world = World()
    assert world.ledger.quorum.required_signatures == 2
    added(world, "validator-4")
    assert world.ledger.quorum.required_signatures == 3
    added(world, "validator-5")
    assert (world.ledger.quorum.members, world.ledger.quorum.required_signatures) == (5, 4)
    for name in ("validator-1", "validator-2"):
        changed(world, SetAction.REMOVE, world.ledger.parameters.validator(name) or identity(name))
    assert [member.id for member in world.ledger.members()] == [
        "validator-3",
        "validator-4",
        "validator-5",
    ]
    assert world.ledger.quorum.required_signatures == 2
    assert world.replay().state_digest() == world.ledger.state_digest()


def test_epoch_that_was_sealed_before_keeps_its_set_and_threshold() -> None:
    world = World()
    world.verified(record(1))
    world.seal()
    before = world.ledger.epoch(1)
    added(world, "validator-4")
    assert before is not None
    assert only(world.sign(1, by=3)).code == "SN-V036"
    world.sign(1, by=0)
    world.sign(1, by=1)
    assert before.final_at_ms is not None
    world.assign(record(2))
    world.send(report(record(2)))
    for by in (0, 1):
        world.judge(record(2), report(record(2)), by=by)
    assert world.ledger.counts()[Stage.VERIFIED] == 0, "three verdicts are needed now"
    world.judge(record(2), report(record(2)), by=3)
    world.seal()
    after = world.ledger.epoch(2)
    assert after is not None
    assert after.header.validator_set_id != before.header.validator_set_id
    world.sign(2, by=0)
    world.sign(2, by=1)
    assert after.final_at_ms is None
    world.sign(2, by=3)
    assert after.final_at_ms is not None


def test_removed_validator_still_signs_what_was_sealed_with_it_and_nothing_after() -> None:
    world = World()
    world.verified(record(1))
    world.seal()
    removed = world.parameters.validators[2]
    names = list(world.names)
    changed(world, SetAction.REMOVE, removed)
    world.names = names
    assert only(world.sign(1, by=2)).code == ""
    world.sign(1, by=0)
    assert world.ledger.proposer(removed.id) is None
    assert only(world.expire(by=2)).code == "SN-V002"
    assert removed.address in world.ledger.tombstoned()


def test_report_is_decided_again_when_the_set_shrinks() -> None:
    """Nothing stays pending because those who would have judged it are gone."""
    world = World(members=5)
    world.assign(record(1))
    world.send(report(record(1)))
    for by in (0, 1, 2):
        world.judge(record(1), report(record(1)), by=by)
    assert world.ledger.counts()[Stage.REPORTED] == 1
    changed(world, SetAction.REMOVE, world.parameters.validators[4])
    assert world.ledger.counts()[Stage.VERIFIED] == 1


def test_verdict_of_a_removed_validator_does_not_count_any_more() -> None:
    world = World()
    world.assign(record(1))
    world.send(report(record(1)))
    world.judge(record(1), report(record(1)), by=2)
    changed(world, SetAction.REMOVE, world.parameters.validators[2])
    world.judge(record(1), report(record(1)), by=0)
    assert world.ledger.counts()[Stage.REPORTED] == 1
    world.judge(record(1), report(record(1)), by=1)
    assert world.ledger.counts()[Stage.VERIFIED] == 1


def test_rotated_key_and_former_key_both_count_for_one_epoch_and_then_only_the_new_one() -> None:
    world = World()
    former, new = signer("validator-3"), signer("validator-3 again")
    changed(world, SetAction.ROTATE_KEY, identity("validator-3", new), new)

    def accepts(key: LocalSigner) -> bool:
        command = Expire(stamp=Stamp(request_id="r", proposer=world.names[2], at_ms=START * 1000))
        subnet_id = world.parameters.subnet_id

        def keys_of(name: str) -> tuple[str, ...]:
            found = world.ledger.proposer(name)
            return () if found is None else found[1]

        try:
            decode_command(encode_command(command, key, subnet_id), subnet_id, keys_of)  # type: ignore[arg-type]
        except SubnetError:
            return False
        return True

    assert (accepts(former), accepts(new)) == (True, True)
    world.verified(record(1))
    world.seal()
    epoch = world.ledger.epoch(1)
    assert epoch is not None
    assert only(world.apply(signature(world.stamp(2), epoch, former))).code == ""
    assert epoch.signatures[world.names[2]].signer == former.address
    world.sign(1, by=0)
    assert epoch.final_at_ms is not None
    assert (accepts(former), accepts(new)) == (False, True)
    world.verified(record(2))
    world.seal()
    second = world.ledger.epoch(2)
    assert second is not None
    assert only(world.apply(signature(world.stamp(2), second, former))).code == "SN-V036"
    assert only(world.apply(signature(world.stamp(2), second, new))).code == ""
    assert former.address in world.ledger.tombstoned()


def test_verdict_under_the_former_key_is_refused_after_the_overlap() -> None:
    world = World()
    new = signer("validator-3 again")
    changed(world, SetAction.ROTATE_KEY, identity("validator-3", new), new)
    world.final(record(1))
    world.assign(record(2))
    world.send(report(record(2)))
    for key, code in ((signer("validator-3"), "SN-V023"), (new, "")):
        given = verdict("validator-3", record(2), report(record(2)), key=key)
        reply = only(world.apply(RecordVerdicts(stamp=world.stamp(2), verdicts=(given,))))
        assert reply.code == code


@pytest.mark.parametrize("name", ["validator-1", "validator-3", "matcher"])
def test_key_that_is_or_was_somebodys_is_refused(name: str) -> None:
    """Operators row 4, 1.10: a tombstoned key never signs again, under no name."""
    world = World()
    new = signer("validator-3 again")
    changed(world, SetAction.ROTATE_KEY, identity("validator-3", new), new)
    key = MATCHER if name == "matcher" else signer(name)
    change = change_of(world, SetAction.ADD, identity("validator-4", key))
    assert propose(world, change, key=key).code == "SN-V113"


def test_proof_of_possession_must_be_made_with_the_new_key_for_this_change() -> None:
    world = World()
    change = change_of(world, SetAction.ADD, identity("validator-4"))
    assert propose(world, change, key=signer("validator-1")).code == "SN-V114"
    other = replace(change, member=identity("validator-5", signer("validator-4")))
    stolen = signer("validator-4").sign(proof_digest(other))
    reply = only(world.apply(ProposeSetChange(stamp=world.stamp(), change=change, proof=stolen)))
    assert reply.code == "SN-V114"


def test_second_change_is_refused_while_one_is_under_way_unless_it_is_withdrawn() -> None:
    world = World()
    first = change_of(world, SetAction.ADD, identity("validator-4"))
    assert propose(world, first, key=signer("validator-4")).code == ""
    second = change_of(world, SetAction.REMOVE, world.parameters.validators[0])
    assert propose(world, second).code == "SN-V116"
    digest = change_digest(first)
    world.apply(WithdrawSetChange(stamp=world.stamp(), change_digest=digest))
    assert propose(world, second).code == ""


def test_change_needs_a_threshold_of_distinct_members_that_count_now() -> None:
    world = World()
    change = change_of(world, SetAction.ADD, identity("validator-4"))
    propose(world, change, key=signer("validator-4"))
    approve(world, change, signer("validator-1"))
    approve(world, change, signer("validator-1"))
    assert approve(world, change, signer("validator-4")).code == "SN-V115"
    assert enact(world, change).code == "SN-V115"
    approve(world, change, signer("validator-2"))
    assert enact(world, change).code == ""
    assert enact(world, change).status.value == "duplicate"
    assert len(world.ledger.members()) == 4


def test_change_of_an_older_set_is_refused() -> None:
    world = World()
    stale = change_of(world, SetAction.REMOVE, world.parameters.validators[0])
    added(world, "validator-4")
    assert propose(world, stale).code == "SN-V112"


def test_last_validator_cannot_be_removed() -> None:
    world = World(members=1)
    change = change_of(world, SetAction.REMOVE, world.parameters.validators[0])
    assert propose(world, change).code == "SN-V110"


def test_endpoints_move_without_another_set_id() -> None:
    world = World()
    before = set_id(world.ledger.members())
    member = replace(world.parameters.validators[1], raft_endpoint="10.0.0.9:7400")
    changed(world, SetAction.MOVE, member)
    assert set_id(world.ledger.members()) == before
    assert world.ledger.members()[1].raft_endpoint == "10.0.0.9:7400"


def test_snapshot_keeps_sets_proposal_and_tombstones() -> None:
    world = World()
    added(world, "validator-4")
    new = signer("validator-3 again")
    changed(world, SetAction.ROTATE_KEY, identity("validator-3", new), new)
    change = change_of(world, SetAction.REMOVE, world.parameters.validators[0])
    propose(world, change)
    approve(world, change, signer("validator-2"))
    restored = decode_snapshot(encode_snapshot(world.ledger), world.parameters, world.limits)
    assert encode_snapshot(restored) == encode_snapshot(world.ledger)
    assert restored.members() == world.ledger.members()
    assert restored.tombstoned() == world.ledger.tombstoned()
    assert restored.proposed_change() == world.ledger.proposed_change()


def test_records_of_all_changes_lead_anybody_from_the_first_set_to_the_present_one() -> None:
    world = World()
    added(world, "validator-4")
    added(world, "validator-5")
    changed(world, SetAction.REMOVE, world.parameters.validators[0])
    known = world.parameters
    for step in world.ledger.set_changes(1):
        assert step.signed is not None
        check_approvals(step.signed, known)
        known = replace(known, validators=members_after(known.validators, step.signed.change))
        assert known.validators == step.members
    assert known.validators == world.ledger.members()
    (first, *_) = world.ledger.set_changes(1)
    assert first.signed is not None
    with pytest.raises(Forbidden, match="SN-V115"):
        check_approvals(
            replace(first.signed, approvals=first.signed.approvals[:1]), world.parameters
        )


def test_nothing_changes_for_a_network_whose_set_never_does() -> None:
    world = World()
    world.final(record(1))
    assert world.ledger.parameters is world.parameters
    assert world.ledger.set_changes(1) == []
    assert key_of(record(1)) in (world.ledger.epoch(1) or pytest.fail("sealed")).keys
