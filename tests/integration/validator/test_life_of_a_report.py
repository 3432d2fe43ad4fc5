"""From report to settlement on one and three validators: every step, every bad day, nothing lost and nothing twice."""

import asyncio
import base64
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from tests.integration.validator.village import Village, fast_settings, until
from tests.unit.validator.ledger_world import DOMAIN, START, SUBNET, record, report

from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.ports.root_layer import OutOfFunds
from pinai_subnet.protocol.digests import batch_digest, items_hash
from pinai_subnet.protocol.reports import ErrorInfo, ExecutionReport, ReportStatus
from pinai_subnet.validator.policy import Policy, PolicyBook
from pinai_subnet.validator.records import Stage
from pinai_subnet.wire.codec.reports import encode_report
from pinai_subnet.wire.pb.pinai import ledger_pb2, ledger_pb2_grpc
from pinai_subnet.wire.pb.subnet import service_pb2, service_pb2_grpc


async def send(village: Village, sent: ExecutionReport, house: int = 0) -> object:
    async with village.houses[house].channel() as channel:
        stub = service_pb2_grpc.ValidatorServiceStub(channel)
        return await stub.SubmitExecutionReport(encode_report(sent))


def stages(village: Village, house: int = 0) -> dict[str, Stage]:
    return village.houses[house].service.replica.read(
        lambda ledger: {s.record.assignment.intent_id: s.stage for s in ledger.assignments()}
    )


def state_digests(village: Village) -> set[bytes]:
    return {
        house.service.replica.read(lambda ledger: ledger.state_digest()) for house in village.houses
    }


def all_settled(village: Village, count: int) -> bool:
    found = [stages(village, house) for house in range(len(village.houses))]
    return all(len(one) == count and set(one.values()) == {Stage.SETTLED} for one in found)


@pytest.mark.parametrize("size", [1, 3])
async def test_a_report_is_verified_sealed_signed_and_settled(tmp_path: Path, size: int) -> None:
    """L1, L14, S4, C2: all validators judge, sign the same batch and settle it; all states are equal."""
    async with Village(tmp_path, size=size) as village:
        assigned = record(1)
        assert [result.accepted for result in await village.assign(assigned)] == [True]
        receipt = await send(village, report(assigned), house=size - 1)
        assert (receipt.status, receipt.phase) == ("accepted", "RECEIVED")
        assert receipt.report_id == (
            f"{assigned.assignment.intent_id}:{assigned.assignment.assignment_id}:agent-0:{START + 1}"
        )
        assert receipt.validator_id == f"validator-{size}"
        assert receipt.received_ts >= START
        await until(lambda: all_settled(village, 1))
        assert village.root_layer.settled() == [assigned.assignment.assignment_id]
        item = village.root_layer.taken[1].items[0]
        assert item.agent == assigned.assignment.agent_address
        assert item.result_hash == sha256(b"result").digest()
        assert item.executed_at == START + 1  # V10: the report's time, not the checkpoint's
        await until(lambda: len(state_digests(village)) == 1)


async def test_many_reports_to_all_validators_are_counted_once(tmp_path: Path) -> None:
    """L1, S7, C11: several epochs, every report sent to every validator, every result settled exactly once."""
    async with Village(tmp_path) as village:
        records = [record(n) for n in range(1, 31)]
        await village.assign(*records)
        receipts = await asyncio.gather(
            *(send(village, report(one), house=h) for one in records for h in range(3))
        )
        by_status = [receipt.status for receipt in receipts]
        assert by_status.count("accepted") == 30
        assert by_status.count("duplicate") == 60
        await until(lambda: all_settled(village, 30))
        assert sorted(village.root_layer.settled()) == sorted(
            one.assignment.assignment_id for one in records
        )


