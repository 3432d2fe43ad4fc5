"""RootLayer as an operator starts it: one command, one directory, honest exits, nothing lost when it is killed."""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from google.protobuf.json_format import MessageToDict
from tests.rootlayer_kit import MATCHER, SUBNET, VALIDATORS, signed_intent

from pinai_subnet.wire.codec.intents import encode_submission

ROOT = Path(__file__).resolve().parents[3]


def environment(tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "config"
    if not config.exists():
        config.mkdir()
        for name in ("network.yaml", "rootlayer.yaml"):
            shutil.copyfile(ROOT / "config" / name, config / name)
    keys = {f"VALIDATOR_PUBKEY_{n}": s.public_key.hex() for n, s in enumerate(VALIDATORS, start=1)}
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "services"),
        "LOG_FORMAT": "json",
        "DATA_DIR": str(tmp_path / "data"),
        "SUBNET_ID": SUBNET,
        "MATCHER_ADDRESS": MATCHER.address,
        "ROOTLAYER_GRPC_PORT": "0",
        "ROOTLAYER_HTTP_PORT": "0",
        **keys,
    }


async def start(tmp_path: Path, **changes: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pinai_subnet",
        "rootlayer",
        "--config-dir",
        str(tmp_path / "config"),
        env=environment(tmp_path) | changes,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def started(tmp_path: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await start(tmp_path)
    assert process.stderr is not None
    seen: list[str] = []
    async with asyncio.timeout(30):
        while True:
            line = (await process.stderr.readline()).decode()
            assert line, f"ended before it listened:\n{''.join(seen)}"
            seen.append(line)
            if "rootlayer_listening" in line:
                break
    try:
        yield process, f"http://127.0.0.1:{json.loads(line)['http_port']}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_what_was_acknowledged_survives_a_kill_and_sigterm_ends_with_zero(
    tmp_path: Path,
) -> None:
    intent = signed_intent(deadline=int(time.time()) + 600)
    async with started(tmp_path) as (process, base), httpx.AsyncClient(base_url=base) as http:
        body = MessageToDict(encode_submission(intent))
        assert (await http.post("/api/v1/intents/submit", json=body)).status_code == 200
        process.send_signal(signal.SIGKILL)
        await process.wait()
    async with started(tmp_path) as (process, base), httpx.AsyncClient(base_url=base) as http:
        stored = await http.get(f"/api/v1/intents/query/{intent.intent_id}")
        assert stored.json()["status"] == "INTENT_STATUS_PENDING"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0


async def test_a_wrong_setting_is_named_with_file_and_line_and_exits_78(tmp_path: Path) -> None:
    process = await start(tmp_path, ROOTLAYER_HEADERS="sometimes", SUBNET_ID="2")
    _, error = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 78
    assert b"rootlayer.yaml" in error
    assert b"SN-N101" in error
