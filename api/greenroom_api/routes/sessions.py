"""Sessions of one call: start, look, metrics, close."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from greenroom_api import dependencies, openapi, problems
from greenroom_api.backend import Accepted, AgentFailed, BackendUnavailable, Started, StartOutcome
from greenroom_api.dependencies import CallId, IdempotencyKey, Prefer, on_call
from greenroom_api.routes.answers import identity, json_answer
from greenroom_api.routes.gone import ClientGone, while_there
from greenroom_api.schemas import MetricsShown, SessionShown, SessionStarted, StartAsked

if TYPE_CHECKING:
    from greenroom_api.dependencies import Permissions

logger = logging.getLogger("greenroom.api.sessions")

_SESSIONS = "/calls/{call_id}/sessions"
_SESSION = _SESSIONS + "/{session_id}"
_START_BODY = {"requestBody": {"content": {"application/json": {"schema": openapi.inlined(StartAsked)}}}}
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": SessionShown,
        "description": "Only with `Prefer: respond-async`: the session is on record, its agent is yet to start",
        "headers": {
            "Location": {"description": "Where to look at it", "schema": {"type": "string"}},
            "Preference-Applied": {"description": "`respond-async`", "schema": {"type": "string"}},
        },
    }
}


def routes(may: Permissions) -> APIRouter:
    """The five routes of single sessions under these permissions."""
    router = APIRouter(tags=["sessions"])
    documented = problems.documented
    router.add_api_route(
        _SESSIONS,
        start_session,
        methods=["POST"],
        status_code=201,
        response_model=SessionStarted,
        responses={**_ACCEPTED, **documented(400, 403, 409, 413, 422, 429, 500, 503)},
        openapi_extra=_START_BODY,
        dependencies=on_call(may.can_start_session),
        summary="Start an agent on a call",
    )
    router.add_api_route(
        _SESSION,
        get_session,
        methods=["GET"],
        response_model=SessionShown,
        responses=documented(400, 403, 404, 503),
        dependencies=on_call(may.can_view_session),
        summary="Look at a session",
    )
    router.add_api_route(
        _SESSION + "/metrics",
        get_metrics,
        methods=["GET"],
        response_model=MetricsShown,
        responses=documented(400, 403, 404, 503),
        dependencies=on_call(may.can_view_metrics),
        summary="A session's performance, seconds old at most",
    )
    closing: dict[str, Any] = {
        "status_code": 202,
        "response_class": Response,
        "responses": documented(400, 403, 404, 503),
        "dependencies": on_call(may.can_close_session),
    }
    router.add_api_route(_SESSION, close_session, methods=["DELETE"], summary="Ask a session to end", **closing)
    router.add_api_route(
        _SESSION + "/close",
        close_session_beacon,
        methods=["POST"],
        summary="The same, for navigator.sendBeacon",
        **closing,
    )
    return router


async def start_session(
    request: Request,
    call_id: CallId,
    asked: Annotated[StartAsked, Depends(dependencies.start_asked)],
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Answers when the agent has been built and is joining the call, or certainly never will."""
    wanted = asked.request(
        call_id,
        idempotency_key=idempotency_key,
        caller=dependencies.caller(request),
        respond_async=dependencies.wants_no_wait(prefer),
    )
    try:
        outcome = await while_there(request, dependencies.backend(request).start(wanted))
    except ClientGone:
        logger.info("call %s: the client of a start went away", call_id)
        return Response(status_code=499)
    except BackendUnavailable as problem:
        logger.warning("call %s: start not answered: %s", call_id, problem)
        raise problems.unavailable() from problem
    if isinstance(outcome, Started):
        return json_answer(identity(outcome.session), 201)
    if isinstance(outcome, Accepted):
        return _accepted(request, outcome)
    _tell(call_id, outcome)
    raise problems.start_failed(outcome)


def _accepted(request: Request, outcome: Accepted) -> Response:
    answer = json_answer(identity(outcome.session), 202)
    answer.headers["Location"] = f"{request.url.path}/{outcome.session.session_id}"
    answer.headers["Preference-Applied"] = "respond-async"
    return answer


def _tell(call_id: str, outcome: StartOutcome) -> None:
    level = logging.ERROR if isinstance(outcome, AgentFailed) else logging.INFO
    logger.log(level, "call %s: no agent started: %s", call_id, outcome)


async def get_session(request: Request, call_id: CallId, session_id: str) -> Response:
    try:
        session = await dependencies.backend(request).get(call_id, session_id)
    except BackendUnavailable as problem:
        raise problems.unavailable() from problem
    if session is None:
        raise problems.no_session(session_id)
    return json_answer(identity(session))


async def get_metrics(request: Request, call_id: CallId, session_id: str) -> Response:
    try:
        figures = await dependencies.backend(request).metrics(call_id, session_id)
    except BackendUnavailable as problem:
        raise problems.unavailable() from problem
    if figures is None:
        raise problems.no_session(session_id)
    return json_answer(
        {**identity(figures.session), "metrics_generated_at": figures.generated_at, "metrics": figures.metrics}
    )


async def close_session(request: Request, call_id: CallId, session_id: str) -> Response:
    """The request is on record when this answers; it is carried out at once, and survives restarts."""
    return await _close(request, call_id, session_id)


async def close_session_beacon(request: Request, call_id: CallId, session_id: str) -> Response:
    return await _close(request, call_id, session_id)


async def _close(request: Request, call_id: str, session_id: str) -> Response:
    try:
        known = await dependencies.backend(request).request_close(call_id, session_id)
    except BackendUnavailable as problem:
        raise problems.unavailable() from problem
    if not known:
        raise problems.no_session(session_id)
    return Response(status_code=202)
