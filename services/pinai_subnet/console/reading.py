"""Reads documents from the members for many pages at once: bounded in size and time, one question for all who ask it.

A member's answer is untrusted text: what is not a JSON object of bearable size counts as no answer. Who asks within a
second of another gets the other's answer, so a thousand open pages cost a member no more than one.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx

from pinai_subnet.console.sharing import Shared
from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.protocol.errors import NotFound
from pinai_subnet.runtime.clock import Clock
from pinai_subnet.runtime.json_text import parse_json

Document = Mapping[str, Any]

FRESH_SECONDS = 1.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_REMEMBERED = 128
MAX_AT_ONCE = 16
"""Questions that are under way at the same time."""


class Reading:
    """Questions to the members, and the answers of the last second."""

    def __init__(self, client: httpx.AsyncClient, *, clock: Clock) -> None:
        """Ask with this client; its time limit counts."""
        self._client = client
        self._shared: Shared[Document] = Shared(
            clock=clock,
            fresh_seconds=FRESH_SECONDS,
            at_once=MAX_AT_ONCE,
            remembered=MAX_REMEMBERED,
        )

    async def get(
        self, member: str, base: str, path: str, parameters: Mapping[str, Any] | None = None
    ) -> Document:
        """Return the JSON object at a member's path.

        Raises `NotFound` SN-N125 where the member has none, `Unreachable` SN-N126 where it does not answer, and
        `Refused` SN-N127 where it says no or something that cannot be read.
        """
        query = f"?{urlencode(parameters)}" if parameters else ""
        url = (base if "://" in base else f"http://{base}") + path + query
        return await self._shared.get(url, lambda: self._ask(member, url))

    async def _ask(self, member: str, url: str) -> Document:
        try:
            return await self._document(member, url)
        except httpx.HTTPError as error:
            raise Unreachable(
                "SN-N126", f"{member} does not answer: {type(error).__name__}"
            ) from error

    async def _document(self, member: str, url: str) -> Document:
        async with self._client.stream("GET", url) as answer:
            data = bytearray()
            async for part in answer.aiter_bytes():
                data += part
                if len(data) > MAX_ANSWER_BYTES:
                    raise Refused("SN-N127", f"{member} answers with more than a page can hold")
        document = _parsed(data)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotFound("SN-N125", f"{member} does not know that")
        if answer.status_code != httpx.codes.OK or document is None:
            said = (document or {}).get("detail") or f"HTTP {answer.status_code}"
            raise Refused("SN-N127", f"{member} refuses: {str(said)[:200]}")
        return document


def _parsed(data: bytearray) -> Document | None:
    try:
        document = parse_json(data)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