async def test_a_duplicate_with_another_timestamp_is_still_the_same_report(tmp_path: Path) -> None:
    """C8: a changed timestamp is no new report, also after settlement; the first receipt is repeated."""
    async with Village(tmp_path, size=1) as village:
        assigned = record(1)
        await village.assign(assigned)
        first = await send(village, report(assigned))
        await until(lambda: all_settled(village, 1))
        again = await send(village, report(assigned, timestamp=START + 2))
        assert (again.status, again.phase) == ("duplicate", "VERIFIED")
        assert again.report_id == first.report_id
        assert village.root_layer.calls == 1


async def test_a_failed_report_is_rejected_and_the_matcher_hears_of_it(tmp_path: Path) -> None:
    """V2, L15: FAILED is never submitted, does not stay pending, and does not block the next report."""
    async with Village(tmp_path) as village:
        bad, good = record(1), record(2)
        await village.assign(bad, good)
        async with village.houses[1].channel() as channel:
            stub = ledger_pb2_grpc.LedgerServiceStub(channel)
            outcomes = stub.StreamOutcomes(ledger_pb2.StreamOutcomesRequest(after_sequence=0))
            failed = report(
                bad, status=ReportStatus.FAILED, result=b"", error=ErrorInfo(code="E", message="no")
            )
            receipt = await send(village, failed)
            assert receipt.status == "accepted"
            await send(village, report(good))
            ends: dict[str, object] = {}
            async for outcome in outcomes:
                if outcome.kind in (ledger_pb2.REJECTED, ledger_pb2.SETTLED):
                    ends[outcome.intent_id] = outcome
                if len(ends) == 2:
                    break
            outcomes.cancel()
        rejected = ends[bad.assignment.intent_id]
        assert rejected.code == "SN-V057"
        assert "agent_reported_failure (E: no)" in rejected.reason
        assert rejected.agent_name == "agent-0"
        assert ends[good.assignment.intent_id].kind == ledger_pb2.SETTLED
        assert village.root_layer.settled() == [good.assignment.assignment_id]


async def test_root_layer_away_delivers_everything_once_afterwards(tmp_path: Path) -> None:
    """L2, L3, L13, L16, C11 and claim 2: no loop ends, epochs wait in the log, each is delivered exactly once."""
    async with Village(tmp_path) as village:
        village.root_layer.away = Unreachable("SN-S100", "connection refused")
        records = [record(n) for n in range(1, 6)]
        await village.assign(*records)
        for one in records:
            await send(village, report(one))
            await asyncio.sleep(0.05)
        await until(lambda: village.root_layer.calls >= 3)
        assert village.root_layer.settled() == []
        village.log.lead("validator-2")  # a new leader inherits the outbox
        village.root_layer.away = None
        village.root_layer.answers_lost = 1
        await until(lambda: all_settled(village, 5))
        assert sorted(village.root_layer.settled()) == sorted(
            one.assignment.assignment_id for one in records
        )


async def test_without_funds_settlement_waits_says_so_and_goes_on_by_itself(tmp_path: Path) -> None:
    """operators.md row 32: intents become final all the same; status, readiness and metric name the reason."""
    settings = fast_settings(
        settle={"retry_initial_seconds": 0.01, "retry_max_seconds": 0.05, "refused_attempts": 2}
    )
    async with Village(tmp_path, settings=settings) as village:
        village.root_layer.away = OutOfFunds("SN-S075", "insufficient funds for gas")
        records = [record(n) for n in range(1, 4)]
        await village.assign(*records)
        for one in records:
            await send(village, report(one))
        await until(lambda: village.root_layer.calls >= 6)
        await until(lambda: set(stages(village).values()) == {Stage.FINAL})
        leader = village.houses[0]
        assert leader.service.settlement_pause.reason == "insufficient funds for gas"
        assert leader.service.progress["settle"].check().ok
        async with httpx.AsyncClient(base_url=leader.url) as http:
            status = (await http.get("/api/v1/status")).json()
            facts = (await http.get("/health")).json()
            metrics = (await http.get("/metrics")).text
        assert status["settlement_paused"] == "insufficient funds for gas"
        assert status["epochs"]["settlement_backlog"] >= 1
        funds = [r for r in facts["able_to_finalise"]["reasons"] if r["check"] == "funds"]
        assert [one["code"] for one in funds] == ["SN-S075"]
        assert "subnet_validator_settlement_paused_bool 1.0" in metrics
        village.root_layer.away = None
        await until(lambda: all_settled(village, 3))
        await until(lambda: leader.service.settlement_pause.reason is None)
        async with httpx.AsyncClient(base_url=leader.url) as http:
            assert (await http.get("/api/v1/status")).json()["settlement_paused"] is None


