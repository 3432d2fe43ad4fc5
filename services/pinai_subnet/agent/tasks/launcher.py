"""The small program that runs one command inside limits. Started as a script of its own; imports nothing of ours.

It is single-threaded, so that limits can be set safely between fork and exec, and it outlives the command, so that it
can measure it, stop it at the wall clock, and collect every process the command left behind. Its verdict goes as one
JSON line to a pipe that the command never sees.

Arguments: the number of the pipe, a JSON object of limits, then the command with its absolute path.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import struct
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION_FLAG = 1
_READ = (1 << 0) | (1 << 2) | (1 << 3)  # execute, read file, read directory
_ALL_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
_TCP = 0b11  # bind, connect
_READABLE = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
_READ_FILE, _WRITE_FILE = 1 << 2, 1 << 1

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Run the command and report how it ended."""
    pipe, limits, command = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
    os.set_inheritable(pipe, False)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if _landlock_version() < 1 and any("/" in part or ".." in part for part in command[1:]):
        # Without the kernel's help a path is the only way out of the working directory that can be closed.
        _report(pipe, {"refused": "this host cannot confine files; arguments may not name paths"})
        return
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _become(command, limits, pipe)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _kill(child))
    signal.signal(signal.SIGALRM, lambda *_: _kill(child))
    signal.setitimer(signal.ITIMER_REAL, limits["wall_seconds"])
    _, status, usage = os.wait4(child, 0)
    elapsed = time.monotonic() - started
    signal.setitimer(signal.ITIMER_REAL, 0)
    _collect()
    _report(
        pipe,
        {
            "exit_code": os.waitstatus_to_exitcode(status),
            "timed_out": elapsed >= limits["wall_seconds"],
            "cpu_ms": int((usage.ru_utime + usage.ru_stime) * 1000),
            "memory_mb": max(1, usage.ru_maxrss // 1024),
            "io_ops": usage.ru_inblock + usage.ru_oublock,
            "confined": _landlock_version() >= 1,
        },
    )


def _become(command: list[str], limits: dict[str, int], pipe: int) -> None:
    """Turn the forked process into the command; never returns."""
    try:
        os.setsid()
        signal.signal(
            signal.SIGPIPE, signal.SIG_DFL
        )  # the interpreter ignores it, commands rely on it
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_NOFILE, 64)
        _limit(resource.RLIMIT_FSIZE, limits["file_bytes"])
        _limit(resource.RLIMIT_AS, limits["memory_bytes"])
        _limit(resource.RLIMIT_NPROC, _tasks_of_this_user() + limits["processes"])
        resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_seconds"], limits["cpu_seconds"] + 1))
        _confine()
        os.execve(command[0], command, {})  # noqa: S606 - an allow-listed absolute path, no shell
    except BaseException as exc:  # noqa: BLE001 - a fork must end here whatever happens
        _report(pipe, {"refused": f"cannot start {command[0]}: {exc}"})
    os._exit(126)


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _tasks_of_this_user() -> int:
    """Count the threads of this user: the process limit is per user, not per process."""
    if os.getuid() == 0:
        return 0  # the kernel does not apply the limit to root
    count = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if entry.stat().st_uid == os.getuid():
                    count += len(list((entry / "task").iterdir()))
    return count


def _landlock_version() -> int:
    return int(_libc.syscall(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION_FLAG))


def _confine() -> None:
    """Let the process read the system's programs and its working directory, write the latter, and reach no TCP."""
    version = _landlock_version()
    if version < 1:
        return
    everything = _ALL_BY_ABI[min(version, 3)]
    attributes = (
        struct.pack("<QQ", everything, _TCP) if version >= 4 else struct.pack("<Q", everything)
    )
    ruleset = _libc.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock ruleset")
    for path in _READABLE:
        _allow(ruleset, path, _READ if Path(path).is_dir() else _READ_FILE)
    for path in ("/dev/null", "/dev/urandom"):
        _allow(ruleset, path, _READ_FILE | _WRITE_FILE)
    _allow(ruleset, ".", everything)
    if _libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock restriction")


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        target = os.open(path, os.O_PATH)
    except FileNotFoundError:
        return
    rule = struct.pack("<Qi", access, target)
    if _libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0) != 0:
        raise OSError(ctypes.get_errno(), f"landlock rule for {path}")
    os.close(target)


def _kill(child: int) -> None:
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(child, signal.SIGKILL)


def _collect() -> None:
    """End and reap what the command left behind: orphans become children of this process."""
    while True:
        children = Path(f"/proc/self/task/{os.getpid()}/children")
        for child in children.read_text().split() if children.exists() else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _report(pipe: int, verdict: dict[str, object]) -> None:
    os.write(pipe, json.dumps(verdict).encode() + b"\n")


main()
