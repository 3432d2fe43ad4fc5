"""An OTLP collector that only remembers: takes spans over HTTP on a free port. Not a test."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Told(NamedTuple):
    """One span and who told it."""

    who: str
    span: dict[str, Any]

    @property
    def attributes(self) -> dict[str, Any]:
        return plain(self.span["attributes"])


def plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in attributes}


class Collector(ThreadingHTTPServer):
    """Answers every batch with `status`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told: list[Told] = []
        self.status = HTTPStatus.OK

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def of(self, intent_id: str) -> list[Told]:
        return [one for one in list(self.told) if one.attributes["intent_id"] == intent_id]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        known = self.path == "/v1/traces" and self.headers["content-type"] == "application/json"
        status = self.server.status if known else HTTPStatus.NOT_FOUND
        if status == HTTPStatus.OK:
            for group in json.loads(body)["resourceSpans"]:
                who = plain(group["resource"]["attributes"])["service.instance.id"]
                spans = [span for scope in group["scopeSpans"] for span in scope["spans"]]
                self.server.told.extend(Told(who, span) for span in spans)
        self.send_response(status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector until the end of the block; afterwards its port refuses."""
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()
