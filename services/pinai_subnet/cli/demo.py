"""`subnetctl demo`: a throw-away network on real processes, from keys to settlement, with its leader killed once."""

import base64
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from pinai_subnet.cli.canary import CANARY_BUDGET, prove_ready, submit, wait_ended
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import initialise, templates
from pinai_subnet.cli.local_network import LocalNetwork
from pinai_subnet.cli.network import bring_up
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.cli.requester import Order, deadline_in
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import Session, open_session
from pinai_subnet.cli.status import health
from pinai_subnet.cli.verify import Item, published_batch, verify_batch
from pinai_subnet.insight.gathering import gather
from pinai_subnet.insight.story_lines import lines
from pinai_subnet.insight.story_telling import tell
from pinai_subnet.ports.errors import DependencyError, Refused, Unreachable

MARKER = ".subnetctl-demo"
DEADLINE_SECONDS = 60
LEADER_SECONDS = 20
PAYLOADS = (("echo", "greeting.txt"), ("json-transform", "orders.json"))

Say = Callable[[str], None]


def demo(
    home: Annotated[Path, typer.Option("--home", help="made anew each time")] = Path(".demo"),
    intents: Annotated[int, typer.Option(help="intents of each type", min=1, max=100)] = 2,
    keep: Annotated[bool, typer.Option("--keep", help="leave the network running")] = False,
) -> None:
    """Run the whole network, finalise intents, kill the leader, verify everything independently, stop."""
    screen = Screen()
    session = _fresh(home, screen.say)
    local = LocalNetwork(home=session.home, say=screen.say)
    try:
        _run(session, local, intents, screen.say)
    except BaseException:
        screen.say(f"\nDEMO FAILED; the logs are in {session.home.logs}")
        raise
    finally:
        if not keep:
            screen.say("stopping every process")
            local.stop(list(local.running().values()))
    screen.result({}, "DEMO PASSED")


def _fresh(root: Path, say: Say) -> Session:
    if root.exists():
        if not (root / MARKER).exists():
            raise typer.BadParameter(
                f"{root} was not made by `subnetctl demo`; choose another --home"
            )
        left = LocalNetwork(home=Home(root), say=say)
        left.stop(list(left.running().values()))
        shutil.rmtree(root)
    say("1. keys, ports and configuration")
    facts = initialise(Home(root), validators=3, agents=3, ports=PortPlan.free(3), subnet_id=None)
    (root / MARKER).touch()
    say(
        f"   subnet {facts['subnet_id']}, {facts['signatures_needed']} of 3 signatures make a batch final"
    )
    return open_session(root)


def _run(session: Session, local: LocalNetwork, intents: int, say: Say) -> None:
    say("2. starting RootLayer, registry, three validators, matcher and three agents")
    begun = time.monotonic()
    bring_up(session, say)
    proof = prove_ready(session, say)
    say(
        f"   NETWORK READY after {time.monotonic() - begun:.1f} s (canary finalised in {proof.seconds:.2f} s)"
    )

    say("3. signed intents with payloads from the repository")
    ids = [_submit(session, kind, name, say) for _ in range(intents) for kind, name in PAYLOADS]
    _finish(session, ids, say)

    say(
        "4. verifying every batch from its published data, with other libraries than the network's own"
    )
    _verify(session, ids, say)

    say("5. killing the Raft leader while the network works")
    _kill_leader(session, local, say)
    survivor = _submit(session, *PAYLOADS[0], say)
    _finish(session, [survivor], say)
    _verify(session, [survivor], say)

    say("6. bringing the killed validator back")
    bring_up(session, say)
    _same_ledger(session, say)


def _submit(session: Session, kind: str, name: str, say: Say) -> str:
    payload = (templates() / "demo" / name).read_bytes()
    order = Order(
        intent_type=kind,
        payload=payload,
        budget=CANARY_BUDGET,
        deadline=deadline_in(DEADLINE_SECONDS),
    )
    intent_id = submit(session, order)
    say(f"   submitted {intent_id}  {kind}, {len(payload)} bytes from config/demo/{name}")
    return intent_id


