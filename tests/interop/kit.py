"""A network of real processes for the SDK look-alikes, and calls made by hand. No agent of ours runs."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
from google.protobuf.message import Message
from tests.interop.sdk_headers import Headers, headers
from tests.interop.sdk_like import SdkConfig
from tests.network_kit import LocalTestNetwork, Settings

from pinai_subnet.wire.pb.pinai import ledger_pb2_grpc
from pinai_subnet.wire.pb.subnet import (
    matcher_service_pb2_grpc,
    registry_service_pb2_grpc,
    service_pb2_grpc,
)

SECONDS = 60


def new_key() -> str:
    """Return a fresh private key of 64 hex digits."""
    return secrets.token_hex(32)


def new_id() -> str:
    """Return a fresh bytes32 id."""
    return "0x" + secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class RealNetwork:
    """Registry, RootLayer, matcher and validators as processes of their own."""

    kit: LocalTestNetwork

    @property
    def subnet_id(self) -> str:
        return str(self.kit.session.network.parameters.subnet_id)

    @property
    def matcher(self) -> str:
        return self.kit.session.network.endpoints.matcher_grpc

    @property
    def registry(self) -> str:
        return self.kit.session.network.endpoints.registry_http

    @property
    def registry_grpc(self) -> str:
        return self.kit.session.network.endpoints.registry_grpc

    @property
    def validators(self) -> list[str]:
        return [v.grpc_endpoint for v in self.kit.session.network.parameters.validators]

    @property
    def validators_http(self) -> list[str]:
        return [v.http_endpoint for v in self.kit.session.network.parameters.validators]

    def sdk(self, intent_type: str, **changes: Any) -> SdkConfig:
        """Return an agent's configuration: its own key, its own name, one type, the first validator."""
        fields: dict[str, Any] = {
            "subnet_id": self.subnet_id,
            "agent_id": f"agent-of-{intent_type}",
            "matcher": self.matcher,
            "validator": self.validators[0],
            "private_key": new_key(),
            "intent_types": (intent_type,),
            "until_answered": True,
        }
        return SdkConfig(**(fields | changes))

    async def submit(
        self, intent_type: str, payload: bytes = b"payload", *, seconds: float = SECONDS
    ) -> str:
        """Hand a signed intent to RootLayer and return its id."""
        body = self.kit.body(intent_type=intent_type, payload=payload, deadline_seconds=seconds)
        await self._http("POST", self._rootlayer, "/api/v1/intents/submit", json=body)
        return str(body["intentId"])

    async def completed(self, intent_id: str) -> dict[str, Any]:
        """Wait until RootLayer has settled the intent; return the first validator's view of the one good attempt."""
        await self.completed_at_root_layer(intent_id)
        return await self.settled(intent_id)

    async def completed_at_root_layer(self, intent_id: str, seconds: float = 30.0) -> None:
        """Wait until RootLayer has settled the intent."""
        state = ""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            path = f"/api/v1/intents/query/{intent_id}"
            state = (await self._http("GET", self._rootlayer, path))["status"]
            if state == "INTENT_STATUS_COMPLETED":
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(f"{intent_id} is {state}; {await self.story(intent_id)}")

    async def settled(self, intent_id: str) -> dict[str, Any]:
        """Return the one settled attempt as the validators tell it."""
        document = await self._http("GET", self.validators_http[0], f"/api/v1/intents/{intent_id}")
        (attempt,) = [a for a in document["attempts"] if a["epoch"] is not None]
        return dict(attempt)

    async def story(self, intent_id: str) -> dict[str, Any]:
        """Return the matcher's story of an intent."""
        return await self._http("GET", self._matcher_http, f"/api/v1/intents/{intent_id}")

    async def until(
        self, intent_id: str, good: Callable[[dict[str, Any]], object], seconds: float = 20.0
    ) -> dict[str, Any]:
        """Wait until the matcher's story of the intent is as wished and return it."""
        story: dict[str, Any] = {}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            async with self._client() as http:
                answer = await http.get(f"http://{self._matcher_http}/api/v1/intents/{intent_id}")
            story = answer.json()
            if answer.status_code == 200 and good(story):
                return story
            await asyncio.sleep(0.05)
        raise TimeoutError(str(story))

    async def agent(self, agent_id: str) -> dict[str, Any]:
        """Return what the matcher knows of an agent."""
        listing = await self._http("GET", self._matcher_http, "/api/v1/agents?limit=1000")
        (found,) = [a for a in listing["agents"] if a["agent_id"] == agent_id]
        return dict(found)

    async def epoch(self, number: int) -> dict[str, Any]:
        """Return a sealed epoch."""
        return await self._http("GET", self.validators_http[0], f"/api/v1/epochs/{number}")

    async def leader(self) -> int:
        """Return the place of the leading validator in the set."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for place, http in enumerate(self.validators_http):
                try:
                    status = await self._http("GET", http, "/api/v1/status")
                except httpx.HTTPError:
                    continue
                if status["replication"]["role"] == "leader":
                    return place
            await asyncio.sleep(0.1)
        raise TimeoutError("no validator leads")

    async def call(self, method: str, address: str, path: str, **options: Any) -> httpx.Response:
        """Make one HTTP call, whatever it is answered with."""
        async with self._client() as http:
            return await http.request(method, f"http://{address}{path}", **options)

    @property
    def _rootlayer(self) -> str:
        return self.kit.session.network.endpoints.rootlayer_http

    @property
    def _matcher_http(self) -> str:
        return self.kit.session.network.endpoints.matcher_http

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=10.0, trust_env=False)

    async def _http(self, method: str, address: str, path: str, **options: Any) -> dict[str, Any]:
        answer = await self.call(method, address, path, **options)
        answer.raise_for_status()
        return dict(answer.json())


@contextmanager
def running(root: Path, settings: Settings, *, validators: int = 3) -> Iterator[RealNetwork]:
    """Start a network without agents of ours and stop it afterwards."""
    home = root / "home"
    with LocalTestNetwork.create(home, validators=validators, agents=0, settings=settings) as kit:
        kit.start()
        yield RealNetwork(kit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Calls made by hand, as the low-level clients of the SDK make them: signed with a key, or not at all."""

    network: RealNetwork
    key: str | None = None
    go: bool = False
    chain_id: str | None = None

    async def matcher(self, name: str, request: Message) -> Any:
        """Call the matcher; of a stream, return what comes within a moment."""
        return await self._call(
            self.network.matcher, "MatcherService", matcher_service_pb2_grpc.MatcherServiceStub,
            name, request,
        )  # fmt: skip

    async def validator(self, name: str, request: Message, *, place: int = 0) -> Any:
        """Call a validator."""
        return await self._call(
            self.network.validators[place], "ValidatorService",
            service_pb2_grpc.ValidatorServiceStub, name, request,
        )  # fmt: skip

    async def registry(self, name: str, request: Message) -> Any:
        """Call the registry."""
        return await self._call(
            self.network.registry_grpc, "RegistryService",
            registry_service_pb2_grpc.RegistryServiceStub, name, request,
        )  # fmt: skip

    async def ledger(self, name: str, request: Message) -> Any:
        """Call the validators' internal service."""
        return await self._call(
            self.network.validators[0], "LedgerService", ledger_pb2_grpc.LedgerServiceStub,
            name, request, package="pinai.internal.v1",
        )  # fmt: skip

    def headers(self, path: str, request: Message, *, streaming: bool = False) -> Headers | None:
        """Return the headers of one call."""
        if self.key is None:
            return None
        return headers(
            private_key=self.key,
            chain_id=self.chain_id or self.network.subnet_id,
            method=path,
            request=request,
            streaming=streaming,
            go=self.go,
        )

    async def _call(
        self,
        target: str,
        service: str,
        stub: Callable[[grpc.aio.Channel], Any],
        name: str,
        request: Message,
        *,
        package: str = "subnet.v1",
    ) -> Any:
        async with grpc.aio.insecure_channel(target) as channel:
            method = getattr(stub(channel), name)
            streaming = isinstance(method, grpc.aio.UnaryStreamMultiCallable)
            metadata = self.headers(f"/{package}.{service}/{name}", request, streaming=streaming)
            if not streaming:
                return await method(request, metadata=metadata)
            call = method(request, metadata=metadata)
            return await first(call)


async def first(call: Any, seconds: float = 1.0) -> Any:
    """Return a stream's first message, None where nothing comes for a while; raise its error."""
    try:
        async with asyncio.timeout(seconds):
            message = await call.read()
    except TimeoutError:
        return None
    finally:
        call.cancel()
    return None if message is grpc.aio.EOF else message


async def refusal(call: Any) -> tuple[str, str]:
    """Await a call that must fail; return its status name and our code."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as exc:
        found = re.search(r"SN-[A-Z]\d{3}", exc.details() or "")
        return exc.code().name, found[0] if found else str(exc.details())
    return "OK", str(answer)


def types(agent_updates: Sequence[Any], intent_id: str) -> list[str]:
    """Return the update texts that an agent saw of one intent."""
    return [u.update_type for u in agent_updates if u.intent_id == intent_id]
