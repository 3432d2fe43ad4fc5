"""The task `script`: one allow-listed command, without a shell, without an environment, inside hard limits.

The command sees an empty working directory of its own, deleted afterwards. Where the kernel offers Landlock, it can
read the system's programs and write that directory, and nothing else; where it does not, arguments may not name paths.
An interpreter in the allow list (python3, node) means: anyone who can submit an intent runs code of their choice here.
"""

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pinai_subnet.agent.tasks.payload import read_json
from pinai_subnet.agent.tasks.program import program
from pinai_subnet.agent.work import Handler, Result, Task, TaskFailed
from pinai_subnet.protocol.reports import ResourceUsage

DEFAULT_COMMANDS = ("echo", "cat", "grep", "jq")
_SYSTEM_PATH = "/usr/bin:/bin"
_GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptLimits:
    """What one command may use."""

    wall_seconds: float = 20.0
    cpu_seconds: int = 10
    memory_mb: int = 512
    file_mb: int = 16
    """Largest file it may write."""
    processes: int = 16
    """How many processes or threads it may add to those of this user (not enforced for root)."""
    output_bytes: int = 1_048_576
    max_arguments: int = 64
    max_argument_length: int = 8192

    def for_launcher(self) -> str:
        """Return what the launcher takes."""
        return json.dumps(
            {
                "wall_seconds": self.wall_seconds,
                "cpu_seconds": self.cpu_seconds,
                "memory_bytes": self.memory_mb * 1024 * 1024,
                "file_bytes": self.file_mb * 1024 * 1024,
                "processes": self.processes,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Output:
    data: bytes
    error_text: bytes
    overflow: bool
    launcher_status: int
    verdict: Mapping[str, Any]


def resolve_commands(names: Sequence[str]) -> dict[str, str]:
    """Return each command's real path in the system's directories; raise `LookupError` for a missing one."""
    found = {}
    for name in names:
        path = shutil.which(name, path=_SYSTEM_PATH) if "/" not in name else None
        if path is None:
            raise LookupError(f"command {name!r} is not in {_SYSTEM_PATH}")
        found[name] = str(Path(path).resolve())
    return found


class Script(Handler):
    """Payload `{"command": ["grep", "-c", "x"], "stdin": "text"}`, result the command's standard output."""

    def __init__(
        self, *, commands: Mapping[str, str], limits: ScriptLimits, scratch: Path | None = None
    ) -> None:
        """Allow these commands (name to absolute path); make working directories in `scratch`."""
        self._commands = dict(commands)
        self._limits = limits
        self._scratch = scratch

    async def execute(self, task: Task) -> Result:
        """Run the command; a refused one, a failing one and one that exceeds a limit each fail with their code."""
        command, text = self._parsed(task.data)
        with tempfile.TemporaryDirectory(
            prefix="script-", dir=self._scratch, ignore_cleanup_errors=True
        ) as folder:
            output = await self._run(command, text, folder)
        return self._judged(command, output)

    def _parsed(self, payload: bytes) -> tuple[list[str], bytes]:
        document = read_json(payload, code="SN-M530")
        if not set(document) <= {"command", "stdin"}:
            raise TaskFailed("SN-M530", 'the payload is not {"command": […], "stdin": "text"}')
        command, text = document.get("command"), document.get("stdin", "")
        if not isinstance(text, str):
            raise TaskFailed("SN-M530", "stdin is not a text")
        if not (isinstance(command, list) and command and all(isinstance(a, str) for a in command)):
            raise TaskFailed("SN-M530", "command is not a list of texts")
        limits = self._limits
        if len(command) > limits.max_arguments or any(
            len(part) > limits.max_argument_length or "\0" in part for part in command
        ):
            raise TaskFailed(
                "SN-M530",
                f"command: at most {limits.max_arguments} arguments of "
                f"{limits.max_argument_length} characters, without NUL",
            )
        if command[0] not in self._commands:
            raise TaskFailed(
                "SN-M531",
                f"command {command[0][:40]!r} is not allowed; allowed: "
                f"{', '.join(sorted(self._commands))}",
            )
        try:
            [part.encode() for part in command]
            return command, text.encode()
        except UnicodeEncodeError as exc:
            raise TaskFailed("SN-M530", f"command or stdin is not Unicode: {exc.reason}") from exc

    async def _run(self, command: Sequence[str], text: bytes, folder: str) -> _Output:
        verdict_in, verdict_out = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *program("launcher", "-I", "-S"),
                str(verdict_out),
                self._limits.for_launcher(),
                self._commands[command[0]],
                *command[1:],
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={},
                cwd=folder,
                pass_fds=(verdict_out,),
                start_new_session=True,
            )
        finally:
            os.close(verdict_out)
        try:
            async with asyncio.timeout(self._limits.wall_seconds + _GRACE_SECONDS):
                data, errors = await self._talk(process, text)
                await process.wait()
            return _Output(
                data=data,
                error_text=errors,
                overflow=len(data) > self._limits.output_bytes,
                launcher_status=process.returncode or 0,
                verdict=_verdict(verdict_in),
            )
        except TimeoutError as exc:
            raise TaskFailed("SN-M533", "the command could not be stopped in time") from exc
        finally:
            await _end(process)
            os.close(verdict_in)

    async def _talk(self, process: asyncio.subprocess.Process, text: bytes) -> tuple[bytes, bytes]:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("the process has no pipes")
        feeding = asyncio.create_task(_feed(process.stdin, text))
        try:
            data, errors = await asyncio.gather(
                _capped(process.stdout, self._limits.output_bytes, process),
                _capped(process.stderr, 8192, None),
            )
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])
        return data, errors

    def _judged(self, command: Sequence[str], output: _Output) -> Result:
        verdict = output.verdict
        if "refused" in verdict:
            raise TaskFailed("SN-M532", str(verdict["refused"]))
        if "exit_code" not in verdict:
            complaint = output.error_text.decode(errors="replace").strip()[-500:]
            raise TaskFailed(
                "SN-M537",
                f"the launcher ended with status {output.launcher_status} and without a verdict: {complaint}",
            )
        usage = ResourceUsage(
            cpu_ms=int(verdict["cpu_ms"]),
            memory_mb=int(verdict["memory_mb"]),
            io_ops=int(verdict["io_ops"]),
        )
        if output.overflow:
            raise TaskFailed(
                "SN-M534",
                f"the command wrote more than {self._limits.output_bytes} bytes",
                usage=usage,
            )
        if verdict["timed_out"]:
            raise TaskFailed(
                "SN-M533", f"not finished within {self._limits.wall_seconds:g} s", usage=usage
            )
        code = int(verdict["exit_code"])
        if code != 0:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
            complaint = output.error_text.decode(errors="replace").strip()
            raise TaskFailed(
                "SN-M535", f"{command[0]} {how}: {complaint}".rstrip(": ")[:1000], usage=usage
            )
        if not output.data:
            # An empty result cannot be told from one that got lost: validators refuse it (SN-V063), whoever sends it.
            raise TaskFailed(
                "SN-M538",
                f"{command[0]} ended well but wrote nothing, and an empty result is none",
                usage=usage,
            )
        account = {"command": list(command), "limits": asdict(self._limits), **verdict}
        return Result(
            data=output.data,
            transcript=json.dumps(account, sort_keys=True).encode(),
            usage=usage,
        )


async def _feed(stream: asyncio.StreamWriter, text: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        stream.write(text)
        await stream.drain()
    stream.close()


async def _capped(
    stream: asyncio.StreamReader, limit: int, process: asyncio.subprocess.Process | None
) -> bytes:
    """Read to the end, keep one byte more than the limit; stop the process where it writes more than that."""
    kept = bytearray()
    while chunk := await stream.read(65_536):
        kept += chunk[: limit + 1 - len(kept)]
        if len(kept) > limit and process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
    return bytes(kept)


def _verdict(pipe: int) -> Mapping[str, Any]:
    """Return what the launcher wrote before it ended."""
    os.set_blocking(pipe, False)
    try:
        line = os.read(pipe, 65_536)
    except BlockingIOError:
        line = b""
    first = line.split(b"\n", 1)[0]
    document = json.loads(first) if first else {}
    return document if isinstance(document, dict) else {}


async def _end(process: asyncio.subprocess.Process) -> None:
    """Leave nothing running; the launcher takes what it started along."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_GRACE_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
