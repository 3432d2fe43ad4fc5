"""Section 1: what this machine allows at best. The other sections give their figures as a part of these."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from coincurve import PrivateKey, PublicKey
from tests.bench.child import Child, run_child
from tests.bench.figures import Figure, Result, Spread
from tests.bench.plan import Plan

from pinai_subnet.protocol.digests import keccak256

SECTION = "ceilings"
ECHO = "grpc.aio echo, {} outstanding"
ECHO_LATENCY = "grpc.aio echo latency, 1 outstanding, p50"
RECOVER = "coincurve recover"
SIGN = "coincurve sign"
KECCAK = "keccak256 of 256 bytes"
FSYNC = "fdatasync of 4 KiB appended"
BARE_RSS = "RSS of a bare grpc.aio server"
BARE_START = "start of a bare grpc.aio server"
OUTSTANDING = (1, 16, 64)

_ECHO_BYTES = 256
_CHECK_EVERY = 64
_START_TIMEOUT_SECONDS = 20.0

Say = Callable[[str], None]


def measure(result: Result, plan: Plan, directory: Path, say: Say) -> None:
    """Measure every ceiling and add it to the result."""
    _echo(result, plan, directory, say)
    say("  signatures, hashes, disk")
    key = PrivateKey()
    digest = keccak256(b"benchmark")
    signature = key.sign_recoverable(digest, hasher=None)

    def recover() -> None:
        PublicKey.from_signature_and_message(signature, digest, hasher=None)

    seconds = plan.ceiling_seconds / 2
    for name, operation in (
        (RECOVER, recover),
        (SIGN, lambda: key.sign_recoverable(digest, hasher=None)),
        (KECCAK, lambda: keccak256(bytes(256))),
    ):
        _add(result, name, rate(operation, seconds), "/s", note="one core")
    _add(result, FSYNC, fsync_rate(directory, plan.ceiling_seconds), "/s", note="data disk")


def rate(operation: Callable[[], object], seconds: float) -> float:
    """Return how often an operation is done in a second, by doing it this long."""
    done, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        for _ in range(_CHECK_EVERY):
            operation()
        done += _CHECK_EVERY
    return done / passed


def fsync_rate(directory: Path, seconds: float) -> float:
    """Return how many appends of 4 KiB reach the disk in a second, one after the other."""
    path = directory / "fsync.bin"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    done, begun = 0, time.perf_counter()
    try:
        while (passed := time.perf_counter() - begun) < seconds:
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            done += 1
    finally:
        os.close(descriptor)
        path.unlink()
    return done / passed


def _echo(result: Result, plan: Plan, directory: Path, say: Say) -> None:
    logs = directory / "logs"
    begun = time.perf_counter()
    with Child("echo-server", {}, log=logs / "bench-echo-server.log") as server:
        port = server.read(timeout_seconds=_START_TIMEOUT_SECONDS)["port"]
        _add(result, BARE_START, time.perf_counter() - begun, "s", more_is_better=False)
        for outstanding in OUTSTANDING:
            say(f"  echo with {outstanding} outstanding")
            found = run_child(
                "echo-client",
                {
                    "target": f"127.0.0.1:{port}",
                    "outstanding": outstanding,
                    "seconds": plan.ceiling_seconds,
                    "bytes": _ECHO_BYTES,
                },
                log=logs / "bench-echo-client.log",
                timeout_seconds=plan.ceiling_seconds + _START_TIMEOUT_SECONDS,
            )
            spread = Spread.of(found["samples"])
            note = f"p50 {spread.p50 * 1000:.2f} ms, p99 {spread.p99 * 1000:.2f} ms"
            calls = spread.count / found["seconds"]
            _add(result, ECHO.format(outstanding), calls, "/s", note=note)
            if outstanding == 1:
                _add(result, ECHO_LATENCY, spread.p50 * 1000, "ms", more_is_better=False)
        rss = psutil.Process(server.pid).memory_info().rss / 1e6
        _add(result, BARE_RSS, rss, "MB", more_is_better=False)


def _add(
    result: Result,
    name: str,
    value: float,
    unit: str,
    *,
    note: str = "",
    more_is_better: bool = True,
) -> None:
    result.figures.append(
        Figure(
            section=SECTION,
            name=name,
            value=value,
            unit=unit,
            note=note,
            more_is_better=more_is_better,
        )
    )
