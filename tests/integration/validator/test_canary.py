"""Canaries among the validators: judged, sealed and signed like everything else, in epochs RootLayer never gets."""

from dataclasses import replace
from pathlib import Path

from tests.integration.validator.test_life_of_a_report import all_settled, send
from tests.integration.validator.village import Village, until
from tests.unit.validator.ledger_world import DOMAIN, MATCHER, record, report, sign_record

from pinai_subnet.ports.errors import Unreachable
from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.canaries import CANARY_TYPE, canary_id
from pinai_subnet.protocol.digests import assignment_digest
from pinai_subnet.validator.policy import CANARY_POLICY, Policy, PolicyBook


def canary(number: int) -> AssignmentRecord:
    plain = record(number)
    unsigned = replace(plain.assignment, intent_id=canary_id(number.to_bytes(20, "big")))
    digest = assignment_digest(
        assignment_id=unsigned.assignment_id,
        intent_id=unsigned.intent_id,
        bid_id=unsigned.bid_id,
        agent=unsigned.agent_address,
        status=unsigned.status,
        matcher=unsigned.matcher,
        domain=DOMAIN,
    )
    assignment = replace(unsigned, signature=MATCHER.sign_eip191(digest))
    return sign_record(replace(plain, assignment=assignment))


async def test_canaries_get_epochs_of_their_own_and_are_final_while_root_layer_is_away(
    tmp_path: Path,
) -> None:
    """What costs nothing proves agreement whatever RootLayer does; the real result is settled later, once."""
    async with Village(tmp_path) as village:
        village.root_layer.away = Unreachable("SN-S101", "away")
        real, *probes = record(1), canary(2), canary(3)
        await village.assign(real, *probes)
        for one in (real, *probes):
            await send(village, report(one))

        def settled() -> int:
            return village.houses[0].service.replica.read(
                lambda ledger: sum(e.settled_at_ms is not None for e in ledger.epochs())
            )

        await until(lambda: settled() >= 1)
        village.root_layer.away = None
        await until(lambda: all_settled(village, 3))
        assert village.root_layer.settled() == [real.assignment.assignment_id]


def test_a_canary_is_judged_by_a_policy_of_its_own_whatever_operators_ask_of_work() -> None:
    strict = Policy(required_evidence=("transcript_root",))
    book = PolicyBook(default=strict, overrides={CANARY_TYPE: strict})
    assert book.for_type(CANARY_TYPE) == CANARY_POLICY
    assert book.for_type("echo") == strict
