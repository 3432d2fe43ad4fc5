"""The registry's HTTP face (wire-contract 1.4): decodes, asks who calls, calls the service, encodes. No rules."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, StrictStr, ValidationError

from pinai_subnet.protocol.errors import InvalidInput
from pinai_subnet.protocol.ids import Address
from pinai_subnet.registry.roster import Entry, Kind, Status
from pinai_subnet.registry.service import Registry
from pinai_subnet.wire.authentication import Forms, RequestVerifier

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_STATUSES = {status.wire_name: status for status in Status}
B = TypeVar("B", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class AgentRegistration(_Body):
    """An agent as it registers; keys that are not listed are ignored."""

    id: StrictStr = ""
    capabilities: tuple[StrictStr, ...] = ()
    endpoint: StrictStr = ""


class ValidatorRegistration(_Body):
    """A validator as it registers; `endpoint` is the host:port that takes reports over HTTP."""

    id: StrictStr = ""
    endpoint: StrictStr = ""


class HeartbeatBody(_Body):
    """What a heartbeat may carry; an empty body means active."""

    status: StrictStr = Status.ACTIVE.wire_name


class Done(BaseModel):
    """The answer to an accepted change."""

    message: str


class ValidatorEntry(BaseModel):
    """A validator as lists show it."""

    id: str
    endpoint: str
    status: str
    last_seen: int
    address: str | None = None
    """The key the entry is bound to; absent where anybody may change it."""


class AgentEntry(ValidatorEntry):
    """An agent as lists show it."""

    capabilities: list[str]


class AgentList(BaseModel):
    """All agents by id."""

    agents: list[AgentEntry]


class ValidatorList(BaseModel):
    """All validators by id."""

    validators: list[ValidatorEntry]


class Problem(BaseModel):
    """Why a request was refused (RFC 9457), with our code; `error` repeats it for plain clients."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    error: str


_CHANGE_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        400: "Malformed",
        401: "The entry is bound to a key and the request does not prove it",
        403: "The entry is bound to another key",
        429: "The registry is full, or the caller is over its rate",
    }.items()
}
_MISSING: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "Not known"}}


def add_routes(app: FastAPI, registry: Registry, verifier: RequestVerifier) -> None:
    """Add the API to an application."""
    changes = _Changes(registry, verifier)

    async def limited(request: Request) -> None:
        # Changes are counted for their signer, once it is proven.
        if request.method in {"GET", "HEAD"}:
            registry.admit(None, _host(request))

    for router in (_agents(registry, changes), _validators(registry, changes)):
        app.include_router(router, dependencies=[Depends(limited)])
    app.include_router(_everything_else())


class _Changes:
    """The changing calls, the same for both kinds."""

    def __init__(self, registry: Registry, verifier: RequestVerifier) -> None:
        self._registry = registry
        self._verifier = verifier

    async def register(self, kind: Kind, model: type[B], request: Request) -> Done:
        document = await _document(request)
        caller = self._caller(request, document)
        body = _parsed(model, document or {})
        await self._registry.register(
            kind=kind,
            member_id=getattr(body, "id"),  # noqa: B009 - both models have it, their base has not
            capabilities=getattr(body, "capabilities", ()),
            endpoint=getattr(body, "endpoint", ""),
            caller=caller,
        )
        return Done(message="registered")

    async def heartbeat(self, kind: Kind, member_id: str, request: Request) -> Done:
        document = await _document(request)
        caller = self._caller(request, document)
        name = _parsed(HeartbeatBody, document or {}).status
        await self._registry.heartbeat(
            kind=kind, member_id=member_id, status=_status(name), caller=caller
        )
        return Done(message="heartbeat")

    async def unregister(self, kind: Kind, member_id: str, request: Request) -> Done:
        caller = self._caller(request, await _document(request))
        await self._registry.unregister(kind=kind, member_id=member_id, caller=caller)
        return Done(message="unregistered")

    def _caller(self, request: Request, document: dict[str, Any] | None) -> Address | None:
        method = f"{request.method} {request.url.path}"
        forms = Forms(python=document, go=lambda: document)
        caller = self._verifier.verify(request.headers, method, lambda: forms)
        self._registry.admit(caller, _host(request))
        return caller


