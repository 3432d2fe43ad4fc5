"""RootLayer follows the validator set by approved changes only, and believes each key in its own epochs only."""

from dataclasses import replace

import pytest
from tests.rootlayer_kit import PARAMETERS, VALIDATORS

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.membership import (
    SetAction,
    SetChange,
    SignedSetChange,
    change_digest,
    proof_digest,
    set_id,
)
from pinai_subnet.rootlayer.sets import KnownSets

NEW = LocalSigner(b"\x77" * 32)


def rotation(*, approvals: int = 2, base: str | None = None) -> SignedSetChange:
    member = replace(PARAMETERS.validators[0], address=NEW.address, public_key=NEW.public_key)
    change = SetChange(
        subnet_id=PARAMETERS.subnet_id,
        version=2,
        base_set_id=base or set_id(PARAMETERS.validators),
        action=SetAction.ROTATE_KEY,
        member=member,
    )
    digest = change_digest(change)
    return SignedSetChange(
        change=change,
        proof=NEW.sign(proof_digest(change)),
        approvals=tuple(signer.sign(digest) for signer in VALIDATORS[:approvals]),
    )


def test_former_key_counts_in_the_first_epoch_of_the_set_and_never_after() -> None:
    sets = KnownSets(PARAMETERS)
    known = sets.check(rotation(), 7)
    assert known is not None
    sets.add(known)
    former = PARAMETERS.validators[0].address
    assert sets.at(6) == (PARAMETERS, {})
    network, accepted = sets.at(7)
    assert accepted == {former: NEW.address}
    assert network.validator_at(former) is None
    assert sets.at(8) == (network, {})


def test_repeated_change_is_harmless_and_another_one_for_its_place_is_refused() -> None:
    sets = KnownSets(PARAMETERS)
    known = sets.check(rotation(), 7)
    assert known is not None
    sets.add(known)
    assert sets.check(rotation(), 7) is None
    other = rotation()
    moved = replace(other.change.member, raft_endpoint="127.0.0.1:9")
    with pytest.raises(SubnetError, match="SN-V112"):
        sets.check(replace(other, change=replace(other.change, member=moved)), 7)


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
        KnownSets(PARAMETERS).check(signed, 7)
