"""One validator process: settings in, running process out. The only place that knows which adapters it uses."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import grpc
from fastapi import FastAPI

from pinai_subnet.adapters.root_layer.grpc import GrpcRootLayer
from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.bootstrap.database import open_database
from pinai_subnet.bootstrap.listening import port_of, require_free
from pinai_subnet.bootstrap.tracing import start_tracing
from pinai_subnet.bootstrap.validator_backups import add_backups
from pinai_subnet.bootstrap.validator_files import Configuration, load, replication_options
from pinai_subnet.bootstrap.validator_identity import told_as_misconfigured
from pinai_subnet.bootstrap.validator_log import cluster_id_of, log_factory
from pinai_subnet.bootstrap.validator_record import signing_record_of
from pinai_subnet.bootstrap.version import VERSION, commit
from pinai_subnet.consensus.resumable import ResumableLog
from pinai_subnet.ports.errors import DependencyError
from pinai_subnet.ports.replication import Replication
from pinai_subnet.runtime.data_dir import DataDirectory, Identity
from pinai_subnet.runtime.disk import DiskWatch
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.runtime.grpc_server import GrpcServer
from pinai_subnet.runtime.http_server import HttpServer, create_app
from pinai_subnet.runtime.lifecycle import Process, run_process
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.validator.api_grpc import ValidationServicer, ValidatorServicer, register
from pinai_subnet.validator.api_hosts import add_host_routes
from pinai_subnet.validator.api_http import add_routes
from pinai_subnet.validator.api_membership import add_membership_routes
from pinai_subnet.validator.api_shadow import add_shadow_routes
from pinai_subnet.validator.archive import DATABASE, MIGRATIONS
from pinai_subnet.validator.internal_api import LedgerServicer
from pinai_subnet.validator.loops.disk import GuardDisk
from pinai_subnet.validator.loops.observe import HealthChecks
from pinai_subnet.validator.loops.register import RegisterValidator
from pinai_subnet.validator.service import Surroundings, ValidatorService
from pinai_subnet.validator.state_machine import LedgerMachine
from pinai_subnet.validator.status import StatusReport
from pinai_subnet.wire.authentication import AuthenticationInterceptor, RequestVerifier
from pinai_subnet.wire.pb.pinai import ledger_pb2_grpc
from pinai_subnet.wire.registry_client import RegistryClient
from pinai_subnet.wire.status import grpc_status, http_problem

__all__ = ["Configuration", "Listening", "load", "main", "start"]

GRACE_SECONDS = 15.0
_HAND_OVER_SECONDS = 3.0
_LAST_CALLS_SECONDS = 2.0
_MESSAGE_BYTES = 10 * 1024 * 1024
_HTTP_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where a started validator listens."""

    grpc_port: int
    http_port: int


def main(arguments: Arguments) -> int:
    """Run a validator until it is told to stop; return the exit status."""

    async def build(process: Process) -> None:
        await start(process, load(arguments, os.environ))

    return run_process(build, name="validator", grace_seconds=GRACE_SECONDS)


async def start(process: Process, configuration: Configuration) -> Listening:
    """Start a validator in a process; return where it listens."""
    listen, me = configuration.settings.listen, configuration.me
    require_free(
        listen.host,
        {
            "listen.grpc_port": port_of(listen.grpc_port, me.grpc_endpoint),
            "listen.http_port": port_of(listen.http_port, me.http_endpoint),
            "listen.raft_port": port_of(listen.raft_port, me.raft_endpoint),
        },
    )
    process.vitals.tell_build(VERSION, commit())
    start_tracing(process, configuration.settings.tracing, configuration.me.id)
    service, directory, log, cluster_id = await _service(process, configuration)
    checks = HealthChecks(
        replica=service.replica,
        quorum=service.queries.quorum,
        clock=process.clock,
        directory=directory,
        min_free_bytes=configuration.settings.health.min_free_mb * 1_048_576,
        caught_up=service.caught_up.check,
    )
    checks.add_to(process.health, service.progress)
    process.health.add("able_to_finalise", "funds", service.settlement_pause.check)
    await _start_log(process, service)
    watch = DiskWatch(
        space=directory.disk_space,
        clock=process.clock,
        limits=configuration.settings.health.disk(),
    )
    guard = GuardDisk(watch=watch, replication=log, metrics=service.metrics)
    process.loop("guard_disk", guard.run)
    for name, loop in service.loops().items():
        process.loop(name, told_as_misconfigured(loop))
    _watch_queues(process, configuration, service)
    listening = await _serve(process, configuration, service, cluster_id, watch)
    _join_registry(process, configuration)
    get_logger().info(
        "validator_listening",
        id=configuration.me.id,
        grpc_port=listening.grpc_port,
        http_port=listening.http_port,
    )
    return listening


