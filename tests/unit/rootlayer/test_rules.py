"""Which intents, assignments, batches and headers RootLayer believes."""

import dataclasses
from collections.abc import Callable

import pytest
from tests.rootlayer_kit import (
    DOMAIN,
    MATCHER,
    PARAMETERS,
    STRANGER,
    SUBNET,
    VALIDATORS,
    fresh_id,
    item_of,
    signed_assignment,
    signed_batch,
    signed_intent,
)

from pinai_subnet.ports.root_layer import SignedBatch
from pinai_subnet.protocol.assignments import AssignmentStatus
from pinai_subnet.protocol.digests import single_validation_digest
from pinai_subnet.protocol.errors import SubnetError, Unauthenticated
from pinai_subnet.protocol.ids import Address, AssignmentId
from pinai_subnet.protocol.intents import IntentStatus
from pinai_subnet.protocol.request_signing import root_layer_digest
from pinai_subnet.protocol.signatures import CURVE_ORDER
from pinai_subnet.rootlayer.assigning import Effect, check_assignment, effect_of
from pinai_subnet.rootlayer.authentication import HeaderMode, HeaderVerifier
from pinai_subnet.rootlayer.intake import IntakeLimits, check_submission, same_submission
from pinai_subnet.rootlayer.settling import check_batch, check_bundle, check_item
from pinai_subnet.runtime.clock import ManualClock

NOW = 1_700_000_000
LIMITS = IntakeLimits(
    params_bytes=100, intent_type_bytes=16, min_deadline_seconds=5, max_deadline_seconds=1000
)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(SubnetError) as caught:
        call()
    return caught.value.code


def submit(**fields: object) -> None:
    deadline = fields.pop("deadline", NOW + 100)
    intent = signed_intent(deadline=deadline, **fields)  # type: ignore[arg-type]
    check_submission(intent, network=PARAMETERS, limits=LIMITS, now=NOW)


def test_a_signed_intent_in_time_is_taken() -> None:
    submit()
    submit(intent_raw=b"x" * 60, metadata=b"y" * 40, settle_chain="", intent_type="größe")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"subnet_id": "0x" + "00" * 31 + "03"}, "SN-S009"),
        ({"intent_type": ""}, "SN-S005"),
        ({"intent_type": "x" * 17}, "SN-S005"),
        ({"intent_type": "a\nb"}, "SN-S005"),
        ({"intent_raw": b"x" * 101}, "SN-S006"),
        ({"intent_raw": b"x" * 100, "metadata": b"y"}, "SN-S006"),
        ({"deadline": NOW}, "SN-S007"),
        ({"deadline": NOW + 4}, "SN-S007"),
        ({"deadline": NOW + 1001}, "SN-S008"),
        ({"deadline": NOW * 1000}, "SN-S008"),
        ({"settle_chain": "base sepolia"}, "SN-S016"),
        ({"signer": STRANGER}, "SN-S013"),
        ({"requester": STRANGER.address}, "SN-S013"),
    ],
)
def test_an_intent_that_breaks_a_rule_is_refused_with_its_code(
    fields: dict[str, object], code: str
) -> None:
    assert refusal(lambda: submit(**fields)) == code


@pytest.mark.parametrize(
    "change",
    [{"budget": 1}, {"deadline": NOW + 99}, {"intent_type": "other"}, {"params_hash": bytes(32)}],
)
def test_a_signature_covers_every_signed_field(change: dict[str, object]) -> None:
    intent = dataclasses.replace(signed_intent(deadline=NOW + 100), **change)  # type: ignore[arg-type]
    code = refusal(lambda: check_submission(intent, network=PARAMETERS, limits=LIMITS, now=NOW))
    assert code == "SN-S013"


def test_a_malleable_signature_is_refused() -> None:
    """The same r with the mirrored s recovers to the same key; only the low form counts."""
    intent = signed_intent(deadline=NOW + 100)
    s = CURVE_ORDER - int.from_bytes(intent.signature[32:64], "big")
    v = 55 - intent.signature[64]
    mirrored = intent.signature[:32] + s.to_bytes(32, "big") + bytes([v])
    forged = dataclasses.replace(intent, signature=mirrored)
    code = refusal(lambda: check_submission(forged, network=PARAMETERS, limits=LIMITS, now=NOW))
    assert code == "SN-N112"


def test_what_rootlayer_adds_does_not_make_a_submission_another_one() -> None:
    intent = signed_intent(deadline=NOW + 100)
    stored = dataclasses.replace(intent, status=IntentStatus.PROCESSING, created_at=5)
    assert same_submission(stored, intent)
    assert not same_submission(stored, dataclasses.replace(intent, tips=8))


def test_an_assignment_of_a_configured_matcher_is_taken() -> None:
    check_assignment(signed_assignment(fresh_id()), PARAMETERS)


