"""Who asks to join is remembered for a while, never more than a few, and never without an invitation."""

from dataclasses import replace

import pytest
from tests.unit.protocol.test_invitations import candidacy, invited
from tests.unit.validator.ledger_world import START, World, signer

from pinai_subnet.protocol.errors import Forbidden
from pinai_subnet.protocol.invitations import Candidacy
from pinai_subnet.protocol.membership import proof_digest
from pinai_subnet.validator.candidates import MAX_CANDIDATES, Candidates


def asked_with(name: str) -> Candidacy:
    key, one = signer(name), candidacy()
    member = replace(one.change.member, address=key.address, public_key=key.public_key)
    change = replace(one.change, member=member)
    return replace(one, change=change, proof=key.sign(proof_digest(change)))


def test_a_candidate_is_shown_while_it_repeats_itself() -> None:
    world, candidates = World(), Candidates()
    candidates.put(candidacy(), ledger=world.ledger, now=START)
    candidates.put(candidacy(), ledger=world.ledger, now=START + 50)
    assert candidates.waiting(ledger=world.ledger, now=START + 100) == [candidacy()]
    assert candidates.waiting(ledger=world.ledger, now=START + 111) == []


def test_who_was_not_invited_is_not_shown() -> None:
    world, candidates = World(), Candidates()
    with pytest.raises(Forbidden):
        candidates.put(
            replace(candidacy(), invited=invited(by="nobody")), ledger=world.ledger, now=START
        )
    assert candidates.waiting(ledger=world.ledger, now=START) == []


def test_many_keys_on_one_invitation_take_a_bounded_place() -> None:
    """A package in wrong hands: it can ask, no more; the newest stay, and who waits honestly repeats itself."""
    world, candidates = World(), Candidates()
    asking = [asked_with(f"key {number}") for number in range(MAX_CANDIDATES + 3)]
    for one in asking:
        candidates.put(one, ledger=world.ledger, now=START)
    assert candidates.waiting(ledger=world.ledger, now=START) == asking[3:]
