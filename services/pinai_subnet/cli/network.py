"""`subnetctl up`, `down` and `status`: the whole network as local processes, for as long as the user likes."""

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from pinai_subnet.cli.canary import prove_ready
from pinai_subnet.cli.clocks import clock_findings, clock_lines
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.initialise import initialise
from pinai_subnet.cli.local_network import LocalNetwork, Member, Running, members, readiness
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.cli.preflight import checked_session, preflight
from pinai_subnet.cli.screen import Screen
from pinai_subnet.cli.session import HOME, HomeOption, JsonOption, Session, open_session
from pinai_subnet.insight.readers import JsonApi
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.runtime.errors import StartupError

READY_TIMEOUT_SECONDS = 60.0
UNHEALTHY = 1


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
    local = LocalNetwork(home=place, say=screen.say)
    running = list(local.running().values())
    local.stop(running)
    names = [process.name for process in running]
    screen.result(
        {"stopped": names},
        f"stopped {len(names)} processes: {', '.join(names)}" if names else "nothing ran",
    )


def status(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Show every process and both quorums; the exit status is the network's health."""
    session = open_session(home)
    report = health(session)
    screen = Screen(as_json=as_json)
    screen.result(report, _status_text(report))
    if not report["healthy"]:
        raise typer.Exit(UNHEALTHY)


def health(session: Session) -> dict[str, Any]:
    """Ask every member how it is; never raises for a member that does not answer."""
    running = LocalNetwork(home=session.home, say=lambda _: None).running()
    rows = [_row(member, running) for member in members(session.environment)]
    leaders = {row["id"] for row in rows if row.get("raft") == "leader"}
    validators = [row for row in rows if row["role"] == "validator"]
    ready = sum(bool(row["ready"]) for row in validators)
    majority = len(validators) // 2 + 1
    clocks = clock_findings({row["id"]: row.pop("clock") for row in rows if "clock" in row})
    wrong = any(finding["verdict"] == "fail" for finding in clocks)
    differing = differences({row["id"]: row.pop("config") for row in rows if "config" in row})
    return {
        "healthy": all(row["ready"] for row in rows)
        and len(leaders) == 1
        and not differing
        and not wrong,
        "differences": differing,
        "clocks": clocks,
        "leader": next(iter(leaders)) if len(leaders) == 1 else None,
        "raft_quorum": {"have": ready, "need": majority, "spare": ready - majority},
        "signature_quorum": {
            "have": ready,
            "need": session.required_signatures,
            "spare": ready - session.required_signatures,
        },
        "members": rows,
    }


def differences(shared: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """Say which configuration that all validators must share differs, and who has what; the most common value first."""
    found = []
    for name in dict.fromkeys(name for values in shared.values() for name in values):
        holders: dict[str, list[str]] = {}
        for validator, values in shared.items():
            holders.setdefault(values.get(name, "unknown"), []).append(validator)
        if len(holders) > 1:
            ranked = sorted(holders.items(), key=lambda item: -len(item[1]))
            found.append(
                {"field": name, "values": [{"value": v, "validators": ids} for v, ids in ranked]}
            )
    return found


def _row(member: Member, running: Mapping[str, Running]) -> dict[str, Any]:
    process = running.get(member.name)
    ready, reason = readiness(member) if process else (False, "not running")
    row: dict[str, Any] = {
        "id": member.name,
        "role": member.role,
        "pid": process.pid if process else None,
        "ready": ready,
        "reason": "" if ready else reason,
    }
    if member.role == "validator" and process and member.http:
        asked = time.time()
        try:
            facts = JsonApi(name=member.name, base=member.http).get("/api/v1/status")
        except DependencyError as error:
            return row | {"reason": str(error)}
        raft = facts["replication"]
        row |= {"raft": raft["role"], "term": raft["term"], "index": raft["applied_index"]}
        row |= {"config": facts["config"], "settlement_paused": facts["settlement_paused"]}
        row |= {"clock": (facts["now_ms"] / 1000, (asked + time.time()) / 2)}
        row |= {"epoch": facts["epochs"]["sealed"], "digest": str(facts["state"]["digest"])[:12]}
    return row


def _status_text(report: Mapping[str, Any]) -> str:
    lines = [
        f"NETWORK {'READY' if report['healthy'] else 'NOT READY'}   leader {report['leader'] or 'none'}"
    ]
    for row in report["members"]:
        facts = "".join(
            f"  {name} {row[name]}"
            for name in ("raft", "term", "index", "epoch", "digest")
            if name in row
        )
        state = "ready" if row["ready"] else f"NOT READY {row['reason']}"
        lines.append(f"  {row['id']:<12} pid {row['pid'] or '-':<8} {state}{facts}")
        if row.get("settlement_paused"):
            lines.append(f"    SETTLEMENT WAITS FOR FUNDS: {row['settlement_paused']}")
    for difference in report["differences"]:
        values = "; ".join(
            f"{', '.join(held['validators'])}: {held['value']}" for held in difference["values"]
        )
        lines.append(f"  CONFIGURATION DIFFERS in {difference['field']}: {values}")
    lines += clock_lines(report["clocks"])
    for name, key in (("can elect a leader", "raft_quorum"), ("can finalise", "signature_quorum")):
        quorum = report[key]
        verdict = "yes" if quorum["spare"] >= 0 else "NO"
        lines.append(
            f"  {name}: {verdict} ({quorum['have']} of {quorum['need']} needed, {quorum['spare']} spare)"
        )
    return "\n".join(lines)
