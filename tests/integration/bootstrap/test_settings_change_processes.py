"""Settings that are no numbers change what a process does: where it listens, whose key it has, what it serves."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.free_ports import free_ports
from tests.integration.bootstrap.roles import ROLES, change, environment_of, make_home, started

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.agent.client import Agent
from pinai_subnet.bootstrap import agent, matcher, validator
from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.cli.home import Home
from pinai_subnet.cli.keys import new_private_key, write_private_key

LISTENERS = {
    "registry": {"http_port": "REGISTRY_HTTP", "grpc_port": "REGISTRY_GRPC"},
    "matcher": {"http_port": "MATCHER_HTTP", "grpc_port": "MATCHER_GRPC"},
    "console": {"http_port": "CONSOLE_HTTP"},
    "rootlayer": {"http_port": "ROOTLAYER_HTTP", "grpc_port": "ROOTLAYER_GRPC"},
    "validator": {
        "http_port": "VALIDATOR_1_HTTP",
        "grpc_port": "VALIDATOR_1_GRPC",
        "raft_port": "VALIDATOR_1_RAFT",
    },
}
KEYS = {
    "matcher": (matcher, "MATCHER_PRIVATE_KEY", None),
    "validator": (validator, "VALIDATOR_KEY", "validator-1"),
    "agent": (agent, "AGENT_PRIVATE_KEY", "agent-1"),
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


def listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("name", list(LISTENERS))
async def test_without_a_port_of_its_own_a_process_listens_where_the_network_file_says(
    home: Home, name: str
) -> None:
    """network.yaml: endpoints and the validators' grpc, http and raft."""
    environment = home.environment()
    async with started(home, name):
        for variable in LISTENERS[name].values():
            host, _, port = environment[variable].rpartition(":")
            assert listens(host, int(port)), variable


@pytest.mark.parametrize("name", list(LISTENERS))
async def test_listen_says_host_and_ports(home: Home, name: str) -> None:
    """listen.host and listen.*_port of every role."""
    keys = list(LISTENERS[name])
    ports = dict(zip(keys, free_ports(len(keys), "127.0.0.2"), strict=True))
    change(home, {f"{name}.yaml:listen.{key}": port for key, port in ports.items()})
    change(home, {f"{name}.yaml:listen.host": "127.0.0.2"})
    async with started(home, name):
        for port in ports.values():
            assert listens("127.0.0.2", port)
            assert not listens("127.0.0.1", port)


async def test_an_agent_serves_health_where_it_is_told_and_nowhere_by_default(home: Home) -> None:
    """agent.yaml http.host and http.port."""
    [port] = free_ports(1, "127.0.0.2")
    change(home, {"agent.yaml:http.host": "127.0.0.2", "agent.yaml:http.port": port})
    async with started(home, "agent"):
        assert listens("127.0.0.2", port)
        assert not listens("127.0.0.1", port)
    change(home, {"agent.yaml:http.port": 0})
    async with started(home, "agent"):
        assert not listens("127.0.0.2", port)


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("name", [name for name in LISTENERS if name != "console"])
async def test_docs_are_shown_where_they_are_switched_on(
    home: Home, name: str, shown: bool
) -> None:
    """docs of every role; the description itself is always there."""
    change(home, {f"{name}.yaml:docs": shown})
    base = "http://" + home.environment()[LISTENERS[name]["http_port"]]
    async with started(home, name), httpx.AsyncClient(base_url=base) as client:
        assert (await client.get("/docs")).status_code == (200 if shown else 404)
        assert (await client.get("/openapi.json")).status_code == 200


@pytest.mark.parametrize("name", [name for name in ROLES if name != "console"])
async def test_data_is_kept_where_the_file_says(home: Home, name: str, tmp_path: Path) -> None:
    """data_dir of every role."""
    elsewhere = tmp_path / "elsewhere"
    change(home, {f"{name}.yaml:data_dir": str(elsewhere)})
    async with started(home, name):
        pass
    assert [path.name for path in elsewhere.rglob("identity.json")] == ["identity.json"]
    assert not [path for path in home.data.iterdir() if path.name.startswith(name)]


async def test_ids_name_the_owner_of_the_data(home: Home) -> None:
    """matcher_id; the id of an agent that is not given one."""
    change(home, {"matcher.yaml:matcher_id": "matcher-blue"})
    async with started(home, "matcher"):
        pass
    stamp = json.loads((home.data / "matcher" / "identity.json").read_text())
    assert stamp["node_id"] == "matcher-blue"
    change(home, {"agent.yaml:id": "agent-blue"})
    environ = environment_of(home, ROLES["agent"])
    loaded = agent.load(Arguments(config_dir=home.config), environ)
    assert loaded.agent_id == "agent-blue"


