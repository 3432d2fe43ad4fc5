"""One of three validators lies with its own valid key. The other two finalise honestly, count nothing and name it.

The liar runs none of the honest loops: whatever it puts into the log is made here.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
import pytest
from tests.integration.validator.village import Village, until
from tests.unit.validator.ledger_world import (
    SUBNET,
    hex32,
    key_of,
    record,
    report,
    sign_record,
    signer,
    verdict,
)

from pinai_subnet.protocol.assignments import AssignmentRecord
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.reports import ExecutionReport, signing_digest
from pinai_subnet.validator.applied import Applied
from pinai_subnet.validator.command_codec import VERSION, encode_command
from pinai_subnet.validator.commands import (
    Command,
    Expire,
    ItemSettlement,
    ReceiveReports,
    RecordAssignments,
    RecordSettlement,
    RecordSignature,
    RecordVerdicts,
    Seal,
    Stamp,
)
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.policy import Policy, PolicyBook
from pinai_subnet.validator.records import EpochState, Stage
from pinai_subnet.wire.codec.reports import encode_report
from pinai_subnet.wire.pb.subnet import service_pb2, service_pb2_grpc

LIAR = ValidatorId("validator-3")
KEY = signer(LIAR)
OTHER = b"\x07" * 32
SIGNED_ONLY = Policy(require_report_signature=True)


class LyingVillage(Village):
    """Three validators, of which the third does only what a test makes it do."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.houses[2].stop.set()
        self.requests = 0
        return self

    async def lie(self, build: Callable[[Stamp], Command], *, name: str = LIAR) -> Applied:
        """Put one command of the liar into the log, signed with its key, in whatever name."""
        self.requests += 1
        stamp = Stamp(
            request_id=f"lie-{self.requests}",
            proposer=ValidatorId(name),
            at_ms=int(self.clock.now() * 1000),
        )
        return await self.put(encode_command(build(stamp), KEY, SUBNET))

    async def put(self, data: bytes) -> Applied:
        applied = await self.houses[2].service.replication.submit(data, timeout_seconds=2)
        assert isinstance(applied, Applied)
        return applied

    async def send(self, sent: ExecutionReport, house: int = 0) -> Any:
        async with self.houses[house].channel() as channel:
            stub = service_pb2_grpc.ValidatorServiceStub(channel)
            return await stub.SubmitExecutionReport(encode_report(sent))

    def ledger(self, query: Callable[[Ledger], Any], house: int = 0) -> Any:
        return self.houses[house].service.replica.read(query)

    def stage(self, of: AssignmentRecord) -> Stage | None:
        def read(ledger: Ledger) -> Stage | None:
            state = ledger.assignment(of.assignment.assignment_id)
            return None if state is None else state.stage

        found: Stage | None = self.ledger(read)
        return found

    async def settled(self, *records: AssignmentRecord) -> None:
        await until(lambda: all(self.stage(one) is Stage.SETTLED for one in records))

    async def agreed(self) -> None:
        """All three ledgers, the liar's too, are the same: lies are refused alike everywhere."""
        await until(
            lambda: (
                len({self.ledger(lambda ledger: ledger.state_digest(), n) for n in range(3)}) == 1
            )
        )

    async def status(self) -> Any:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{self.houses[0].url}/api/v1/status")).json()

    async def of_liar(self) -> Any:
        return next(one for one in (await self.status())["validators"] if one["id"] == LIAR)


def refused(applied: Applied) -> str:
    assert applied.replies
    assert {reply.status.value for reply in applied.replies} == {"rejected"}
    return applied.replies[0].code


def signed(stamp: Stamp, epoch: EpochState, **changes: Any) -> RecordSignature:
    honest = RecordSignature(
        stamp=stamp,
        epoch=epoch.epoch,
        batch_digest=epoch.batch_digest,
        batch_signature=KEY.sign_eip191(epoch.batch_digest),
        header_hash=epoch.header_hash,
        header_signature=KEY.sign(epoch.header_hash),
    )
    return replace(honest, **changes)


async def sealed(village: LyingVillage, *records: AssignmentRecord) -> EpochState:
    await village.assign(*records)
    for one in records:
        await village.send(report(one))
    await village.settled(*records)
    epoch: EpochState = village.ledger(lambda ledger: ledger.latest_epoch())
    return epoch