def _watch_queues(
    process: Process, configuration: Configuration, service: ValidatorService
) -> None:
    settings, reception = configuration.settings, service.reception
    process.vitals.watch_queue("reports", lambda: reception.waiting, settings.intake.limits().queue)
    process.vitals.watch_queue(
        "replication",
        lambda: service.replica.status().waiting,
        replication_options(settings.replication).max_pending_requests,
    )


async def _service(
    process: Process, configuration: Configuration
) -> tuple[ValidatorService, DataDirectory, ResumableLog, str]:
    settings, me = configuration.settings, configuration.me
    parameters = configuration.network.genesis
    identity = Identity(subnet_id=parameters.subnet_id, role="validator", node_id=me.id)
    directory = DataDirectory.open(settings.data_dir / me.id, identity=identity)

    async def release() -> None:
        directory.close()

    process.on_close(release)
    cluster_id = cluster_id_of(directory, configuration.network)
    record = signing_record_of(directory.file("signing-record.log"), configuration.signer)

    async def close_record() -> None:
        record.close()

    process.on_close(close_record)
    database = await open_database(
        process,
        directory.file(DATABASE),
        MIGRATIONS,
        identity=identity,
        synchronous="NORMAL",
    )
    world = Surroundings(
        validator_id=me.id,
        parameters=parameters,
        policies=configuration.policies.book(),
        hold_unknown=configuration.policies.unknown_assignment == "hold",
        settings=settings,
        signer=configuration.signer,
        root_layer=_root_layer(process, configuration),
        signing_record=record,
        archive=database,
        clock=process.clock,
        metrics=process.metrics,
        tracer=process.vitals.tracer,
        candidate=configuration.candidate,
    )

    synced = process.vitals.synced("journal")
    make = log_factory(configuration, directory.file("log"), cluster_id, synced=synced)
    logs: list[ResumableLog] = []

    def replication(machine: LedgerMachine) -> Replication:
        logs.append(make(machine))
        return logs[0]

    service = ValidatorService(world, replication)
    return service, directory, logs[0], cluster_id


def _root_layer(process: Process, configuration: Configuration) -> GrpcRootLayer:
    endpoints = configuration.network.endpoints
    root_layer = GrpcRootLayer(
        endpoints.rootlayer_grpc,
        signer=configuration.signer,
        subnet_id=configuration.network.genesis.subnet_id,
        clock=process.clock,
        tls=endpoints.rootlayer_tls,
        http_endpoint=endpoints.rootlayer_http,
    )
    process.on_close(root_layer.close)
    return root_layer


async def _start_log(process: Process, service: ValidatorService) -> None:
    process.on_close(service.replication.stop)
    try:
        await service.start()
    except DependencyError as exc:
        raise cannot_start(
            exc.code,
            exc.message,
            where=service.replica.validator_id,
            fix=f"`subnetctl explain {exc.code}` says what to do",
        ) from exc
    process.on_drain("finish_reports", service.drain)


