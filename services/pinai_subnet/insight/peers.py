"""Who reaches whom, judged from what each validator finds when it dials the others. Pure: asks nobody.

A pair that fails one way and works the other is a firewall; a listener that nobody reaches is closed or not published;
a member that nobody hears of is down. What is said names the host whose operator can correct it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OK = "ok"
_PUBLISHED = "RAFT_BIND_ADDRESS in its .env says where it is published"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerView:
    """What one validator finds."""

    id: str
    dials: Mapping[str, str]
    """Other validator -> `ok`, `refused`, `timeout`, `unknown name` or `unreachable`."""
    connected: Mapping[str, bool]
    """Whether replication has a connection with the other one now, whoever opened it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFinding:
    """One thing that keeps validators apart."""

    ids: tuple[str, ...]
    """Whom it concerns; the first is where it can be corrected."""
    text: str
    fix: str
    parted: bool
    """Whether replication lacks a connection because of it now."""


def view_of(document: Mapping[str, Any]) -> PeerView:
    """Return the view in a validator's answer to `/api/v1/peers`."""
    peers = document["peers"]
    return PeerView(
        id=str(document["id"]),
        dials={str(peer["id"]): str(peer["dial"]) for peer in peers},
        connected={str(peer["id"]): bool(peer["connected"]) for peer in peers},
    )


def judge_peers(endpoints: Mapping[str, str], views: Sequence[PeerView]) -> tuple[PeerFinding, ...]:
    """Return what is wrong between validators; `endpoints` are the replication listeners by id, of all of them."""
    seen = {view.id: view for view in views if view.id in endpoints}
    found = []
    for target, endpoint in endpoints.items():
        from_others = {
            name: view.dials[target] for name, view in seen.items() if target in view.dials
        }
        failed = {name: outcome for name, outcome in from_others.items() if outcome != OK}
        if not failed:
            continue
        parted = any(not seen[name].connected.get(target, False) for name in failed)
        if len(failed) == len(from_others):
            found.append(_reached_by_nobody(target, endpoint, failed, seen, parted=parted))
        else:
            found += [
                _one_way(name, target, endpoint, outcome, seen) for name, outcome in failed.items()
            ]
    return tuple(found)


def _port(endpoint: str) -> str:
    return endpoint.rpartition(":")[2]


def _told(outcomes: Mapping[str, str], target: str, endpoint: str) -> str:
    return ", ".join(f"{name} -> {target} {one}" for name, one in outcomes.items()) + (
        f" ({endpoint})"
    )


def _reached_by_nobody(
    target: str,
    endpoint: str,
    failed: Mapping[str, str],
    seen: Mapping[str, PeerView],
    *,
    parted: bool,
) -> PeerFinding:
    told = _told(failed, target, endpoint)
    outcomes, view = set(failed.values()), seen.get(target)
    if outcomes == {"unknown name"}:
        why, fix = (
            "the name is not known",
            f"correct the name, or ./scripts/deploy.sh move ADDRESS on the host of {target}",
        )
    elif view is None:
        why, fix = (
            f"{target} is down, or its host is not reached",
            f"./scripts/deploy.sh status on the host of {target}",
        )
    else:
        back = [name for name in failed if view.dials.get(name) == OK]
        answers = f"{target} -> {', '.join(back)} ok: " if back else ""
        why, fix = (
            f"{answers}{_inbound(target, outcomes)}",
            f"open port {_port(endpoint)} on the host of {target} for the other hosts; {_PUBLISHED}",
        )
    return PeerFinding(ids=(target, *failed), text=f"{told}: {why}", fix=fix, parted=parted)


def _inbound(target: str, outcomes: set[str]) -> str:
    if outcomes == {"refused"}:
        return (
            f"nothing listens there for others: a closed port or a firewall on the host of {target}"
        )
    return f"inbound firewall on the host of {target}"


def _one_way(
    name: str, target: str, endpoint: str, outcome: str, seen: Mapping[str, PeerView]
) -> PeerFinding:
    told = _told({name: outcome}, target, endpoint)
    parted = not seen[name].connected.get(target, False)
    if outcome == "unknown name":
        return PeerFinding(
            ids=(name, target),
            text=f"{told}: the host of {name} does not know that name, others do",
            fix=f"correct the name service of the host of {name}",
            parted=parted,
        )
    outgoing = seen[name].dials
    if len(outgoing) > 1 and all(one != OK for one in outgoing.values()):
        return PeerFinding(
            ids=(name, target),
            text=f"{told}, and {name} reaches nobody: outbound firewall on the host of {name}",
            fix=f"let the host of {name} out to the others' replication ports",
            parted=parted,
        )
    back = seen[target].dials.get(name) if target in seen else None
    way_back = f"{target} -> {name} {back}: " if back else ""
    return PeerFinding(
        ids=(target, name),
        text=f"{told}, {way_back}inbound firewall on the host of {target}, which lets others in",
        fix=f"open port {_port(endpoint)} on the host of {target} for the host of {name}",
        parted=parted,
    )