def _finish(session: Session, ids: Sequence[str], say: Say) -> None:
    for intent_id in ids:
        status = wait_ended(session, intent_id, timeout_seconds=DEADLINE_SECONDS + 30)
        for line in lines(tell(gather(session.sources, intent_id))):
            say("   " + line)
        if status != "COMPLETED":
            raise Refused("SN-N404", f"intent {intent_id} ended {status}, expected COMPLETED")


def _verify(session: Session, ids: Sequence[str], say: Say) -> None:
    parameters = session.network.parameters
    members = {str(validator.address): str(validator.id) for validator in parameters.validators}
    epochs = {
        attempt["epoch"] for one in ids for attempt in gather(session.sources, one).attempts
    } - {None}
    settled: set[str] = set()
    for epoch in sorted(epochs):
        batch = published_batch(session.rootlayer.get(f"/api/v1/batches/{epoch}"))
        finding = verify_batch(
            batch,
            members=members,
            required=session.required_signatures,
            intent_manager=parameters.domain.intent_manager,
            chain_id=parameters.domain.chain_id,
        )
        if finding.problems:
            raise Refused(
                "SN-N406", f"batch of epoch {epoch} does not verify: {'; '.join(finding.problems)}"
            )
        names = ", ".join(members[signer] for signer in finding.signers)
        say(
            f"   epoch {epoch}: {len(batch.items)} items, digest 0x{finding.digest.hex()[:16]}…, signed by {names}"
        )
        for item in batch.items:
            if item.intent_id in ids:
                _verify_result(session, item)
                settled.add(item.intent_id)
    if missing := set(ids) - settled:
        raise Refused(
            "SN-N406",
            f"{len(missing)} completed intents are in no verified batch: {sorted(missing)[0]}",
        )


def _verify_result(session: Session, item: Item) -> None:
    """Compare the result that a validator hands out with the hash that everybody signed."""
    attempts = gather(session.sources, item.intent_id).attempts
    attempt = next(one for one in attempts if one["assignment_id"] == item.assignment_id)
    path = f"/api/v1/reports/{attempt['report']['report_id']}"
    report = _from_any_validator(session, path)["report"]
    if sha256(base64.b64decode(report["result_data"])).digest() != item.result_hash:
        raise Refused(
            "SN-N406", f"the result of {item.intent_id} is not the one whose hash was signed"
        )


def _from_any_validator(session: Session, path: str) -> Any:
    """Return the first answer; raise the last `DependencyError` where no validator answers."""
    last: DependencyError | None = None
    for validator in session.validators():
        try:
            return validator.get(path)
        except DependencyError as error:
            last = error
    raise last or Unreachable("SN-N401", "the network has no validators")


def _kill_leader(session: Session, local: LocalNetwork, say: Say) -> None:
    leader = health(session)["leader"]
    if leader is None:
        raise Unreachable(
            "SN-N407", "no validator leads; expected exactly one leader before the kill"
        )
    process = local.running()[leader]
    local.signal(process, signal.SIGKILL)
    say(f"   {leader} (pid {process.pid}) killed with SIGKILL")


def _same_ledger(session: Session, say: Say) -> None:
    deadline = time.monotonic() + LEADER_SECONDS
    states: set[tuple[int, str]] = set()
    while time.monotonic() < deadline:
        with suppress(Unreachable):
            answers = [validator.get("/api/v1/status") for validator in session.validators()]
            states = {(answer["state"]["index"], answer["state"]["digest"]) for answer in answers}
            if len(states) == 1:
                index, digest = states.pop()
                say(
                    f"   all three validators hold the same ledger: entry {index}, digest {digest[:18]}…"
                )
                return
        time.sleep(0.2)
    raise Unreachable(
        "SN-N407",
        f"the validators' ledgers still differ after {LEADER_SECONDS} s: {sorted(states)}",
    )
