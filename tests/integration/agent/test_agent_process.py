"""simple-agent as a real process: configuration in, work out, killed and started again."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx
from tests.integration.agent.fakes import (
    SUBNET,
    FakeMatcher,
    FakeValidator,
    a_task,
    an_id,
    serving,
    until,
)

from pinai_subnet.adapters.signer.local import LocalSigner

REPOSITORY = Path(__file__).parents[3]


def environment(folder: Path, matcher: int, validators: list[int], registry: int) -> dict[str, str]:
    keys = {n: LocalSigner(bytes([0x30 + n]) * 32) for n in (1, 2, 3)}
    network = {
        name: value
        for n, port in zip(keys, validators, strict=True)
        for name, value in (
            (f"VALIDATOR_PUBKEY_{n}", keys[n].public_key.hex()),
            (f"VALIDATOR_{n}_GRPC", f"127.0.0.1:{port}"),
        )
    }
    return {
        "PATH": os.environ["PATH"],
        "SUBNET_ID": SUBNET,
        "MATCHER_ADDRESS": LocalSigner(bytes([0x39]) * 32).address,
        "MATCHER_GRPC": f"127.0.0.1:{matcher}",
        "REGISTRY_HTTP": f"127.0.0.1:{registry}",
        "DATA_DIR": str(folder / "data"),
        "LOG_LEVEL": "DEBUG",
        **network,
    }


@asynccontextmanager
async def process(
    role: str, folder: Path, env: dict[str, str], *more: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    with (folder / f"{role}.log").open("ab") as log:
        started = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pinai_subnet",
            role,
            "--config-dir",
            str(folder / "config"),
            *more,
            env=env,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def test_an_agent_killed_with_an_unsent_result_delivers_it_after_its_restart(
    tmp_path: Path,
) -> None:
    """L18, claim 3 from the agent's side: kill -9 loses no finished result."""
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    matcher, validator = FakeMatcher(), FakeValidator()
    validator.failure = grpc.StatusCode.UNAVAILABLE
    async with (
        serving(matcher) as port,
        serving(validator) as first,
        serving(validator) as second,
        serving(validator) as third,
    ):
        env = environment(tmp_path, port, [first, second, third], 1)
        env["AGENT_PRIVATE_KEY"] = "11" * 32
        async with process("simple-agent", tmp_path, env, "--id", "agent-1") as agent:
            matcher.give(a_task(1, kind="script", data=b'{"command": ["echo", "done"]}'))
            await until(lambda: validator.attempts >= 2, 90)
            agent.send_signal(signal.SIGKILL)
        validator.failure = None
        async with process("simple-agent", tmp_path, env, "--id", "agent-1") as agent:
            await until(lambda: validator.reports, 90)
            agent.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(agent.wait(), 60) == 0
    (report,) = validator.reports
    assert (report.assignment_id, report.result_data) == (an_id(1), b"done\n")
    assert "11" * 32 not in (tmp_path / "simple-agent.log").read_text("utf-8")


async def test_registry_and_agent_find_each_other_and_part_in_order(tmp_path: Path) -> None:
    """Row 20 on real processes: registered with its key, listed, off the list after a clean stop."""
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    matcher, validator = FakeMatcher(), FakeValidator()
    async with serving(matcher, validator) as port, serving(FakeValidator()) as free:
        pass
    async with serving(matcher, validator) as port:
        env = environment(tmp_path, port, [port, free, free + 1], free)
        env |= {"REGISTRY_GRPC_PORT": "0", "AGENT_PRIVATE_KEY": "11" * 32}
        base = f"http://127.0.0.1:{free}"
        async with (
            httpx.AsyncClient(base_url=base, trust_env=False) as http,
            process("registry", tmp_path, env) as registry,
            process("simple-agent", tmp_path, env, "--id", "agent-7") as agent,
        ):
            listed = await _agents(http, 1)
            assert listed[0]["id"] == "agent-7"
            assert listed[0]["capabilities"] == ["echo", "json-transform", "script"]
            assert listed[0]["address"] == LocalSigner(bytes([0x11]) * 32).address
            agent.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(agent.wait(), 60) == 0
            await _agents(http, 0)
            registry.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(registry.wait(), 60) == 0


async def test_a_bad_configuration_is_told_completely_and_nothing_starts(tmp_path: Path) -> None:
    """Every problem at once, status 78."""
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    file = tmp_path / "config" / "agent.yaml"
    file.write_text(
        file.read_text("utf-8").replace("[echo, cat, grep, jq]", "[echo, no-such-command]"), "utf-8"
    )
    env = environment(tmp_path, 1, [2, 3, 4], 5) | {"AGENT_PRIVATE_KEY": "xyz"}
    async with process("simple-agent", tmp_path, env, "--id", "not/a/name") as agent:
        assert await asyncio.wait_for(agent.wait(), 90) == 78
    told = (tmp_path / "simple-agent.log").read_text("utf-8")
    for code in ("SN-M536", "SN-K002", "SN-N103"):
        assert code in told
    assert "xyz" not in told


async def _agents(http: httpx.AsyncClient, count: int) -> list[dict[str, object]]:
    async with asyncio.timeout(90):
        while True:
            try:
                listed = (await http.get("/agents")).json()["agents"]
            except httpx.HTTPError:
                listed = None
            if listed is not None and len(listed) == count:
                return list(listed)
            await asyncio.sleep(0.05)
