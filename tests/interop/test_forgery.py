"""Forged, replayed, stale and wrongly addressed requests: refused on every RPC of every server, and on HTTP.

Claim 4 of known-defects section 11.
"""

import asyncio
import time
import uuid
from collections.abc import Callable

import pytest
from tests.interop.forging import FORGERIES, Forgery, Rpc, filled, http_headers, rpcs
from tests.interop.kit import Caller, RealNetwork, new_key, refusal
from tests.interop.sdk_headers import address_of
from tests.interop.sdk_like import GoSdkAgent, PythonSdkAgent
from tests.interop.sdk_wire import SdkAgent

from pinai_subnet.wire.pb.pinai import ledger_pb2
from pinai_subnet.wire.pb.subnet import checkpoint_pb2, matcher_pb2, service_pb2, validator_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

RPCS = list(rpcs())
HTTP_CHANGES = [
    ("registry", "POST", "/agents", {"id": "forged", "capabilities": ["echo"]}),
    ("registry", "POST", "/agents/forged/heartbeat", None),
    ("registry", "DELETE", "/agents/forged", None),
    ("registry", "POST", "/validators", {"id": "forged", "endpoint": "127.0.0.1:1"}),
    ("registry", "POST", "/validators/forged/heartbeat", None),
    ("registry", "DELETE", "/validators/forged", None),
    (
        "validator",
        "POST",
        "/api/v1/execution-report",
        {"report_id": "r", "assignment_id": "a", "intent_id": "i", "agent_id": "forged"},
    ),
]


async def test_every_service_is_looked_at() -> None:
    """The list is read from the descriptors; these counts only show that it was read."""
    counts = {name: sum(r.server == name for r in RPCS) for name in {r.server for r in RPCS}}
    assert counts == {"matcher": 8, "validator": 13, "validation": 2, "ledger": 2, "registry": 6}


@pytest.mark.parametrize("go", [False, True], ids=["python", "go"])
@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.path.strip("/"))
async def test_no_rpc_takes_a_forged_request(
    strict_network: RealNetwork, rpc: Rpc, go: bool
) -> None:
    """Rows 2 and 3; point 12; A1, A9, A14, A15: one honest call is let in, every forgery and the replay is not."""
    it = Forgery(strict_network, rpc, new_key(), go)
    honest = it.signed()
    status, details = await rpc.call(strict_network, it.request, tuple(honest.items()))
    assert status != "UNAUTHENTICATED", details
    made = {name: (code, *forge(it)) for name, (code, forge) in FORGERIES.items()}
    made["replayed nonce"] = ("SN-N306", it.request, honest)
    again = it.signed(nonce=honest["x-nonce"])
    made["nonce in a new request"] = ("SN-N306", it.request, again)
    answers = await asyncio.gather(
        *(
            rpc.call(strict_network, request, tuple(sent.items()))
            for _, request, sent in made.values()
        )
    )
    for (name, (code, _, sent)), (status, details) in zip(made.items(), answers, strict=True):
        assert (status, code in details) == ("UNAUTHENTICATED", True), (name, status, details)
        if "stale" in name:
            both_clocks = (sent["x-timestamp"], str(int(time.time()))[:-2])
            assert all(clock in details for clock in both_clocks), details


@pytest.mark.parametrize(
    ("server", "method", "path", "body"), HTTP_CHANGES, ids=lambda value: str(value)[:28]
)
async def test_no_http_call_takes_a_forged_request(
    strict_network: RealNetwork, server: str, method: str, path: str, body: dict[str, object] | None
) -> None:
    """Row 3; A7, A18: the same proof, nonce memory and clock window over HTTP."""
    key, network = new_key(), strict_network
    name = f"forged-{uuid.uuid4().hex}"
    path = path.replace("forged", name)
    body = body and {k: name if v == "forged" else v for k, v in body.items()}
    address = network.registry if server == "registry" else network.validators_http[0]

    def signed(**changes: object) -> dict[str, str]:
        fields = {
            "key": key,
            "chain_id": network.subnet_id,
            "method": f"{method} {path}",
            "body": body,
        }
        return http_headers(**(fields | changes))  # type: ignore[arg-type]

    async def call(headers: dict[str, str], sent: object = body) -> tuple[int, str]:
        options = {} if sent is None else {"json": sent}
        answer = await network.call(method, address, path, headers=headers, **options)
        return answer.status_code, answer.text

    honest = signed()
    assert (await call(honest))[0] in (200, 201, 404)
    tampered = (body or {}) | {"endpoint": "127.0.0.1:2", "status": "AGENT_STATUS_ACTIVE"}
    forged: list[tuple[str, dict[str, str], object]] = [
        ("SN-N306", honest, body),
        ("SN-N301", {}, body),
        ("SN-N305", signed(), tampered),
        ("SN-N305", signed(method=f"{method} {path}/"), body),
        ("SN-N303", signed(chain_id="0x" + "22" * 32), body),
        ("SN-N304", signed(timestamp=int(time.time()) - 400), body),
        ("SN-N305", signed() | {"x-signer-id": address_of(new_key())}, body),
        ("SN-N302", signed() | {"x-signature": "00"}, body),
    ]
    for code, headers, sent in forged:
        status, text = await call(headers, sent)
        assert (status, code in text) == (401, True), (code, status, text)


@pytest.mark.parametrize("form", [PythonSdkAgent, GoSdkAgent])
async def test_signing_agents_work_where_every_call_must_be_signed(
    strict_network: RealNetwork, form: type[SdkAgent]
) -> None:
    """Row 2; point 12: `require` shuts nobody out who signs; our own matcher and validators sign among themselves."""
    intent_type = f"strict-{form.__name__.lower()}"
    async with form(strict_network.sdk(intent_type)) as agent:
        settled = await strict_network.completed(await strict_network.submit(intent_type))
        assert agent.seen.errors == []
    assert settled["report"]["signer"] == agent.address


async def test_privileged_calls_are_refused_to_everybody_else(strict_network: RealNetwork) -> None:
    """A3, A4, V9: a stranger that signs correctly is still no validator and no matcher."""
    stranger = Caller(network=strict_network, key=new_key())
    header = filled(checkpoint_pb2.CheckpointHeader, 1)
    signature = filled(validator_pb2.SignatureSubmission, 1)
    calls: list[tuple[Callable[..., object], str, object, str]] = [
        (stranger.validator, "ProposeHeader", header, "SN-V091"),
        (stranger.validator, "SubmitSignature", signature, "SN-V091"),
        (
            stranger.matcher,
            "PublishMatchingResult",
            filled(matcher_pb2.MatchingResult, 1),
            "SN-M105",
        ),
        (
            stranger.ledger,
            "RecordAssignments",
            filled(ledger_pb2.RecordAssignmentsRequest, 1),
            "SN-V005",
        ),
        (stranger.ledger, "StreamOutcomes", ledger_pb2.StreamOutcomesRequest(), "SN-V005"),
    ]
    for call, name, request, code in calls:
        assert await refusal(call(name, request)) == ("PERMISSION_DENIED", code), name
    for another_subnet in ("0x" + "22" * 32, "subnet"):
        query = service_pb2.GetCheckpointRequest(subnet_id=another_subnet)
        for name in ("GetCheckpoint", "GetSignatures", "GetValidatorSet"):
            assert (await refusal(stranger.validator(name, query)))[0] == "NOT_FOUND"