async def test_an_item_that_root_layer_refuses_ends_with_its_words(tmp_path: Path) -> None:
    async with Village(tmp_path) as village:
        refused, fine = record(1), record(2)
        village.root_layer.refused_items = {refused.assignment.assignment_id}
        await village.assign(refused, fine)
        await send(village, report(refused))
        await send(village, report(fine))
        await until(
            lambda: stages(village).get(refused.assignment.intent_id) is Stage.SETTLEMENT_REFUSED
        )
        await until(lambda: stages(village).get(fine.assignment.intent_id) is Stage.SETTLED)


async def test_an_item_whose_assignment_is_posted_later_is_settled_then(tmp_path: Path) -> None:
    """L16 and claim 2: after an outage batches may reach RootLayer before the matcher's assignments do."""
    async with Village(tmp_path) as village:
        early = record(1)
        village.root_layer.unknown_items = {early.assignment.assignment_id}
        await village.assign(early)
        await send(village, report(early))
        await until(lambda: village.root_layer.calls >= 3)
        assert Stage.SETTLEMENT_REFUSED not in stages(village).values()
        village.root_layer.unknown_items = set()
        await until(lambda: all_settled(village, 1))


async def test_an_item_whose_assignment_is_never_posted_ends_after_some_attempts(
    tmp_path: Path,
) -> None:
    """L15: what RootLayer never takes does not block later epochs for ever."""
    settings = fast_settings(settle={"early_attempts": 3, "retry_initial_seconds": 0.01})
    async with Village(tmp_path, size=1, settings=settings) as village:
        village.root_layer.unknown_items = {record(1).assignment.assignment_id}
        await village.assign(record(1), record(2))
        await send(village, report(record(1)))
        await until(lambda: set(stages(village).values()) >= {Stage.SETTLEMENT_REFUSED})
        await send(village, report(record(2)))
        await until(lambda: Stage.SETTLED in stages(village).values())


async def test_a_batch_that_is_refused_as_a_whole_ends_after_some_attempts(tmp_path: Path) -> None:
    """L2: a refusal neither ends the process nor blocks later epochs for ever."""
    settings = fast_settings(settle={"refused_attempts": 2, "retry_initial_seconds": 0.01})
    async with Village(tmp_path, size=1, settings=settings) as village:
        village.root_layer.away = Refused("SN-S102", "unknown subnet")
        await village.assign(record(1))
        await send(village, report(record(1)))
        await until(lambda: set(stages(village).values()) == {Stage.SETTLEMENT_REFUSED})
        village.root_layer.away = None
        await village.assign(record(2))
        await send(village, report(record(2)))
        await until(lambda: Stage.SETTLED in stages(village).values())


async def test_a_validator_that_was_down_signs_what_it_missed_and_agrees(tmp_path: Path) -> None:
    """L14, C6: signatures are in the log, so a node that was away has them all when it is back."""
    async with Village(tmp_path) as village:
        village.log.down.add("validator-3")
        await village.assign(record(1))
        await send(village, report(record(1)))
        await until(lambda: stages(village).get(record(1).assignment.intent_id) is Stage.SETTLED)
        village.log.down.clear()
        await village.log.members["validator-3"].catch_up()
        await until(lambda: all_settled(village, 1))