def _agents(registry: Registry, changes: _Changes) -> APIRouter:
    router = APIRouter(prefix="/agents", tags=["agents"])

    @router.post(
        "",
        status_code=201,
        responses=_CHANGE_ERRORS,
        openapi_extra=_body(AgentRegistration, "id", "capabilities"),
    )
    async def register_agent(request: Request) -> Done:
        """Add or overwrite an agent; a signed request binds its id to the signing key."""
        return await changes.register(Kind.AGENT, AgentRegistration, request)

    @router.get("", response_model_exclude_none=True, responses={400: _CHANGE_ERRORS[400]})
    async def list_agents(
        capability: Annotated[tuple[str, ...], Query()] = (), status: str = ""
    ) -> AgentList:
        """List the agents by id; `capability` (all of them) and `status` narrow the list."""
        wanted = _status(status) if status else Status.UNKNOWN
        found = registry.listing(kind=Kind.AGENT, capabilities=capability, status=wanted)
        return AgentList(agents=[_agent(entry) for entry in found])

    @router.get("/{agent_id}", response_model_exclude_none=True, responses=_MISSING)
    async def show_agent(agent_id: str) -> AgentEntry:
        """Show one agent."""
        return _agent(registry.get(kind=Kind.AGENT, member_id=agent_id))

    @router.delete("/{agent_id}", responses=_CHANGE_ERRORS | _MISSING)
    async def unregister_agent(agent_id: str, request: Request) -> Done:
        """Take an agent off the lists."""
        return await changes.unregister(Kind.AGENT, agent_id, request)

    @router.post(
        "/{agent_id}/heartbeat",
        responses=_CHANGE_ERRORS | _MISSING,
        openapi_extra=_body(HeartbeatBody),
    )
    async def heartbeat_agent(agent_id: str, request: Request) -> Done:
        """Record a sign of life; revives an expired agent."""
        return await changes.heartbeat(Kind.AGENT, agent_id, request)

    return router


def _validators(registry: Registry, changes: _Changes) -> APIRouter:
    router = APIRouter(prefix="/validators", tags=["validators"])

    @router.post(
        "",
        status_code=201,
        responses=_CHANGE_ERRORS,
        openapi_extra=_body(ValidatorRegistration, "id", "endpoint"),
    )
    async def register_validator(request: Request) -> Done:
        """Add or overwrite a validator; its endpoint is where it takes reports over HTTP."""
        return await changes.register(Kind.VALIDATOR, ValidatorRegistration, request)

    @router.get("", response_model_exclude_none=True)
    async def list_validators() -> ValidatorList:
        """List the validators by id."""
        found = registry.listing(kind=Kind.VALIDATOR)
        return ValidatorList(validators=[_validator(entry) for entry in found])

    @router.get("/{validator_id}", response_model_exclude_none=True, responses=_MISSING)
    async def show_validator(validator_id: str) -> ValidatorEntry:
        """Show one validator."""
        return _validator(registry.get(kind=Kind.VALIDATOR, member_id=validator_id))

    @router.delete("/{validator_id}", responses=_CHANGE_ERRORS | _MISSING)
    async def unregister_validator(validator_id: str, request: Request) -> Done:
        """Take a validator off the lists."""
        return await changes.unregister(Kind.VALIDATOR, validator_id, request)

    @router.post(
        "/{validator_id}/heartbeat",
        responses=_CHANGE_ERRORS | _MISSING,
        openapi_extra=_body(HeartbeatBody),
    )
    async def heartbeat_validator(validator_id: str, request: Request) -> Done:
        """Record a sign of life; revives an expired validator."""
        return await changes.heartbeat(Kind.VALIDATOR, validator_id, request)

    return router


def _everything_else() -> APIRouter:
    """Answer as published: 400 for an empty id segment, 405 without a body for any other method or path below."""
    router = APIRouter(include_in_schema=False)

    async def other(request: Request) -> Response:
        segments = request.url.path.split("/")[2:]
        if segments and not segments[0]:
            raise InvalidInput("SN-N202", "id is missing")
        allowed = {0: "GET, POST", 1: "GET, DELETE", 2: "POST"}.get(len(segments), "")
        return Response(status_code=405, headers={"Allow": allowed})

    for kind in ("agents", "validators"):
        router.add_api_route(f"/{kind}", other, methods=_METHODS)
        router.add_api_route(f"/{kind}/{{rest:path}}", other, methods=_METHODS)
    return router


def _host(request: Request) -> str:
    return "unknown" if request.client is None else request.client.host


async def _document(request: Request) -> dict[str, Any] | None:
    raw = await request.body()
    if not raw.strip():
        return None
    try:
        document = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise InvalidInput("SN-N201", f"the body is not JSON: {exc}") from exc
    if not isinstance(document, dict):
        raise InvalidInput("SN-N201", "the body is not a JSON object")
    return document


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _parsed(model: type[B], document: Mapping[str, Any]) -> B:
    try:
        return model.model_validate(document)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput("SN-N201", f"{where}: {first['msg']}") from exc


def _status(name: str) -> Status:
    if name not in _STATUSES:
        raise InvalidInput(
            "SN-N205", f"status {name[:40]!r}; expected one of {', '.join(_STATUSES)}"
        )
    return _STATUSES[name]


def _body(model: type[BaseModel], *needed: str) -> dict[str, Any]:
    """Describe a body that is read by hand, because a signature covers it as it was sent."""
    schema = model.model_json_schema() | {"required": list(needed)}
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": bool(needed), "content": content}}


def _validator(entry: Entry) -> ValidatorEntry:
    return ValidatorEntry(
        id=entry.id,
        endpoint=entry.endpoint,
        status=entry.status.wire_name,
        last_seen=entry.last_seen,
        address=entry.address,
    )


def _agent(entry: Entry) -> AgentEntry:
    return AgentEntry(**_validator(entry).model_dump(), capabilities=list(entry.capabilities))
