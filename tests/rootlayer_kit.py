"""A small network with known keys, what its members sign, and a RootLayer process inside the test's event loop."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.bootstrap.rootlayer import serve
from pinai_subnet.ports.root_layer import SignedBatch
from pinai_subnet.protocol.assignments import Assignment, AssignmentStatus
from pinai_subnet.protocol.batches import BatchItem
from pinai_subnet.protocol.digests import (
    ChainDomain,
    assignment_digest,
    batch_digest,
    intent_digest,
    items_hash,
    params_hash,
)
from pinai_subnet.protocol.ids import (
    ZERO_ADDRESS,
    AssignmentId,
    BidId,
    IntentId,
    SubnetId,
    ValidatorId,
    parse_address,
)
from pinai_subnet.protocol.intents import Intent, IntentStatus
from pinai_subnet.protocol.network import NetworkParameters, ValidatorIdentity
from pinai_subnet.rootlayer.settings import RootLayerSettings
from pinai_subnet.runtime.clock import Clock, SystemClock
from pinai_subnet.runtime.lifecycle import Process
from pinai_subnet.wire.network_file import EndpointsSection, Network

SUBNET = SubnetId("0x" + "00" * 31 + "02")
REQUESTER, MATCHER, STRANGER = (LocalSigner(bytes([n]) * 32) for n in (0x11, 0x12, 0x13))
VALIDATORS = tuple(LocalSigner(bytes([n]) * 32) for n in (0x21, 0x22, 0x23))
AGENT = parse_address("0x" + "22" * 20, "agent")
DOMAIN = ChainDomain(
    chain_id=84532,
    intent_manager=parse_address("0xB2f092E696B33b7a95e1f961369Bb59611CAd093", "x"),
    checkpoint_manager=parse_address("0x6A61BA20D910576A6c0B39175A6CF98358bB4008", "x"),
)
PARAMETERS = NetworkParameters(
    subnet_id=SUBNET,
    domain=DOMAIN,
    validators=tuple(
        ValidatorIdentity(
            id=ValidatorId(f"validator-{n}"),
            address=signer.address,
            public_key=signer.public_key,
            grpc_endpoint="127.0.0.1:1",
            http_endpoint="127.0.0.1:1",
            raft_endpoint="127.0.0.1:1",
        )
        for n, signer in enumerate(VALIDATORS, start=1)
    ),
    threshold_numerator=2,
    threshold_denominator=3,
    matchers=(MATCHER.address,),
)
NETWORK = Network(
    genesis=PARAMETERS,
    parameters=PARAMETERS,
    endpoints=EndpointsSection(
        matcher_grpc="127.0.0.1:1",
        matcher_http="127.0.0.1:1",
        registry_http="127.0.0.1:1",
        registry_grpc="127.0.0.1:1",
        rootlayer_grpc="127.0.0.1:1",
        rootlayer_http="127.0.0.1:1",
    ),
)

_numbers = itertools.count(1)


def fresh_id() -> str:
    """Return a bytes32 id that no other call returned."""
    return f"0x{next(_numbers):064x}"


def signed_intent(
    *,
    deadline: int,
    intent_id: str | None = None,
    signer: LocalSigner = REQUESTER,
    **fields: object,
) -> Intent:
    """Return a pending intent of the requester; `fields` override any part before signing."""
    raw = fields.get("intent_raw", b'{"task":"test"}')
    metadata = fields.get("metadata", b"")
    assert isinstance(raw, bytes)
    assert isinstance(metadata, bytes)
    unsigned = Intent(
        intent_id=IntentId(intent_id or fresh_id()),
        subnet_id=SUBNET,
        requester=REQUESTER.address,
        settle_chain="base_sepolia",
        intent_type="e2e-test",
        intent_raw=raw,
        metadata=metadata,
        params_hash=params_hash(raw, metadata),
        tips_token=ZERO_ADDRESS,
        tips=7,
        budget_token=ZERO_ADDRESS,
        budget=100_000_000_000_000,
        deadline=deadline,
        intent_expiration=deadline,
        status=IntentStatus.PENDING,
        created_at=0,
        signature=b"",
    )
    intent = replace(unsigned, **fields)  # type: ignore[arg-type]
    digest = intent_digest(
        intent_id=intent.intent_id,
        subnet_id=intent.subnet_id,
        requester=intent.requester,
        intent_type=intent.intent_type,
        params_hash=intent.params_hash,
        deadline=intent.deadline,
        budget_token=intent.budget_token,
        budget=intent.budget,
        domain=DOMAIN,
    )
    return replace(intent, signature=signer.sign_eip191(digest))


def signed_assignment(
    intent_id: str,
    *,
    assignment_id: str | None = None,
    status: AssignmentStatus = AssignmentStatus.ACTIVE,
    signer: LocalSigner = MATCHER,
    **fields: object,
) -> Assignment:
    """Return an assignment of the matcher; `fields` override any part before signing."""
    unsigned = Assignment(
        assignment_id=AssignmentId(assignment_id or fresh_id()),
        intent_id=IntentId(intent_id),
        bid_id=BidId("0x" + "c1" * 32),
        agent_address=AGENT,
        status=status,
        matcher=MATCHER.address,
        signature=b"",
    )
    assignment = replace(unsigned, **fields)  # type: ignore[arg-type]
    digest = assignment_digest(
        assignment_id=assignment.assignment_id,
        intent_id=assignment.intent_id,
        bid_id=assignment.bid_id,
        agent=assignment.agent_address,
        status=assignment.status,
        matcher=assignment.matcher,
        domain=DOMAIN,
    )
    return replace(assignment, signature=signer.sign_eip191(digest))


def item_of(assignment: Assignment, **fields: object) -> BatchItem:
    """Return the item that completes the assignment's intent."""
    item = BatchItem(
        intent_id=assignment.intent_id,
        assignment_id=assignment.assignment_id,
        agent=assignment.agent_address,
        result_hash=b"\xd1" * 32,
        proof_hash=b"\xe1" * 32,
        executed_at=1_700_000_000,
    )
    return replace(item, **fields)  # type: ignore[arg-type]


