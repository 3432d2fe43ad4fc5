"""The life of a real process: start, signals, draining, failing, and its exit status."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PRELUDE = """
import asyncio, sys, time
from pinai_subnet.runtime.errors import StartupError, StartupProblem, cannot_start
from pinai_subnet.runtime.lifecycle import Process, run_process

def say(text):
    print(text, flush=True)
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(body: str, grace: float = 5.0) -> subprocess.Popen[str]:
        script = PRELUDE + textwrap.dedent(body)
        script += f"\nsys.exit(run_process(build, name='unit', grace_seconds={grace}))\n"
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG"},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == line


def finish(process: subprocess.Popen[str]) -> tuple[int, list[str], str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out.split(), err


def events(err: str) -> list[str]:
    return [json.loads(line)["event"] for line in err.splitlines() if line.startswith("{")]


ORDERLY = """
from contextlib import asynccontextmanager

@asynccontextmanager
async def resource(name):
    yield name
    say("close-" + name)

async def build(process: Process) -> None:
    await process.enter(resource("first"))
    await process.enter(resource("second"))

    async def work(stop):
        told = False
        async for _ in stop.periodically(0.01):
            if process.health.phase == "running" and not told:
                say("built")
                told = True
        say("loop-ended")

    async def accept():
        say("drain-accept-" + process.health.phase)

    async def hand_over():
        say("drain-leader")

    process.loop("work", work)
    process.on_drain("accept", accept)
    process.on_drain("leader", hand_over)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order_with_status_0(start: Start, number: signal.Signals) -> None:
    """M6: readiness off, drain in reverse order, loops finish their turn, resources close in reverse order."""
    process = start(ORDERLY)
    wait_for(process, "built")
    process.send_signal(number)
    status, out, err = finish(process)
    assert status == 0
    assert out == [
        "drain-leader",
        "drain-accept-stopping",
        "loop-ended",
        "close-second",
        "close-first",
    ]
    assert events(err) == [
        "process_started",
        "signal_received",
        "process_stopping",
        "process_stopped",
    ]


def test_all_problems_of_a_start_are_printed_and_the_status_is_78(start: Start) -> None:
    """operators.md section 2, rules 1, 3 and 4."""
    process = start(
        """
        async def build(process):
            raise StartupError([
                StartupProblem("SN-C001", "A is not set", "matcher.yaml:1 a", "set A"),
                StartupProblem("SN-H001", "port 9 is in use", None, "stop it"),
            ])
        """
    )
    status, _, err = finish(process)
    assert status == 78
    assert "SN-C001 A is not set\n  where: matcher.yaml:1 a\n  fix:   set A\n\nSN-H001 port" in err
    assert "Traceback" not in err


def test_resources_opened_before_a_failed_start_are_closed(start: Start) -> None:
    process = start(
        ORDERLY + "\ninner = build\nasync def build(process):\n"
        "    await inner(process)\n    raise cannot_start('SN-C001', 'no', where=None, fix='do')\n"
    )
    status, out, _ = finish(process)
    assert status == 78
    assert out[-2:] == ["close-second", "close-first"]
    assert "loop-ended" in out


def test_a_loop_that_raises_ends_the_process_with_one_error_line(start: Start) -> None:
    process = start(
        ORDERLY + "\ninner = build\nasync def build(process):\n"
        "    await inner(process)\n"
        "    async def breaks(stop):\n"
        "        await stop.wait(0.05)\n"
        "        raise ValueError('disk gone')\n"
        "    process.loop('settle_batches', breaks)\n"
    )
    status, out, err = finish(process)
    assert status == 1
    assert out[-1] == "close-first"
    failed = [json.loads(line) for line in err.splitlines() if '"error"' in line]
    assert [(line["event"], line["loop"]) for line in failed] == [("loop_failed", "settle_batches")]
    assert "disk gone" in failed[0]["error"]


def test_a_loop_that_ends_unasked_is_a_failure_unless_it_may(start: Start) -> None:
    body = """
    async def build(process):
        async def ends(stop):
            say("ended")
        process.loop("ends", ends, may_end={may_end})
    """
    status, _, err = finish(start(body.format(may_end=False)))
    assert status == 1
    assert "loop_ended_unasked" in events(err)
    process = start(body.format(may_end=True))
    wait_for(process, "ended")
    process.terminate()
    assert finish(process)[0] == 0


def test_a_start_error_in_a_loop_exits_78(start: Start) -> None:
    status, _, err = finish(
        start(
            """
            async def build(process):
                async def refused(stop):
                    raise cannot_start("SN-C005", "peers disagree", where=None, fix="compare")
                process.loop("compare_configuration", refused)
                await asyncio.sleep(30)
            """
        )
    )
    assert status == 78
    assert "SN-C005 peers disagree" in err


def test_a_signal_while_starting_ends_the_start(start: Start) -> None:
    """operators.md row 19: waiting for peers can be interrupted."""
    process = start(
        """
        async def build(process):
            say("waiting")
            await asyncio.sleep(600)
        """
    )
    wait_for(process, "waiting")
    process.terminate()
    status, _, err = finish(process)
    assert status == 0
    assert "process_started" not in events(err)


STUBBORN = """
async def build(process):
    async def stubborn(stop):
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            say("cancelled")
            raise
    process.loop("stubborn", stubborn)

    async def close():
        say("closed")
    process.on_close(close)
    say("built")
"""


def test_what_does_not_end_within_the_grace_period_is_cancelled(start: Start) -> None:
    process = start(STUBBORN, grace=0.2)
    wait_for(process, "built")
    process.terminate()
    status, out, err = finish(process)
    assert (status, out) == (0, ["cancelled", "closed"])
    assert "grace_period_passed" in events(err)
    assert "loop_cancelled" in events(err)


def test_a_second_signal_leaves_at_once(start: Start) -> None:
    process = start(STUBBORN, grace=60)
    wait_for(process, "built")
    process.terminate()
    assert process.stderr is not None
    for line in process.stderr:
        if "process_stopping" in line:
            break
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    status, out, _ = finish(process)
    assert (status, out) == (130, [])
    assert time.monotonic() - began < 10


def test_a_failing_drain_or_close_does_not_skip_the_others(start: Start) -> None:
    process = start(
        ORDERLY + "\ninner = build\nasync def build(process):\n"
        "    async def breaks():\n"
        "        raise OSError('broken')\n"
        "    process.on_close(breaks)\n"
        "    await inner(process)\n"
        "    process.on_drain('breaks', breaks)\n"
    )
    wait_for(process, "built")
    process.terminate()
    status, out, err = finish(process)
    assert status == 1
    assert out == [
        "drain-leader",
        "drain-accept-stopping",
        "loop-ended",
        "close-second",
        "close-first",
    ]
    assert "drain_failed" in events(err)
    assert "close_failed" in events(err)


def test_servers_and_storage_run_and_stop_together(start: Start, tmp_path: Path) -> None:
    """operators.md row 7: the second process on the same port exits 78 and names it."""
    body = f"""
    from pathlib import Path
    from pinai_subnet.runtime.grpc_server import GrpcServer
    from pinai_subnet.runtime.http_server import HttpServer, create_app
    from pinai_subnet.runtime.sqlite import SqliteDatabase
    import urllib.request

    async def build(process):
        port = int({{port}})
        await process.enter(SqliteDatabase(Path({str(tmp_path / "a.db")!r}), [], identity="me"))
        app = create_app(title="t", version="1", error_mapper=lambda exc: None,
                         health=process.health, metrics=process.metrics)
        http = HttpServer(app, host="127.0.0.1", port=port)
        await process.serve("http", http)
        await process.serve("grpc", GrpcServer(host="127.0.0.1", port=0, register=[],
                                               error_mapper=lambda exc: None))

        async def probe(stop):
            while not process.health.ready().ok:
                await stop.wait(0.01)
            url = f"http://127.0.0.1:{{{{http.port}}}}/readyz"
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({{{{}}}}))
            text = await asyncio.to_thread(lambda: opener.open(url).read().decode())
            say(f"{{{{text}}}}-{{{{http.port}}}}")
        process.loop("probe", probe, may_end=True)
    """
    process = start(body.format(port=0))
    assert process.stdout is not None
    word, port = process.stdout.readline().strip().split("-")
    assert word == "ok"
    second = start(body.format(port=port))
    status, _, err = finish(second)
    assert status == 78
    assert f"SN-H001 port {port} is in use" in err
    process.terminate()
    assert finish(process)[0] == 0