@pytest.mark.parametrize("over_header", [False, True])
async def test_a_wrong_digest_counts_nothing_and_a_second_signature_is_evidence_for_everybody(
    tmp_path: Path, *, over_header: bool
) -> None:
    """C3, S6: the double sign is kept, served over gRPC and HTTP, and the status names the member."""
    async with LyingVillage(tmp_path) as village:
        epoch = await sealed(village, record(1))
        changes = (
            {"header_hash": OTHER, "header_signature": KEY.sign(OTHER)}
            if over_header
            else {"batch_digest": OTHER, "batch_signature": KEY.sign_eip191(OTHER)}
        )
        assert refused(await village.lie(lambda s: signed(s, epoch, **changes))) == "SN-V035"
        assert LIAR not in epoch.signatures
        assert (await village.of_liar())["double_signs"] == 0
        await village.lie(lambda s: signed(s, epoch))
        assert LIAR in village.ledger(lambda ledger: ledger.epoch(1)).signatures
        for house in village.houses[:2]:
            async with house.channel() as channel:
                stub = service_pb2_grpc.ValidatorServiceStub(channel)
                query = service_pb2.DoubleSignQuery(validator_id=LIAR)
                (found,) = [one async for one in stub.GetDoubleSignEvidences(query)]
                assert LIAR in str(found)
            async with httpx.AsyncClient() as client:
                listed = (await client.get(f"{house.url}/api/v1/double-signs")).json()
            (proof,) = listed["double_signs"]
            assert proof["validator_id"] == LIAR
            assert "0x" + OTHER.hex() in (proof["first_digest"], proof["second_digest"])
        assert (await village.of_liar())["double_signs"] == 1
        assert await sealed(village, record(2))
        await village.agreed()


async def test_signatures_of_others_or_of_nobody_count_nothing(tmp_path: Path) -> None:
    """A4: whatever the liar sends instead of its own signature, only the honest two are in the batch."""
    async with LyingVillage(tmp_path) as village:
        epoch = await sealed(village, record(1))
        borrowed = epoch.signatures[ValidatorId("validator-1")]
        for changes in (
            {"batch_signature": borrowed.batch_signature},
            {"header_signature": borrowed.header_signature},
            {"batch_signature": signer("stranger").sign_eip191(epoch.batch_digest)},
            {"batch_signature": bytes(65)},
            {"header_signature": b"\xff" * 65},
        ):
            applied = await village.lie(lambda s, c=changes: signed(s, epoch, **c))  # type: ignore[misc]
            assert refused(applied)
        assert (
            refused(await village.lie(lambda s: signed(s, replace(epoch, epoch=99)))) == "SN-V034"
        )
        assert LIAR not in village.ledger(lambda ledger: ledger.epoch(1)).signatures
        assert not village.ledger(lambda ledger: ledger.double_signs())
        await sealed(village, record(2))
        assert len(village.root_layer.taken[2].signatures) == 2


async def test_commands_in_anothers_name_are_refused_and_replayed_ones_change_nothing(
    tmp_path: Path,
) -> None:
    """The envelope: the liar cannot speak for validator-1, and repeating its true words does nothing."""
    async with LyingVillage(tmp_path) as village:
        await sealed(village, record(1), record(2))
        await village.agreed()
        forged = await village.lie(lambda s: Expire(stamp=s), name="validator-1")
        assert [event.code for event in forged.events] == ["SN-V002"]  # type: ignore[union-attr]
        genuine = list(village.log.commands)

        def counted(ledger: Ledger) -> Any:
            return (ledger.counts(), ledger.next_epoch, ledger.sequence, ledger.now_ms)

        before = village.ledger(counted)
        for data in genuine:
            await village.put(data)
            kind, proposer, body, made = msgspec.msgpack.decode(data[1:])
            renamed = msgspec.msgpack.encode([kind, LIAR, body, made])
            await village.put(bytes((VERSION,)) + renamed)
            rebadged = msgspec.msgpack.encode([(kind % 7) + 1, proposer, body, made])
            await village.put(bytes((VERSION,)) + rebadged)
        assert village.ledger(counted)[:3] == before[:3]
        assert len(village.root_layer.taken) == village.ledger(lambda ledger: ledger.next_epoch) - 1
        await sealed(village, record(3))
        await village.agreed()


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\xff" * 100, b"\x01\xc1", b"\x80\x04cos\nsystem\n"]
)
async def test_garbage_in_the_log_is_a_recorded_refusal(tmp_path: Path, data: bytes) -> None:
    async with LyingVillage(tmp_path) as village:
        for _ in range(20):
            applied = await village.put(data)
            assert [event.code for event in applied.events] == ["SN-V001"]  # type: ignore[union-attr]
        await sealed(village, record(1))
        await village.agreed()


