"""RootLayer over HTTP: the protocol's calls as proto3 JSON (wire-contract 2.1), and read endpoints of our own."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from google.protobuf.json_format import MessageToDict, Parse, ParseDict, ParseError
from google.protobuf.message import Message
from pydantic import BaseModel, Field

from pinai_subnet.protocol.errors import InvalidInput, SubnetError
from pinai_subnet.rootlayer.api.endpoint import Endpoint
from pinai_subnet.rootlayer.api.grpc import HealthAnswers
from pinai_subnet.rootlayer.api.reading import add_reading
from pinai_subnet.rootlayer.api.schemas import Schema, message_schema, query_parameters
from pinai_subnet.rootlayer.authentication import HeaderVerifier
from pinai_subnet.rootlayer.funds import Funds
from pinai_subnet.rootlayer.service import RootLayerService
from pinai_subnet.runtime.health import Health
from pinai_subnet.runtime.problems import ProblemDetails
from pinai_subnet.wire.codec.refusals import reason_number, refusal_detail
from pinai_subnet.wire.pb.rootlayer import (
    assignment_pb2,
    intent_pb2,
    service_pb2,
    validation_pb2,
)
from pinai_subnet.wire.set_changes import FollowBody
from pinai_subnet.wire.status import http_problem

M = TypeVar("M", bound=Message)

_POOL = "/rootlayer.v1.IntentPoolService/"
_PROBLEM: Schema = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457; detail names the IntentErrorReason with its number.",
    "required": ["type", "title", "status", "detail", "code", "error"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "examples": ["SN-S010"]},
        "error": {"type": "string"},
    },
}


def problem_of(exc: Exception) -> ProblemDetails | None:
    """Return the HTTP problem of an error; what RootLayer refuses also names the protocol's reason."""
    problem = http_problem(exc)
    if problem is None or not isinstance(exc, SubnetError):
        return problem
    return ProblemDetails(
        status=problem.status,
        code=problem.code,
        title=problem.title,
        detail=refusal_detail(exc),
        headers=dict(problem.headers) | {"x-error-reason": str(reason_number(exc.code))},
    )


def add_routes(
    app: FastAPI,
    *,
    endpoint: Endpoint,
    service: RootLayerService,
    verifier: HeaderVerifier,
    health: Health,
    answers: HealthAnswers,
) -> None:
    """Add every route of RootLayer to an application made by `runtime.http_server.create_app`."""
    _add_calls(app, endpoint, verifier)
    _add_queries(app, endpoint)
    add_reading(app, service, problem=_PROBLEM)
    _add_sets(app, service)
    if service.funds.limited:
        _add_funds(app, service.funds)
    _add_health(app, health, answers)


def _add_calls(app: FastAPI, endpoint: Endpoint, verifier: HeaderVerifier) -> None:
    """The calls with a body; the callbacks of matchers and validators are checked for signed headers like gRPC."""
    intents, callbacks = "/api/v1/intents", "/api/v1/callbacks"
    _post(
        app,
        f"{intents}/submit",
        "Submit one signed intent",
        service_pb2.SubmitIntentRequest,
        service_pb2.SubmitIntentResponse,
        endpoint.submit_intent,
    )
    _post(
        app,
        f"{intents}/submit/batch",
        "Submit many signed intents",
        service_pb2.SubmitIntentBatchRequest,
        service_pb2.SubmitIntentBatchResponse,
        endpoint.submit_intent_batch,
    )

    def signed(method: str) -> Callable[[Request], None]:
        return lambda request: _verify(verifier, request, _POOL + method)

    _post(
        app,
        f"{callbacks}/assignment/submit",
        "Post one assignment",
        assignment_pb2.Assignment,
        service_pb2.Ack,
        endpoint.post_assignment,
        signed("PostAssignment"),
    )
    _post(
        app,
        f"{callbacks}/assignments/submit",
        "Post assignments, all or none",
        assignment_pb2.AssignmentBatch,
        service_pb2.Ack,
        endpoint.post_assignments,
        signed("PostAssignmentBatch"),
    )
    _post(
        app,
        f"{callbacks}/validation/submit",
        "Settle one item in the older form",
        validation_pb2.ValidationBundle,
        validation_pb2.ValidationAck,
        endpoint.submit_bundle,
        signed("SubmitValidationBundle"),
    )
    _post(
        app,
        f"{callbacks}/validation/submit/batch",
        "Settle validation batches",
        service_pb2.ValidationBundleBatchRequest,
        service_pb2.ValidationBundleBatchResponse,
        endpoint.submit_batches,
        signed("SubmitValidationBundleBatch"),
    )


