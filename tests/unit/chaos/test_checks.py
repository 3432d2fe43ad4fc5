"""The questions at the end of a round notice what is missing, changed or doubled."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from tests.chaos.checks import Books, lost_reports
from tests.chaos.work import Piece
from tests.rootlayer_kit import MATCHER, fresh_id, signed_assignment

from pinai_subnet.cli.verify import Item, PublishedBatch
from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.ids import AgentId

VALIDATORS = ["validator-1", "validator-2", "validator-3"]


class StubNetwork:
    """Answers as validators would that hold these reports."""

    def __init__(self, kept: Mapping[str, Mapping[str, str]]) -> None:
        self.validators = VALIDATORS
        self._kept = kept

    def get(self, name: str, path: str, **parameters: Any) -> Any:
        assert path == "/api/v1/reports"
        return {
            "reports": [
                {"assignment_id": key, "report": {"report_id": report_id}}
                for key, report_id in self._kept[name].items()
            ]
        }


class StubBooks(Books):
    """Books with these items."""

    def __init__(self, *items: Item) -> None:
        self.batches = [
            PublishedBatch(
                subnet_id="", epoch=1, root_hash="", items_hash=b"", items=items, signatures=()
            )
        ]
        self.settled = Counter(item.intent_id for item in items)


@pytest.fixture
def piece() -> Piece:
    record = AssignmentRecord(
        assignment=signed_assignment(fresh_id()),
        agent_id=AgentId("agent"),
        intent_type="chaos",
        assigned_at=1_700_000_000,
        deadline=1_700_000_600,
        attempt=1,
        intent_params_hash=b"",
        record_signature=MATCHER.sign(bytes(32)),
    )
    return Piece(record=record)


def item(piece: Piece, result_hash: bytes) -> Item:
    return Item(
        intent_id=piece.intent_id,
        assignment_id=piece.key,
        agent=piece.record.assignment.agent_address,
        result_hash=result_hash,
        proof_hash=b"",
    )


def lost(piece: Piece, promised: str, books: Books, **kept: str) -> list[str]:
    network = StubNetwork(
        {name: {piece.key: kept.get(name.replace("-", "_"), promised)} for name in VALIDATORS}
    )
    return lost_reports(network, books, {piece.key: {promised}}, {piece.key: piece})  # type: ignore[arg-type]


def test_a_report_that_everybody_holds_and_that_is_settled_is_not_lost(piece: Piece) -> None:
    draft = piece.draft()
    assert lost(piece, draft.report_id, StubBooks(item(piece, draft.result_hash))) == []


def test_another_report_at_one_validator_is_a_loss(piece: Piece) -> None:
    draft, other = piece.draft(), piece.draft()
    books = StubBooks(item(piece, draft.result_hash))
    (found,) = lost(piece, draft.report_id, books, validator_2=other.report_id)
    assert found.startswith("validator-2 has ")


def test_a_promised_report_that_was_never_settled_is_a_loss(piece: Piece) -> None:
    (found,) = lost(piece, piece.draft().report_id, StubBooks())
    assert "never settled" in found


def test_settling_another_result_than_the_promised_one_is_a_loss(piece: Piece) -> None:
    draft, other = piece.draft(), piece.draft()
    (found,) = lost(piece, draft.report_id, StubBooks(item(piece, other.result_hash)))
    assert "another result" in found


def test_a_receipt_for_a_report_that_nobody_sent_is_a_loss(piece: Piece) -> None:
    (found,) = lost(piece, "invented", StubBooks())
    assert "nobody sent" in found


def test_of_two_promised_reports_one_is_lost(piece: Piece) -> None:
    first, second = piece.draft(), piece.draft()
    books = StubBooks(item(piece, second.result_hash))
    network = StubNetwork({name: {piece.key: second.report_id} for name in VALIDATORS})
    promised = {piece.key: {first.report_id, second.report_id}}
    found = lost_reports(network, books, promised, {piece.key: piece})  # type: ignore[arg-type]
    assert len(found) == len(VALIDATORS) + 1
    assert all(first.report_id in one for one in found)


def test_an_intent_in_two_items_is_a_duplicate(piece: Piece) -> None:
    draft = piece.draft()
    one = item(piece, draft.result_hash)
    assert StubBooks(one).duplicates() == []
    assert StubBooks(one, one).duplicates() == [piece.intent_id]


def test_drafts_of_one_assignment_differ_in_id_and_result(piece: Piece) -> None:
    drafts = [piece.draft() for _ in range(3)]
    assert len({draft.report_id for draft in drafts}) == 3
    assert len({draft.result_hash for draft in drafts}) == 3