def test_an_assignment_of_a_stranger_or_with_another_signature_is_refused() -> None:
    intent_id = fresh_id()
    foreign = signed_assignment(intent_id, signer=STRANGER, matcher=STRANGER.address)
    assert refusal(lambda: check_assignment(foreign, PARAMETERS)) == "SN-S020"
    forged = signed_assignment(intent_id, signer=STRANGER)
    assert refusal(lambda: check_assignment(forged, PARAMETERS)) == "SN-S021"
    active = signed_assignment(intent_id)
    failed = dataclasses.replace(active, status=AssignmentStatus.FAILED)
    assert refusal(lambda: check_assignment(failed, PARAMETERS)) == "SN-S021"


def test_one_active_assignment_per_intent_and_a_runner_up_after_its_failure() -> None:
    intent = signed_intent(deadline=NOW + 100)
    first = signed_assignment(intent.intent_id)
    runner_up = signed_assignment(intent.intent_id)

    def effect(assignment=first, known=None, active=None, of=intent, now=NOW):  # type: ignore[no-untyped-def]
        return effect_of(assignment, intent=of, known=known, active=active, now=now)

    assert effect() is Effect.ADD
    assert effect(known=first, active=first.assignment_id) is Effect.NOTHING
    assert refusal(lambda: effect(runner_up, active=first.assignment_id)) == "SN-S023"
    failed = dataclasses.replace(first, status=AssignmentStatus.FAILED)
    assert effect(failed, known=first, active=first.assignment_id) is Effect.FAIL
    assert effect(runner_up, active=None) is Effect.ADD
    assert refusal(lambda: effect(first, known=failed)) == "SN-S025"
    assert effect(failed, known=failed) is Effect.NOTHING
    other = dataclasses.replace(first, agent_address=STRANGER.address)
    assert refusal(lambda: effect(other, known=first)) == "SN-S024"
    assert refusal(lambda: effect(of=None)) == "SN-S012"


@pytest.mark.parametrize(
    "status", [IntentStatus.COMPLETED, IntentStatus.EXPIRED, IntentStatus.FAILED]
)
def test_an_ended_or_overdue_intent_cannot_be_assigned(status: IntentStatus) -> None:
    intent = signed_intent(deadline=NOW + 100)
    ended = dataclasses.replace(intent, status=status)
    assignment = signed_assignment(intent.intent_id)
    for stored, now in ((ended, NOW), (intent, NOW + 100)):
        code = refusal(
            lambda stored=stored, now=now: effect_of(  # type: ignore[misc]
                assignment, intent=stored, known=None, active=None, now=now
            )
        )
        assert code == "SN-S022"


def batch(**fields: object) -> SignedBatch:
    item = item_of(signed_assignment(fresh_id()))
    return signed_batch([item, item_of(signed_assignment(fresh_id()))], **fields)  # type: ignore[arg-type]


def test_a_batch_with_enough_distinct_signatures_is_believed() -> None:
    """Two of three; the digest is the one everybody signed, so that anyone can recompute it."""
    two, three = batch(signers=VALIDATORS[:2]), batch()
    assert len(check_batch(two, PARAMETERS)) == 32
    assert check_batch(three, PARAMETERS) != check_batch(two, PARAMETERS)
    check_batch(batch(signer_bitmap=b"\x05", signers=[VALIDATORS[0], VALIDATORS[2]]), PARAMETERS)


@pytest.mark.parametrize(
    ("build", "code"),
    [
        (lambda: batch(signers=VALIDATORS[:1]), "SN-S035"),
        (lambda: batch(signers=[]), "SN-S035"),
        (lambda: batch(signers=[VALIDATORS[0], VALIDATORS[0]]), "SN-S034"),
        (lambda: batch(signers=[*VALIDATORS, STRANGER]), "SN-S033"),
        (lambda: batch(items_hash=bytes(32)), "SN-S031"),
        (lambda: batch(epoch=2**63), "SN-S030"),
        (lambda: batch(aggregator_id="x" * 129), "SN-S030"),
        (lambda: batch(signer_bitmap=b"\x01"), "SN-S030"),
        (lambda: batch(root_hash=b"\1" * 32), "SN-S032"),
        (lambda: batch(subnet_id="0x" + "00" * 31 + "03"), "SN-S009"),
    ],
)
def test_a_batch_that_breaks_a_rule_is_refused_with_its_code(
    build: Callable[[], SignedBatch], code: str
) -> None:
    assert refusal(lambda: check_batch(build(), PARAMETERS)) == code


def test_swapping_the_items_of_a_batch_is_noticed() -> None:
    """The items hash depends on the order, and so does every signature."""
    signed = batch()
    swapped = dataclasses.replace(signed, items=tuple(reversed(signed.items)))
    assert refusal(lambda: check_batch(swapped, PARAMETERS)) == "SN-S031"


def test_a_signature_under_another_members_name_does_not_count() -> None:
    signed = batch()
    (first, signature), (second, _), _ = signed.signatures
    stolen = dataclasses.replace(signed, signatures=((first, signature), (second, signature)))
    assert refusal(lambda: check_batch(stolen, PARAMETERS)) == "SN-S032"


def test_a_batch_with_one_intent_twice_is_refused() -> None:
    item = item_of(signed_assignment(fresh_id()))
    doubled = signed_batch([item, item])
    assert refusal(lambda: check_batch(doubled, PARAMETERS)) == "SN-S041"


