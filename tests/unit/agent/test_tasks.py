"""The built-in tasks on good, bad and hostile payloads."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pinai_subnet.agent.tasks.echo import Echo
from pinai_subnet.agent.tasks.json_transform import JsonTransform
from pinai_subnet.agent.tasks.script import (
    DEFAULT_COMMANDS,
    Script,
    ScriptLimits,
    resolve_commands,
)
from pinai_subnet.agent.work import Handler, Result, Task, TaskFailed


def task(data: bytes, kind: str = "t") -> Task:
    return Task(
        task_id="0x" + "b1" * 32,
        intent_id="0x" + "a1" * 32,
        bid_id="0x" + "c1" * 32,
        intent_type=kind,
        data=data,
        created_at=0,
        deadline=0,
    )


async def run(handler: Handler, payload: object) -> Result:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return await handler.execute(task(data))


async def refused(handler: Handler, payload: object) -> TaskFailed:
    with pytest.raises(TaskFailed) as caught:
        await run(handler, payload)
    return caught.value


async def test_echo_returns_the_payload() -> None:
    assert (await run(Echo(), b"\x00\xff")).data == b"\x00\xff"


@pytest.fixture
async def transform() -> AsyncIterator[JsonTransform]:
    handler = JsonTransform(seconds=10.0, memory_mb=256, max_result_bytes=10_000)
    yield handler
    await handler.close()


async def test_json_transform_computes_on_the_payload(transform: JsonTransform) -> None:
    orders = [{"id": 1, "total": 5}, {"id": 2, "total": 50}, {"id": 3, "total": 70}]
    big = {"data": orders, "expression": "sort_by([?total > `10`], &total)[-1].{best: id}"}
    assert (await run(transform, big)).data == b'{"best":3}'
    assert (await run(transform, {"data": orders, "expression": "sum([*].total)"})).data == b"125"
    assert (await run(transform, {"data": "é", "expression": "@"})).data == b'"\\u00e9"'


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "SN-M520"),
        (b"\xff\xfe", "SN-M520"),
        (b"[" * 100_000, "SN-M520"),
        ({"data": 1}, "SN-M520"),
        ({"data": 1, "expression": 5}, "SN-M520"),
        ({"data": 1, "expression": "x" * 5000}, "SN-M520"),
        ({"data": 1, "expression": "a["}, "SN-M522"),
        ({"data": 1, "expression": "nofunction(@)"}, "SN-M522"),
        ({"data": 1, "expression": ""}, "SN-M522"),
        ({"data": "x", "expression": "abs(@)"}, "SN-M522"),
        ({"data": 1, "expression": " | ".join(["{a: @, b: @, c: @}"] * 30)}, "SN-M522"),
        ({"data": 1, "expression": "(" * 4000}, "SN-M522"),
        (b'{"data": NaN, "expression": "@"}', "SN-M522"),
    ],
)
async def test_json_transform_refuses_what_it_cannot_do(
    transform: JsonTransform, payload: object, code: str
) -> None:
    assert (await refused(transform, payload)).code == code
    assert (await run(transform, {"data": [1], "expression": "[0]"})).data == b"1"


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 1_000_000,
        b'{"data":' * 100_000,
        b'["\\"[", ' + b"[" * 500_000,
        b'{"command": ["echo"], "stdin": ' + b"[" * 300 + b"]" * 300 + b"}",
    ],
)
async def test_deep_nesting_is_refused_even_where_the_interpreter_has_no_guard(
    payload: bytes, script: Script, transform: JsonTransform
) -> None:
    """Claim 5: no payload ends the process, not even by overrunning the parser's stack."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        assert (await refused(transform, payload)).code == "SN-M520"
        assert (await refused(script, payload)).code == "SN-M530"
    finally:
        sys.setrecursionlimit(before)


async def test_brackets_inside_texts_are_not_nesting(transform: JsonTransform) -> None:
    data = "[" * 5000 + '\\"' + "{" * 5000
    assert (await run(transform, {"data": data, "expression": "length(@)"})).data == b"10002"


