"""The task `json-transform`: a JMESPath expression applied to JSON data, by worker processes that can be killed."""

import asyncio
import json

from pinai_subnet.agent.tasks.payload import read_json
from pinai_subnet.agent.tasks.program import program
from pinai_subnet.agent.work import Handler, Result, Task, TaskFailed

_START_SECONDS = 30.0


class _Worker:
    """One process that evaluates one expression at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process has no pipes")
        self._process, self._in, self._out = process, process.stdin, process.stdout

    async def ask(self, request: bytes) -> bytes:
        self._in.write(len(request).to_bytes(4, "big") + request)
        await self._in.drain()
        return await self.answer()

    async def answer(self) -> bytes:
        size = int.from_bytes(await self._out.readexactly(4), "big")
        return await self._out.readexactly(size)

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        self._in.close()
        await self._process.wait()


class JsonTransform(Handler):
    """Payload `{"data": …, "expression": "…"}`, result the expression's value as canonical JSON.

    Evaluation is bounded in time, memory and size of the result; a worker that exceeds them is replaced. Close it at
    the end.
    """

    def __init__(
        self,
        *,
        workers: int = 1,
        seconds: float = 5.0,
        memory_mb: int = 512,
        max_expression: int = 4096,
        max_result_bytes: int = 1_048_576,
    ) -> None:
        """Use at most this many worker processes, started when first needed."""
        self._idle: list[_Worker] = []
        self._places = asyncio.Semaphore(workers)
        self._seconds = seconds
        self._max_expression = max_expression
        self._limits = json.dumps(
            {"memory_bytes": memory_mb * 1024 * 1024, "max_result_bytes": max_result_bytes}
        )

    async def execute(self, task: Task) -> Result:
        """Evaluate the payload's expression."""
        request = self._request(task.data)
        async with self._places:
            worker = self._idle.pop() if self._idle else await self._start()
            healthy = False
            try:
                async with asyncio.timeout(self._seconds):
                    answer = await worker.ask(request)
                healthy = True
            except TimeoutError as exc:
                raise TaskFailed(
                    "SN-M521", f"the expression was not evaluated within {self._seconds:g} s"
                ) from exc
            except (asyncio.IncompleteReadError, ConnectionError) as exc:
                raise TaskFailed(
                    "SN-M521", "evaluating the expression exceeded the memory limit"
                ) from exc
            finally:
                if healthy:
                    self._idle.append(worker)
                else:
                    await worker.end()
        if answer[:1] == b"-":
            raise TaskFailed("SN-M522", answer[1:].decode(errors="replace"))
        return Result(data=answer[1:])

    async def close(self) -> None:
        """End the worker processes."""
        while self._idle:
            await self._idle.pop().end()

    def _request(self, payload: bytes) -> bytes:
        """Return the payload if it has the form; the worker parses it again, in its own memory."""
        document = read_json(payload, code="SN-M520")
        expression = document.get("expression")
        if "data" not in document or not isinstance(expression, str):
            raise TaskFailed(
                "SN-M520", 'the payload is not {"data": any JSON, "expression": "JMESPath"}'
            )
        if len(expression) > self._max_expression:
            raise TaskFailed(
                "SN-M520", f"the expression is longer than {self._max_expression} characters"
            )
        return payload

    async def _start(self) -> _Worker:
        worker = _Worker(
            await asyncio.create_subprocess_exec(
                *program("transformer", "-I"),
                self._limits,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={},
            )
        )
        ready = False
        try:
            async with asyncio.timeout(_START_SECONDS):
                await worker.answer()
            ready = True
        except (TimeoutError, asyncio.IncompleteReadError) as exc:
            raise TaskFailed("SN-M523", "the worker process did not start") from exc
        finally:
            if not ready:
                await worker.end()
        return worker