async def test_no_quorum_promises_nothing_and_recovers(tmp_path: Path) -> None:
    """L17, L20: no receipt without a majority; afterwards the same report is taken."""
    async with Village(tmp_path) as village:
        await village.assign(record(1))
        village.log.down.update({"validator-2", "validator-3"})
        answer = await asyncio.gather(send(village, report(record(1))), return_exceptions=True)
        assert "SN-V085" in str(answer[0])
        village.log.down.clear()
        receipt = await send(village, report(record(1)))
        assert receipt.status == "accepted"
        await until(lambda: all_settled(village, 1))


async def test_a_report_waits_for_its_assignment(tmp_path: Path) -> None:
    """A8: a report is tied to an assignment, and one that is a little early waits for it."""
    settings = fast_settings(intake={"unknown_assignment_wait_seconds": 5})
    async with Village(tmp_path, settings=settings) as village:
        sending = asyncio.ensure_future(send(village, report(record(1))))
        await asyncio.sleep(0.1)
        await village.assign(record(1), house=1)
        assert (await sending).status == "accepted"
        await until(lambda: all_settled(village, 1))


async def test_policy_hold_keeps_the_report_until_the_assignment_comes(tmp_path: Path) -> None:
    async with Village(tmp_path, hold_unknown=True) as village:
        receipt = await send(village, report(record(1)))
        assert (receipt.status, receipt.phase) == ("accepted", "RECEIVED")
        await village.assign(record(1))
        await until(lambda: all_settled(village, 1))


async def test_silence_expires_and_the_runner_up_still_wins(tmp_path: Path) -> None:
    """L6, L15: an assignment nobody reports for reaches an end, and a later attempt of the intent settles."""
    async with Village(tmp_path, size=1) as village:
        # The ledger's grace after the deadline is five seconds; a shorter one keeps the test short.
        silent, runner_up = record(1, intent=7), record(2, intent=7, agent=1, attempt=2)
        await village.assign(silent, runner_up)
        await send(village, report(runner_up))
        ledger = village.houses[0].service.replica
        await until(
            lambda: (
                {
                    s.record.assignment.assignment_id: s.stage
                    for s in ledger.read(lambda found: list(found.assignments()))
                }
                == {
                    silent.assignment.assignment_id: Stage.REJECTED,
                    runner_up.assignment.assignment_id: Stage.SETTLED,
                }
            )
        )


async def test_a_batch_of_reports_gives_aligned_receipts(tmp_path: Path) -> None:
    """Interop 23 and 24: several reports of one agent in one batch; refusals do not disturb the others."""
    async with Village(tmp_path) as village:
        records = [record(n) for n in range(1, 6)]
        await village.assign(*records)
        stray = report(record(99))
        messages = [encode_report(report(one)) for one in records]
        messages.insert(2, encode_report(stray))
        async with village.houses[0].channel() as channel:
            stub = service_pb2_grpc.ValidatorServiceStub(channel)
            strict = await stub.SubmitExecutionReportBatch(
                service_pb2.ExecutionReportBatchRequest(reports=messages)
            )
            assert [r.status for r in strict.receipts] == ["accepted"] * 2 + ["rejected"] * 4
            assert (strict.success, strict.failed) == (2, 4)
            assert strict.receipts[2].report_id == stray.report_id
            partial = await stub.SubmitExecutionReportBatch(
                service_pb2.ExecutionReportBatchRequest(reports=messages, partial_ok=True)
            )
            assert [r.status for r in partial.receipts] == [
                "duplicate",
                "duplicate",
                "rejected",
                "accepted",
                "accepted",
                "accepted",
            ]
        await until(lambda: all_settled(village, 5))


