"""Asks every member how it is, all at once and never for long. Judges nothing.

A member that does not answer costs its time limit once, since all are asked at the same time, and is told as
unreachable; nothing that a member says can break the look at the others.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx

from pinai_subnet.insight.answers import Answer, Expected, Target
from pinai_subnet.insight.judging import judged
from pinai_subnet.insight.network_status import NetworkStatus
from pinai_subnet.runtime.json_text import parse_json

TIMEOUT_SECONDS = 3.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024
_DOCUMENTS = {"validator": "/api/v1/status", "matcher": "/api/v1/summary"}


async def collect(targets: Sequence[Target], expected: Expected) -> NetworkStatus:
    """Ask all members at once and return one look at the network; never raises for what a member does."""
    secured = any((target.http or "").startswith("https:") for target in targets)
    # Reading the trust store takes longer than the whole look; plain HTTP has no use for it.
    async with httpx.AsyncClient(
        timeout=TIMEOUT_SECONDS, trust_env=False, verify=secured
    ) as client:
        answers = await asyncio.gather(*(ask(client, target) for target in targets))
    return judged(answers, expected, at=time.time())


async def ask(client: httpx.AsyncClient, target: Target) -> Answer:
    """Ask one member whether it is ready and, where its role tells more, for that."""
    if target.expected_here and target.pid is None:
        return Answer(target=target, reachable=False, ready=False, reason="not running")
    if target.http is None:
        return Answer(target=target, reachable=True, ready=True)
    base = target.http if "://" in target.http else f"http://{target.http}"
    answer = await _readiness(client, target, base)
    path = _DOCUMENTS.get(target.role)
    if path is None or not answer.reachable:
        return answer
    return await _with_document(client, answer, base, path)


async def _with_document(client: httpx.AsyncClient, answer: Answer, base: str, path: str) -> Answer:
    asked = time.time()
    try:
        document = await _document(client, base + path)
    except (httpx.HTTPError, ValueError) as error:
        reason = answer.reason or f"{path} gave no answer: {_named(error)}"
        return replace(answer, ready=False, reason=reason)
    if not document:
        return replace(answer, ready=False, reason=answer.reason or f"{path} gave no object")
    middle = (asked + time.time()) / 2
    if answer.target.role == "matcher":
        return replace(answer, summary=document)
    now_ms = document.get("now_ms")
    clock = (now_ms / 1000, middle) if isinstance(now_ms, int | float) else None
    return replace(answer, status=document, clock=clock)


async def _readiness(client: httpx.AsyncClient, target: Target, base: str) -> Answer:
    try:
        answer = await client.get(f"{base}/readyz")
    except httpx.HTTPError as error:
        return Answer(target=target, reachable=False, ready=False, reason=_named(error))
    # A RootLayer is somebody else's: one without this route answers all the same.
    foreign = target.role == "rootlayer" and answer.status_code == httpx.codes.NOT_FOUND
    ready = foreign or answer.status_code == httpx.codes.OK
    reason = "" if ready else answer.text.strip()[:300]
    return Answer(target=target, reachable=True, ready=ready, reason=reason)


async def _document(client: httpx.AsyncClient, url: str) -> Mapping[str, Any]:
    """Return the JSON object at a URL, empty for other JSON; raise `ValueError` where it is none or too large."""
    async with client.stream("GET", url) as answer:
        if answer.status_code != httpx.codes.OK:
            raise ValueError(f"HTTP {answer.status_code}")
        data = bytearray()
        async for part in answer.aiter_bytes():
            data += part
            if len(data) > MAX_ANSWER_BYTES:
                raise ValueError(f"more than {MAX_ANSWER_BYTES} bytes")
    document = parse_json(data)
    return document if isinstance(document, dict) else {}


def _named(error: Exception) -> str:
    """Return what went wrong without a URL in it: the name of the failure, and its words where they are short."""
    words = str(error)
    return f"{type(error).__name__}: {words}" if 0 < len(words) < 80 else type(error).__name__