async def test_a_slow_expression_is_cut_off_and_the_next_one_works() -> None:
    handler = JsonTransform(seconds=0.5, memory_mb=512, max_result_bytes=10_000)
    data = list(range(3000))
    slow = "[*].[$x, to_string(@)]"
    nested = {"data": data, "expression": "map(&map(&to_string(@), `[" + "1," * 1900 + "1]`), @)"}
    assert (await refused(handler, nested)).code in {"SN-M521", "SN-M522"}
    assert (await refused(handler, {"data": data, "expression": slow})).code == "SN-M522"
    assert (await run(handler, {"data": 7, "expression": "@"})).data == b"7"
    await handler.close()


async def test_expressions_are_evaluated_in_parallel_up_to_the_worker_count() -> None:
    handler = JsonTransform(workers=2)
    jobs = [run(handler, {"data": n, "expression": "@"}) for n in range(8)]
    results = await asyncio.gather(*jobs)
    assert [r.data for r in results] == [str(n).encode() for n in range(8)]
    await handler.close()


LIMITS = ScriptLimits(wall_seconds=10.0, cpu_seconds=5, output_bytes=10_000)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(commands=resolve_commands(DEFAULT_COMMANDS), limits=LIMITS, scratch=tmp_path)


@pytest.fixture
def python(tmp_path: Path) -> Script:
    commands = {"python3": str(Path(os.path.realpath("/usr/bin/python3")))}
    if not Path(commands["python3"]).exists():
        pytest.skip("this host has no /usr/bin/python3")
    limits = ScriptLimits(wall_seconds=6.0, cpu_seconds=1, output_bytes=10_000, file_mb=1)
    return Script(commands=commands, limits=limits, scratch=tmp_path)


async def test_script_runs_an_allowed_command_on_its_input(script: Script, tmp_path: Path) -> None:
    result = await run(script, {"command": ["grep", "-c", "x"], "stdin": "x\ny\nx\n"})
    assert result.data == b"2\n"
    assert result.usage is not None
    assert result.usage.memory_mb >= 1
    account = json.loads(result.transcript)
    assert (account["command"], account["exit_code"]) == (["grep", "-c", "x"], 0)
    assert _names_in(tmp_path) == []


async def test_script_has_no_shell(script: Script) -> None:
    command = ["echo", "$HOME `id` $(id); id | cat > f && *"]
    result = await run(script, {"command": command})
    assert result.data.decode() == command[1] + "\n"


async def test_script_gives_large_input_and_takes_a_command_that_ignores_it(
    script: Script,
) -> None:
    assert (await run(script, {"command": ["echo", "ok"], "stdin": "x" * 500_000})).data == b"ok\n"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"{", "SN-M530"),
        ([], "SN-M530"),
        ({"command": []}, "SN-M530"),
        ({"command": "echo hi"}, "SN-M530"),
        ({"command": ["echo", 1]}, "SN-M530"),
        ({"command": ["echo", "a\0b"]}, "SN-M530"),
        ({"command": ["echo"] * 100}, "SN-M530"),
        ({"command": ["echo", "x" * 9000]}, "SN-M530"),
        ({"command": ["echo"], "env": {"A": "b"}}, "SN-M530"),
        ({"command": ["echo"], "stdin": 5}, "SN-M530"),
        (b'{"command": ["echo", "\\ud800"]}', "SN-M530"),
        ({"command": ["sh", "-c", "id"]}, "SN-M531"),
        ({"command": ["/bin/echo", "x"]}, "SN-M531"),
        ({"command": ["../../bin/sh"]}, "SN-M531"),
        ({"command": ["python3", "-c", "1"]}, "SN-M531"),
        ({"command": [""]}, "SN-M531"),
        ({"command": ["grep", "nothing"], "stdin": "x"}, "SN-M535"),
        ({"command": ["jq", "("], "stdin": "{}"}, "SN-M535"),
    ],
)
async def test_script_refuses_with_a_code(script: Script, payload: object, code: str) -> None:
    assert (await refused(script, payload)).code == code


