"""The backup side of a validator process: put together from its service. Decides nothing about a backup."""

from fastapi import FastAPI

from pinai_subnet.adapters.statements.http import HttpStatements
from pinai_subnet.bootstrap.validator_files import Configuration
from pinai_subnet.bootstrap.version import VERSION
from pinai_subnet.runtime.lifecycle import Process
from pinai_subnet.validator.api_backups import backup_router
from pinai_subnet.validator.backups import Backups
from pinai_subnet.validator.loops.backup import SaveBackups
from pinai_subnet.validator.service import ValidatorService
from pinai_subnet.wire.authentication import RequestVerifier


def add_backups(
    process: Process,
    configuration: Configuration,
    service: ValidatorService,
    app: FastAPI,
    *,
    verifier: RequestVerifier,
    cluster_id: str,
) -> None:
    """Add the routes to the application and, where it is configured, the schedule to the process."""
    statements = HttpStatements()
    process.on_close(statements.close)
    section = configuration.settings.backup
    backups = Backups(
        replica=service.replica,
        marks=service.machine.marks,
        cluster_id=cluster_id,
        signer=configuration.signer,
        statements=statements,
        version=VERSION,
        clock=process.clock,
    )
    app.include_router(backup_router(backups, verifier))
    if section.every_seconds > 0:
        directory = section.directory or configuration.settings.data_dir / "backups"
        schedule = SaveBackups(
            backups=backups,
            directory=directory / configuration.me.id,
            every_seconds=section.every_seconds,
            keep=section.keep,
            key=configuration.backup_key,
            metrics=service.metrics,
            clock=process.clock,
        )
        process.loop("save_backups", schedule.run)