async def test_verdicts_for_others_or_about_nothing_do_not_count(tmp_path: Path) -> None:
    """A failing verdict of one liar rejects no honest report, and it cannot pass one alone."""
    async with LyingVillage(tmp_path) as village:
        one = record(1)
        await village.assign(one)
        sent = report(one)
        early = await village.lie(
            lambda s: RecordVerdicts(stamp=s, verdicts=(verdict(LIAR, one, sent),))
        )
        assert refused(early)
        await village.send(sent)
        forged = (
            verdict("validator-1", one, sent, passed=False, key=KEY),
            verdict(LIAR, one, sent, key=signer("stranger")),
            verdict(LIAR, one, sent, digest=OTHER),
            verdict(LIAR, record(99), report(record(99))),
        )
        assert refused(await village.lie(lambda s: RecordVerdicts(stamp=s, verdicts=forged)))
        bad = verdict(LIAR, one, sent, passed=False, reason="lie")
        await village.lie(lambda s: RecordVerdicts(stamp=s, verdicts=(bad,)))
        await village.settled(one)
        verdicts = village.ledger(
            lambda ledger: dict(ledger.assignment(one.assignment.assignment_id).verdicts)  # type: ignore[union-attr]
        )
        assert {name for name, given in verdicts.items() if given.passed} == {
            "validator-1",
            "validator-2",
        }
        await village.agreed()


async def test_a_lying_leader_seals_nothing_unverified_and_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C2, S7: the leader's seals of nonsense are refused; the others seal what waits in its place."""
    monkeypatch.setattr("pinai_subnet.validator.loops.seal._TAKE_OVER_SECONDS", 0.3)
    monkeypatch.setattr("pinai_subnet.validator.loops.seal._STEP_SECONDS", 0.1)
    monkeypatch.setattr("pinai_subnet.validator.loops.settle._TAKE_OVER_SECONDS", 0.3)
    monkeypatch.setattr("pinai_subnet.validator.loops.settle._STEP_SECONDS", 0.1)
    async with LyingVillage(tmp_path) as village:
        village.log.lead(LIAR)
        good, silent = record(1), record(2)
        await village.assign(good, silent)
        now = int(village.clock.now())
        for keys in (
            (key_of(silent),),
            (key_of(record(77)),),
            (),
            (key_of(silent), key_of(silent)),
            (key_of(silent)._replace(agent_address=KEY.address),),
        ):
            applied = await village.lie(
                lambda s, k=keys: Seal(stamp=s, epoch=1, keys=k, timestamp=now)  # type: ignore[misc]
            )
            assert refused(applied) == "SN-V031"
        assert (
            refused(await village.lie(lambda s: Seal(stamp=s, epoch=7, keys=(), timestamp=now)))
            == "SN-V030"
        )
        await village.send(report(good))
        await village.settled(good)
        epoch = village.ledger(lambda ledger: ledger.epoch(1))
        assert epoch.sealed_by in ("validator-1", "validator-2")
        again = await village.lie(
            lambda s: Seal(stamp=s, epoch=2, keys=(key_of(good),), timestamp=now)
        )
        assert refused(again) == "SN-V031"
        assert village.root_layer.settled() == [good.assignment.assignment_id]
        assert village.stage(silent) is Stage.ASSIGNED
        await village.agreed()


async def test_a_member_invents_no_assignment_and_no_report_of_a_signing_agent(
    tmp_path: Path,
) -> None:
    """A8: without the matcher's key no assignment, without the agent's key no report that passes."""
    policies = PolicyBook(default=SIGNED_ONLY)
    async with LyingVillage(tmp_path, policies=policies) as village:
        invented = sign_record(record(5), matcher=KEY)  # type: ignore[arg-type]
        applied = await village.lie(lambda s: RecordAssignments(stamp=s, records=(invented,)))
        assert refused(applied) == "SN-V006"
        one, two = record(1), record(2)
        await village.assign(one, two)
        agent = signer("agent-0")
        lie = report(one, result=b"invented", signer=agent.address)
        lies = replace(lie, signature=KEY.sign(signing_digest(lie)))
        await village.lie(lambda s: ReceiveReports(stamp=s, reports=(lies,), hold_unknown=False))
        await until(lambda: village.stage(one) is Stage.REJECTED)
        honest = report(two)
        await village.send(replace(honest, signature=agent.sign(signing_digest(honest))))
        await village.settled(two)
        assert village.root_layer.settled() == [two.assignment.assignment_id]
        state = village.ledger(lambda ledger: ledger.assignment(one.assignment.assignment_id))
        assert state.code == "SN-V079"
        assert state.received_by == LIAR