def signed_batch(
    items: Sequence[BatchItem],
    *,
    epoch: int = 1,
    signers: Sequence[LocalSigner] = VALIDATORS,
    **fields: object,
) -> SignedBatch:
    """Return a batch that these members signed; `fields` override any part after signing."""
    hashed = items_hash(items)
    digest = batch_digest(
        subnet_id=SUBNET,
        items_hash=hashed,
        root_height=epoch,
        root_hash=bytes(32),
        domain=DOMAIN,
    )
    batch = SignedBatch(
        subnet_id=SUBNET,
        epoch=epoch,
        root_hash=bytes(32),
        aggregator_id="validator-1",
        completed_at=1_700_000_001,
        signatures=tuple((s.address, s.sign_eip191(digest)) for s in signers),
        signer_bitmap=b"",
        total_weight=0,
        items=tuple(items),
        items_hash=hashed,
    )
    return replace(batch, **fields)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Running:
    """A started RootLayer."""

    grpc_target: str
    http_base: str
    process: Process


def settings_for(data_dir: Path, **sections: object) -> RootLayerSettings:
    """Return settings with free ports and this data directory."""
    return RootLayerSettings.model_validate(
        {"listen": {"grpc_port": 0, "http_port": 0}, "data_dir": data_dir, **sections}
    )


@asynccontextmanager
async def running_rootlayer(
    data_dir: Path, *, clock: Clock | None = None, **sections: object
) -> AsyncIterator[Running]:
    """Run a RootLayer until the block ends, then stop it as SIGTERM does."""
    process = Process(name="rootlayer", grace_seconds=5, clock=clock or SystemClock())
    started: asyncio.Future[Running] = asyncio.get_running_loop().create_future()

    async def build(building: Process) -> None:
        listening = await serve(building, settings_for(data_dir, **sections), NETWORK)
        started.set_result(
            Running(
                f"127.0.0.1:{listening.grpc_port}",
                f"http://127.0.0.1:{listening.http_port}",
                building,
            )
        )

    task = asyncio.create_task(process.run(build))
    await asyncio.wait((task, started), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        yield await started
    finally:
        process.request_stop()
        await task
