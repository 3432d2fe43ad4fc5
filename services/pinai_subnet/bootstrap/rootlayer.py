"""The development RootLayer process: settings in, running process out. Not its rules."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import grpc
from fastapi import FastAPI

from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.bootstrap.database import open_database
from pinai_subnet.bootstrap.listening import port_of, require_free
from pinai_subnet.bootstrap.version import VERSION, commit
from pinai_subnet.rootlayer.api.endpoint import Endpoint
from pinai_subnet.rootlayer.api.grpc import (
    HeaderInterceptor,
    HealthAnswers,
    HealthChecks,
    IntentPool,
    Subscriptions,
)
from pinai_subnet.rootlayer.api.http import add_routes, problem_of
from pinai_subnet.rootlayer.authentication import HeaderVerifier
from pinai_subnet.rootlayer.funds import Funds
from pinai_subnet.rootlayer.loops import ExpireIntents
from pinai_subnet.rootlayer.metrics import RootLayerMetrics
from pinai_subnet.rootlayer.service import RootLayerService
from pinai_subnet.rootlayer.settings import FILE_NAME, RootLayerSettings
from pinai_subnet.rootlayer.store.schema import DATABASE, MIGRATIONS
from pinai_subnet.rootlayer.subscriptions import Hub
from pinai_subnet.runtime.data_dir import DataDirectory, Identity
from pinai_subnet.runtime.grpc_server import GrpcServer
from pinai_subnet.runtime.http_server import HttpServer, create_app
from pinai_subnet.runtime.lifecycle import Process, run_process
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.settings import SettingsLoader
from pinai_subnet.runtime.sqlite import SqliteDatabase
from pinai_subnet.wire.network_file import Network, load_network
from pinai_subnet.wire.pb.rootlayer import service_pb2_grpc
from pinai_subnet.wire.status import grpc_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where a started RootLayer listens."""

    grpc_port: int
    http_port: int


def main(arguments: Arguments) -> int:
    """Run RootLayer until it is told to stop; return the exit status."""

    async def build(process: Process) -> None:
        await start(process, arguments)

    return run_process(build, name="rootlayer")


def load(arguments: Arguments, environ: Mapping[str, str]) -> tuple[RootLayerSettings, Network]:
    """Read and check everything this process is configured by; raise `StartupError` with every problem."""
    loader = SettingsLoader(environ, origins=arguments.origins)
    loaded = loader.load(RootLayerSettings, arguments.config_dir / FILE_NAME)
    network = load_network(loader, arguments.config_dir)
    loader.finish()
    if network is None:
        raise AssertionError("the loader reports what it could not load")
    return loaded.value, network


async def start(process: Process, arguments: Arguments) -> Listening:
    """Start RootLayer in a process; return where it listens."""
    settings, network = load(arguments, os.environ)
    return await serve(process, settings, network)


async def serve(process: Process, settings: RootLayerSettings, network: Network) -> Listening:
    """Start RootLayer for one network; return where it listens."""
    listen, parameters = settings.listen, network.genesis
    grpc_port = port_of(listen.grpc_port, network.endpoints.rootlayer_grpc)
    http_port = port_of(listen.http_port, network.endpoints.rootlayer_http)
    require_free(listen.host, {"listen.grpc_port": grpc_port, "listen.http_port": http_port})
    process.vitals.tell_build(VERSION, commit())
    hub = _hub(settings)
    service = RootLayerService(
        network=parameters,
        database=await _database(process, settings, parameters.subnet_id),
        hub=hub,
        limits=settings.service_limits(),
        clock=process.clock,
        metrics=RootLayerMetrics(process.metrics),
        funds=Funds(settings.settlement.balance_batches),
    )
    await service.load_sets()
    verifier = HeaderVerifier(
        mode=settings.request_headers.mode,
        window_seconds=settings.request_headers.window_seconds,
        subnet_id=parameters.subnet_id,
        clock=process.clock,
    )
    answers = HealthAnswers(
        health=process.health,
        clock=process.clock,
        version=VERSION,
        subnet_id=parameters.subnet_id,
    )
    endpoint = Endpoint(service)
    grpc_server = GrpcServer(
        host=settings.listen.host,
        port=grpc_port,
        register=_services(endpoint, service, answers),
        error_mapper=grpc_status,
        interceptors=[HeaderInterceptor(verifier)],
        max_message_bytes=settings.limits.request_bytes,
        times=process.vitals.rpc,
    )
    await process.serve("grpc", grpc_server)
    app = _app(process, settings)
    add_routes(
        app,
        endpoint=endpoint,
        service=service,
        verifier=verifier,
        health=process.health,
        answers=answers,
    )
    http_server = HttpServer(app, host=settings.listen.host, port=http_port)
    await process.serve("http", http_server)

    async def end_streams() -> None:
        hub.close()

    process.on_drain("end_streams", end_streams)
    expire = ExpireIntents(service=service, every_seconds=settings.expiry.every_seconds)
    process.loop("expire_intents", expire.run)
    return _announced(settings, grpc_server.port, http_server.port)


def _hub(settings: RootLayerSettings) -> Hub:
    return Hub(
        max_subscribers=settings.streams.max_subscribers,
        queue_events=settings.streams.queue_events,
    )


def _announced(settings: RootLayerSettings, grpc_port: int, http_port: int) -> Listening:
    get_logger().info(
        "rootlayer_listening",
        host=settings.listen.host,
        grpc_port=grpc_port,
        http_port=http_port,
        request_headers=settings.request_headers.mode.value,
    )
    return Listening(grpc_port=grpc_port, http_port=http_port)


def _app(process: Process, settings: RootLayerSettings) -> FastAPI:
    return create_app(
        title="PinAI Subnet development RootLayer",
        version=VERSION,
        error_mapper=problem_of,
        health=process.health,
        metrics=process.metrics,
        times=process.vitals.rpc,
        docs=settings.docs,
        max_body_bytes=settings.limits.request_bytes,
    )


async def _database(
    process: Process, settings: RootLayerSettings, subnet_id: str
) -> SqliteDatabase:
    identity = Identity(subnet_id=subnet_id, role="rootlayer", node_id="rootlayer")
    directory = DataDirectory.open(settings.data_dir, identity=identity)

    async def release() -> None:
        directory.close()

    process.on_close(release)
    return await open_database(process, directory.file(DATABASE), MIGRATIONS, identity=identity)


def _services(
    endpoint: Endpoint, service: RootLayerService, answers: HealthAnswers
) -> list[Callable[[grpc.aio.Server], None]]:
    pool, subscriptions, checks = (
        IntentPool(endpoint),
        Subscriptions(service),
        HealthChecks(answers),
    )
    return [
        lambda server: service_pb2_grpc.add_IntentPoolServiceServicer_to_server(pool, server),
        lambda server: service_pb2_grpc.add_SubscriptionServiceServicer_to_server(
            subscriptions, server
        ),
        lambda server: service_pb2_grpc.add_HealthServiceServicer_to_server(checks, server),
    ]