async def test_a_made_up_answer_of_root_layer_settles_nothing_and_names_the_liar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Point 9: RootLayer has seen nothing; the liar says it took everything, or that it refused everything."""
    async with LyingVillage(tmp_path) as village:
        village.root_layer.refused_items = {record(1).assignment.assignment_id}
        real, taken = village.root_layer.submit_batch, []

        async def slow(batch: Any) -> Any:
            taken.append(batch)
            await until(lambda: village.ledger(claimed))
            return await real(batch)

        def claimed(ledger: Ledger) -> bool:
            epoch = ledger.epoch(1)
            return epoch is not None and LIAR in epoch.claims

        monkeypatch.setattr(village.root_layer, "submit_batch", slow)
        await village.assign(record(1))
        await village.send(report(record(1)))
        await until(lambda: taken)
        lie = ItemSettlement(ok=True, message="settled", receipt_id="made up")
        await village.lie(lambda s: RecordSettlement(stamp=s, epoch=1, results=(lie,)))
        await until(lambda: village.stage(record(1)) is Stage.SETTLEMENT_REFUSED)
        document = await village.status()
        (dispute,) = document["settlement_disputes"]
        assert (dispute["validator_id"], dispute["claimed"], dispute["agreed"]) == (
            LIAR,
            [True],
            [False],
        )
        assert (await village.of_liar())["settlement_disputes"] == 1
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"{village.houses[0].url}/metrics")).text
        assert f'subnet_validator_settlement_disputes_total{{validator="{LIAR}"}} 1.0' in text
        await village.agreed()


async def test_a_clock_years_ahead_expires_nothing_and_is_seen_in_the_status(
    tmp_path: Path,
) -> None:
    """Point 9: the liar's clock is shown beside the others'; assignments stay open and finish."""
    async with LyingVillage(tmp_path) as village:
        one = record(1)
        await village.assign(one)
        years = 10 * 365 * 24 * 3600 * 1000
        for _ in range(3):
            await village.lie(lambda s: Expire(stamp=replace(s, at_ms=s.at_ms + years)))
        assert village.stage(one) is Stage.ASSIGNED
        await village.send(report(one))
        await village.settled(one)
        document = await village.status()
        assert (await village.of_liar())["clock_ms"] > document["now_ms"] + years // 2
        assert abs(document["state"]["now_ms"] - document["now_ms"]) < 120_000
        async with httpx.AsyncClient() as client:
            for house in village.houses[:2]:
                assert (await client.get(f"{house.url}/healthz")).status_code == 200
            # Operators row 9: the others measure it.
            name = f'peer_clock_offset_seconds{{peer="{(await village.of_liar())["id"]}"}} '
            await asyncio.sleep(1.5)
            text = (await client.get(f"{village.houses[0].url}/metrics")).text
        ahead = float(text.partition(name)[2].partition("\n")[0])
        assert abs(ahead * 1000 - years) < 120_000
        await village.agreed()


async def test_a_flood_of_lies_is_bounded_and_leaves_the_network_working(tmp_path: Path) -> None:
    """M2: thousands of refused items leave no state behind; evidence tables keep their limits."""
    async with LyingVillage(tmp_path) as village:
        epoch = await sealed(village, record(1))
        unknown = tuple(report(record(1000 + n)) for n in range(200))
        for _ in range(10):
            await village.lie(lambda s: ReceiveReports(stamp=s, reports=unknown, hold_unknown=True))
            await village.lie(
                lambda s: signed(
                    s,
                    epoch,
                    batch_digest=bytes.fromhex(hex32(s.request_id)[2:]),
                    batch_signature=KEY.sign_eip191(bytes.fromhex(hex32(s.request_id)[2:])),
                )
            )
        limits = village.ledger(lambda ledger: ledger.limits)
        assert (
            len(list(village.ledger(lambda ledger: list(ledger.held_reports())))) <= limits.max_held
        )
        assert len(village.ledger(lambda ledger: ledger.double_signs())) == 1
        await sealed(village, record(2))
        await village.agreed()
        assert json.dumps(await village.status())