@pytest.mark.parametrize(
    "command",
    [
        ["cat", "/etc/passwd"],
        ["cat", "/proc/self/environ"],
        ["cat", f"/proc/{os.getpid()}/environ"],
        ["grep", "-r", "root", "/etc"],
        ["cat", "../../../../etc/passwd"],
        ["jq", "-n", "--rawfile", "a", "/etc/passwd", "$a"],
        ["grep", "-f/etc/passwd", "x"],
    ],
)
async def test_script_reads_nothing_outside_its_directory(
    script: Script, command: list[str]
) -> None:
    failure = await refused(script, {"command": command})
    assert failure.code in {"SN-M532", "SN-M535"}
    assert "root:" not in failure.message


async def test_script_output_is_capped_and_the_flood_ends_at_once(script: Script) -> None:
    began = time.monotonic()
    failure = await refused(script, {"command": ["jq", "-n", "range(1000000000)"]})
    assert failure.code == "SN-M534"
    assert time.monotonic() - began < 8


async def test_a_command_that_waits_is_stopped_at_the_wall_clock(tmp_path: Path) -> None:
    handler = Script(
        commands=resolve_commands(["sleep"]),
        limits=ScriptLimits(wall_seconds=0.3),
        scratch=tmp_path,
    )
    assert (await refused(handler, {"command": ["sleep", "30"]})).code == "SN-M533"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("while True: pass", {"SN-M533", "SN-M535"}),
        ("b = bytearray(1 << 33)", {"SN-M535"}),
        ("open('f', 'wb').write(bytes(9 << 20))", {"SN-M535"}),
        ("import os; print(open('/proc/%d/environ' % os.getppid()).read())", {"SN-M535"}),
        ("import socket; socket.create_connection(('127.0.0.1', 1), 1)", {"SN-M535"}),
        ("import os; os.kill(os.getppid(), 9)", {"SN-M537", "SN-M535"}),
    ],
)
async def test_even_an_interpreter_stays_inside_the_limits(
    python: Script, code: str, expected: set[str]
) -> None:
    assert (await refused(python, {"command": ["python3", "-c", code]})).code in expected


async def test_processes_left_behind_are_collected(python: Script, tmp_path: Path) -> None:
    """A command that daemonises gains nothing: what it leaves ends with it."""
    marker = f"left-behind-{os.getpid()}"
    code = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    for n in (0, 1, 2): os.close(n)\n"
        f"    '{marker}'; time.sleep(60)\n"
        "print('parent done')\n"
    )
    assert (await run(python, {"command": ["python3", "-c", code]})).data == b"parent done\n"
    assert not _running_with(marker.encode())


async def test_cancelling_a_script_stops_its_command(tmp_path: Path) -> None:
    handler = Script(commands=resolve_commands(["sleep"]), limits=ScriptLimits(), scratch=tmp_path)
    running = asyncio.create_task(run(handler, {"command": ["sleep", "4321"]}))
    await asyncio.sleep(0.3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not _running_with(b"sleep\x004321")


def test_only_commands_of_the_system_directories_are_resolved() -> None:
    for name in ("no-such-command", "/bin/sh", "../sh"):
        with pytest.raises(LookupError):
            resolve_commands([name])


def _names_in(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def _running_with(text: bytes) -> list[Path]:
    """Return the other processes with this text in their command line."""
    lines = Path("/proc").glob("[0-9]*/cmdline")
    return [p for p in lines if p.parent.name != str(os.getpid()) and text in _read(p)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


async def test_a_script_that_says_nothing_fails_with_its_own_code(script: Script) -> None:
    """An empty result would be refused by every validator (SN-V063): the agent says so, and what it cost."""
    failure = await refused(script, {"command": ["cat"], "stdin": ""})
    assert failure.code == "SN-M538"
    assert "cat ended well but wrote nothing" in str(failure)
    assert failure.usage is not None
