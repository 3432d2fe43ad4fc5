"""A command is started from a process in the middle of gRPC calls, as every agent is."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import uvloop

from pinai_subnet.agent.tasks.script import Script, ScriptLimits, resolve_commands
from pinai_subnet.agent.work import Task, TaskFailed

STARTS = 60
"""With gRPC's fork handlers one start in ten died, so that this many pass by luck twice in a thousand runs."""
CHANNELS = 4


async def _count(request: bytes, _: object) -> AsyncIterator[bytes]:
    while True:
        yield request
        await asyncio.sleep(0.001)


async def _read(channel: grpc.aio.Channel) -> None:
    async for _ in channel.unary_stream("/test.Clock/Count")(b"x" * 100):
        pass


async def _outcomes(scratch: Path) -> Counter[str]:
    server = grpc.aio.server()
    method = grpc.unary_stream_rpc_method_handler(_count)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("test.Clock", {"Count": method}),)
    )
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    channels = [grpc.aio.insecure_channel(address) for _ in range(CHANNELS)]
    readers = [asyncio.create_task(_read(channel)) for channel in channels]
    script = Script(commands=resolve_commands(["echo"]), limits=ScriptLimits(), scratch=scratch)
    found: Counter[str] = Counter()
    try:
        for _ in range(STARTS):
            found[await _outcome(script)] += 1
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers)
        for channel in channels:
            await channel.close()
        await server.stop(0)
    return found


async def _outcome(script: Script) -> str:
    task = Task(
        task_id="0x" + "01" * 32,
        intent_id="0x" + "02" * 32,
        intent_type="script",
        data=json.dumps({"command": ["echo", "done"]}).encode(),
        bid_id="",
        created_at=0,
        deadline=0,
    )
    try:
        return (await script.execute(task)).data.decode()
    except TaskFailed as failed:
        return f"{failed.code} {failed.message}"


def test_every_command_starts_while_calls_are_on_their_way(tmp_path: Path) -> None:
    """A child forked among gRPC's threads must reach its exec: a fork handler in between may crash it."""
    found = uvloop.run(_outcomes(tmp_path))
    assert found == {"done\n": STARTS}
