"""The console's knobs: `console.yaml`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, SecretStr

from pinai_subnet.runtime.settings import Settings

FILE_NAME = "console.yaml"


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


Port = Annotated[Annotated[int, Field(ge=0, le=65_535)] | None, BeforeValidator(_empty_is_none)]


class ConsoleAuth(StrEnum):
    """Who may read the pages."""

    NONE = "none"
    """Everybody on this host; the console listens on a loopback address only."""
    TOKEN = "token"  # noqa: S105 - the name of a mode
    """Who knows the token."""


class ListenSection(Settings):
    """Where the console listens."""

    host: str = "127.0.0.1"
    http_port: Port = None
    """None: the port of `address`; 0: a free one."""


class AuthSection(Settings):
    """How operators prove who they are."""

    mode: ConsoleAuth = ConsoleAuth.NONE
    token: SecretStr = SecretStr("")
    token_file: Annotated[Path | None, BeforeValidator(_empty_is_none)] = None
    session_seconds: PositiveInt = 43_200
    attempts_per_minute: PositiveInt = 10


class ConsoleSettings(Settings):
    """The whole file."""

    listen: ListenSection = ListenSection()
    address: Annotated[str, Field(pattern=r"^.+:[0-9]{1,5}$")] = "127.0.0.1:8088"
    auth: AuthSection = AuthSection()
    poll_seconds: PositiveFloat = 2
    timeout_seconds: PositiveFloat = 2
    max_streams: PositiveInt = 200
    page_rows: Annotated[int, Field(ge=1, le=200)] = 50
