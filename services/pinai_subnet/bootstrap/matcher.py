"""The matcher process: settings in, running process out. Not its rules."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI

from pinai_subnet.adapters.ledger.grpc import GrpcLedger
from pinai_subnet.adapters.root_layer.grpc import GrpcRootLayer
from pinai_subnet.adapters.roster.http import HttpRoster
from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.bootstrap.database import open_database
from pinai_subnet.bootstrap.listening import port_of, require_free
from pinai_subnet.bootstrap.matcher_canary import start_canary
from pinai_subnet.bootstrap.tracing import start_tracing
from pinai_subnet.bootstrap.version import VERSION, commit
from pinai_subnet.matcher.assembly import Given, Parts, Ports, assemble, services
from pinai_subnet.matcher.http_routes import add_http
from pinai_subnet.matcher.http_summary import add_summary
from pinai_subnet.matcher.loops import prune
from pinai_subnet.matcher.metrics import MatcherMetrics
from pinai_subnet.matcher.settings import (
    FILE_NAME,
    MatcherPolicy,
    MatcherSettings,
    agent_rules,
    load_policy,
    matching_rules,
)
from pinai_subnet.matcher.store import DATABASE, MIGRATIONS
from pinai_subnet.runtime.data_dir import DataDirectory, Identity
from pinai_subnet.runtime.grpc_server import GrpcServer
from pinai_subnet.runtime.health import OK, Finding
from pinai_subnet.runtime.http_server import HttpServer, create_app
from pinai_subnet.runtime.lifecycle import Process, run_process
from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.settings import SettingsLoader
from pinai_subnet.wire.auth_file import AuthFile, load_auth
from pinai_subnet.wire.authentication import AuthenticationInterceptor, AuthMode, RequestVerifier
from pinai_subnet.wire.network_file import Network, load_network
from pinai_subnet.wire.pb.pinai.bidding_pb2_grpc import add_BiddingServiceServicer_to_server
from pinai_subnet.wire.pb.subnet.matcher_service_pb2_grpc import (
    add_MatcherServiceServicer_to_server,
)
from pinai_subnet.wire.status import grpc_status, http_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where a started matcher listens."""

    grpc_port: int
    http_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything the matcher is told, checked."""

    settings: MatcherSettings
    policy: MatcherPolicy
    network: Network
    auth: AuthFile
    signer: LocalSigner


def main(arguments: Arguments) -> int:
    """Run the matcher until it is told to stop; return the exit status."""

    async def build(process: Process) -> None:
        await start(process, load(arguments, os.environ))

    return run_process(build, name="matcher")


def load(arguments: Arguments, environ: Mapping[str, str]) -> Configuration:
    """Read and check all files; raise `StartupError` with every problem."""
    loader = SettingsLoader(environ, origins=arguments.origins)
    loaded = loader.load(MatcherSettings, arguments.config_dir / FILE_NAME)
    policy = load_policy(loader, arguments.config_dir)
    network = load_network(loader, arguments.config_dir)
    auth = load_auth(loader, arguments.config_dir)
    signer: LocalSigner | None = None
    with loader.collecting():
        key = loaded.private_key()
        signer = LocalSigner(key) if key else None
    if signer is not None and network is not None:
        matchers = network.parameters.matchers
        if signer.address not in matchers:
            loader.report(
                "SN-M041",
                f"the matcher's key belongs to {signer.address}; network.yaml names {', '.join(matchers)}",
                where=loaded.where("private_key"),
                fix="set MATCHER_PRIVATE_KEY to the key of that address, or MATCHER_ADDRESS to this one",
            )
    loader.finish()
    if policy is None or network is None or auth is None or signer is None:
        raise AssertionError("the loader reports what it could not load")
    return Configuration(
        settings=loaded.value, policy=policy, network=network, auth=auth, signer=signer
    )


async def start(process: Process, configuration: Configuration) -> Listening:
    """Start the matcher in a process; return where it listens."""
    settings, parameters = configuration.settings, configuration.network.parameters
    endpoints = configuration.network.endpoints
    require_free(
        settings.listen.host,
        {
            "listen.grpc_port": port_of(settings.listen.grpc_port, endpoints.matcher_grpc),
            "listen.http_port": port_of(settings.listen.http_port, endpoints.matcher_http),
        },
    )
    process.vitals.tell_build(VERSION, commit())
    given = await _given(process, configuration)
    parts = await assemble(given)
    # Loops that end after the journal's own may still have marked something.
    process.on_close(parts.journal.flush)
    _start_loops(process, parts, settings)
    _add_health(process, parts)
    _watch(process, parts, settings.limits.max_intents)

    verifier = configuration.auth.verifier(
        "matcher", subnet_id=parameters.subnet_id, clock=process.clock
    )
    published, own = services(parts, given)
    grpc_server = GrpcServer(
        host=settings.listen.host,
        port=port_of(settings.listen.grpc_port, endpoints.matcher_grpc),
        register=[
            lambda server: add_MatcherServiceServicer_to_server(published, server),
            lambda server: add_BiddingServiceServicer_to_server(own, server),
        ],
        error_mapper=grpc_status,
        interceptors=[AuthenticationInterceptor(verifier)],
        max_message_bytes=settings.limits.max_message_bytes,
        times=process.vitals.rpc,
    )
    await process.serve("grpc_server", grpc_server)
    http_server = HttpServer(
        _application(process, parts, given, verifier, docs=settings.docs),
        host=settings.listen.host,
        port=port_of(settings.listen.http_port, endpoints.matcher_http),
    )
    await process.serve("http_server", http_server)

    start_canary(
        process,
        parts.canary,
        host=settings.listen.host,
        port=grpc_server.port,
        parameters=parameters,
        signer=configuration.signer,
    )

    async def end_streams() -> None:
        parts.end_streams()

    process.on_drain("end_streams", end_streams)
    listening = Listening(grpc_port=grpc_server.port, http_port=http_server.port)
    _tell(configuration, listening)
    return listening


def _tell(configuration: Configuration, listening: Listening) -> None:
    settings = configuration.settings
    get_logger().info(
        "matcher_listening",
        host=settings.listen.host,
        grpc_port=listening.grpc_port,
        http_port=listening.http_port,
        matcher_id=settings.matcher_id,
        address=configuration.signer.address,
        strategy=configuration.policy.strategy.type.value,
        authentication=configuration.auth.matcher.mode.value,
    )


def _application(
    process: Process, parts: Parts, given: Given, verifier: RequestVerifier, *, docs: bool
) -> FastAPI:
    app = create_app(
        title="PinAI Subnet matcher",
        version=VERSION,
        error_mapper=http_problem,
        health=process.health,
        metrics=process.metrics,
        times=process.vitals.rpc,
        docs=docs,
    )
    add_http(app, parts, given, verifier)
    add_summary(app, statistics=parts.statistics, canary=parts.canary, version=VERSION)
    return app


async def _given(process: Process, configuration: Configuration) -> Given:
    settings, network = configuration.settings, configuration.network
    start_tracing(process, settings.tracing, settings.matcher_id)
    parameters, signer = network.parameters, configuration.signer
    identity = Identity(subnet_id=parameters.subnet_id, role="matcher", node_id=settings.matcher_id)
    directory = DataDirectory.open(settings.data_dir, identity=identity)

    async def release() -> None:
        directory.close()

    process.on_close(release)
    database = await open_database(process, directory.file(DATABASE), MIGRATIONS, identity=identity)
    root_layer = GrpcRootLayer(
        network.endpoints.rootlayer_grpc,
        signer=signer,
        subnet_id=parameters.subnet_id,
        clock=process.clock,
        tls=network.endpoints.rootlayer_tls,
    )
    process.on_close(root_layer.close)
    ledger = GrpcLedger(
        [validator.grpc_endpoint for validator in parameters.validators],
        signer=signer,
        subnet_id=parameters.subnet_id,
        clock=process.clock,
        timeout_seconds=settings.assignments.validator_timeout_seconds,
    )
    process.on_close(ledger.close)
    roster = HttpRoster(
        f"http://{network.endpoints.registry_http}",
        clock=process.clock,
        timeout_seconds=settings.registry.timeout_seconds,
        healthy_seconds=settings.registry.healthy_seconds,
    )
    process.on_close(roster.close)
    return Given(
        ports=Ports(
            root_layer=root_layer,
            ledger=ledger,
            roster=roster,
            signer=signer,
            clock=process.clock,
            database=database,
        ),
        parameters=parameters,
        settings=settings,
        rules=matching_rules(settings, configuration.policy),
        agent_rules=agent_rules(
            settings,
            configuration.policy,
            signatures_checked=configuration.auth.matcher.mode is not AuthMode.OFF,
        ),
        metrics=MatcherMetrics(process.metrics),
        tracer=process.vitals.tracer,
    )


def _watch(process: Process, parts: Parts, most: int) -> None:
    """Show the gauges and the queues, which are bounded by the intents in memory."""
    process.metrics.refresh(parts.measure)
    for name, queue in (("post_assignments", parts.outbox), ("record_assignments", parts.recorder)):
        process.vitals.watch_queue(name, queue.__len__, most)


def _start_loops(process: Process, parts: Parts, settings: MatcherSettings) -> None:
    process.loop("write_journal", parts.journal.run)
    process.loop("record_assignments", parts.recorder.run)
    process.loop("post_assignments", parts.outbox.run)
    process.loop("watch_timers", parts.timer_watch.watch)
    process.loop("watch_outcomes", parts.outcome_watch.watch)
    process.loop("watch_intents", parts.intent_watch.watch)
    process.loop("reconcile_intents", parts.intent_watch.reconcile)
    process.loop("refresh_roster", parts.roster_watch.run)
    process.loop(
        "prune_journal",
        partial(
            prune,
            journal=parts.journal,
            matcher=parts.matcher,
            retention_seconds=settings.intents.retention_seconds,
            keep=settings.intents.retention_intents,
        ),
    )


def _add_health(process: Process, parts: Parts) -> None:
    """Ready means agents can be served; whether work given now can be finished is the third fact."""

    def root_layer() -> Finding:
        # A complete listing proves the connection; that a stream was asked for proves nothing (known defect V8).
        failure = parts.intent_watch.listing_failure
        if failure is None:
            return OK
        return Finding(False, f"no intents from RootLayer: {failure}", "SN-M312")

    def room() -> Finding:
        without = parts.journal.without_room
        return OK if without is None else Finding(False, without.message, without.code)

    def posting() -> Finding:
        failure = parts.outbox.failing_since
        return (
            OK
            if failure is None
            else Finding(False, f"assignments not posted: {failure}", "SN-M312")
        )

    def validators() -> Finding:
        failure = parts.recorder.failing_since
        return (
            OK
            if failure is None
            else Finding(False, f"assignments not taken: {failure}", "SN-M310")
        )

    def outcomes() -> Finding:
        failure = parts.outcome_watch.failure
        return OK if failure is None else Finding(False, f"no outcomes: {failure}", "SN-M310")

    process.health.add("ready", "root_layer", root_layer)
    process.health.add("ready", "room", room)
    process.health.add("able_to_finalise", "posting", posting)
    process.health.add("able_to_finalise", "validators", validators)
    process.health.add("able_to_finalise", "outcomes", outcomes)
    process.health.add("able_to_finalise", "canary", parts.canary.check)
