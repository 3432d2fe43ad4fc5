"""What can be checked without asking anybody: configuration, keys, ports, and what this host gives. Changes nothing."""

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pinai_subnet.cli.home import Home
from pinai_subnet.cli.local_network import LocalNetwork, members
from pinai_subnet.cli.mending import Mend, wanted_mends
from pinai_subnet.cli.port_holder import holder_of
from pinai_subnet.cli.preflight import port_problems, settings_problems
from pinai_subnet.cli.session import open_session
from pinai_subnet.insight.checks import Check, Verdict, graded
from pinai_subnet.runtime.errors import StartupError, StartupProblem

_SYNCS = 50
_MIB = 1_048_576
_FLOOR_MIB = 256


def configuration_checks(home: Home) -> list[Check]:
    """Check every file, variable and key; one line per problem, or one that says that there is none."""
    try:
        env = home.read_env()
        found = settings_problems(home)
    except StartupError as error:
        return [_problem(problem) for problem in error.problems]
    notices = [
        Check(category="config", test=".env", verdict=Verdict.WARN, measured=notice)
        for notice in env.notices
    ]
    problems = [_problem(problem) for problem in found]
    if problems:
        return [*notices, *problems]
    keys = sum(len(member.secrets) for member in members(env.values))
    return [
        *notices,
        Check(category="config", test="schema, unknown keys", verdict=Verdict.OK),
        Check(
            category="keys", test="distinct, match ids", verdict=Verdict.OK, measured=f"{keys} keys"
        ),
    ]


def host_checks(home: Home, *, configured: bool) -> Iterator[Check]:
    """Check what this host gives a network; ports only where the configuration says which."""
    command = "./scripts/deploy.sh ctl" if home.in_containers else "subnetctl"
    yield from (_mend(mend, command) for mend in wanted_mends(home))
    if configured:
        yield from _ports(home)
    # The volumes of containers are not of this user; they are on the same file system.
    own = home.data.is_dir() and not home.in_containers
    yield _sync_time(home.data if own else home.root)
    yield _disk(home.root)
    yield _memory()
    if not home.in_containers:  # their limits are the engine's
        yield _descriptors()


def _problem(problem: StartupProblem) -> Check:
    return Check(
        category="keys" if problem.code.startswith("SN-K") else "config",
        test=problem.where or "configuration",
        verdict=Verdict.FAIL,
        measured=problem.message,
        suggestion=problem.fix,
        code=problem.code,
    )


def _mend(mend: Mend, command: str) -> Check:
    return Check(
        category="files",
        test=mend.path,
        verdict=Verdict.FAIL if mend.needed else Verdict.WARN,
        measured=mend.reason,
        suggestion=f"{command} doctor --fix ({mend.words})",
        code=mend.code,
    )


def _ports(home: Home) -> Iterator[Check]:
    if home.in_containers:
        told = "published by the engine: deploy.sh check looks at them"
        yield Check(category="host", test="ports", verdict=Verdict.SKIP, measured=told)
        return
    session = open_session(home.root)
    running = LocalNetwork(home=home, say=lambda _: None).running()
    waiting = [member for member in members(session.environment) if member.name not in running]
    taken = port_problems(session, waiting)
    for problem in taken:
        port = int(problem.message.rpartition(": ")[0].rpartition(":")[2])
        holder = holder_of(port)
        yield Check(
            category="host",
            test=f"port {port}",
            verdict=Verdict.FAIL,
            measured=problem.message + (f", by {holder}" if holder else ""),
            suggestion=problem.fix,
            code=problem.code,
        )
    if not taken:
        told = f"{len(running)} members run already" if running else "all free"
        yield Check(category="host", test="ports", verdict=Verdict.OK, measured=told)


def _sync_time(directory: Path) -> Check:
    """Measure what every acknowledged report waits for: writing a page and making it durable."""
    try:
        seconds = _synced(directory)
    except OSError as error:
        return Check(
            category="host",
            test="fsync p99",
            verdict=Verdict.FAIL,
            measured=f"{directory}: {error.strerror}",
            suggestion="make the data directory writable for this user",
            code="SN-H003",
        )
    p99 = sorted(seconds)[int(0.99 * (len(seconds) - 1))] * 1000
    verdict = graded(p99, good=10, warn=50, fail=500)
    return Check(
        category="host",
        test="fsync p99",
        verdict=verdict,
        measured=f"{p99:.1f} ms",
        suggestion="" if p99 <= 50 else "use a local SSD for the data directories",
        code="SN-H066" if p99 > 50 else "",
    )


def _synced(directory: Path) -> Sequence[float]:
    took = []
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".check-") as file:
        for _ in range(_SYNCS):
            file.write(bytes(4096))
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - begun)
    return took


def _disk(root: Path) -> Check:
    usage = shutil.disk_usage(root)
    percent, mib = 100 * usage.free / usage.total, usage.free / _MIB
    verdict = graded(percent, good=30, warn=15, fail=0, more_is_better=True)
    if mib < _FLOOR_MIB:
        verdict = Verdict.FAIL
    bad = verdict in (Verdict.WARN, Verdict.FAIL)
    return Check(
        category="host",
        test="disk space",
        verdict=verdict,
        measured=f"{mib / 1024:.1f} GiB free ({percent:.0f} %)",
        suggestion="make room: validators only read below min_free_mb" if bad else "",
        code="SN-V106" if bad else "",
    )


def _memory() -> Check:
    mib = _available_bytes() / _MIB
    verdict = graded(mib, good=2048, warn=1024, fail=256, more_is_better=True)
    bad = verdict in (Verdict.WARN, Verdict.FAIL)
    return Check(
        category="host",
        test="memory",
        verdict=verdict,
        measured=f"{mib:.0f} MiB available",
        suggestion="a network of three validators takes about 1 GiB" if bad else "",
        code="SN-H066" if bad else "",
    )


def _available_bytes() -> int:
    """Return what the host can still give, within the limit of our control group if it has one."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvail"))
    group = Path("/sys/fs/cgroup/memory.max")
    limit = group.read_text(encoding="ascii").strip() if group.is_file() else "max"
    return min(available, int(limit)) if limit.isdigit() else available


def _descriptors() -> Check:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    verdict = graded(soft, good=65_536, warn=4096, fail=512, more_is_better=True)
    bad = verdict in (Verdict.WARN, Verdict.FAIL)
    return Check(
        category="host",
        test="file descriptors",
        verdict=verdict,
        measured=str(soft),
        suggestion="ulimit -n 65536 before starting" if bad else "",
        code="SN-H066" if bad else "",
    )
