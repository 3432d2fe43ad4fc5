"""The simple-agent process: settings in, running agent out. Not its tasks."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import SecretStr

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.agent.client import Agent
from pinai_subnet.agent.journal import DATABASE, MIGRATIONS, SqliteJournal
from pinai_subnet.agent.options import AgentOptions
from pinai_subnet.agent.pricing import FixedPrices
from pinai_subnet.agent.settings import FILE_NAME, AgentSettings
from pinai_subnet.agent.tasks.echo import Echo
from pinai_subnet.agent.tasks.json_transform import JsonTransform
from pinai_subnet.agent.tasks.script import Script, resolve_commands
from pinai_subnet.agent.work import Handler
from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.bootstrap.database import open_database
from pinai_subnet.bootstrap.listening import require_free
from pinai_subnet.bootstrap.version import VERSION, commit
from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import parse_address, parse_name
from pinai_subnet.runtime.data_dir import DataDirectory, Identity
from pinai_subnet.runtime.http_server import HttpServer, create_app
from pinai_subnet.runtime.lifecycle import Process, run_process
from pinai_subnet.runtime.settings import Loaded, SettingsLoader
from pinai_subnet.wire.network_file import Network, load_network
from pinai_subnet.wire.status import http_problem

_GRACE_SECONDS = 60.0
"""More than any sensible `limits.drain_seconds`: the agent itself decides how long it finishes work."""


def main(arguments: Arguments) -> int:
    """Run the agent until it is told to stop; return the exit status."""

    async def build(process: Process) -> None:
        await start(process, load(arguments, os.environ))

    return run_process(build, name="agent", grace_seconds=_GRACE_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything an agent is configured by, checked."""

    settings: AgentSettings
    network: Network
    agent_id: str
    signer: LocalSigner | None
    commands: dict[str, str]
    """Absolute paths of the commands that scripts may use."""


def load(arguments: Arguments, environ: Mapping[str, str]) -> Configuration:
    """Read and check all files; raise `StartupError` with every problem."""
    loader = SettingsLoader(environ, origins=arguments.origins)
    loaded = loader.load(AgentSettings, arguments.config_dir / FILE_NAME)
    network = load_network(loader, arguments.config_dir)
    agent_id, signer, commands = arguments.id or "", None, dict[str, str]()
    with loader.collecting():
        signer = _signer(loaded)
    if loaded.ok:
        agent_id = _checked(loader, loaded, arguments)
        commands = _commands(loader, loaded)
    loader.finish()
    if network is None:
        raise AssertionError("the loader reports what it could not load")
    return Configuration(
        settings=loaded.value, network=network, agent_id=agent_id, signer=signer, commands=commands
    )


async def start(process: Process, configuration: Configuration) -> None:
    """Start the agent in a process."""
    settings, network = configuration.settings, configuration.network
    agent_id = configuration.agent_id
    if settings.http.port:
        require_free(settings.http.host, {"http.port": settings.http.port})
    process.vitals.tell_build(VERSION, commit())
    identity = Identity(
        subnet_id=network.parameters.subnet_id, role="simple-agent", node_id=agent_id
    )
    directory = DataDirectory.open(settings.data_dir / agent_id, identity=identity)

    async def release() -> None:
        directory.close()

    process.on_close(release)
    database = await open_database(process, directory.file(DATABASE), MIGRATIONS, identity=identity)
    scratch = _empty_folder(directory.file("scratch"))
    handlers, prices = _tasks(process, settings, configuration.commands, scratch)
    agent = Agent(
        options=_options(settings, network, agent_id),
        handlers=handlers,
        bidding=FixedPrices(prices, token=settings.pricing.token, jitter=settings.pricing.jitter),
        clock=process.clock,
        signer=configuration.signer,
        journal=SqliteJournal(database),
        metrics=process.metrics,
    )
    process.health.add("ready", "matcher", agent.connected)
    process.loop("agent", agent.run)
    if settings.http.port:
        await _serve_health(process, settings)


async def _serve_health(process: Process, settings: AgentSettings) -> None:
    app = create_app(
        title="PinAI Subnet agent",
        version=VERSION,
        error_mapper=http_problem,
        health=process.health,
        metrics=process.metrics,
        times=process.vitals.rpc,
    )
    server = HttpServer(app, host=settings.http.host, port=settings.http.port)
    await process.serve("http_server", server)


def _signer(loaded: Loaded[AgentSettings]) -> LocalSigner | None:
    """Return the signer, None where no key is given; raise `StartupError` for a malformed one."""
    value = loaded.part(SecretStr, "private_key")
    given = value is not None and value.get_secret_value().strip()
    if not given and not loaded.part(str, "private_key_file"):
        return None
    key = loaded.private_key()
    return LocalSigner(key) if key else None


def _checked(loader: SettingsLoader, loaded: Loaded[AgentSettings], arguments: Arguments) -> str:
    """Return the agent's id; report an id or an address that is none."""
    agent_id = arguments.id or loaded.value.id
    address = loaded.value.chain_address
    try:
        parse_name(agent_id, "id")
        if address is not None:
            parse_address(address, "chain_address")
    except InvalidInput as exc:
        key = "id" if exc.code == "SN-N103" else "chain_address"
        loader.report(
            exc.code, exc.message, where=loaded.where(key), fix="correct it, or the --id given"
        )
    return agent_id


def _commands(loader: SettingsLoader, loaded: Loaded[AgentSettings]) -> dict[str, str]:
    """Return the absolute paths of the allowed commands; report those this host does not have."""
    script = loaded.value.tasks.script
    if script is None:
        return {}
    try:
        return resolve_commands(script.commands)
    except LookupError as exc:
        loader.report(
            "SN-M536",
            str(exc.args[0]),
            where=loaded.where("tasks", "script", "commands"),
            fix="install the command on this host, or take it out of the list",
        )
        return {}


def _tasks(
    process: Process, settings: AgentSettings, commands: dict[str, str], scratch: Path
) -> tuple[dict[str, Handler], dict[str, int]]:
    handlers: dict[str, Handler] = {}
    prices: dict[str, int] = {}
    tasks, limits = settings.tasks, settings.limits
    if tasks.echo is not None:
        handlers["echo"], prices["echo"] = Echo(), tasks.echo.price
    if tasks.json_transform is not None:
        section = tasks.json_transform
        transform = JsonTransform(
            workers=section.workers,
            seconds=section.seconds,
            memory_mb=section.memory_mb,
            max_expression=section.max_expression,
            max_result_bytes=limits.max_result_bytes,
        )
        process.on_close(transform.close)
        handlers["json-transform"], prices["json-transform"] = transform, section.price
    if tasks.script is not None:
        script = Script(commands=commands, limits=tasks.script.limits.value(), scratch=scratch)
        handlers["script"], prices["script"] = script, tasks.script.price
    return handlers, prices


def _empty_folder(path: Path) -> Path:
    """Return the folder without what a killed run left in it."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def _options(settings: AgentSettings, network: Network, agent_id: str) -> AgentOptions:
    parameters, registry = network.parameters, settings.registry
    options = AgentOptions(
        agent_id=agent_id,
        subnet_id=parameters.subnet_id,
        matcher=settings.matcher or network.endpoints.matcher_grpc,
        validators=settings.validators or tuple(v.grpc_endpoint for v in parameters.validators),
        registry=network.endpoints.registry_http if registry.enabled else None,
        endpoint=registry.endpoint,
        chain_address=settings.chain_address,
        heartbeat_seconds=registry.heartbeat_seconds,
    )
    return replace(options, **settings.limits.model_dump())
