"""`subnetctl status`: the one screen. Its exit status is the network's health; what it shows is `insight`'s work."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from pinai_subnet.cli.local_network import LocalNetwork, members
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session, open_session
from pinai_subnet.cli.status_text import status_text
from pinai_subnet.cli.verified_backup import last_verified
from pinai_subnet.insight.answers import Expected, Target
from pinai_subnet.insight.collecting import collect
from pinai_subnet.insight.network_status import Health, NetworkStatus

EXIT_STATUS = {Health.READY: 0, Health.DEGRADED: 1, Health.DOWN: 3}
"""Between them, 2 is a wrong command line, as everywhere."""

WatchOption = Annotated[bool, typer.Option("--watch", help="keep looking until interrupted")]
EveryOption = Annotated[
    float, typer.Option("--every", help="seconds between looks with --watch", min=0.5, max=3600)
]


def status(
    home: HomeOption = HOME,
    watch: WatchOption = False,
    every: EveryOption = 2.0,
    as_json: JsonOption = False,
) -> None:
    """Show every member and both quorums; exit status 0 ready, 1 degraded, 3 down."""
    session = open_session(home)
    if not watch:
        seen = look(session)
        Screen(as_json=as_json).result(seen.document(), status_text(seen))
    elif as_json:
        seen = _follow(session, every, _write_line)
    else:
        with Live(console=Console(), auto_refresh=False, screen=sys.stdout.isatty()) as live:
            seen = _follow(
                session,
                every,
                lambda one: live.update(Text(status_text(one), no_wrap=True), refresh=True),
            )
    if EXIT_STATUS[seen.health]:
        raise typer.Exit(EXIT_STATUS[seen.health])


def look(session: Session) -> NetworkStatus:
    """Ask every member how it is; never raises for a member that does not answer."""
    return asyncio.run(collect(targets(session), expected(session)))


def health(session: Session) -> dict[str, Any]:
    """Return one look as its JSON document."""
    return look(session).document()


def targets(session: Session) -> list[Target]:
    """Return whom to ask: everybody whom `.env` describes, and every validator of network.yaml."""
    running = LocalNetwork(home=session.home, say=lambda _: None).running()
    endpoints = session.network.endpoints
    known: dict[str, str] = {
        "rootlayer": endpoints.rootlayer_http,
        "registry": endpoints.registry_http,
        "matcher": endpoints.matcher_http,
    }
    known |= {v.id: v.http_endpoint for v in session.network.parameters.validators}
    found = []
    described = members(session.environment)
    for member in described:
        process = running.get(member.name)
        found.append(
            Target(
                name=member.name,
                role=member.role,
                http=known.get(member.name) or member.http,
                pid=process.pid if process else None,
                # A home with a run directory starts its members itself.
                expected_here=session.home.run.is_dir(),
            )
        )
    names = {member.name for member in described}
    found += [
        Target(name=validator.id, role="validator", http=validator.http_endpoint)
        for validator in session.network.parameters.validators
        if validator.id not in names
    ]
    return found


def expected(session: Session) -> Expected:
    """Return what this home knows without asking anybody."""
    return Expected(
        subnet_id=session.network.parameters.subnet_id,
        required_signatures=session.required_signatures,
        backup=last_verified(session.home),
    )


def _follow(
    session: Session, every: float, show: Callable[[NetworkStatus], object]
) -> NetworkStatus:
    """Look again and again until interrupted; return the last look."""
    seen = look(session)
    try:
        while True:
            show(seen)
            time.sleep(every)
            seen = look(session)
    except KeyboardInterrupt:
        return seen


def _write_line(seen: NetworkStatus) -> None:
    sys.stdout.write(json.dumps(seen.document()) + "\n")
    sys.stdout.flush()
