"""The hosts of the chaos runs, by this kernel: packets are lost, connections reset, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.chaos import private_network

ROOT = Path(__file__).resolve().parents[2]
_UNABLE = private_network.why_not()
pytestmark = pytest.mark.skipif(_UNABLE is not None, reason=str(_UNABLE))

_PROBE = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], 7), timeout=float(sys.argv[2])) as one:
        one.settimeout(float(sys.argv[2]))
        print(one.recv(2).decode())
except OSError as error:
    print(type(error).__name__)
"""
_LISTENER = """
import socket
with socket.create_server(("0.0.0.0", 7)) as server:
    print("up", flush=True)
    while True:
        server.accept()[0].sendall(b"ok")
"""
_WAYS = f"""
import subprocess, sys
from tests.chaos.hosts import Hosts
from tests.chaos.packets import both

def reach(sender, receiver, seconds="0.4"):
    words = [*(hosts.inside(sender) if sender else []), sys.executable, "-c", {_PROBE!r}]
    return subprocess.run([*words, hosts.addresses[receiver], seconds], capture_output=True, text=True).stdout.strip()

def reach_at_last(sender, receiver):
    # Of 30 % loss both ways, all the packets that open a connection are lost one time in 30.
    return next((told for _ in range(3) if (told := reach(sender, receiver, "20")) == "ok"), "never")

def tell(*pairs):
    print(*(reach(*pair) for pair in pairs), flush=True)

with Hosts(["a", "b", "c"]) as hosts:
    listeners = [
        subprocess.Popen([*hosts.inside(name), sys.executable, "-c", {_LISTENER!r}], stdout=subprocess.PIPE)
        for name in hosts.addresses
    ]
    for one in listeners:
        one.stdout.readline()
    tell("ab", "ba", "ac", ("", "a"))
    hosts.cut(both(["a"], ["b"]))
    tell("ab", "ba", "ac", ("", "a"))
    hosts.heal()
    hosts.cut(both(["a"], ["b"]), refuse=True)
    tell("ab", "ba", "ac", ("", "a"))
    hosts.heal()
    hosts.unplug("a")
    tell("ab", "ba", "bc", ("", "a"))
    hosts.heal()
    hosts.lose(both(["a"], ["b"]), 0.3)
    print(reach_at_last("a", "b"), reach_at_last("b", "a"), flush=True)
    hosts.heal()
    tell("ab", "ba", "ac", ("", "a"))
    for one in listeners:
        one.kill()
        one.communicate()
"""
_WAITING = """
import subprocess, sys, time
from tests.chaos.hosts import Hosts
with Hosts(["a", "b"]) as hosts:
    child = subprocess.Popen([*hosts.inside("a"), "sleep", "600"])
    print(child.pid, *(one.pid for one in hosts._keepers.values()), flush=True)
    time.sleep(600)
"""


def _words(script: str) -> list[str]:
    return ["unshare", "--net", sys.executable, "-c", script]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "services")])}


def test_each_fault_does_to_connections_what_it_says() -> None:
    """A dropped way is silent, a refusing one answers, an unplugged host is reached by nobody; and all of it heals."""
    done = subprocess.run(
        _words(_WAYS), env=_environment(), capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "ok ok ok ok",
        "TimeoutError TimeoutError ok ok",
        "ConnectionRefusedError ConnectionRefusedError ok ok",
        "TimeoutError TimeoutError ok TimeoutError",
        "ok ok",
        "ok ok ok ok",
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_run_that_was_ended(number: signal.Signals) -> None:
    """Ctrl-C and even SIGKILL: the namespaces end with their last process, and their processes with the run."""
    before = _links()
    run = subprocess.Popen(
        _words(_WAITING),
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert run.stdout is not None
    with run, run.stdout:
        pids = [int(one) for one in run.stdout.readline().split()]
        assert len(pids) == 3
        assert _links() == before
        run.send_signal(number)
        run.wait(30)
    deadline = time.monotonic() + 30
    while left := [pid for pid in pids if _alive(pid)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False


def _links() -> set[str]:
    return {one.name for one in Path("/sys/class/net").iterdir()}
