"""What only the others can tell: RootLayer and its certificate, clocks, who reaches whom, versions. Changes nothing."""

import time
from collections.abc import Collection, Iterator

import httpx

from pinai_subnet.cli.hosts import peer_views
from pinai_subnet.cli.local_network import LocalNetwork
from pinai_subnet.cli.session import Session
from pinai_subnet.cli.status import look
from pinai_subnet.insight.certificate import fetch, judged
from pinai_subnet.insight.checks import Check, Verdict, graded
from pinai_subnet.insight.clocks import FAIL_SECONDS
from pinai_subnet.insight.network_status import MemberView, NetworkStatus
from pinai_subnet.insight.peers import judge_peers

_TIMEOUT_SECONDS = 5.0
_OVERLOADED = (429, 502, 503, 504)


def network_checks(session: Session) -> Iterator[Check]:
    """Check RootLayer, then every member that answers; those that do not are skipped, not failed."""
    seen = look(session)
    validators = [member for member in seen.validators if member.reachable]
    yield _root_layer(session, started=bool(validators))
    endpoints = session.network.endpoints
    if endpoints.rootlayer_tls:
        yield judged("rootlayer", fetch(endpoints.rootlayer_grpc))
    if not validators:
        yield Check(
            category="peers", test="validators", verdict=Verdict.SKIP, measured="not started"
        )
        return
    yield from _clocks(seen)
    yield from peers(seen)
    yield from _dialled(session)
    yield from _sameness(seen, validators)


def skipped(reason: str) -> Check:
    """Return the line that stands for all of them."""
    return Check(category="network", test="all", verdict=Verdict.SKIP, measured=reason)


def _root_layer(session: Session, *, started: bool) -> Check:
    """Ask RootLayer how it is: whoever answers is there."""
    api = session.rootlayer
    # A home that starts its own development RootLayer has not done so yet.
    not_started = Check(
        category="chain", test="rootlayer", verdict=Verdict.SKIP, measured="not started"
    )
    if session.home.run.is_dir() and "rootlayer" not in _running(session):
        return not_started
    url = (api.base if "://" in api.base else f"http://{api.base}") + "/health"
    begun = time.monotonic()
    try:
        answer = httpx.get(url, timeout=_TIMEOUT_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        profiles = session.environment.get("COMPOSE_PROFILES", "").split(",")
        if session.home.in_containers and "dev" in profiles and not started:
            return not_started
        return root_layer_check(api.base, None, 0.0, failure=type(error).__name__)
    return root_layer_check(api.base, answer.status_code, time.monotonic() - begun)


def _running(session: Session) -> Collection[str]:
    return LocalNetwork(home=session.home, say=lambda _: None).running()


def root_layer_check(base: str, status: int | None, seconds: float, *, failure: str = "") -> Check:
    """Judge one question to RootLayer: away, overloaded, slow, or fine (operators row 31)."""
    if status is None:
        return Check(
            category="chain",
            test="rootlayer",
            verdict=Verdict.FAIL,
            measured=f"{base} does not answer: {failure}",
            suggestion="start it, or correct ROOTLAYER_HTTP and ROOTLAYER_GRPC",
            code="SN-N401",
        )
    verdict = graded(seconds, good=0.1, warn=1.0, fail=_TIMEOUT_SECONDS)
    suggestion = ""
    if status in _OVERLOADED:
        verdict = Verdict.WARN
        suggestion = "it limits its callers or is overloaded: ask for more, or use another one"
    elif verdict in (Verdict.WARN, Verdict.FAIL):
        verdict = Verdict.WARN
        suggestion = "settlement will be slow: look at its load and at the way to it"
    return Check(
        category="chain",
        test="rootlayer",
        verdict=verdict,
        measured=f"HTTP {status} after {seconds * 1000:.0f} ms",
        suggestion=suggestion,
        code="SN-N427" if suggestion else "",
    )


def _clocks(seen: NetworkStatus) -> Iterator[Check]:
    wrong = {finding.validator: finding for finding in seen.clocks}
    for member in seen.validators:
        if member.clock_offset_seconds is None:
            continue
        finding = wrong.get(member.id)
        verdict = Verdict.OK
        if finding is not None:
            verdict = Verdict.FAIL if finding.verdict == "fail" else Verdict.WARN
        yield Check(
            category="time",
            test=f"{member.id} clock offset",
            verdict=verdict,
            measured=f"{member.clock_offset_seconds * 1000:+.0f} ms (limit {FAIL_SECONDS:.0f} s)",
            suggestion=finding.fix if finding else "",
            code=finding.code if finding else "",
        )


def peers(seen: NetworkStatus) -> Iterator[Check]:
    """Judge every pair from both sides: what works one way and fails the other is a firewall (operators row 8)."""
    matrix = seen.peer_matrix()
    names = list(matrix)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            yield _pair(first, second, matrix[first][second], matrix[second][first])


def _dialled(session: Session) -> Iterator[Check]:
    """Have every validator dial the others: what keeps two apart, and on which host it can be corrected."""
    members = session.network.parameters.validators
    endpoints = {str(member.id): member.raft_endpoint for member in members}
    for finding in judge_peers(endpoints, list(peer_views(session).values())):
        yield Check(
            category="peers",
            test=f"dialling {finding.ids[0]}",
            verdict=Verdict.FAIL if finding.parted else Verdict.WARN,
            measured=finding.text,
            suggestion=finding.fix,
            code="SN-N428",
        )


def _pair(first: str, second: str, there: bool | None, back: bool | None) -> Check:
    if there is None or back is None:
        silent = [name for name, told in ((first, there), (second, back)) if told is None]
        told = f"{' and '.join(silent)} does not answer"
        return Check(
            category="peers", test=f"{first} ↔ {second}", verdict=Verdict.SKIP, measured=told
        )
    words = {True: "ok", False: "not connected"}
    measured = f"{first} → {second} {words[there]}, {second} → {first} {words[back]}"
    if there and back:
        return Check(
            category="peers", test=f"{first} ↔ {second}", verdict=Verdict.OK, measured=measured
        )
    if there or back:
        host = first if there else second
        suggestion = f"one direction only: an inbound firewall before {host}'s raft port, or NAT"
    else:
        suggestion = "neither reaches the other: open both raft ports, and see their logs"
    return Check(
        category="peers",
        test=f"{first} ↔ {second}",
        verdict=Verdict.FAIL,
        measured=measured,
        suggestion=suggestion,
        code="SN-N428",
    )


def _sameness(seen: NetworkStatus, validators: list[MemberView]) -> Iterator[Check]:
    versions = sorted({member.version for member in validators if member.version})
    yield Check(
        category="versions",
        test="validators",
        verdict=Verdict.OK if len(versions) <= 1 else Verdict.WARN,
        measured=", ".join(versions),
        suggestion="" if len(versions) <= 1 else "finish the upgrade: all should run one version",
        code="" if len(versions) <= 1 else "SN-N429",
    )
    for difference in seen.differences:
        held = "; ".join(f"{', '.join(h.validators)}: {h.value}" for h in difference.values)
        yield Check(
            category="versions",
            test=f"shared {difference.field}",
            verdict=Verdict.FAIL,
            measured=held,
            suggestion="give every validator the same network.yaml and policy_config.yaml",
            code="SN-N424",
        )
