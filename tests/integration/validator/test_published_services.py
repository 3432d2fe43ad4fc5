"""The published services answer with real data, refuse in band where agents expect it, and survive every message."""

import asyncio
import contextlib
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from tests.integration.validator.village import Village, fast_settings, until
from tests.unit.validator.ledger_world import AGENTS, START, SUBNET, record, report, signer

from pinai_subnet.protocol.checkpoints import header_hash, parent_hash
from pinai_subnet.protocol.signatures import recover
from pinai_subnet.validator.commands import RecordSignature
from pinai_subnet.validator.records import Stage
from pinai_subnet.wire.auth_file import AuthFile
from pinai_subnet.wire.authentication import signing_interceptors
from pinai_subnet.wire.codec.checkpoints import decode_header
from pinai_subnet.wire.codec.reports import encode_report
from pinai_subnet.wire.pb.pinai import ledger_pb2, ledger_pb2_grpc
from pinai_subnet.wire.pb.subnet import (
    checkpoint_pb2,
    execution_report_pb2,
    service_pb2,
    service_pb2_grpc,
    validation_pb2,
    validation_pb2_grpc,
    validator_pb2,
)

METHODS = [
    f"/{service.full_name}/{method.name}"
    for service in (
        service_pb2.DESCRIPTOR.services_by_name["ValidatorService"],
        validation_pb2.DESCRIPTOR.services_by_name["ValidationService"],
        ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"],
    )
    for method in service.methods
]


def signed(village: Village, name: str) -> list[Any]:
    return signing_interceptors(signer(name), SUBNET, village.clock)


def validator_stub(channel: grpc.aio.Channel) -> Any:
    return service_pb2_grpc.ValidatorServiceStub(channel)


