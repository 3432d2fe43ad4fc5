"""`subnetctl validator …`: add, remove, replace, move, rotate keys, approve, withdraw, lead, in a running network.

Every command shows both quorums before and after, and ends only when the effect is seen on every validator that is
there. With `--dry-run` it changes nothing, and refuses what it would refuse.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from pinai_subnet.cli.hosts import announce, invite, join, peers, refresh
from pinai_subnet.cli.newcomers import approver_here, give_approval, proposed_of, wanted_change
from pinai_subnet.cli.rejoining import rejoin_empty
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session, open_session
from pinai_subnet.cli.set_change import (
    Present,
    local_signer,
    order,
    outlook,
    own_signer,
    present_set,
    wait_everywhere,
    wait_for,
)
from pinai_subnet.cli.set_steps import SetSteps, unknown
from pinai_subnet.protocol.membership import SetAction, SetChange
from pinai_subnet.wire.set_changes import digest_text

WAIT_SECONDS = 60.0

app = typer.Typer(no_args_is_help=True, help="Change who the validators are, while they run.")
for command in (invite, join, announce, refresh, peers):
    app.command(command.__name__)(command)

DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would happen, change nothing")]
Name = Annotated[str, typer.Argument(help="a validator's id", show_default=False)]
Wait = Annotated[float, typer.Option("--wait", help="seconds to wait for approvals and the effect")]
KeyFile = Annotated[
    Path | None, typer.Option("--key-file", help="use this key (mode 600) instead of a new one")
]
Endpoint = Annotated[str | None, typer.Option(help="host:port", show_default=False)]


app.command("rejoin-empty")(rejoin_empty)


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
    change = present.proposed
    if change is not None:
        screen.say(
            f"{change.action.value} {change.member.id} waits: approved by "
            f"{', '.join(present.approved_by)}; digest {digest_text(change)}"
        )


@app.command("add")
def add(
    *,
    name: Annotated[str | None, typer.Option("--id", help="validator-<number>")] = None,
    key_file: KeyFile = None,
    wait: Wait = WAIT_SECONDS,
    home: HomeOption = HOME,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Make a new validator with a key of its own, let it catch up, and give it its vote; or go on with that."""
    screen = Screen(as_json=as_json)
    facts = _steps(home, screen, dry_run=dry_run, wait=wait).add(name, key_file)
    screen.result(facts, _text(facts))


