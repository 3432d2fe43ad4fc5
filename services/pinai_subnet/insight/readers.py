"""The HTTP readers: what a member tells over its JSON API, alone or many at once. Knows no command and no page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import httpx

from pinai_subnet.ports.errors import Refused, Unreachable
from pinai_subnet.runtime.json_text import parse_json

T = TypeVar("T")
TIMEOUT_SECONDS = 10.0
MAX_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonApi:
    """One member's HTTP API. Raises `Unreachable` SN-N401 or `Refused` with the code the member gave."""

    name: str
    base: str
    """host:port, or a URL without trailing slash."""
    timeout_seconds: float = TIMEOUT_SECONDS
    client: httpx.Client | None = field(default=None, repr=False, compare=False)
    """Asks over its connections; without one every question makes its own. See `connected`."""

    @property
    def url(self) -> str:
        """Where its paths begin."""
        return self.base if "://" in self.base else f"http://{self.base}"

    def get(
        self,
        path: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the JSON at a path."""
        return self._call("GET", path, params=dict(parameters or {}), headers=dict(headers or {}))

    def find(self, path: str) -> Any | None:
        """Return the JSON at a path, or None where the member answers 404."""
        return self._call("GET", path, missing_is_none=True)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a JSON body and return the JSON answer."""
        return self._call("POST", path, json=dict(body))

    def _call(
        self, method: str, path: str, *, missing_is_none: bool = False, **options: Any
    ) -> Any:
        connections: AbstractContextManager[httpx.Client] = (
            _client(self.url) if self.client is None else nullcontext(self.client)
        )
        try:
            with connections as client:
                answer = client.request(
                    method, self.url + path, timeout=self.timeout_seconds, **options
                )
        except httpx.HTTPError as error:
            raise Unreachable(
                "SN-N401", f"{self.name} at {self.base} does not answer: {error}"
            ) from error
        if missing_is_none and answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            code, text = _problem(answer)
            raise Refused(code, f"{self.name} refused {method} {path}: {text}")
        try:
            return parse_json(answer.content)
        except ValueError as error:
            raise Refused(
                "SN-N402", f"{self.name} answers {method} {path} with something that is not JSON"
            ) from error


@contextmanager
def connected(*apis: JsonApi) -> Iterator[tuple[JsonApi, ...]]:
    """Give these members one client while this lasts: for several questions, which may be asked side by side."""
    with _client(*(api.url for api in apis)) as client:
        yield tuple(replace(api, client=client) for api in apis)


def _client(*urls: str) -> httpx.Client:
    return httpx.Client(
        # Reading the trust store takes longer than the whole question; plain HTTP has no use for it.
        verify=any(url.startswith("https://") for url in urls),
        # The environment's proxies are not for the members of a network.
        trust_env=False,
    )


def _problem(answer: httpx.Response) -> tuple[str, str]:
    try:
        body = parse_json(answer.content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return "SN-N402", f"HTTP {answer.status_code} {answer.text[:200]}"
    text = body.get("detail") or body.get("error") or body.get("msg") or answer.text[:200]
    return str(body.get("code", "SN-N402")), f"HTTP {answer.status_code} {text}"


def at_once(questions: Sequence[Callable[[], T]]) -> list[T]:
    """Ask all questions side by side; return the answers in the questions' order, or raise the first error."""
    if not questions:
        return []
    with ThreadPoolExecutor(max_workers=min(MAX_AT_ONCE, len(questions))) as pool:
        return list(pool.map(lambda question: question(), questions))