@pytest.mark.parametrize("name", list(KEYS))
def test_a_key_comes_from_the_variable_or_from_a_file(
    home: Home, name: str, tmp_path: Path
) -> None:
    """private_key and private_key_file of every role that signs."""
    module, variable, member = KEYS[name]
    environ = environment_of(home, ROLES[name])
    arguments = Arguments(config_dir=home.config, id=member)
    key = bytes.fromhex(environ[variable])
    from_variable: Any = module.load(arguments, environ)
    assert from_variable.signer.address == LocalSigner(key).address
    write_private_key(tmp_path / "own.key", key)
    change(home, {f"{name}.yaml:private_key_file": str(tmp_path / "own.key")})
    del environ[variable]
    from_file: Any = module.load(arguments, environ)
    assert from_file.signer.address == LocalSigner(key).address


@pytest.mark.parametrize("registers", [True, False])
async def test_validators_register_where_it_is_switched_on(home: Home, registers: bool) -> None:
    """validator.yaml registry.enabled."""
    change(home, {"validator.yaml:registry.enabled": registers})
    async with started(home, "validator") as (process, _):
        assert ("register_validator" in process._tasks.values()) is registers


@pytest.mark.parametrize("bound", [True, False])
async def test_validators_ids_are_bound_to_their_keys_where_it_is_switched_on(
    home: Home, bound: bool
) -> None:
    """registry.yaml bind_validators: without it anybody may register a validator's id."""
    change(home, {"registry.yaml:bind_validators": bound})
    base = "http://" + home.environment()["REGISTRY_HTTP"]
    body = {"id": "validator-1", "endpoint": "127.0.0.1:9"}
    async with started(home, "registry"), httpx.AsyncClient(base_url=base) as client:
        answer = await client.post("/validators", json=body)
        assert answer.is_success is not bound, answer.text


async def _agent_of(home: Home, **variables: str) -> Agent:
    """The agent inside a started process."""
    async with started(home, "agent", **variables) as (process, _):
        [task] = [task for task, name in process._tasks.items() if name == "agent"]
        run = task.get_coro().cr_frame.f_locals["run"]  # type: ignore[union-attr]
        found: Agent = run.__self__
        return found


async def test_an_agent_is_told_whom_to_talk_to_and_who_it_is(home: Home) -> None:
    """matcher, validators, chain_address, registry.enabled and registry.endpoint of agent.yaml."""
    network = home.environment()
    options = (await _agent_of(home))._options
    assert options.matcher == network["MATCHER_GRPC"]
    assert options.validators == tuple(network[f"VALIDATOR_{n}_GRPC"] for n in (1, 2, 3))
    assert options.registry == network["REGISTRY_HTTP"]
    address = LocalSigner(new_private_key()).address
    change(
        home,
        {
            "agent.yaml:matcher": "127.0.0.1:1",
            "agent.yaml:validators": ["127.0.0.1:2"],
            "agent.yaml:chain_address": address,
            "agent.yaml:registry.enabled": False,
            "agent.yaml:registry.endpoint": "10.0.0.1:7",
        },
    )
    options = (await _agent_of(home))._options
    assert (options.matcher, options.validators) == ("127.0.0.1:1", ("127.0.0.1:2",))
    assert (options.registry, options.endpoint) == (None, "10.0.0.1:7")
    assert options.chain_address == address


def test_scripts_may_use_the_listed_commands_only(home: Home) -> None:
    """tasks.script.commands of agent.yaml; what they may do is in the tests of the task."""
    change(home, {"agent.yaml:tasks.script.commands": ["cat"]})
    environ = environment_of(home, ROLES["agent"])
    loaded = agent.load(Arguments(config_dir=home.config, id="agent-1"), environ)
    assert list(loaded.commands) == ["cat"]


async def test_a_remote_rootlayer_is_called_over_tls_where_it_is_switched_on(home: Home) -> None:
    """endpoints.rootlayer_tls of network.yaml: a server without TLS is not talked to in the clear."""
    arrived: list[bytes] = []

    def serve(server: socket.socket) -> bytes:
        connection, _ = server.accept()
        with connection:
            connection.settimeout(10)
            return connection.recv(3)

    host, _, port = home.environment()["ROOTLAYER_GRPC"].rpartition(":")
    for tls in (True, False):
        change(home, {"network.yaml:endpoints.rootlayer_tls": tls})
        with socket.create_server((host, int(port))) as server:
            waiting = asyncio.get_running_loop().run_in_executor(None, serve, server)
            async with started(home, "matcher"):
                arrived.append(await asyncio.wait_for(waiting, 20))
    assert arrived[0][:1] == b"\x16", "a TLS handshake"
    assert arrived[1] == b"PRI", "HTTP/2 in the clear"
