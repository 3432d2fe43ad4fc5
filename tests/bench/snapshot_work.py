"""A worker that saves the state of many settled intents, or verifies and restores it; each in a process of its own."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
from tests.bench.intent_lives import HUNDRED, PARAMETERS, live

from pinai_subnet.consensus.snapshot import SnapshotStore
from pinai_subnet.validator.ledger import Ledger
from pinai_subnet.validator.limits import LedgerLimits
from pinai_subnet.validator.snapshot_codec import decode_snapshot, encode_snapshot

_EVERY = 10_000
_ALL = 1 << 40
LIMITS = LedgerLimits(
    max_assignments=_ALL, max_ended=_ALL, retained_epochs=_ALL, max_sealed_intents=_ALL
)
"""Nothing is forgotten: a network in service keeps a tenth of this."""

Say = Callable[[Mapping[str, Any]], None]


async def run(task: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """Do what the task names with the snapshot in its directory."""
    store = SnapshotStore(Path(task["directory"]), cluster=PARAMETERS.subnet_id, fsync=True)
    if task["do"] == "save":
        return _save(store, int(task["intents"]), say)
    return _restore(store)


def _save(store: SnapshotStore, intents: int, say: Say) -> dict[str, Any]:
    ledger = Ledger(PARAMETERS, LIMITS)
    begun = time.perf_counter()
    for number in range(intents // HUNDRED):
        live(ledger, number)
        if (number + 1) * HUNDRED % _EVERY == 0:
            say({"intents": (number + 1) * HUNDRED})
    lived = time.perf_counter() - begun
    rss = psutil.Process().memory_info().rss / 1e6
    begun = time.perf_counter()
    data = encode_snapshot(ledger)
    encoded = time.perf_counter()
    header = store.write(ledger.index, 1, data)
    ended = time.perf_counter()
    return {
        "lived_seconds": lived,
        "encode_seconds": encoded - begun,
        "write_seconds": ended - encoded,
        "bytes": header.size,
        "state_mb": rss,
        "peak_mb": _peak_mb(),
        "digest": ledger.state_digest().hex(),
    }


def _restore(store: SnapshotStore) -> dict[str, Any]:
    begun = time.perf_counter()
    snapshot = store.load()
    if snapshot is None:
        raise RuntimeError(f"{store.path} is not there")
    verified = time.perf_counter()
    ledger = decode_snapshot(snapshot.data, PARAMETERS, LIMITS)
    ended = time.perf_counter()
    return {
        "verify_seconds": verified - begun,
        "decode_seconds": ended - verified,
        "peak_mb": _peak_mb(),
        "digest": ledger.state_digest().hex(),
        "intents": sum(1 for _ in ledger.assignments()),
    }


def _peak_mb() -> float:
    # Not getrusage: a child begins there with its parent's peak.
    words = Path("/proc/self/status").read_text(encoding="ascii").split()
    return int(words[words.index("VmHWM:") + 1]) * 1024 / 1e6