def test_a_bundle_is_checked_against_the_older_digest() -> None:
    item = item_of(signed_assignment(fresh_id()))
    digest = single_validation_digest(
        item, subnet_id=SUBNET, root_height=3, root_hash=bytes(32), domain=DOMAIN
    )
    signatures = tuple((s.address, s.sign_eip191(digest)) for s in VALIDATORS[:2])
    bundle = dataclasses.replace(signed_batch([item], epoch=3), signatures=signatures)
    assert check_bundle(bundle, PARAMETERS) == digest
    assert refusal(lambda: check_bundle(signed_batch([item], epoch=3), PARAMETERS)) == "SN-S032"


def test_an_item_must_fit_its_assignment_and_an_open_intent() -> None:
    intent = signed_intent(deadline=NOW)
    processing = dataclasses.replace(intent, status=IntentStatus.PROCESSING)
    assignment = signed_assignment(intent.intent_id)
    item = item_of(assignment)
    check_item(item, intent=processing, assignment=assignment)
    cases = [
        (item, processing, None, "SN-S036"),
        (item, None, assignment, "SN-S036"),
        (item, dataclasses.replace(intent, status=IntentStatus.EXPIRED), None, "SN-S040"),
        (item_of(assignment, agent=STRANGER.address), processing, assignment, "SN-S037"),
        (item_of(assignment, intent_id=fresh_id()), processing, assignment, "SN-S037"),
        (
            item,
            processing,
            dataclasses.replace(assignment, status=AssignmentStatus.FAILED),
            "SN-S038",
        ),
        (item, dataclasses.replace(intent, status=IntentStatus.EXPIRED), assignment, "SN-S040"),
        (item, dataclasses.replace(intent, status=IntentStatus.COMPLETED), assignment, "SN-S040"),
    ]
    for given, stored, known, code in cases:
        assert (
            refusal(lambda g=given, s=stored, k=known: check_item(g, intent=s, assignment=k))
            == code
        )  # type: ignore[misc]


METHOD = "/rootlayer.v1.IntentPoolService/PostAssignment"


def headers(**changes: str) -> dict[str, str]:
    timestamp = changes.get("timestamp", str(NOW))
    digest = root_layer_digest(
        subnet_id=SUBNET, method=changes.get("method", METHOD), timestamp=int(timestamp)
    )
    return {
        "x-chain-id": changes.get("chain", SUBNET),
        "x-signer-id": changes.get("signer", MATCHER.address),
        "x-timestamp": timestamp,
        "x-signature": MATCHER.sign(digest).hex(),
    }


def verifier(mode: HeaderMode) -> HeaderVerifier:
    return HeaderVerifier(
        mode=mode, window_seconds=300, subnet_id=SUBNET, clock=ManualClock(float(NOW))
    )


def verified(given: dict[str, str], mode: HeaderMode = HeaderMode.REQUIRE) -> Address | None:
    return verifier(mode).verify(given, METHOD)


def test_signed_headers_prove_their_signer() -> None:
    assert verified(headers()) == MATCHER.address
    assert verified(headers(timestamp=str(NOW - 300))) == MATCHER.address


def test_unsigned_calls_are_refused_only_where_headers_are_required() -> None:
    assert verified({}, HeaderMode.ACCEPT) is None
    assert verified({"x-signature": "zz"}, HeaderMode.OFF) is None
    assert refusal(lambda: verified({})) == "SN-S050"


@pytest.mark.parametrize("mode", [HeaderMode.REQUIRE, HeaderMode.ACCEPT])
@pytest.mark.parametrize(
    ("given", "code"),
    [
        (headers(timestamp=str(NOW - 301)), "SN-S051"),
        (headers(timestamp=str(NOW + 301)), "SN-S051"),
        (headers(signer=STRANGER.address), "SN-S052"),
        (headers(method="/rootlayer.v1.IntentPoolService/GetIntent"), "SN-S052"),
        (headers(chain="0x" + "00" * 31 + "03"), "SN-S053"),
        (headers() | {"x-signature": "12"}, "SN-S050"),
        (headers() | {"x-timestamp": "now"}, "SN-S050"),
        ({k: v for k, v in headers().items() if k != "x-timestamp"}, "SN-S050"),
    ],
)
def test_headers_that_are_present_must_be_right(
    given: dict[str, str], code: str, mode: HeaderMode
) -> None:
    with pytest.raises(Unauthenticated) as caught:
        verified(given, mode)
    assert caught.value.code == code


def test_a_header_signature_in_the_agents_form_is_refused() -> None:
    """RootLayer's headers have v 27 or 28; v 0 or 1 is another scheme (wire-contract 3.10)."""
    given = headers()
    signature = bytes.fromhex(given["x-signature"])
    given["x-signature"] = (signature[:64] + bytes([signature[64] - 27])).hex()
    assert refusal(lambda: verified(given)) == "SN-N111"


def test_assignment_ids_are_compared_in_their_canonical_form() -> None:
    assignment = signed_assignment(fresh_id(), assignment_id="0x" + "ab" * 32)
    assert assignment.assignment_id == AssignmentId("0x" + "ab" * 32)
