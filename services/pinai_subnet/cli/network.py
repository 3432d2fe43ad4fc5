"""`subnetctl up` and `down`: the whole network as local processes, for as long as the user likes."""

import time
from collections.abc import Callable
from typing import Annotated

import typer

from pinai_subnet.cli.canary import prove_ready
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import initialise
from pinai_subnet.cli.local_network import LocalNetwork, Running, members
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.cli.preflight import checked_session, preflight
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session
from pinai_subnet.runtime.errors import StartupError

READY_TIMEOUT_SECONDS = 60.0


def bring_up(session: Session, say: Callable[[str], None]) -> dict[str, Running]:
    """Check everything, start what does not run yet, wait until each answers ready; return all processes."""
    local = LocalNetwork(home=session.home, say=say)
    wanted = members(session.environment)
    running = local.running()
    missing = [member for member in wanted if member.name not in running]
    preflight(session, missing)
    try:
        for member in missing:
            running[member.name] = local.start(member, session.environment)
        local.wait_ready(wanted, running, timeout_seconds=READY_TIMEOUT_SECONDS)
    except (StartupError, KeyboardInterrupt):
        # What was started by a failed start is stopped; what ran before goes on.
        local.stop([running[member.name] for member in missing if member.name in running])
        raise
    return running


def up(
    home: HomeOption = HOME,
    validators: Annotated[int, typer.Option(help="for a network that is made now")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Start the network (made first if there is none) and prove with one intent that it works."""
    screen = Screen(as_json=as_json)
    Home(home).require_processes("this network runs in containers", "./scripts/deploy.sh up")
    if not Home(home).exists:
        screen.say(
            f"no network in {home} yet: making keys and configuration for {validators} validators"
        )
        ports = PortPlan.documented(validators)
        initialise(Home(home), validators=validators, agents=3, ports=ports, subnet_id=None)
    session = checked_session(home)
    begun = time.monotonic()
    screen.say("starting")
    bring_up(session, screen.say)
    proof = prove_ready(session, screen.say)
    seconds = time.monotonic() - begun
    facts = {"ready": True, "seconds": round(seconds, 1), "canary": proof.intent_id}
    screen.result(
        facts,
        f"NETWORK READY after {seconds:.1f} s: an intent was finalised in {proof.seconds:.2f} s\n"
        f"requests go to http://{session.network.endpoints.rootlayer_http}/api/v1, logs are in {session.home.logs}",
    )


def down(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Stop every process of the network; data is kept."""
    screen = Screen(as_json=as_json)
    place = Home(home)
    place.require()
    place.require_processes("this network runs in containers", "./scripts/deploy.sh down")
    local = LocalNetwork(home=place, say=screen.say)
    running = list(local.running().values())
    local.stop(running)
    names = [process.name for process in running]
    screen.result(
        {"stopped": names},
        f"stopped {len(names)} processes: {', '.join(names)}" if names else "nothing ran",
    )
