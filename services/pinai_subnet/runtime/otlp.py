"""Sends spans to a collector: OTLP over HTTP in its JSON form, at POST {endpoint}/v1/traces. Decides nothing.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-request and the JSON mapping below it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import httpx
from pydantic import Field

from pinai_subnet.runtime.logs import get_logger
from pinai_subnet.runtime.settings_models import Settings
from pinai_subnet.runtime.stop import Stop
from pinai_subnet.runtime.tracing import MAX_WAITING, Span, Tracer

_BATCH = 512
_EVERY_SECONDS = 1.0
_TIMEOUT_SECONDS = 5.0
_LAST_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_INTERNAL, _ERROR = 1, 2
_NOT_NOW = frozenset({429, 502, 503, 504})
"""Answers after which the specification says to send the same again."""


class TracingSection(Settings):
    """Where the spans go."""

    endpoint: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    """Base URL of an OTLP collector; empty: no traces."""


class SpanExporter:
    """One process's connection to its collector. A collector that is away costs spans, never work."""

    def __init__(self, tracer: Tracer, *, endpoint: str, resource: Mapping[str, str]) -> None:
        """`resource` says who tells: `service.name` and its like."""
        self._tracer = tracer
        self._url = endpoint.rstrip("/") + "/v1/traces"
        self._resource = dict(resource)
        self._process = "/".join(self._resource.values())
        self._failing = False
        self._log = get_logger()
        tracer.enabled = True

    async def run(self, stop: Stop) -> None:
        """Send what waits every second until told to stop, then once more."""
        pause, batch = _EVERY_SECONDS, list[Span]()
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            while not await stop.wait(pause):
                batch = batch or self._tracer.take(_BATCH)
                if not batch or await self._sent(client, batch):
                    batch, pause = [], _EVERY_SECONDS
                    if len(self._tracer) >= _BATCH:
                        pause = 0.0
                else:
                    pause = min(_LONGEST_PAUSE_SECONDS, pause * 2 or _EVERY_SECONDS)
            self._tracer.enabled = False
            batch += self._tracer.take(MAX_WAITING)
            client.timeout = httpx.Timeout(_LAST_SECONDS)
            if batch and not await self._sent(client, batch):
                self._tracer.dropped(len(batch))

    async def _sent(self, client: httpx.AsyncClient, batch: Sequence[Span]) -> bool:
        """Return whether this batch is done with: taken, or refused for good."""
        try:
            answer = await client.post(self._url, json=self._document(batch))
        except httpx.HTTPError as exc:
            self._tell(f"{type(exc).__name__}: {exc}")
            return False
        if answer.status_code in _NOT_NOW:
            self._tell(f"the collector answered {answer.status_code}")
            return False
        if answer.is_success:
            self._tracer.exported(len(batch))
            self._tell("")
        else:
            self._tracer.dropped(len(batch))
            self._tell(f"the collector refused with {answer.status_code}")
        return True

    def _tell(self, problem: str) -> None:
        """Say once that spans do not arrive, and once that they do again."""
        if bool(problem) != self._failing:
            self._failing = bool(problem)
            if problem:
                self._log.warning("spans_not_exported", url=self._url, reason=problem)
            else:
                self._log.info("spans_exported_again", url=self._url)

    def _document(self, batch: Sequence[Span]) -> dict[str, Any]:
        spans = [self._encoded(span) for span in batch]
        scope = {"scope": {"name": "pinai_subnet"}, "spans": spans}
        return {
            "resourceSpans": [
                {"resource": {"attributes": _attributes(self._resource)}, "scopeSpans": [scope]}
            ]
        }

    def _encoded(self, span: Span) -> dict[str, Any]:
        facts = {"intent_id": span.intent_id, **span.facts}
        if span.failure:
            facts["code"] = span.failure
        return {
            "traceId": span.trace_id,
            "spanId": span.span_id(self._process),
            **({"parentSpanId": span.parent_id} if span.parent_id else {}),
            "name": span.name,
            "kind": _INTERNAL,
            "startTimeUnixNano": str(span.begin_ms * 1_000_000),
            "endTimeUnixNano": str(max(span.begin_ms, span.end_ms) * 1_000_000),
            "attributes": _attributes(facts),
            "status": {"code": _ERROR, "message": span.failure} if span.failure else {},
        }


def _attributes(facts: Mapping[str, str | int]) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "value": {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)},
        }
        for key, value in facts.items()
    ]
