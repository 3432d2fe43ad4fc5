"""The registry process: settings in, running process out. Not its rules."""

import os
from collections.abc import Mapping

from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.bootstrap.database import open_database
from pinai_subnet.bootstrap.listening import port_of, require_free
from pinai_subnet.bootstrap.version import VERSION, commit
from pinai_subnet.protocol.ids import Address, SubnetId
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.registry.grpc_api import RegistryServicer
from pinai_subnet.registry.http_api import add_routes
from pinai_subnet.registry.loops import Sweep
from pinai_subnet.registry.metrics import RegistryMetrics
from pinai_subnet.registry.roster import Kind, Roster
from pinai_subnet.registry.service import Registry
from pinai_subnet.registry.settings import FILE_NAME, RegistrySettings
from pinai_subnet.registry.store import DATABASE, MIGRATIONS, SqliteStore
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.data_dir import DataDirectory, Identity
from pinai_subnet.runtime.grpc_server import GrpcServer
from pinai_subnet.runtime.http_server import HttpServer, create_app
from pinai_subnet.runtime.lifecycle import Process, run_process
from pinai_subnet.runtime.settings import SettingsLoader
from pinai_subnet.wire.auth_file import AuthFile, load_auth
from pinai_subnet.wire.authentication import (
    AuthenticationInterceptor,
    AuthMode,
    AuthPolicy,
    RequestVerifier,
)
from pinai_subnet.wire.network_file import Network, load_network
from pinai_subnet.wire.nonces import NonceCache
from pinai_subnet.wire.pb.subnet.registry_service_pb2_grpc import (
    add_RegistryServiceServicer_to_server,
)
from pinai_subnet.wire.status import grpc_status, http_problem


def main(arguments: Arguments) -> int:
    """Run the registry until it is told to stop; return the exit status."""

    async def build(process: Process) -> None:
        await start(process, arguments)

    return run_process(build, name="registry")


def load(
    arguments: Arguments, environ: Mapping[str, str]
) -> tuple[RegistrySettings, Network, AuthFile]:
    """Read and check everything this process is configured by; raise `StartupError` with every problem."""
    loader = SettingsLoader(environ, origins=arguments.origins)
    loaded = loader.load(RegistrySettings, arguments.config_dir / FILE_NAME)
    network = load_network(loader, arguments.config_dir)
    auth = load_auth(loader, arguments.config_dir)
    loader.finish()
    if network is None or auth is None:
        raise AssertionError("the loader reports what it could not load")
    return loaded.value, network, auth


async def start(process: Process, arguments: Arguments) -> HttpServer:
    """Start the registry in a process; return its HTTP server."""
    settings, network, auth = load(arguments, os.environ)
    parameters = network.parameters
    require_free(
        settings.listen.host,
        {
            "listen.http_port": port_of(settings.listen.http_port, network.endpoints.registry_http),
            "listen.grpc_port": port_of(settings.listen.grpc_port, network.endpoints.registry_grpc),
        },
    )
    process.vitals.tell_build(VERSION, commit())
    registry = await _registry(process, settings, parameters)
    verifier = _verifier(settings, auth, parameters.subnet_id, process.clock)
    process.loop("sweep", Sweep(registry=registry, every_seconds=settings.sweep_seconds).run)

    servicer = RegistryServicer(registry)
    endpoints = network.endpoints
    await process.serve(
        "grpc_server",
        GrpcServer(
            host=settings.listen.host,
            port=port_of(settings.listen.grpc_port, endpoints.registry_grpc),
            register=[lambda server: add_RegistryServiceServicer_to_server(servicer, server)],
            error_mapper=grpc_status,
            interceptors=[AuthenticationInterceptor(verifier)],
            max_message_bytes=max(settings.limits.max_body_bytes, 65_536),
            times=process.vitals.rpc,
        ),
    )
    app = create_app(
        title="PinAI Subnet registry",
        version=VERSION,
        error_mapper=http_problem,
        health=process.health,
        metrics=process.metrics,
        times=process.vitals.rpc,
        docs=settings.docs,
        max_body_bytes=settings.limits.max_body_bytes,
    )
    add_routes(app, registry, verifier)
    server = HttpServer(
        app,
        host=settings.listen.host,
        port=port_of(settings.listen.http_port, endpoints.registry_http),
    )
    await process.serve("http_server", server)
    return server


async def _registry(
    process: Process, settings: RegistrySettings, parameters: NetworkParameters
) -> Registry:
    """Open the data directory and return the registry with the roster that is in it."""
    identity = Identity(subnet_id=parameters.subnet_id, role="registry", node_id="registry")
    directory = DataDirectory.open(settings.data_dir, identity=identity)

    async def release() -> None:
        directory.close()

    process.on_close(release)
    database = await open_database(process, directory.file(DATABASE), MIGRATIONS, identity=identity)
    store = SqliteStore(database)
    return Registry(
        roster=Roster(
            lifetimes=settings.lifetimes.value(),
            require_signed=settings.require_signed,
            owners=_owners(parameters) if settings.bind_validators else {},
            entries=await store.load(),
        ),
        store=store,
        clock=process.clock,
        limits=settings.limits.value(),
        metrics=RegistryMetrics(process.metrics),
    )


def _owners(parameters: NetworkParameters) -> dict[tuple[Kind, str], Address]:
    return {(Kind.VALIDATOR, v.id): v.address for v in parameters.validators}


def _verifier(
    settings: RegistrySettings, auth: AuthFile, subnet_id: SubnetId, clock: Clock
) -> RequestVerifier:
    return RequestVerifier(
        policy=AuthPolicy(
            mode=AuthMode.REQUIRE if settings.require_signed else AuthMode.ACCEPT,
            timestamp_tolerance_seconds=auth.timestamp_tolerance_seconds,
            foreign_chain_ids=frozenset(auth.foreign_chain_ids) - {subnet_id},
        ),
        nonces=NonceCache(expiry_seconds=auth.nonce_expiry_seconds, capacity=auth.max_nonces),
        subnet_id=subnet_id,
        clock=clock,
    )
