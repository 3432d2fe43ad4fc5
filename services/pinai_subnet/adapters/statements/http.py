"""Validators' statements over their HTTP API (`/api/v1/backups/{index}`). Checks the shape, not the signature."""

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pinai_subnet.ports.errors import Unreachable
from pinai_subnet.ports.statements import Statement, Statements

_TIMEOUT_SECONDS = 5.0
_HASH = r"^0x[0-9a-f]{64}$"


class _Body(BaseModel):
    """A statement as JSON."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    validator_id: str = Field(max_length=128)
    index: int = Field(ge=0)
    history_digest: str = Field(pattern=_HASH)
    content_digest: str = Field(pattern=_HASH)
    signature: str = Field(pattern=r"^0x[0-9a-f]{130}$")


class HttpStatements(Statements):
    """Asks over plain HTTP; what comes back proves itself by its signature."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False)

    async def ask(self, endpoint: str, index: int) -> Statement | None:
        """Return a validator's statement; see the port."""
        base = endpoint if "://" in endpoint else f"http://{endpoint}"
        try:
            answer = await self._http.get(f"{base}/api/v1/backups/{index}")
            if answer.status_code == httpx.codes.NOT_FOUND:
                return None
            answer.raise_for_status()
            body = _Body.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError) as error:
            raise Unreachable("SN-R079", f"{endpoint}: {type(error).__name__}: {error}") from error
        return Statement(
            validator_id=body.validator_id,
            index=body.index,
            history_digest=bytes.fromhex(body.history_digest[2:]),
            content_digest=bytes.fromhex(body.content_digest[2:]),
            signature=bytes.fromhex(body.signature[2:]),
        )

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()
