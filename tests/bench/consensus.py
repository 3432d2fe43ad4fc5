"""The replicated log alone, commits per second and latency, beside etcd on the same machine in the same run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import etcd
from tests.bench.child import run_child
from tests.bench.etcd import etcd_cluster
from tests.bench.figures import Bound, Figure, Result
from tests.bench.group import group
from tests.bench.plan import Plan

SECTION = "consensus, {}"
NOTICE = "etcd is not installed: no comparison. `make bench-deps` installs Debian's etcd-server (as root)"
_BATCH = 100
_CHILD_SECONDS = 60.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One load: how much, how many at once, from where."""

    size: int
    outstanding: int
    batch: int = 1
    role: str = "leader"

    @property
    def text(self) -> str:
        """The load in words."""
        what = f", batches of {self.batch}" if self.batch > 1 else ""
        return f"{self.role}, {self.outstanding} outstanding{what}"

    @property
    def section(self) -> str:
        """Where its figures belong."""
        return SECTION.format(f"{self.size} B")


SHAPES = tuple(
    Shape(size=size, outstanding=outstanding, batch=batch, role=role)
    for size in (200, 2048)
    for outstanding, batch, role in (
        (1, 1, "leader"),
        (16, 1, "leader"),
        (16, 1, "follower"),
        (256, 1, "leader"),
        (4, _BATCH, "leader"),
    )
)

Found = Mapping[str, Any]


def measure(result: Result, plan: Plan, directory: Path, say: Say) -> None:
    """Measure every shape from inside a member, over gRPC, and at etcd over gRPC; add rates, latencies and ratios."""
    inside: dict[Shape, Found] = {}
    remote: dict[Shape, Found] = {}
    theirs: dict[Shape, Found] = {}
    with group(directory / "group") as members:
        for shape in SHAPES:
            say(f"  {shape.size} B, {shape.text}")
            member = members.leader() if shape.role == "leader" else members.follower()
            load = _load(shape, plan)
            inside[shape] = member.order(do="load", **load)
            remote[shape] = _client("ours", member.grpc, load, directory)
    version = ""
    if etcd.installed():
        with etcd_cluster(directory / "etcd") as cluster:
            version = cluster.version
            for shape in SHAPES:
                say(f"  etcd: {shape.size} B, {shape.text}")
                target = cluster.leader if shape.role == "leader" else cluster.follower
                theirs[shape] = _client("etcd", target, _load(shape, plan), directory)
    else:
        say(f"  {NOTICE}")
    for shape in SHAPES:
        _add(result, shape, inside[shape], remote[shape], theirs.get(shape))
    result.details["consensus"] = {
        "etcd": version or NOTICE,
        "loads": [
            {"size": s.size, "load": s.text, "inside": inside[s], "over_grpc": remote[s]}
            | ({"etcd": theirs[s]} if s in theirs else {})
            for s in SHAPES
        ],
    }


def _load(shape: Shape, plan: Plan) -> dict[str, Any]:
    return {
        "size": shape.size,
        "outstanding": shape.outstanding,
        "batch": shape.batch,
        "seconds": plan.consensus_seconds,
    }


def _client(kind: str, target: str, load: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    return run_child(
        "group-client",
        {"kind": kind, "target": target, **load},
        log=directory / "logs" / "bench-group-client.log",
        timeout_seconds=load["seconds"] + _CHILD_SECONDS,
    )


def _add(result: Result, shape: Shape, inside: Found, remote: Found, theirs: Found | None) -> None:
    bound = None
    if theirs is not None:
        bound = Bound(name="etcd", value=theirs["per_second"] * shape.batch)
    aimed = shape.size == 200 and shape.role == "leader" and shape.outstanding in (16, 256)
    rows = (
        ("over gRPC", remote, "same client as etcd's; Python serves it, in the leader's process"),
        ("inside the member", inside, "no client, no gRPC: how a validator calls it"),
    )
    for name, found, meaning in rows:
        result.figures.append(
            Figure(
                section=shape.section,
                name=f"{shape.text}, {name}",
                value=found["per_second"] * shape.batch,
                unit="puts/s" if shape.batch > 1 else "commits/s",
                bound=bound,
                aim=bound.value if bound is not None and aimed else None,
                note=f"{_latency(found)}; {meaning}",
            )
        )
    if theirs is not None:
        result.figures.append(
            Figure(
                section=shape.section,
                name=f"etcd: {shape.text}",
                value=theirs["per_second"] * shape.batch,
                unit="puts/s" if shape.batch > 1 else "commits/s",
                note=f"{_latency(theirs)}; Go, three processes, a Python client"
                + ("; one transaction per batch" if shape.batch > 1 else ""),
            )
        )


def _latency(found: Found) -> str:
    return f"p50 {found['p50'] * 1000:.1f} ms, p99 {found['p99'] * 1000:.1f} ms"
