"""Save, verify and restore the ledger of very many settled intents: seconds, bytes and memory."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.bench.child import run_child
from tests.bench.figures import Figure, Result
from tests.bench.plan import AIM_SNAPSHOT_RESTORED_SECONDS, AIM_SNAPSHOT_SAVED_SECONDS, Plan

_CHILD_SECONDS = 400.0

Say = Callable[[str], None]


def measure(result: Result, plan: Plan, directory: Path, say: Say) -> None:
    """Save in one process, verify and restore in another; the digests must agree."""
    directory.mkdir(parents=True)

    def work(do: str) -> dict[str, Any]:
        return run_child(
            "snapshot",
            {"do": do, "directory": str(directory), "intents": plan.snapshot_intents},
            log=directory / "logs" / "bench-snapshot.log",
            timeout_seconds=_CHILD_SECONDS,
            on_event=lambda event: say(f"  {event['intents']} intents lived"),
        )

    saved, restored = work("save"), work("restore")
    if (saved["digest"], plan.snapshot_intents) != (restored["digest"], restored["intents"]):
        raise RuntimeError("the restored ledger is not the one that was saved")
    section = f"snapshot of {plan.snapshot_intents} settled intents"
    result.figures += _figures(section, saved, restored, plan)
    result.details["snapshot"] = {"saved": saved, "restored": restored}


def _figures(
    section: str, saved: Mapping[str, Any], restored: Mapping[str, Any], plan: Plan
) -> list[Figure]:
    size = saved["bytes"]
    return [
        Figure(
            section=section,
            name="save",
            value=saved["encode_seconds"] + saved["write_seconds"],
            unit="s",
            more_is_better=False,
            aim=AIM_SNAPSHOT_SAVED_SECONDS,
            note=f"encoded in {saved['encode_seconds']:.2f} s, then on disk in"
            f" {saved['write_seconds']:.2f} s; the state occupies {saved['state_mb']:.0f} MB,"
            f" at most {saved['peak_mb']:.0f} MB while it is saved",
        ),
        Figure(
            section=section,
            name="size",
            value=size / 1e6,
            unit="MB",
            more_is_better=False,
            note=f"{size / plan.snapshot_intents / 1e3:.2f} KB per intent",
        ),
        Figure(
            section=section,
            name="verify",
            value=restored["verify_seconds"],
            unit="s",
            more_is_better=False,
            note="the file's checksums and the digest of its state",
        ),
        Figure(
            section=section,
            name="verify and restore",
            value=restored["verify_seconds"] + restored["decode_seconds"],
            unit="s",
            more_is_better=False,
            aim=AIM_SNAPSHOT_RESTORED_SECONDS,
            note=f"at most {restored['peak_mb']:.0f} MB",
        ),
        Figure(
            section=section,
            name="the same intents through the ledger",
            value=plan.snapshot_intents / saved["lived_seconds"],
            unit="intents/s",
            note="rules alone, with making every signature; no log, no archive",
        ),
    ]