async def _serve(
    process: Process,
    configuration: Configuration,
    service: ValidatorService,
    cluster_id: str,
    disk: DiskWatch,
) -> Listening:
    settings, me = configuration.settings, configuration.me
    verifier = configuration.auth.verifier(
        "validator", subnet_id=configuration.network.parameters.subnet_id, clock=process.clock
    )
    closing = Stop(process.clock)
    grpc_server = await process.enter(
        GrpcServer(
            host=settings.listen.host,
            port=port_of(settings.listen.grpc_port, me.grpc_endpoint),
            register=_services(configuration, service, closing),
            error_mapper=grpc_status,
            interceptors=[AuthenticationInterceptor(verifier)],
            max_message_bytes=_MESSAGE_BYTES,
            max_concurrent_calls=settings.max_concurrent_calls,
            times=process.vitals.rpc,
        )
    )
    app = _app(process, configuration, service, verifier, disk)
    add_backups(process, configuration, service, app, verifier=verifier, cluster_id=cluster_id)
    http_server = await process.enter(
        HttpServer(
            app,
            host=settings.listen.host,
            port=port_of(settings.listen.http_port, me.http_endpoint),
        )
    )

    async def end_streams() -> None:
        closing.set()
        await grpc_server.stop(_LAST_CALLS_SECONDS)

    async def hand_over() -> None:
        if service.replica.leading:
            taken = await service.replication.hand_over(timeout_seconds=_HAND_OVER_SECONDS)
            get_logger().info("leadership_handed_over", taken=taken)

    # The last one runs first: another leader takes over while this one still answers.
    process.on_drain("end_streams", end_streams)
    process.on_drain("hand_over_leadership", hand_over)
    return Listening(grpc_port=grpc_server.port, http_port=http_server.port)


def _services(
    configuration: Configuration, service: ValidatorService, closing: Stop
) -> list[Callable[[grpc.aio.Server], None]]:
    parameters = configuration.network.genesis
    policies = configuration.policies.book()
    validator = ValidatorServicer(
        reception=service.reception,
        queries=service.queries,
        replica=service.replica,
        policies=policies,
    )
    validation = ValidationServicer(queries=service.queries, policies=policies)
    ledger = LedgerServicer(
        replica=service.replica,
        parameters=parameters,
        feed=service.feed,
        closing=closing,
        commands_in_flight=configuration.settings.intake.commands_in_flight,
    )
    return [
        lambda server: register(server, validator, validation),
        lambda server: ledger_pb2_grpc.add_LedgerServiceServicer_to_server(ledger, server),
    ]


def _app(
    process: Process,
    configuration: Configuration,
    service: ValidatorService,
    verifier: RequestVerifier,
    disk: DiskWatch,
) -> FastAPI:
    app = create_app(
        title="PinAI Subnet validator",
        version=VERSION,
        error_mapper=http_problem,
        health=process.health,
        metrics=process.metrics,
        times=process.vitals.rpc,
        docs=configuration.settings.docs,
        max_body_bytes=_MESSAGE_BYTES,
        timeout_seconds=_HTTP_TIMEOUT_SECONDS,
    )
    status = StatusReport(
        replica=service.replica,
        parameters=configuration.network.genesis,
        policies=configuration.policies.book(),
        version=VERSION,
        clock=process.clock,
        settlement=service.settlement_pause,
        disk=disk.look,
    )
    add_routes(
        app,
        reception=service.reception,
        queries=service.queries,
        status=status,
        verifier=verifier,
        clock=process.clock,
    )
    add_membership_routes(
        app, replica=service.replica, replication=service.replication, clock=process.clock
    )
    add_host_routes(app, replica=service.replica, clock=process.clock)
    add_shadow_routes(app, shadow=service.shadow)
    return app


def _join_registry(process: Process, configuration: Configuration) -> None:
    section = configuration.settings.registry
    if not section.enabled:
        return
    client = RegistryClient(
        endpoint=configuration.network.endpoints.registry_http,
        subnet_id=configuration.network.parameters.subnet_id,
        clock=process.clock,
        signer=configuration.signer,
        timeout_seconds=3.0,
    )
    process.on_close(client.close)
    loop = RegisterValidator(
        client=client,
        validator_id=configuration.me.id,
        http_endpoint=configuration.me.http_endpoint,
        heartbeat_seconds=section.heartbeat_seconds,
    )
    process.loop("register_validator", loop.run)
