"""RootLayer follows the set by approved changes and signed headers only; each key counts in its own epochs."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.rootlayer_kit import PARAMETERS, VALIDATORS

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.protocol.checkpoints import (
    Header,
    commitment_state_root,
    header_hash,
    parent_hash,
)
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.membership import (
    SetAction,
    SetChange,
    SignedSetChange,
    change_digest,
    members_after,
    proof_digest,
    set_id,
)
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.protocol.set_starts import SealedHeader, SetStart
from pinai_subnet.rootlayer.sets import KnownSets
from pinai_subnet.wire.set_changes import FollowBody, follow_document

NEW = LocalSigner(b"\x77" * 32)
FOURTH = LocalSigner(b"\x78" * 32)
OLD = PARAMETERS.validators
LEDGER = bytes(31) + b"\x01"


def change(
    action: SetAction,
    member: ValidatorIdentity,
    *,
    members: Sequence[ValidatorIdentity] = OLD,
    version: int = 2,
    key: LocalSigner | None = None,
    signers: Sequence[LocalSigner] = VALIDATORS,
) -> SignedSetChange:
    made = SetChange(
        subnet_id=PARAMETERS.subnet_id,
        version=version,
        base_set_id=set_id(members),
        action=action,
        member=member,
    )
    return SignedSetChange(
        change=made,
        proof=b"" if key is None else key.sign(proof_digest(made)),
        approvals=tuple(signer.sign(change_digest(made)) for signer in signers),
    )


def rotation(*, approvals: int = 2, base: str | None = None) -> SignedSetChange:
    member = replace(OLD[0], address=NEW.address, public_key=NEW.public_key)
    made = change(SetAction.ROTATE_KEY, member, key=NEW, signers=VALIDATORS[:approvals])
    if base is not None:
        made = replace(made, change=replace(made.change, base_set_id=base))
    return made


def fourth() -> SignedSetChange:
    member = replace(
        OLD[0],
        id=ValidatorId("validator-4"),
        address=FOURTH.address,
        public_key=FOURTH.public_key,
    )
    return change(SetAction.ADD, member, key=FOURTH)


ROTATED = members_after(OLD, rotation().change)
FOUR = members_after(OLD, fourth().change)


def start(
    first: int,
    *sets: Sequence[ValidatorIdentity],
    signers: Sequence[LocalSigner] = (NEW, *VALIDATORS[1:]),
) -> SetStart:
    """Headers of consecutive epochs from `first` on, one for each set; the signers sign the last."""
    sealed: list[SealedHeader] = []
    for epoch, members in enumerate(sets, start=first):
        before = header_hash(sealed[-1].header) if sealed else bytes(32)
        header = Header(
            subnet_id=PARAMETERS.subnet_id,
            epoch=epoch,
            timestamp=epoch,
            parent_hash=parent_hash(before),
            validator_set_id=set_id(members),
        )
        root = commitment_state_root(header, ledger_digest=LEDGER)
        sealed.append(SealedHeader(header=replace(header, state_root=root), ledger_digest=LEDGER))
    digest = header_hash(sealed[-1].header)
    return SetStart(
        headers=tuple(sealed), signatures=tuple(signer.sign(digest) for signer in signers)
    )


def following(signed: SignedSetChange, begin: SetStart, *settled: int) -> KnownSets:
    sets = KnownSets(PARAMETERS)
    for known in sets.check([signed], begin, settled=settled):
        sets.add(known)
    return sets


def test_former_key_counts_in_the_first_epoch_of_the_set_and_never_after() -> None:
    sets = following(rotation(), start(6, OLD, ROTATED))
    former = OLD[0].address
    assert sets.at(6) == (PARAMETERS, {})
    network, accepted = sets.at(7)
    assert accepted == {former: NEW.address}
    assert network.validator_at(former) is None
    assert sets.at(8) == (network, {})


def test_former_keys_signature_proves_the_first_epoch_too_but_no_later_one() -> None:
    both = (VALIDATORS[0], VALIDATORS[1])
    assert following(rotation(), start(6, OLD, ROTATED, signers=both)).sets[-1].first_epoch == 7
    with pytest.raises(SubnetError, match="SN-V119"):
        following(rotation(), start(6, OLD, ROTATED, ROTATED, signers=both))


def test_set_counts_from_the_first_header_that_names_it_also_where_a_later_one_is_signed() -> None:
    sets = following(rotation(), start(6, OLD, ROTATED, ROTATED))
    assert sets.sets[-1].first_epoch == 7


def test_first_epoch_needs_the_header_before_it_or_its_settled_batch() -> None:
    """A late start would let nobody settle what the set signed before."""
    begin = start(7, ROTATED)
    with pytest.raises(SubnetError, match=r"SN-V119.*epoch 6 is not shown"):
        following(rotation(), begin)
    assert following(rotation(), begin, 6).sets[-1].first_epoch == 7
    assert following(rotation(), start(1, ROTATED)).sets[-1].first_epoch == 1


def test_two_changes_before_one_epoch_begin_together() -> None:
    rotated = rotation()
    added = fourth()
    added = change(
        SetAction.ADD,
        added.change.member,
        members=ROTATED,
        version=3,
        key=FOURTH,
        signers=(NEW, *VALIDATORS[1:]),
    )
    after = members_after(ROTATED, added.change)
    sets = KnownSets(PARAMETERS)
    for known in sets.check([rotated, added], start(6, OLD, after), settled=()):
        sets.add(known)
    assert [known.first_epoch for known in sets.sets] == [0, 7, 7]
    assert sets.at(7)[1] == {OLD[0].address: NEW.address}


def test_other_endpoints_change_nothing_that_rootlayer_counts() -> None:
    moved = replace(OLD[2], raft_endpoint="127.0.0.1:9")
    sets = following(change(SetAction.MOVE, moved), start(6, OLD, OLD, signers=VALIDATORS))
    assert sets.at(7)[0].validators[2] == moved
    assert set_id(sets.at(7)[0].validators) == set_id(OLD)


def test_repeated_change_is_harmless_and_another_one_for_its_place_is_refused() -> None:
    sets = following(rotation(), start(6, OLD, ROTATED))
    assert sets.check([rotation()], start(9, FOUR), settled=()) == []
    with pytest.raises(SubnetError, match="SN-V112"):
        sets.check([fourth()], start(6, OLD, FOUR), settled=())


def test_stored_sets_are_restored_as_they_were() -> None:
    sets = following(rotation(), start(6, OLD, ROTATED))
    again = KnownSets(PARAMETERS)
    again.restore(rotation(), 7)
    assert again.sets == sets.sets


def test_announcement_survives_the_wire() -> None:
    begin = start(6, OLD, ROTATED)
    body = FollowBody(**follow_document([rotation()], begin))
    assert (body.signed_changes(), body.start()) == ([rotation()], begin)


@pytest.mark.parametrize(
    ("signed", "code"),
    [
        (rotation(approvals=1), "SN-V115"),
        (rotation(base="00" * 32), "SN-V112"),
        (replace(rotation(), proof=VALIDATORS[1].sign(bytes(32))), "SN-V114"),
        (replace(rotation(), approvals=(NEW.sign(bytes(32)),)), "SN-V115"),
    ],
)
def test_change_without_approvals_or_proof_is_refused(signed: SignedSetChange, code: str) -> None:
    with pytest.raises(SubnetError, match=code):
        following(signed, start(6, OLD, ROTATED))


def _tampered(**fields: object) -> SetStart:
    """The last header changed after it was signed, its state root made to fit again."""
    begin = start(6, OLD, ROTATED)
    header = replace(begin.headers[-1].header, **fields)  # type: ignore[arg-type]
    root = commitment_state_root(header, ledger_digest=LEDGER)
    sealed = SealedHeader(header=replace(header, state_root=root), ledger_digest=LEDGER)
    return replace(begin, headers=(begin.headers[0], sealed))


_GOOD = start(6, OLD, ROTATED)


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(replace(_GOOD, headers=()), id="no header"),
        pytest.param(replace(_GOOD, signatures=()), id="no signature"),
        pytest.param(replace(_GOOD, signatures=_GOOD.signatures[:1] * 3), id="one signer thrice"),
        pytest.param(start(6, OLD, ROTATED, signers=(NEW, FOURTH)), id="a stranger signs"),
        pytest.param(start(6, OLD, OLD), id="only the set before"),
        pytest.param(start(6, OLD, FOUR), id="a set that no change makes"),
        pytest.param(_tampered(epoch=9), id="a gap"),
        pytest.param(_tampered(parent_hash=bytes(32)), id="not linked"),
        pytest.param(_tampered(timestamp=1), id="changed after signing"),
        pytest.param(_tampered(subnet_id="0x" + "ab" * 32), id="another subnet"),
        pytest.param(
            replace(
                _GOOD,
                headers=(_GOOD.headers[0], replace(_GOOD.headers[1], ledger_digest=bytes(32))),
            ),
            id="state root not opened",
        ),
    ],
)
def test_nobodys_word_makes_a_set_count_from_an_epoch_that_the_set_did_not_sign(
    begin: SetStart,
) -> None:
    """A single lying validator moves neither the members nor their first epoch."""
    with pytest.raises(SubnetError, match="SN-V119"):
        following(rotation(), begin)
