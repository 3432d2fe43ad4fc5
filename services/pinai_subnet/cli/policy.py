"""`subnetctl policy …`: try a validation policy beside the active one, see what it would change, and promote it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pinai_subnet.cli.home import Home
from pinai_subnet.cli.local_network import LocalNetwork, members
from pinai_subnet.cli.policy_files import (
    active_policy,
    install,
    installed_candidate,
    make_active,
    read_policy_text,
    require_tryable,
)
from pinai_subnet.cli.policy_report import (
    ask_validators,
    gathered,
    lines,
    require_proven,
    require_shadow,
)
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session, open_session

READY_SECONDS = 60.0
_INCOMPLETE = 1

app = typer.Typer(no_args_is_help=True, help="Try validation policies before they count.")

DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would happen, change nothing")]
Restart = Annotated[
    bool,
    typer.Option("--restart", help="restart this home's validators too, one at a time"),
]


@app.command("shadow")
def shadow(
    file: Annotated[Path, typer.Argument(help="a changed copy of policy_config.yaml")],
    home: HomeOption = HOME,
    restart: Restart = False,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Check a candidate and install it: it judges every report beside the active policy, and counts nowhere."""
    session, screen = open_session(home), Screen(as_json=as_json)
    active, candidate = active_policy(session.home), read_policy_text(session.home, file)
    require_tryable(active, candidate)
    facts: dict[str, Any] = {"candidate": candidate.named, "digest": candidate.digest}
    if dry_run:
        screen.result(facts, f"{file} can be tried ({candidate.named}); nothing was changed")
        return
    facts["installed"] = str(install(active, candidate))
    facts["restarted"] = _restarted(session, screen) if restart else []
    text = f"{candidate.named} is installed as {facts['installed']}"
    screen.result(facts, f"{text}\n{_told(session.home, facts)}")


@app.command("diff")
def diff(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Compare the candidate's verdicts with the active ones; exit status 1 where a validator does not tell."""
    told = ask_validators(open_session(home))
    require_shadow(told)
    facts = gathered(told)
    Screen(as_json=as_json).result(facts, "\n".join(lines(facts)))
    if any(one.error for one in told):
        raise typer.Exit(_INCOMPLETE)


@app.command("promote")
def promote(
    home: HomeOption = HOME,
    restart: Restart = False,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Make the candidate the active policy file of this home; the former one stays beside it as .bak."""
    session, screen = open_session(home), Screen(as_json=as_json)
    candidate = installed_candidate(session.home)
    active = active_policy(session.home)
    require_tryable(active, candidate)
    told = ask_validators(session)
    require_proven(told, candidate.digest)
    seen = gathered(told)
    facts: dict[str, Any] = {
        "candidate": candidate.named,
        "digest": candidate.digest,
        "agreed": seen["agreed"],
        "differed": seen["differed"],
    }
    text = f"{candidate.named}: {seen['agreed']} verdicts agreed, {seen['differed']} differed"
    if dry_run:
        screen.result(facts, f"{text}; it would replace {active.path}, nothing was changed")
        return
    facts["former"] = str(make_active(active, candidate))
    facts["restarted"] = _restarted(session, screen) if restart else []
    screen.result(
        facts,
        f"{text}; it is in {active.path}, the former one in {facts['former']}\n"
        f"{_told(session.home, facts)}",
    )


def _restarted(session: Session, screen: Screen) -> list[str]:
    """Stop, start and await every validator that runs here, one after the other; return their names.

    In containers and on other hosts that is not this command's: it restarts none, and the answer says so.
    """
    if session.home.in_containers:
        return []
    local = LocalNetwork(home=session.home, say=screen.say)
    done = []
    for member in members(session.environment):
        process = local.running().get(member.name) if member.role == "validator" else None
        if process is None:
            continue
        local.stop([process])
        started = {member.name: local.start(member, session.environment)}
        local.wait_ready([member], started, timeout_seconds=READY_SECONDS)
        done.append(member.name)
    return done


def _told(home: Home, facts: Mapping[str, Any]) -> str:
    """Say what has to be restarted still: validators read their policies when they start."""
    if facts["restarted"]:
        said = f"restarted {', '.join(facts['restarted'])}"
        return said + ("; other hosts' validators need the same" if home.one_of_several else "")
    if home.in_containers:
        return "now restart the validators one at a time: ./scripts/deploy.sh restart"
    return "validators read it when they start: restart them one at a time (--restart does), on every host"
