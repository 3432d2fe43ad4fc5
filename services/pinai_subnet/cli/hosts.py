"""`subnetctl validator invite | join | announce | refresh | peers`: validators on several hosts, one on each."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pinai_subnet.cli.home import Home
from pinai_subnet.cli.invitation import HostPorts, invitation_to, package_for
from pinai_subnet.cli.join_package import packed
from pinai_subnet.cli.joining import Joining, make_home
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session, open_session
from pinai_subnet.cli.set_change import present_set
from pinai_subnet.cli.set_files import write_network
from pinai_subnet.insight.peers import PeerView, judge_peers, view_of
from pinai_subnet.ports.errors import DependencyError

WAIT_SECONDS = 600.0
_PORTS = HostPorts()


def invite(
    *,
    name: Annotated[str, typer.Option("--id", help="validator-<number>, never used before")],
    host: Annotated[str, typer.Option(help="address by which other hosts reach it")],
    grpc_port: Annotated[int, typer.Option(help="its port for reports")] = _PORTS.grpc,
    http_port: Annotated[int, typer.Option(help="its port for questions")] = _PORTS.http,
    raft_port: Annotated[int, typer.Option(help="its port for the other validators")] = _PORTS.raft,
    to: Annotated[Path | None, typer.Option(help="file; standard output if absent")] = None,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Write a join package for another host. It holds nobody's private key."""
    if as_json and to is None:
        raise typer.BadParameter("with --json name a file: --to FILE")
    session = open_session(home)
    ports = HostPorts(grpc=grpc_port, http=http_port, raft=raft_port)
    invited = invitation_to(session, name, ports.endpoints(host), now=time.time())
    try:
        members = present_set(session).members
    except DependencyError:
        Screen().say("the network does not run: the package names the validators of network.yaml")
        members = session.network.parameters.validators
    data = packed(package_for(session, invited, members))
    if to is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    to.write_bytes(data)
    facts = {"file": str(to), "validator": name, "expires_at": invited.invitation.expires_at}
    Screen(as_json=as_json).result(facts, f"{to}: an invitation of {name} at {host}")


def join(
    package: Annotated[Path, typer.Argument(help="what `invite` wrote")],
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Make the home of an invited host, with a key of its own; start it, then `announce`."""
    facts = make_home(Home(home), package, now=time.time())
    Screen(as_json=as_json).result(
        facts,
        f"made the key of {facts['validator']}: {facts['address']}\n"
        "tell the validators' operators this address: they approve it",
    )


def announce(
    wait: Annotated[float, typer.Option("--wait", help="seconds to wait for")] = WAIT_SECONDS,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Ask the members to take in the validator of this host, and wait until it has its vote."""
    screen = Screen(as_json=as_json)
    session = open_session(home)
    present = Joining(session=session, say=screen.say).see_through(wait_seconds=wait)
    members = [str(member.id) for member in present.members]
    facts = {"version": present.version, "validators": members, "leader": present.leader_id}
    text = (
        f"in the set of {len(members)} validators ({', '.join(members)}), version {present.version}"
    )
    screen.result(facts, text)


def refresh(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Write the set as it is now into network.yaml of this host."""
    session = open_session(home)
    present = present_set(session)
    changed = present.members != session.network.parameters.validators
    if changed:
        write_network(session.home, present.members, session.network.genesis.validators)
    facts = {"changed": changed, "version": present.version}
    state = "written" if changed else "already"
    Screen(as_json=as_json).result(facts, f"set version {present.version}: {state} in network.yaml")


def peers(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Have every validator dial the others, and say what keeps them apart, and on which host."""
    session = open_session(home)
    views = peer_views(session)
    endpoints = {str(v.id): v.raft_endpoint for v in session.network.parameters.validators}
    findings = judge_peers(endpoints, list(views.values()))
    screen = Screen(as_json=as_json)
    if as_json:
        problems = [{"text": f.text, "fix": f.fix, "parted": f.parted} for f in findings]
        screen.result({"sees": _matrix(endpoints, views), "problems": problems}, "")
    else:
        rows = _matrix(endpoints, views)
        screen.table(rows, ("from", *endpoints), empty="no validator is configured")
        for finding in findings:
            screen.say(f"{finding.text}\n  fix:   {finding.fix}")
    if findings:
        raise typer.Exit(1)


def peer_views(session: Session) -> Mapping[str, PeerView]:
    """Return what each validator that answers finds when it dials the others."""
    found = {}
    for api in session.validators():
        try:
            view = view_of(api.get("/api/v1/peers"))
        except DependencyError:
            continue
        found[view.id] = view
    return found


def _matrix(endpoints: Mapping[str, str], views: Mapping[str, PeerView]) -> list[dict[str, Any]]:
    rows = []
    for name in endpoints:
        view = views.get(name)
        dials = {} if view is None else view.dials
        row = {to: "" if to == name else dials.get(to, "?") for to in endpoints}
        rows.append({"from": name, **row})
    return rows
