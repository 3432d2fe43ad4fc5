"""`subnetctl validator …`: add, remove, replace, move leadership, rotate keys of a running local network.

Every command shows both quorums before and after, and ends only when the effect is seen in the running network.
"""

from typing import Annotated, Any

import typer

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.adapters.signing_record.file import carry_over
from pinai_subnet.cli.keys import new_private_key
from pinai_subnet.cli.local_network import LocalNetwork, Member, members
from pinai_subnet.cli.ports import PER_VALIDATOR, PortPlan
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session, open_session
from pinai_subnet.cli.set_change import (
    SET,
    Present,
    local_signer,
    order,
    outlook,
    plan,
    present_set,
    require_possible,
    send,
    wait_for,
)
from pinai_subnet.cli.set_files import number_of, write_env, write_network
from pinai_subnet.protocol.ids import ValidatorId
from pinai_subnet.protocol.membership import SetAction, SetChange, change_digest
from pinai_subnet.protocol.network import ValidatorIdentity
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.wire.set_changes import ChangeBody

READY_SECONDS = 60.0

app = typer.Typer(no_args_is_help=True, help="Change who the validators are, while they run.")

DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would happen, change nothing")]
Name = Annotated[str, typer.Argument(help="a validator's id", show_default=False)]


@app.command("list")
def list_set(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Show the set, who replicates, and the change that is under way."""
    present = present_set(open_session(home))
    rows = [
        {
            "id": member.id,
            "address": member.address,
            "replica": present.role(member.id) or "none",
            "leader": "yes" if member.id == present.leader_id else "",
        }
        for member in present.members
    ]
    screen = Screen(as_json=as_json)
    if as_json:
        screen.result(dict(present.document), "")
        return
    screen.table(rows, ("id", "address", "replica", "leader"), empty="no validators")
    proposed = present.document["proposed"]
    if proposed is not None:
        change = proposed["change"]
        screen.say(
            f"{change['action']} {change['member']['id']} waits: approved by "
            f"{', '.join(proposed['approvals'])}; digest {proposed['digest']}"
        )


@app.command("add")
def add(home: HomeOption = HOME, dry_run: DryRun = False, as_json: JsonOption = False) -> None:
    """Make a new validator with a key of its own, let it catch up, and give it its vote."""
    screen = Screen(as_json=as_json)
    session = open_session(home)
    facts, _ = _add(session, screen, dry_run=dry_run)
    screen.result(facts, _text(facts))


@app.command("remove")
def remove(
    validator: Name,
    home: HomeOption = HOME,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Take a validator out of the set and of the replication group, and stop it."""
    screen = Screen(as_json=as_json)
    facts = _remove(open_session(home), screen, validator, dry_run=dry_run)
    screen.result(facts, _text(facts))


@app.command("replace")
def replace(
    validator: Name,
    home: HomeOption = HOME,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Add a new validator, then remove this one; its key never counts again."""
    screen = Screen(as_json=as_json)
    session = open_session(home)
    _member(present_set(session), validator)
    added, new_id = _add(session, screen, dry_run=dry_run)
    if dry_run:
        screen.result(added, _text(added) + f"\nthen {validator} would be removed")
        return
    removed = _remove(open_session(home), screen, validator, dry_run=False)
    facts = {"added": added, "removed": removed}
    screen.result(facts, f"{validator} is replaced by {new_id}\n{_text(removed)}")


@app.command("rotate-key")
def rotate_key(
    validator: Name,
    home: HomeOption = HOME,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Give a validator a new key; both are accepted for one epoch, then the former one never again."""
    screen = Screen(as_json=as_json)
    session = open_session(home)
    present = present_set(session)
    member = _member(present, validator)
    key = new_private_key()
    signer = LocalSigner(key)
    renewed = ValidatorIdentity(
        id=member.id,
        address=signer.address,
        public_key=signer.public_key,
        grpc_endpoint=member.grpc_endpoint,
        http_endpoint=member.http_endpoint,
        raft_endpoint=member.raft_endpoint,
    )
    change = plan(session, present, SetAction.ROTATE_KEY, renewed)
    facts = outlook(session, present, change)
    if dry_run:
        screen.result(facts, _text(facts) + f"\n{member.address} would be given up for a new key")
        return
    require_possible(facts)
    send(session, present, change, signer)
    _wait_version(session, screen, change)
    local = LocalNetwork(home=session.home, say=screen.say)
    process = _process(session, validator)
    running = local.running().get(validator)
    if running is not None:
        local.stop([running])
    record = session.home.data / validator / "signing-record.log"
    if record.exists():
        carry_over(record, former=member.address, address=signer.address)
    number = number_of(validator)
    write_env(
        session.home,
        {
            f"VALIDATOR_KEY_{number}": key.hex(),
            f"VALIDATOR_PUBKEY_{number}": signer.public_key.hex(),
        },
    )
    after = tuple(renewed if one.id == member.id else one for one in present.members)
    write_network(session.home, after, session.network.genesis.validators)
    fresh = open_session(session.home.root)
    started = {process.name: local.start(process, fresh.environment)}
    local.wait_ready([process], started, timeout_seconds=READY_SECONDS)
    facts |= {"address": signer.address, "given_up": member.address}
    screen.result(facts, _text(facts) + f"\n{validator} signs as {signer.address} now")


@app.command("approve")
def approve(
    by: Annotated[str, typer.Option("--as", help="the validator that approves")],
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Approve the change that is under way with one validator's key."""
    session = open_session(home)
    present = present_set(session)
    proposed = present.document["proposed"]
    if proposed is None:
        raise cannot_start(
            "SN-V117",
            "no change waits for approvals",
            where=present.api.base,
            fix="see `subnetctl validator list`",
        )
    signer = local_signer(session, by)
    if signer is None:
        raise cannot_start(
            "SN-K022",
            f"the key of {by} is not here",
            where=str(session.home.env_file),
            fix="run this on the host of that validator",
        )
    digest = change_digest(ChangeBody(**proposed["change"]).value())
    document = present.api.post(
        f"{SET}/approvals",
        {"digest": "0x" + digest.hex(), "approval": "0x" + signer.sign(digest).hex()},
    )
    given = (document["proposed"] or {}).get("approvals", [])
    Screen(as_json=as_json).result(document, f"{by} approved; so far: {', '.join(given)}")


@app.command("transfer-leadership")
def transfer_leadership(
    validator: Name,
    home: HomeOption = HOME,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Let another validator lead."""
    screen = Screen(as_json=as_json)
    session = open_session(home)
    present = present_set(session)
    _member(present, validator)
    before = present.leader_id
    facts: dict[str, Any] = {"from": before, "to": validator}
    if not dry_run and before != validator:
        order(session, present, "transfer", validator)
        wait_for(
            session,
            f"{validator} leads",
            lambda seen: seen.leader_id == validator,
            say=screen.say,
            timeout_seconds=15.0,
        )
    verb = "would lead instead of" if dry_run else "leads instead of"
    screen.result(facts, f"{validator} {verb} {before}")


def _add(session: Session, screen: Screen, *, dry_run: bool) -> tuple[dict[str, Any], str]:
    present = present_set(session)
    known = {*present.members, *session.network.parameters.validators}
    used = [int(number_of(one.id)) for one in known if number_of(one.id).isdigit()]
    used += [int(number_of(one.id)) for one in session.network.genesis.validators]
    number = max(used) + 1
    name = f"validator-{number}"
    key = new_private_key()
    signer = LocalSigner(key)
    endpoints = _free_endpoints(number)
    member = ValidatorIdentity(
        id=ValidatorId(name),
        address=signer.address,
        public_key=signer.public_key,
        grpc_endpoint=endpoints[f"VALIDATOR_{number}_GRPC"],
        http_endpoint=endpoints[f"VALIDATOR_{number}_HTTP"],
        raft_endpoint=endpoints[f"VALIDATOR_{number}_RAFT"],
    )
    change = plan(session, present, SetAction.ADD, member)
    facts = outlook(session, present, change)
    if dry_run:
        return facts, name
    require_possible(facts)
    variables = {
        f"VALIDATOR_KEY_{number}": key.hex(),
        f"VALIDATOR_PUBKEY_{number}": signer.public_key.hex(),
        **endpoints,
    }
    write_env(session.home, variables)
    write_network(session.home, (*present.members, member), session.network.genesis.validators)
    fresh = open_session(session.home.root)
    local = LocalNetwork(home=session.home, say=screen.say)
    process = _process(fresh, name)
    started = {process.name: local.start(process, fresh.environment)}
    send(session, present, change, signer)
    _wait_version(session, screen, change)
    wait_for(
        session, f"{name} has its vote", lambda seen: seen.role(name) == "voter", say=screen.say
    )
    local.wait_ready([process], started, timeout_seconds=READY_SECONDS)
    return facts, name


def _remove(session: Session, screen: Screen, validator: str, *, dry_run: bool) -> dict[str, Any]:
    present = present_set(session)
    member = _member(present, validator)
    change = plan(session, present, SetAction.REMOVE, member)
    facts = outlook(session, present, change)
    if dry_run:
        return facts
    require_possible(facts)
    send(session, present, change, None)
    _wait_version(session, screen, change)
    wait_for(
        session,
        f"{validator} has no vote any more",
        lambda seen: seen.api.name != validator and seen.role(validator) is None,
        say=screen.say,
    )
    local = LocalNetwork(home=session.home, say=screen.say)
    running = local.running().get(validator)
    if running is not None:
        local.stop([running])
    number = number_of(validator)
    write_env(session.home, {}, without=(f"VALIDATOR_KEY_{number}", f"VALIDATOR_PUBKEY_{number}"))
    left = tuple(one for one in present.members if one.id != member.id)
    write_network(session.home, left, session.network.genesis.validators)
    return facts


def _wait_version(session: Session, screen: Screen, change: SetChange) -> Present:
    name = f"{change.action.value} {change.member.id}"
    return wait_for(
        session,
        f"{name} is enacted (set version {change.version})",
        lambda seen: seen.version >= change.version,
        say=screen.say,
    )


def _member(present: Present, validator: str) -> ValidatorIdentity:
    found = next((one for one in present.members if one.id == validator), None)
    if found is None:
        raise cannot_start(
            "SN-V110",
            f"{validator!r} is not a validator",
            where=present.api.base,
            fix=f"use one of {', '.join(one.id for one in present.members)}",
        )
    return found


def _process(session: Session, validator: str) -> Member:
    return next(one for one in members(session.environment) if one.name == validator)


def _free_endpoints(number: int) -> dict[str, str]:
    plan_of_one = PortPlan.free(1).endpoints
    return {
        f"VALIDATOR_{number}_{kind}": plan_of_one[f"VALIDATOR_1_{kind}"] for kind in PER_VALIDATOR
    }


def _text(facts: dict[str, Any]) -> str:
    before, after = facts["before"], facts["after"]
    lines = [
        f"{facts['action']} {facts['validator']}, from epoch {facts['effective_epoch']} on",
        f"validators: {len(before['validators'])} -> {len(after['validators'])}",
        f"approvals needed: {facts['approvals_needed']}",
    ]
    for what, needed, spares in (
        ("elect a leader", "raft_majority", "raft_spares"),
        ("make a batch final", "required_signatures", "signature_spares"),
    ):
        spare = f"spare {before[spares]} -> {after[spares]}"
        lines.append(f"{what}: {before[needed]} -> {after[needed]} ({spare})")
    return "\n".join(lines)
