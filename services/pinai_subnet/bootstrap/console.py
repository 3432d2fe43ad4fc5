"""The console process: settings in, running process out. Not its pages."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping

import httpx

from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.bootstrap.listening import port_of, require_free
from pinai_subnet.bootstrap.version import VERSION, commit
from pinai_subnet.console.access import Access, check_binding, read_token
from pinai_subnet.console.http_api import add_routes
from pinai_subnet.console.lookout import Lookout
from pinai_subnet.console.members import Addresses, Members
from pinai_subnet.console.pages import Pages, TellStory
from pinai_subnet.console.reading import Reading
from pinai_subnet.console.rendering import Renderer, make_environment
from pinai_subnet.console.runbooks import Runbooks
from pinai_subnet.console.settings import FILE_NAME, ConsoleSettings
from pinai_subnet.console.sharing import Shared
from pinai_subnet.console.static_files import StaticFiles
from pinai_subnet.console.streams import Streams
from pinai_subnet.console.timeline import Lane
from pinai_subnet.insight.answers import Expected, Target
from pinai_subnet.insight.collecting import collect
from pinai_subnet.insight.gathering import Sources, gather
from pinai_subnet.insight.intent_story import IntentStory
from pinai_subnet.insight.network_status import NetworkStatus
from pinai_subnet.insight.readers import JsonApi
from pinai_subnet.insight.story_telling import tell
from pinai_subnet.protocol.ids import IntentId
from pinai_subnet.protocol.quorum import required_signatures
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.http_server import HttpServer, create_app
from pinai_subnet.runtime.lifecycle import Process, run_process
from pinai_subnet.runtime.settings import SettingsLoader
from pinai_subnet.wire.network_file import Network, load_network
from pinai_subnet.wire.status import http_problem

MAX_BODY_BYTES = 4096
"""Of a request: the only one with a body carries a token."""
SPARE_CONNECTIONS = 300
"""For everything but the live pages."""
STORIES_AT_ONCE = 4
"""How many intents' stories are put together side by side; each asks every member."""


def main(arguments: Arguments) -> int:
    """Run the console until it is told to stop; return the exit status."""

    async def build(process: Process) -> None:
        await start(process, arguments)

    return run_process(build, name="console")


def load(
    arguments: Arguments, environ: Mapping[str, str]
) -> tuple[ConsoleSettings, Network, bytes]:
    """Read and check everything this process is configured by; raise `StartupError` with every problem.

    The last of the three is the token; empty where nobody is asked for one.
    """
    loader = SettingsLoader(environ, origins=arguments.origins)
    loaded = loader.load(ConsoleSettings, arguments.config_dir / FILE_NAME)
    network = load_network(loader, arguments.config_dir)
    token = b""
    if loaded.ok:
        settings = loaded.value
        with loader.collecting():
            check_binding(
                settings.auth.mode, settings.listen.host, where=loaded.where("listen", "host")
            )
        with loader.collecting():
            token = read_token(settings.auth, where=loaded.where("auth", "token"))
    loader.finish()
    if network is None:
        raise AssertionError("the loader reports what it could not load")
    return loaded.value, network, token


async def start(process: Process, arguments: Arguments) -> HttpServer:
    """Start the console in a process; return its HTTP server."""
    settings, network, token = load(arguments, os.environ)
    port = port_of(settings.listen.http_port, settings.address)
    require_free(settings.listen.host, {"listen.http_port": port})
    streams = Streams(limit=settings.max_streams)
    lookout = Lookout(
        look=_look(network),
        streams=streams,
        clock=process.clock,
        every_seconds=settings.poll_seconds,
    )
    access = Access(settings.auth, token, clock=process.clock)
    pages, files = await _pages(process, settings, network, lookout, access)
    lookout.draw_with(pages.pushed)
    process.vitals.tell_build(VERSION, commit())
    process.health.add("ready", "lookout", lookout.check)
    app = create_app(
        title="PinAI Subnet console",
        version=VERSION,
        error_mapper=http_problem,
        health=process.health,
        metrics=process.metrics,
        times=process.vitals.rpc,
        max_body_bytes=MAX_BODY_BYTES,
    )
    add_routes(app, pages=pages, access=access, streams=streams, files=files)
    process.loop("look", lookout.run)
    server = HttpServer(
        app,
        host=settings.listen.host,
        port=port,
        max_connections=settings.max_streams + SPARE_CONNECTIONS,
    )
    await process.serve("http_server", server)

    async def end_streams() -> None:
        streams.close()

    process.on_drain("streams", end_streams)
    return server


async def _pages(
    process: Process,
    settings: ConsoleSettings,
    network: Network,
    lookout: Lookout,
    access: Access,
) -> tuple[Pages, StaticFiles]:
    client = await process.enter(
        httpx.AsyncClient(timeout=settings.timeout_seconds, trust_env=False)
    )
    files = StaticFiles()
    renderer = Renderer(
        make_environment(files.address),
        {"open_to_all": access.open_to_all, "version": f"console {VERSION}", "lanes": tuple(Lane)},
    )
    members = Members(
        Reading(client, clock=process.clock),
        Addresses(
            matcher=network.endpoints.matcher_http,
            registry=network.endpoints.registry_http,
            validators=tuple((str(v.id), v.http_endpoint) for v in network.parameters.validators),
        ),
        rows=settings.page_rows,
    )
    pages = Pages(
        renderer=renderer,
        lookout=lookout,
        members=members,
        tell=_tell(network, process.clock),
        runbooks=Runbooks(),
    )
    return pages, files


def targets(network: Network) -> list[Target]:
    """Return every member that can be asked how it is, in the order in which pages show them."""
    endpoints = network.endpoints
    return [
        Target(name="rootlayer", role="rootlayer", http=endpoints.rootlayer_http),
        Target(name="registry", role="registry", http=endpoints.registry_http),
        *(
            Target(name=str(v.id), role="validator", http=v.http_endpoint)
            for v in network.parameters.validators
        ),
        Target(name="matcher", role="matcher", http=endpoints.matcher_http),
    ]


def _look(network: Network) -> Callable[[], Awaitable[NetworkStatus]]:
    parameters = network.parameters
    expected = Expected(
        subnet_id=str(parameters.subnet_id),
        required_signatures=required_signatures(
            len(parameters.validators),
            parameters.threshold_numerator,
            parameters.threshold_denominator,
        ),
    )
    asked = targets(network)

    async def look() -> NetworkStatus:
        return await collect(asked, expected)

    return look


def _tell(network: Network, clock: Clock) -> TellStory:
    """Return what puts the story of an intent together: asked in threads, few at once, one for all who ask it."""
    endpoints = network.endpoints
    sources = Sources(
        rootlayer=JsonApi(name="rootlayer", base=endpoints.rootlayer_http),
        matcher=JsonApi(name="matcher", base=endpoints.matcher_http),
        validators=[
            JsonApi(name=str(v.id), base=v.http_endpoint) for v in network.parameters.validators
        ],
    )
    shared: Shared[IntentStory] = Shared(
        clock=clock, fresh_seconds=1, at_once=STORIES_AT_ONCE, remembered=STORIES_AT_ONCE
    )

    async def ask(intent_id: IntentId) -> IntentStory:
        return tell(await asyncio.to_thread(gather, sources, intent_id))

    async def tell_shared(intent_id: IntentId) -> IntentStory:
        return await shared.get(intent_id, lambda: ask(intent_id))

    return tell_shared