@app.command("remove")
def remove(
    validator: Name,
    wait: Wait = WAIT_SECONDS,
    home: HomeOption = HOME,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Take a validator out of the set and of the replication group, and stop it."""
    screen = Screen(as_json=as_json)
    facts = _steps(home, screen, dry_run=dry_run, wait=wait).remove(validator)
    screen.result(facts, _text(facts))


@app.command("replace")
def replace(
    validator: Name,
    wait: Wait = WAIT_SECONDS,
    home: HomeOption = HOME,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Add a new validator, then remove this one; its key never counts again."""
    screen = Screen(as_json=as_json)
    present = present_set(open_session(home))
    if present.member(validator) is None:
        raise unknown(present, validator)
    added = _steps(home, screen, dry_run=dry_run, wait=wait).add(None, None)
    if dry_run:
        screen.result(added, _text(added) + f"\nthen {validator} would be removed")
        return
    removed = _steps(home, screen, dry_run=False, wait=wait).remove(validator)
    facts = {"added": added, "removed": removed}
    screen.result(facts, f"{validator} is replaced by {added['validator']}\n{_text(removed)}")


@app.command("rotate-key")
def rotate_key(
    *,
    validator: Name,
    key_file: KeyFile = None,
    container: Annotated[
        bool, typer.Option("--container", help="only agree on the key; deploy.sh does the rest")
    ] = False,
    wait: Wait = WAIT_SECONDS,
    home: HomeOption = HOME,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Give a validator a new key; both are accepted for one epoch, then the former one never again."""
    screen = Screen(as_json=as_json)
    steps = _steps(home, screen, dry_run=dry_run, wait=wait)
    facts = steps.rotate(validator, key_file, container=container)
    said = f"{validator} signs as {facts['address']} now; {facts['given_up']} is given up"
    if container:
        said = f"agreed: {validator} signs as {facts['address']} from the next epoch on"
    if dry_run:
        said = f"{facts['given_up']} would be given up for a new key"
    screen.result(facts, f"{_text(facts)}\n{said}")


@app.command("move")
def move(
    *,
    validator: Name,
    raft: Endpoint = None,
    grpc: Endpoint = None,
    http: Endpoint = None,
    wait: Wait = WAIT_SECONDS,
    home: HomeOption = HOME,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Give a validator other endpoints: who it is follows from its key, not from where it answers."""
    given = {"RAFT": raft, "GRPC": grpc, "HTTP": http}
    endpoints = {kind: value for kind, value in given.items() if value is not None}
    if not endpoints:
        raise typer.BadParameter("name at least one of --raft, --grpc and --http")
    screen = Screen(as_json=as_json)
    facts = _steps(home, screen, dry_run=dry_run, wait=wait).move(validator, endpoints)
    verb = "would answer" if dry_run else "answers"
    screen.result(facts, f"{_text(facts)}\n{validator} {verb} at {', '.join(facts['endpoints'])}")


@app.command("approve")
def approve(  # noqa: PLR0917 (one parameter per option)
    newcomer: Annotated[
        str | None,
        typer.Argument(help="address of the key of one who asks to join", show_default=False),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--as", help="the validator that approves; that of this host")
    ] = None,
    wait: Wait = WAIT_SECONDS,
    home: HomeOption = HOME,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Approve the change that is under way with one validator's key; wait for its effect if that was the last."""
    session = open_session(home)
    screen = Screen(as_json=as_json)
    present = present_set(session)
    by = by or approver_here(session, present)
    change, proof = wanted_change(session, present, newcomer)
    member = present.member(by)
    if member is None:
        raise unknown(present, by)
    signer = own_signer(session, by, member.address)
    facts = outlook(session, present, change)
    given = sorted({*(present.approved_by if present.proposed == change else ()), by})
    enough = len(given) >= facts["approvals_needed"]
    facts |= {"approvals": given, "enough": enough}
    if not dry_run:
        give_approval(present, change, proof, signer)
        if enough:
            wait_for(
                session,
                f"{change.action.value} {change.member.id} is enacted",
                lambda seen: seen.shows(change),
                say=screen.say,
                timeout_seconds=wait,
            )
            facts |= wait_everywhere(session, say=screen.say)
    verb = "would approve" if dry_run else "approved"
    so_far = f"{len(given)} of {facts['approvals_needed']} approvals: {', '.join(given)}"
    screen.result(facts, f"{_text(facts)}\n{by} {verb}; {so_far}")


@app.command("withdraw")
def withdraw(
    wait: Wait = WAIT_SECONDS,
    home: HomeOption = HOME,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Take back the change that is under way, and whatever was begun for it here."""
    session = open_session(home)
    screen = Screen(as_json=as_json)
    present = present_set(session)
    change = proposed_of(present)
    facts: dict[str, Any] = {
        "action": change.action.value,
        "validator": str(change.member.id),
        "approvals": present.approved_by,
        "validators": [str(member.id) for member in present.members],
        "version": present.version,
    }
    if not dry_run:
        _withdraw(session, screen, present, change, wait)
    verb = "would be withdrawn" if dry_run else "is withdrawn"
    screen.result(
        facts,
        f"{change.action.value} {change.member.id} {verb}; the validators stay "
        f"{', '.join(facts['validators'])} (set version {present.version})",
    )


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
    if present.member(validator) is None:
        raise unknown(present, validator)
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


def _steps(home: Path, screen: Screen, *, dry_run: bool, wait: float) -> SetSteps:
    return SetSteps(session=open_session(home), say=screen.say, dry_run=dry_run, wait_seconds=wait)


def _withdraw(
    session: Session, screen: Screen, present: Present, change: SetChange, wait: float
) -> None:
    order(session, present, "withdraw", digest_text(change))
    name = change.member.id
    wait_for(
        session,
        f"{change.action.value} {name} is withdrawn",
        lambda seen: (
            seen.proposed is None and (seen.member(name) is not None or seen.role(name) is None)
        ),
        say=screen.say,
        timeout_seconds=wait,
    )
    if change.action is SetAction.ADD:
        signer = local_signer(session, name)
        if signer is not None and signer.address == change.member.address:
            SetSteps(session=session, say=screen.say, dry_run=False, wait_seconds=wait).forget(name)


def _text(facts: dict[str, Any]) -> str:
    before, after = facts["before"], facts["after"]
    names = ", ".join(after["validators"])
    lines = [
        f"{facts['action']} {facts['validator']}, from epoch {facts['effective_epoch']} on",
        f"validators: {len(before['validators'])} -> {len(after['validators'])} ({names})",
        f"approvals needed: {facts['approvals_needed']}",
    ]
    for what, needed, spares in (
        ("elect a leader", "raft_majority", "raft_spares"),
        ("make a batch final", "required_signatures", "signature_spares"),
    ):
        spare = f"spare {before[spares]} -> {after[spares]}"
        lines.append(f"{what}: {before[needed]} -> {after[needed]} ({spare})")
    if "in_effect_on" in facts:
        lines.append(
            f"in effect on {', '.join(facts['in_effect_on'])} (set version {facts['version']})"
        )
    return "\n".join(lines)