def _post(  # noqa: PLR0917 - a table row, not an interface
    app: FastAPI,
    path: str,
    summary: str,
    request_type: type[M],
    response_type: type[Message],
    call: Callable[[M], Awaitable[Message]],
    check: Callable[[Request], None] | None = None,
) -> None:
    async def handle(request: Request) -> Response:
        if check is not None:
            check(request)
        return _json(await call(_parsed(await request.body(), request_type())))

    app.add_api_route(
        path,
        handle,
        methods=["POST"],
        summary=summary,
        operation_id=call.__name__,
        response_class=JSONResponse,
        responses=_responses(message_schema(response_type)),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": message_schema(request_type)}},
            }
        },
    )


def _add_queries(app: FastAPI, endpoint: Endpoint) -> None:
    async def list_intents(request: Request) -> Response:
        return _json(await endpoint.get_intents(_from_query(request)))

    async def get_intent(intent_id: str) -> Response:
        return _json(await endpoint.get_intent(service_pb2.GetIntentRequest(intent_id=intent_id)))

    app.add_api_route(
        "/api/v1/intents/query",
        list_intents,
        methods=["GET"],
        summary="List intents, a page at a time",
        operation_id="list_intents",
        response_class=JSONResponse,
        responses=_responses(message_schema(service_pb2.GetIntentsResponse)),
        openapi_extra={"parameters": query_parameters(service_pb2.GetIntentsRequest)},
    )
    app.add_api_route(
        "/api/v1/intents/query/{intent_id}",
        get_intent,
        methods=["GET"],
        summary="Get one intent",
        operation_id="get_intent",
        response_class=JSONResponse,
        responses=_responses(message_schema(intent_pb2.Intent)),
    )


def _add_sets(app: FastAPI, service: RootLayerService) -> None:
    """Follow the validator set: changes prove themselves by approvals, their first epoch by signed headers."""

    async def follow_sets(body: FollowBody) -> dict[str, int]:
        return {"version": await service.follow_sets(body.signed_changes(), body.start())}

    async def list_sets() -> dict[str, Any]:
        return {
            "sets": [
                {
                    "version": known.version,
                    "first_epoch": known.first_epoch,
                    "validators": [
                        {"id": member.id, "address": member.address}
                        for member in known.parameters.validators
                    ],
                }
                for known in service.known_sets()
            ]
        }

    path = "/api/v1/validator-sets"
    app.add_api_route(path, follow_sets, methods=["POST"], summary="Follow signed set changes")
    app.add_api_route(path, list_sets, methods=["GET"], summary="List the validator sets")


class _Deposit(BaseModel):
    """What is put into the settlement account."""

    batches: Annotated[int, Field(ge=0, le=1_000_000)]


def _add_funds(app: FastAPI, funds: Funds) -> None:
    """Show and fill the settlement account of this development RootLayer."""

    async def balance() -> dict[str, int | None]:
        return {"batches": funds.batches}

    async def deposit(body: _Deposit) -> dict[str, int | None]:
        funds.add(body.batches)
        return {"batches": funds.batches}

    path = "/api/v1/balance"
    app.add_api_route(path, balance, methods=["GET"], summary="Show what settlement can pay for")
    app.add_api_route(path, deposit, methods=["POST"], summary="Let settlement pay for more")


def _add_health(app: FastAPI, health: Health, answers: HealthAnswers) -> None:
    """Serve the protocol's answer and the process's facts under the one path that both own."""

    async def check() -> Response:
        return JSONResponse(_as_dict(answers.answer()) | health.report())

    app.add_api_route("/health", check, methods=["GET", "HEAD"], include_in_schema=False)
    # The application answers /health by itself; the first route that matches wins.
    app.router.routes.insert(0, app.router.routes.pop())


def _verify(verifier: HeaderVerifier, request: Request, method: str) -> None:
    verifier.verify(dict(request.headers), method)


def _parsed(body: bytes, into: M) -> M:
    try:
        return Parse(body, into)
    except (ParseError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidInput("SN-S002", f"the body is not a {into.DESCRIPTOR.name}: {exc}") from exc


def _from_query(request: Request) -> service_pb2.GetIntentsRequest:
    values: dict[str, Any] = dict(request.query_params)
    try:
        return ParseDict(values, service_pb2.GetIntentsRequest())
    except ParseError as exc:
        raise InvalidInput("SN-S015", f"the query cannot be understood: {exc}") from exc


def _as_dict(message: Message) -> dict[str, Any]:
    return MessageToDict(message, always_print_fields_with_no_presence=True)


def _json(message: Message) -> Response:
    return JSONResponse(_as_dict(message))


def _responses(schema: Schema) -> dict[int | str, dict[str, Any]]:
    refused = {
        "description": "Refused; the code says why",
        "content": {"application/problem+json": {"schema": _PROBLEM}},
    }
    return {
        200: {"description": "Done", "content": {"application/json": {"schema": schema}}},
        "4XX": refused,
    }
