"""A child process that speaks JSON lines: one document in, events and one result out. What it does: `worker`."""

import json
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 5.0
_TAIL_LINES = 12


class ChildFailure(RuntimeError):
    """A child ended without a result, or took too long."""


class Child:
    """One worker process; a context manager that never leaves it behind. Secrets go in by stdin only."""

    def __init__(self, name: str, task: Mapping[str, Any], *, log: Path) -> None:
        """Start `tests.bench.worker NAME`; its stderr goes to the log."""
        self._name = name
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.worker", name],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
            )
        self._buffer = b""
        self.send(task)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def send(self, document: Mapping[str, Any]) -> None:
        """Hand the child one more document."""
        if self._process.stdin is None:
            raise AssertionError("started with a pipe")
        with suppress(
            BrokenPipeError
        ):  # a child that ended at once is reported when its answer is missed
            self._process.stdin.write(json.dumps(document).encode() + b"\n")

    def read(self, *, timeout_seconds: float) -> dict[str, Any]:
        """Return the next document; raise `ChildFailure` with the log's place when there is none in time."""
        if self._process.stdout is None:
            raise AssertionError("started with a pipe")
        deadline = time.monotonic() + timeout_seconds
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise ChildFailure(
                    f"worker {self._name} said nothing for {timeout_seconds:.0f} s; see {self._log}"
                )
            chunk = self._process.stdout.read(65536)
            if not chunk:
                raise ChildFailure(f"worker {self._name} ended: {self._tail()}; see {self._log}")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        document: dict[str, Any] = json.loads(line)
        return document

    def result(
        self,
        *,
        timeout_seconds: float,
        on_event: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Return the result; events that come before it are handed on as they come."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            document = self.read(timeout_seconds=max(0.0, deadline - time.monotonic()))
            if "result" in document:
                found: dict[str, Any] = document["result"]
                return found
            on_event(document)

    def _tail(self) -> str:
        with suppress(OSError):
            return " | ".join(self._log.read_text("utf-8", "replace").splitlines()[-_TAIL_LINES:])
        return "no log"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS if exc_type is None else 0.1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def run_child(
    name: str,
    task: Mapping[str, Any],
    *,
    log: Path,
    timeout_seconds: float,
    on_event: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Run a worker to its end and return its result."""
    with Child(name, task, log=log) as child:
        return child.result(timeout_seconds=timeout_seconds, on_event=on_event)
