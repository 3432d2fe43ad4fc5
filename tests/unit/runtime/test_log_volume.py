"""Logs cannot fill a disk: files of bounded size and number, and one line for what is said a thousand times.

operators.md row 36.
"""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from pinai_subnet.runtime.log_repeats import HoldBackRepeats
from pinai_subnet.runtime.logs import configure_logging, get_logger


class Time:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def tell(repeats: HoldBackRepeats, event: str, level: str = "warning", **fields: object) -> object:
    """Return the line that passes, None where it is held back."""
    try:
        return repeats(None, level, {"event": event, "level": level, **fields})
    except structlog.DropEvent:
        return None


def test_the_first_line_passes_and_a_count_follows_when_the_interval_is_over() -> None:
    clock = Time()
    repeats = HoldBackRepeats(interval_seconds=10, monotonic=clock)
    refused = {"code": "SN-R047", "reason": "too many handshakes"}
    told = [
        tell(repeats, "raft_peer_refused", where=f"10.0.0.9:{port}", **refused)
        for port in range(20_000, 25_000)
    ]
    assert told[0] is not None
    assert not any(told[1:])
    clock.now += 10
    line = tell(repeats, "leader_changed", level="info")
    assert line == {
        "event": "leader_changed",
        "level": "info",
        "held_back": {"raft_peer_refused": 4999},
    }
    again = tell(repeats, "raft_peer_refused", where="10.0.0.9:1", **refused)
    assert again is not None
    assert "held_back" not in again  # type: ignore[operator]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"where": "10.0.0.9:1"}, {"where": "10.0.0.8:1"}),
        ({"code": "SN-R047"}, {"code": "SN-R044"}),
        ({"intent_id": "0x01"}, {"intent_id": "0x02"}),
        ({"epoch": 1}, {"epoch": 2}),
        ({"loop": "seal"}, {"loop": "sign"}),
    ],
)
def test_what_happened_to_somebody_else_is_another_kind(one: object, other: object) -> None:
    repeats = HoldBackRepeats(interval_seconds=10, monotonic=Time())
    assert tell(repeats, "refused", **one)  # type: ignore[arg-type]
    assert tell(repeats, "refused", **other)  # type: ignore[arg-type]
    assert not tell(repeats, "refused", **one)  # type: ignore[arg-type]


@pytest.mark.parametrize("varied", ["reason", "error", "waiting", "bytes"])
def test_texts_and_amounts_make_no_other_kind(varied: str) -> None:
    repeats = HoldBackRepeats(interval_seconds=10, monotonic=Time())
    values = ("a", "b") if varied in {"reason", "error"} else (1, 2)
    assert tell(repeats, "failed", **{varied: values[0]})
    assert not tell(repeats, "failed", **{varied: values[1]})


def test_outcomes_are_never_held_back() -> None:
    repeats = HoldBackRepeats(interval_seconds=10, monotonic=Time())
    assert all(tell(repeats, "report_received", level="info") for _ in range(500))


def test_who_varies_a_field_meets_the_limit_of_the_event_and_memory_stays_bounded() -> None:
    clock = Time()
    repeats = HoldBackRepeats(interval_seconds=10, lines_per_event=100, monotonic=clock)
    told = [tell(repeats, "refused", intent_id=f"0x{n:x}") for n in range(5000)]
    assert sum(line is not None for line in told) == 100
    assert tell(repeats, "another_event") is not None
    assert len(repeats._kinds) < 110
    for n in range(20_000):
        tell(repeats, f"event_{n}")
    assert len(repeats._kinds) <= 2002
    clock.now += 11
    line = tell(repeats, "quiet_again", level="info")
    assert isinstance(line, dict)
    assert line["held_back"]["refused"] == 4900
    assert line["held_back"]["others"] > 17_000


def test_no_interval_holds_nothing_back() -> None:
    repeats = HoldBackRepeats(interval_seconds=0, monotonic=Time())
    assert all(tell(repeats, "refused") for _ in range(100))


@pytest.fixture
def standard_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("standard_logging")
def test_every_process_holds_back_its_own_and_its_libraries_repeats() -> None:
    stream = io.StringIO()
    configure_logging("validator", environ={"LOG_REPEAT_SECONDS": "60"}, stream=stream)
    for number in range(1000):
        get_logger().warning("peer_refused", where=f"10.0.0.9:{number}")
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["peer_refused", "Invalid HTTP request received."]


@pytest.mark.usefixtures("standard_logging")
def test_repeats_can_be_told_in_full() -> None:
    stream = io.StringIO()
    configure_logging("validator", environ={"LOG_REPEAT_SECONDS": "0"}, stream=stream)
    for _ in range(20):
        get_logger().warning("peer_refused")
    assert len(stream.getvalue().splitlines()) == 20


WRITER = """
import os, subprocess, sys
from pinai_subnet.runtime.logs import configure_logging, get_logger
configure_logging("validator", environ=os.environ)
for number in range(int(sys.argv[1])):
    get_logger().info("written", number=number, padding="x" * 1000)
print("a plain word on stdout", flush=True)
sys.stderr.write("a plain word on stderr\\n")
"""


def run(tmp_path: Path, lines: int, **variables: str) -> None:
    """Run a process whose output goes to its log file, as `subnetctl up` does it."""
    log = tmp_path / "validator-1.log"
    with log.open("ab") as output:
        subprocess.run(
            [sys.executable, "-c", WRITER, str(lines)],
            env={**os.environ, "LOG_FILE": str(log), "LOG_FORMAT": "json", **variables},
            stdout=output,
            stderr=output,
            check=True,
        )


def test_a_process_keeps_so_many_files_of_such_a_size_and_loses_no_line(tmp_path: Path) -> None:
    """Everything that goes to the file goes to the new one, whoever writes it; a restart goes on."""
    for _ in range(2):
        run(tmp_path, 1000, LOG_MAX_MB="0.25", LOG_FILES="3")
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == [
        "validator-1.log",
        "validator-1.log.1",
        "validator-1.log.2",
        "validator-1.log.3",
    ]
    assert all(path.stat().st_size < 270_000 for path in tmp_path.iterdir())
    newest = (tmp_path / "validator-1.log").read_text()
    assert "a plain word on stdout" in newest
    assert "a plain word on stderr" in newest
    text = "".join(
        (tmp_path / name).read_text() for name in [*reversed(files[1:]), files[0]]
    ).splitlines()
    numbers = [json.loads(line)["number"] for line in text if line.startswith("{")]
    assert numbers == [*range(1000)][-len(numbers) :]
    assert len(numbers) > 600


def test_the_shipped_limits_leave_a_small_log_alone(tmp_path: Path) -> None:
    run(tmp_path, 100, LOG_MAX_MB="", LOG_FILES="nonsense")
    assert [path.name for path in tmp_path.iterdir()] == ["validator-1.log"]


def test_a_log_file_may_be_named_where_the_output_goes_elsewhere(tmp_path: Path) -> None:
    named = tmp_path / "own.log"
    done = subprocess.run(
        [sys.executable, "-c", WRITER, "3"],
        env={**os.environ, "LOG_FILE": str(named), "LOG_FORMAT": "json"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert len(named.read_text().splitlines()) == 3
    assert done.stderr == "a plain word on stderr\n"


def test_a_log_file_that_cannot_be_written_keeps_no_process_from_starting(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITER, "1"],
        env={**os.environ, "LOG_FILE": str(tmp_path / "none" / "a.log"), "LOG_FORMAT": "json"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert '"written"' in done.stderr