async def code_of(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def settle(village: Village, *numbers: int) -> None:
    records = [record(number) for number in numbers]
    await village.assign(*records)
    async with village.houses[0].channel() as channel:
        for one in records:
            await validator_stub(channel).SubmitExecutionReport(encode_report(report(one)))
    await until(
        lambda: (
            village.houses[0].service.replica.read(lambda ledger: ledger.counts()[Stage.SETTLED])
            == len(numbers)
        )
    )


async def test_no_message_on_any_method_stops_a_validator(tmp_path: Path) -> None:
    """A2 and claim 5: empty messages, random bytes and other types' messages are answered; afterwards all works."""
    seeded = random.Random(7)  # noqa: S311 - repeatable bytes, no secret
    other = encode_report(report(record(1))).SerializeToString()
    payloads = [b"", other, *(seeded.randbytes(seeded.randrange(1, 200)) for _ in range(15))]
    async with Village(tmp_path, size=1) as village:
        async with village.houses[0].channel() as channel:
            for method in METHODS:
                for payload in payloads:
                    call = channel.unary_stream(
                        method, request_serializer=None, response_deserializer=None
                    )(payload, timeout=0.25)
                    with contextlib.suppress(grpc.aio.AioRpcError):
                        async for _ in call:
                            pass
                    assert await call.code() not in (
                        grpc.StatusCode.INTERNAL,
                        grpc.StatusCode.UNKNOWN,
                        grpc.StatusCode.UNAVAILABLE,
                    ), (method, payload[:20], await call.details())
        await settle(village, 1)
        assert not any(task.done() for task in village.houses[0].tasks)


async def test_the_dummy_report_of_public_agents_is_rejected_in_band(tmp_path: Path) -> None:
    """Interop 7: an RPC error would end the published agents at start-up."""
    dummy = execution_report_pb2.ExecutionReport(
        report_id="r",
        assignment_id="assignment-1",
        intent_id="intent-1",
        agent_id="agent-1",
        status=execution_report_pb2.ExecutionReport.SUCCESS,
        timestamp=START,
    )
    async with Village(tmp_path, size=1) as village, village.houses[0].channel() as channel:
        for message in (dummy, execution_report_pb2.ExecutionReport()):
            receipt = await validator_stub(channel).SubmitExecutionReport(message)
            assert (receipt.status, receipt.phase) == ("rejected", "REJECTED")
            assert receipt.report_id == message.report_id
            assert receipt.validator_id == "validator-1"


async def test_reports_of_strangers_are_rejected_before_the_log(tmp_path: Path) -> None:
    """A8: unknown assignment, another agent, another intent, an empty intent: none of them enters a batch."""
    async with Village(tmp_path, size=1) as village, village.houses[0].channel() as channel:
        await village.assign(record(1))
        good = report(record(1))
        for wrong in (
            report(record(2)),
            replace(good, agent_id="agent-9"),
            replace(good, intent_id=record(3).assignment.intent_id),
            replace(good, intent_id=""),
        ):
            receipt = await validator_stub(channel).SubmitExecutionReport(encode_report(wrong))
            assert receipt.status == "rejected", wrong
        counts = village.houses[0].service.replica.read(lambda ledger: ledger.counts())
        assert counts[Stage.REPORTED] == 0


async def test_a_signed_caller_speaks_only_for_its_own_agent(tmp_path: Path) -> None:
    """A1, claim 4: another key's request is refused; the agent's own is taken under either spelling."""
    async with Village(tmp_path, size=1) as village:
        await village.assign(record(1))
        message = encode_report(report(record(1)))
        async with village.houses[0].channel(*signed(village, "agent-1")) as channel:
            code, details = await code_of(validator_stub(channel).SubmitExecutionReport(message))
            assert code is grpc.StatusCode.PERMISSION_DENIED
            assert "SN-V081" in details
        async with village.houses[0].channel(*signed(village, "agent-0")) as channel:
            message.agent_id = AGENTS[0].address
            receipt = await validator_stub(channel).SubmitExecutionReport(message)
            assert receipt.status == "accepted"


async def test_required_signatures_hold_on_grpc_and_http_alike(tmp_path: Path) -> None:
    """A1, A7: where signing is required no way in is without it."""
    auth = AuthFile.model_validate({"validator": {"mode": "require"}})
    async with Village(tmp_path, size=1, auth=auth) as village:
        house = village.houses[0]
        async with house.channel() as channel:
            code, details = await code_of(
                validator_stub(channel).SubmitExecutionReport(encode_report(report(record(1))))
            )
            assert code is grpc.StatusCode.UNAUTHENTICATED
            assert "SN-N301" in details
        async with httpx.AsyncClient() as http:
            answer = await http.post(
                house.url + "/api/v1/execution-report",
                json={"report_id": "r", "assignment_id": "a", "intent_id": "i", "agent_id": "g"},
            )
            assert answer.status_code == 401
            assert "SN-N301" in answer.json()["error"]


async def test_rates_are_counted_per_signer_and_allow_bursts(tmp_path: Path) -> None:
    """A12, interop 24: a burst passes, the limit is the caller's own, and nobody can lock another agent out."""
    settings = fast_settings(
        intake={"reports_per_second": 1, "burst": 5, "unknown_assignment_wait_seconds": 0}
    )
    async with Village(tmp_path, size=1, settings=settings) as village:
        records = [record(n) for n in range(1, 7)]
        await village.assign(*records)
        async with village.houses[0].channel() as channel:
            stub = validator_stub(channel)
            for one in records[:5]:
                receipt = await stub.SubmitExecutionReport(encode_report(report(one)))
                assert receipt.status == "accepted"
            code, details = await code_of(
                stub.SubmitExecutionReport(encode_report(report(records[5])))
            )
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "SN-V082" in details
        async with village.houses[0].channel(*signed(village, "agent-0")) as channel:
            receipt = await validator_stub(channel).SubmitExecutionReport(
                encode_report(report(records[5]))
            )
            assert receipt.status == "accepted"


async def test_http_reports_take_the_same_way(tmp_path: Path) -> None:
    """A7, interop 21, 22: base64 or text, status words in any case, unknown keys; duplicates across all validators."""
    async with Village(tmp_path) as village, httpx.AsyncClient() as http:
        first, second = record(1), record(2)
        await village.assign(first, second)
        body: dict[str, Any] = {
            "report_id": "mine",
            "assignment_id": first.assignment.assignment_id,
            "intent_id": first.assignment.intent_id,
            "agent_id": "agent-0",
            "status": "Success",
            "result_data": "cmVzdWx0",
            "timestamp": 0,
            "metadata": {"chain_address": AGENTS[0].address},
        }
        answers = [
            (await http.post(house.url + "/api/v1/execution-report", json=body)).json()
            for house in village.houses
        ]
        assert [answer["status"] for answer in answers] == ["accepted", "duplicate", "duplicate"]
        assert {answer["report_id"] for answer in answers} == {answers[0]["report_id"]}
        assert answers[0]["received_ts"] >= START
        plain = body | {
            "assignment_id": second.assignment.assignment_id,
            "intent_id": second.assignment.intent_id,
            "status": "",
            "result_data": "not base64!",
        }
        assert (
            await http.post(village.houses[0].url + "/api/v1/execution-report", json=plain)
        ).json()["status"] == "accepted"
        stored = village.houses[0].service.queries
        found = await stored.report(answers[0]["report_id"])
        assert found.report.result_data == b"result"
        await until(lambda: len(village.root_layer.settled()) == 2)
        url = village.houses[0].url + "/api/v1/execution-report"
        assert (await http.get(url)).status_code == 405
        assert (await http.post(url, content=b"{")).status_code == 400
        missing = await http.post(url, json={"report_id": "x"})
        assert missing.status_code == 400
        assert "error" in missing.json()
        unknown = await http.post(url, json=body | {"status": "maybe"})
        assert unknown.status_code == 400
        rejected = (await http.post(url, json=body | {"agent_id": "agent-9"})).json()
        assert (rejected["status"], rejected["code"]) == ("rejected", "SN-V013")


async def test_checkpoints_are_found_by_epoch_and_by_hash(tmp_path: Path) -> None:
    """V5, C3, C9, C10: real headers, chained, with signatures that verify; nothing is invented."""
    async with Village(tmp_path) as village, village.houses[1].channel() as channel:
        stub = validator_stub(channel)
        await settle(village, 1)
        await settle_more(village, 2)
        first = await stub.GetCheckpoint(service_pb2.GetCheckpointRequest(epoch=1))
        second = await stub.GetCheckpoint(service_pb2.GetCheckpointRequest(epoch=2))
        digest = header_hash(decode_header(first))
        assert second.parent_cp_hash == parent_hash(digest)
        for cp_hash in (digest, parent_hash(digest)):
            found = await stub.GetCheckpoint(service_pb2.GetCheckpointRequest(cp_hash=cp_hash))
            assert found.epoch == 1
        latest_hash = parent_hash(header_hash(decode_header(second)))
        found = await stub.GetCheckpoint(service_pb2.GetCheckpointRequest(cp_hash=latest_hash))
        assert found.epoch == 2
        assert (await stub.GetCheckpoint(service_pb2.GetCheckpointRequest())).epoch == 2
        for unknown in (
            service_pb2.GetCheckpointRequest(epoch=9),
            service_pb2.GetCheckpointRequest(epoch=2**64 - 1),
            service_pb2.GetCheckpointRequest(cp_hash=bytes(32)),
            service_pb2.GetCheckpointRequest(subnet_id="0x" + "77" * 32, epoch=1),
        ):
            code, _ = await code_of(stub.GetCheckpoint(unknown))
            assert code is grpc.StatusCode.NOT_FOUND
        members = {member.id: member for member in village.parameters.validators}
        signatures = [
            one async for one in stub.GetSignatures(service_pb2.GetCheckpointRequest(epoch=1))
        ]
        assert len(signatures) >= 2
        for one in signatures:
            assert one.msg_hash == digest
            assert recover(digest, one.der) == members[one.signer_id].address
        assert first.signatures.signature_count == len(first.signatures.ecdsa_signatures) >= 2
        validators = await stub.GetValidatorSet(service_pb2.GetCheckpointRequest())
        assert [v.id for v in validators.validators] == list(members)
        assert all(v.endpoint and len(v.pubkey) == 65 for v in validators.validators)
        assert (validators.threshold_num, validators.threshold_denom) == (2, 3)
        assert (validators.min_validators, validators.effective_epoch) == (2, 1)


async def settle_more(village: Village, number: int) -> None:
    await village.assign(record(number))
    async with village.houses[0].channel() as channel:
        await validator_stub(channel).SubmitExecutionReport(encode_report(report(record(number))))
    await until(lambda: len(village.root_layer.settled()) == number)


async def test_only_validators_propose_headers_and_only_equal_ones_are_confirmed(
    tmp_path: Path,
) -> None:
    """A3, C2: nobody can make a validator sign or adopt a header; a different one is named as different."""
    async with Village(tmp_path) as village:
        await settle(village, 1)
        house = village.houses[0]
        async with house.channel() as channel:
            own = await validator_stub(channel).GetCheckpoint(
                service_pb2.GetCheckpointRequest(epoch=1)
            )
            for interceptors in ([], signed(village, "agent-0")):
                async with house.channel(*interceptors) as stranger:
                    code, details = await code_of(validator_stub(stranger).ProposeHeader(own))
                    assert code is grpc.StatusCode.PERMISSION_DENIED
                    assert "SN-V091" in details
        async with house.channel(*signed(village, "validator-2")) as channel:
            stub = validator_stub(channel)
            assert (await stub.ProposeHeader(own)).ok
            other = checkpoint_pb2.CheckpointHeader.FromString(own.SerializeToString())
            other.timestamp += 1
            ack = await stub.ProposeHeader(other)
            assert not ack.ok
            assert "SN-V092" in ack.msg
            other.epoch = 5
            assert not (await stub.ProposeHeader(other)).ok
        after = house.service.replica.read(lambda ledger: ledger.next_epoch)
        assert after == 2


async def test_submitted_signatures_are_proven_or_refused(tmp_path: Path) -> None:
    """A2, A4, S1: a 65-byte signature of the calling member over a known header, or a coded refusal."""
    async with Village(tmp_path) as village:
        await settle(village, 1)
        house = village.houses[0]
        digest = house.service.replica.read(lambda ledger: ledger.latest_epoch().header_hash)

        def submission(key: str, over: bytes, cp_hash: bytes = digest) -> Any:
            return validator_pb2.SignatureSubmission(
                cp_hash=cp_hash,
                signature=checkpoint_pb2.Signature(der=signer(key).sign(over)),
            )

        async with house.channel() as channel:
            code, _ = await code_of(
                validator_stub(channel).SubmitSignature(validator_pb2.SignatureSubmission())
            )
            assert code is grpc.StatusCode.PERMISSION_DENIED
        async with house.channel(*signed(village, "validator-2")) as channel:
            stub = validator_stub(channel)
            assert (await stub.SubmitSignature(submission("validator-2", digest))).ok
            for wrong, expected in (
                (validator_pb2.SignatureSubmission(), "SN-V090"),
                (submission("validator-3", digest), "SN-V093"),
                (submission("validator-2", bytes(32)), "SN-V093"),
                (submission("validator-2", bytes(32), bytes(32)), "SN-V093"),
            ):
                _, details = await code_of(stub.SubmitSignature(wrong))
                assert expected in details


async def test_double_signing_is_kept_with_both_signatures(tmp_path: Path) -> None:
    """C3, S6: evidence is replicated, complete, and readable through the API."""
    async with Village(tmp_path) as village:
        await settle(village, 1)
        house = village.houses[2]
        await until(
            lambda: house.service.replica.read(
                lambda ledger: (
                    "validator-3" in ledger.epoch(1).signatures or ledger.epoch(1).final_at_ms
                )
            )
        )
        key = signer("validator-3")
        for other in (b"\x01" * 32, b"\x02" * 32):
            await house.service.replica.propose(
                lambda stamp, digest=other: RecordSignature(
                    stamp=stamp,
                    epoch=1,
                    batch_digest=digest,
                    batch_signature=key.sign_eip191(digest),
                    header_hash=digest,
                    header_signature=key.sign(digest),
                )
            )
        async with village.houses[0].channel() as channel:
            found = [
                one
                async for one in validator_stub(channel).GetDoubleSignEvidences(
                    service_pb2.DoubleSignQuery(validator_id="validator-3")
                )
            ]
            nobody = [
                one
                async for one in validator_stub(channel).GetDoubleSignEvidences(
                    service_pb2.DoubleSignQuery(validator_id="validator-1")
                )
            ]
        assert nobody == []
        assert len(found) == 1
        evidence = json.loads(found[0].evidence)
        assert evidence["first_digest"] != evidence["second_digest"]
        assert len(bytes.fromhex(evidence["second_signature"][2:])) == 65


async def test_records_policies_metrics_and_reports_are_real(tmp_path: Path) -> None:
    """V4, V5, V6, M7: no query returns junk, filters and limits are honoured, both services answer."""
    async with Village(tmp_path) as village, village.houses[0].channel() as channel:
        await settle(village, 1, 2)
        stub = validator_stub(channel)
        validation = validation_pb2_grpc.ValidationServiceStub(channel)
        intent = record(1).assignment.intent_id
        await until(
            lambda: village.houses[0].service.replica.read(
                lambda ledger: all(len(s.verdicts) == 3 for s in ledger.assignments())
            )
        )
        for query in (
            stub.GetVerificationRecords(
                service_pb2.GetVerificationRecordsRequest(intent_id=intent)
            ),
            validation.GetVerificationRecords(validation_pb2.VerificationQuery(intent_id=intent)),
        ):
            records = [one async for one in query]
            assert {one.validator_id for one in records} == {
                "validator-1",
                "validator-2",
                "validator-3",
            }
            assert all(one.intent_id == intent for one in records)
            assert all(one.verdict == validation_pb2.VerificationRecord.PASS for one in records)
            assert all(one.confidence == 1.0 and one.timestamp >= START for one in records)
            assert "agent_matches" in records[0].evidence_checked
        by_agent = [
            one
            async for one in stub.GetVerificationRecords(
                service_pb2.GetVerificationRecordsRequest(agent_id="agent-0", limit=4)
            )
        ]
        assert len(by_agent) == 4
        by_address = stub.GetVerificationRecords(
            service_pb2.GetVerificationRecordsRequest(agent_id=AGENTS[0].address)
        )
        assert len([one async for one in by_address]) == 6
        nothing = stub.GetVerificationRecords(
            service_pb2.GetVerificationRecordsRequest(agent_id="agent-7")
        )
        assert [one async for one in nothing] == []
        policy = await stub.GetValidationPolicy(
            service_pb2.GetValidationPolicyRequest(intent_type="echo")
        )
        assert policy == await validation.GetValidationPolicy(
            validation_pb2.PolicyQuery(intent_type="echo")
        )
        assert policy.rules.validation_mode == validation_pb2.ValidationPolicy.DETERMINISTIC
        assert "SN-V057" in policy.metadata.decode()
        metrics = await stub.GetValidatorMetrics(
            service_pb2.GetValidatorMetricsRequest(validator_id="validator-1")
        )
        assert metrics.reports_verified == 2
        assert metrics.last_active >= START
        assert 0 <= metrics.uptime_percentage <= 100
        code, _ = await code_of(
            stub.GetValidatorMetrics(service_pb2.GetValidatorMetricsRequest(validator_id="x"))
        )
        assert code is grpc.StatusCode.NOT_FOUND
        listed = await stub.ListExecutionReports(service_pb2.ListExecutionReportsRequest(limit=1))
        assert (len(listed.reports), listed.total) == (1, 2)
        filtered = await stub.ListExecutionReports(
            service_pb2.ListExecutionReportsRequest(intent_id=intent)
        )
        assert filtered.total == 1
        entry = filtered.reports[0]
        for report_id in (entry.report_id, entry.report.report_id):
            found = await stub.GetExecutionReport(
                service_pb2.GetExecutionReportRequest(report_id=report_id)
            )
            assert found.result_data == b"result"
        code, _ = await code_of(
            stub.GetExecutionReport(service_pb2.GetExecutionReportRequest(report_id="x"))
        )
        assert code is grpc.StatusCode.NOT_FOUND


async def test_assignments_need_the_matchers_signature(tmp_path: Path) -> None:
    """A1: records of strangers are refused one by one, and a stranger's signed call altogether."""
    async with Village(tmp_path) as village:
        forged = record(2, matcher=signer("stranger"))
        tampered = replace(record(3), deadline=START + 50)
        results = await village.assign(record(1), forged, tampered, record(1), house=2)
        assert [(r.accepted, r.code) for r in results] == [
            (True, ""),
            (False, "SN-V005"),
            (False, "SN-V006"),
            (True, ""),
        ]
        async with village.houses[0].channel(*signed(village, "agent-1")) as channel:
            stub = ledger_pb2_grpc.LedgerServiceStub(channel)
            code, _ = await code_of(
                stub.RecordAssignments(ledger_pb2.RecordAssignmentsRequest(request_id="r"))
            )
            assert code is grpc.StatusCode.PERMISSION_DENIED


async def test_outcomes_continue_from_a_cursor_on_any_validator(tmp_path: Path) -> None:
    """L22: a reader that comes back continues where it was; every validator numbers alike."""
    async with Village(tmp_path) as village:
        await settle(village, 1)

        async def read(house: int, after: int) -> list[Any]:
            async with village.houses[house].channel() as channel:
                stub = ledger_pb2_grpc.LedgerServiceStub(channel)
                call = stub.StreamOutcomes(ledger_pb2.StreamOutcomesRequest(after_sequence=after))
                found: list[Any] = []
                try:
                    async with asyncio.timeout(0.5):
                        async for outcome in call:
                            found += [outcome]
                except TimeoutError:
                    call.cancel()
                return found

        first = await read(0, 0)
        assert [outcome.kind for outcome in first][-1] == ledger_pb2.SETTLED
        assert await read(1, first[-1].sequence) == []
        beyond = await read(2, 10_000)
        assert beyond[0].kind == ledger_pb2.RESYNC
        assert beyond[-1].kind == ledger_pb2.SETTLED


async def test_health_and_the_api_description_are_served(tmp_path: Path) -> None:
    async with Village(tmp_path, size=1) as village, httpx.AsyncClient() as http:
        house = village.houses[0]
        house.health.mark_running()
        assert (await http.get(house.url + "/healthz")).status_code == 200
        assert "execution-report" in (await http.get(house.url + "/openapi.json")).text