async def test_everything_published_can_be_recomputed(tmp_path: Path) -> None:
    """S2, S3, claim 8: items, digest and signatures follow from what the HTTP API shows."""
    async with Village(tmp_path) as village, httpx.AsyncClient() as http:
        assigned = record(1)
        await village.assign(assigned)
        await send(village, report(assigned, result=b"\x00\xff binary"))
        await until(lambda: all_settled(village, 1))
        base = village.houses[2].url + "/api/v1"
        intent = (await http.get(f"{base}/intents/{assigned.assignment.intent_id}")).json()
        attempt = intent["attempts"][0]
        assert attempt["stage"] == "SETTLED"
        assert set(attempt["times_ms"]) >= {
            "ASSIGNED",
            "REPORTED",
            "VERIFIED",
            "SEALED",
            "FINAL",
            "SETTLED",
        }
        assert {v["validator_id"] for v in attempt["verdicts"]} >= {"validator-1", "validator-2"}
        assert all(v["passed"] and v["policy_id"] == "default" for v in attempt["verdicts"])
        assert attempt["settlement"]["result"]["ok"]
        assert len(attempt["settlement"]["signatures"]) >= 2
        report_id = attempt["report"]["report_id"]
        shown = (await http.get(f"{base}/reports/{report_id}")).json()
        result = base64.b64decode(shown["report"]["result_data"])
        assert result == b"\x00\xff binary"
        assert "0x" + sha256(result).hexdigest() == attempt["report"]["result_hash"]
        by_own_id = await http.get(f"{base}/reports/{report(assigned).report_id}")
        assert by_own_id.json()["report"]["report_id"] == report_id
        epoch = (await http.get(f"{base}/epochs/1")).json()
        batch = village.root_layer.taken[1]
        assert epoch["items_hash"] == "0x" + items_hash(batch.items).hex()
        digest = batch_digest(
            subnet_id=SUBNET,
            items_hash=items_hash(batch.items),
            root_height=1,
            root_hash=bytes.fromhex(epoch["root_hash"][2:]),
            domain=DOMAIN,
        )
        assert epoch["batch_digest"] == "0x" + digest.hex()
        assert (await http.get(f"{base}/epochs/2")).status_code == 404
        status = (await http.get(f"{base}/status")).json()
        assert status["epochs"]["settled"] == 1
        assert status["quorum"]["raft_majority"] == 2
        assert [v["expected"] for v in status["validators"]] == [1, 1, 1]
        metrics = (await http.get(village.houses[2].url + "/metrics")).text
        assert "subnet_validator_verdicts_total" in metrics


async def test_the_archive_answers_after_the_ledger_forgot(tmp_path: Path) -> None:
    """M2, M3: the ledger forgets settled work on every validator alike; the archive still explains it."""
    async with Village(tmp_path, size=1) as village:
        service = village.houses[0].service
        await village.assign(record(1))
        await send(village, report(record(1), result=b"kept"))
        await until(lambda: all_settled(village, 1))
        await service.drain()
        ledger = service.machine.read(lambda found: found)
        ledger.state.assignments.clear()
        ledger._tables.by_intent.clear()
        ledger._tables.by_report_id.clear()
        ledger.state.epochs.clear()
        ledger._tables.by_header_hash.clear()
        intent = await service.queries.intent(record(1).assignment.intent_id)
        assert intent["attempts"][0]["stage"] == "SETTLED"
        assert intent["attempts"][0]["report"]["result_bytes"] == 4
        assert intent["attempts"][0]["settlement"]["epoch"] == 1
        found = await service.queries.report(intent["attempts"][0]["report"]["report_id"])
        assert found.report.result_data == b"kept"
        assert (await service.queries.checkpoint(1)).epoch == 1
        assert len(await service.queries.signatures(1)) == 1


async def test_a_policy_of_the_type_decides(tmp_path: Path) -> None:
    """V1: verification happens, by each validator itself, with its reason on record."""
    strict = PolicyBook(
        overrides={"echo": Policy(policy_id="echo", required_evidence=("proof_exec",))}
    )
    async with Village(tmp_path, policies=strict) as village:
        await village.assign(record(1))
        await send(village, report(record(1)))
        await until(lambda: set(stages(village).values()) == {Stage.REJECTED})
        state = village.houses[0].service.replica.read(lambda ledger: next(ledger.assignments()))
        assert state.code == "SN-V068"
        assert {verdict.policy_id for verdict in state.verdicts.values()} == {"echo"}
