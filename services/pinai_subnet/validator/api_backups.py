"""The HTTP side of backups: take one, and say what the state was at a mark. Routes only; the work is in `backups`."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from pinai_subnet.protocol.errors import Forbidden, NotFound
from pinai_subnet.protocol.network import NetworkParameters
from pinai_subnet.validator.backup_file import encode_backup, file_name
from pinai_subnet.validator.backups import Backups
from pinai_subnet.validator.documents import Document, hexed
from pinai_subnet.wire.authentication import Forms, RequestVerifier

BACKUPS_PATH = "/api/v1/backups"

_LOOPBACK = ("127.0.0.1", "::1")


def backup_router(backups: Backups, verifier: RequestVerifier) -> APIRouter:
    """Return the routes. A backup holds results, so only this host and the validators' own keys get one."""
    router = APIRouter(tags=["backups"])

    @router.post(BACKUPS_PATH)
    async def take_backup(request: Request) -> Response:
        """Take a backup and return the file."""
        _require_operator(request, verifier, backups.parameters())
        backup = await backups.take()
        return Response(
            encode_backup(backup.header, backup.state),
            media_type="application/octet-stream",
            headers={"content-disposition": f'attachment; filename="{file_name(backup.header)}"'},
        )

    @router.get(BACKUPS_PATH + "/{index}")
    async def show_statement(index: int) -> Document:
        """Return this validator's signed digests of its state at a mark."""
        statement = backups.statement(index)
        if statement is None:
            raise NotFound("SN-R076", f"no digest is known of log position {index}")
        return {
            "validator_id": statement.validator_id,
            "index": statement.index,
            "history_digest": hexed(statement.history_digest),
            "content_digest": hexed(statement.content_digest),
            "signature": hexed(statement.signature),
        }

    return router


def _require_operator(
    request: Request, verifier: RequestVerifier, parameters: NetworkParameters
) -> None:
    headers: Mapping[str, str] = {name.lower(): value for name, value in request.headers.items()}
    host = request.client.host if request.client else ""
    if host in _LOOPBACK and "x-forwarded-for" not in headers:
        return
    signer = verifier.verify(
        headers, f"POST {BACKUPS_PATH}", lambda: Forms(python=None, go=lambda: None)
    )
    if signer is None or parameters.validator_at(signer) is None:
        raise Forbidden(
            "SN-R077",
            f"{host or 'the caller'} may not take a backup: ask from the validator's host",
        )
