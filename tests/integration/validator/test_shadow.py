"""A candidate policy in whole validators: it is asked, it is told over HTTP, and the ledger never hears of it."""

from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.integration.validator.test_life_of_a_report import all_settled, send, state_digests
from tests.integration.validator.village import Village, until
from tests.unit.validator.ledger_world import record, report

from pinai_subnet.validator.api_shadow import SHADOW_PATH
from pinai_subnet.validator.policy import Policy, PolicyBook
from pinai_subnet.validator.shadow import Candidate

# Of two validators each must judge every report; of three, one that is late may find it sealed.
STRICT = PolicyBook(default=Policy(policy_id="strict", required_evidence=("proof_exec",)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken(PolicyBook):
    """Policies that cannot be asked."""

    def for_type(self, intent_type: str) -> Policy:
        raise ZeroDivisionError("no policy")


async def counts(village: Village) -> list[dict[str, int]]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answers = [await client.get(house.url + SHADOW_PATH) for house in village.houses]
    return [answer.json()["counts"] for answer in answers]


async def test_what_a_candidate_would_refuse_is_settled_and_told_by_every_validator(
    tmp_path: Path,
) -> None:
    async with Village(tmp_path, size=2, candidate=Candidate(policies=STRICT)) as village:
        records = [record(n) for n in range(1, 6)]
        await village.assign(*records)
        for one in records:
            await send(village, report(one))
        await until(lambda: all_settled(village, 5))
        assert len(village.root_layer.settled()) == 5

        async def judged() -> bool:
            return all(found["would_fail"] == 5 for found in await counts(village))

        await until(judged)
        await until(lambda: len(state_digests(village)) == 1)
        async with httpx.AsyncClient(trust_env=False) as client:
            told = (await client.get(village.houses[0].url + SHADOW_PATH)).json()
            metrics = (await client.get(village.houses[0].url + "/metrics")).text
        assert told["reasons"] == [{"active_code": "", "shadow_code": "SN-V068", "count": 5}]
        assert {one["intent_id"] for one in told["differences"]} == {
            one.assignment.intent_id for one in records
        }
        assert 'subnet_validator_shadow_verdicts_total{result="would_fail"} 5.0' in metrics


async def test_a_candidate_that_breaks_ends_nothing_and_delays_no_verdict(tmp_path: Path) -> None:
    async with Village(tmp_path, size=2, candidate=Candidate(policies=Broken())) as village:
        for number in (1, 2):
            await village.assign(record(number))
            await send(village, report(record(number)))
        await until(lambda: all_settled(village, 2))

        async def failed() -> bool:
            return all(found["failed"] == 2 for found in await counts(village))

        await until(failed)


async def test_a_validator_without_a_candidate_says_so(tmp_path: Path) -> None:
    async with Village(tmp_path, size=1) as village, httpx.AsyncClient(trust_env=False) as client:
        told = (await client.get(village.houses[0].url + SHADOW_PATH)).json()
        assert told["shadow"] is None
        assert told["active"]["policy_id"] == "default"
        assert told["judged"] == 0
