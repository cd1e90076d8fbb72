"""Sessions of one call: start, look, metrics, close."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from greenroom_api import dependencies, problems
from greenroom_api.backend import AgentFailed, BackendUnavailable, Started, StartOutcome
from greenroom_api.dependencies import CallId, IdempotencyKey
from greenroom_api.routes.answers import identity, json_answer
from greenroom_api.routes.gone import ClientGone, while_there
from greenroom_api.schemas import MetricsShown, SessionShown, SessionStarted, StartAsked

logger = logging.getLogger("greenroom.api.sessions")

router = APIRouter(tags=["sessions"])

_SESSIONS = "/calls/{call_id}/sessions"
_SESSION = _SESSIONS + "/{session_id}"
_BODY = {
    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/StartAsked"}}}},
}


@router.post(
    _SESSIONS,
    status_code=201,
    response_model=SessionStarted,
    responses=problems.documented(400, 403, 409, 413, 422, 429, 500, 503),
    openapi_extra=_BODY,
    dependencies=[Depends(dependencies.may_start)],
    summary="Start an agent on a call",
)
async def start_session(
    request: Request,
    call_id: CallId,
    asked: Annotated[StartAsked, Depends(dependencies.start_asked)],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Answers when the agent has been built and is joining the call, or certainly never will."""
    backend = dependencies.backend(request)
    wanted = asked.request(call_id, idempotency_key, caller="")
    try:
        outcome = await while_there(request, backend.start(wanted))
    except ClientGone:
        logger.info("call %s: the client of a start went away", call_id)
        return Response(status_code=499)
    except BackendUnavailable as problem:
        logger.warning("call %s: start not answered: %s", call_id, problem)
        raise problems.unavailable() from problem
    if isinstance(outcome, Started):
        return json_answer(identity(outcome.session), 201)
    _tell(call_id, outcome)
    raise problems.start_failed(outcome)


def _tell(call_id: str, outcome: StartOutcome) -> None:
    level = logging.ERROR if isinstance(outcome, AgentFailed) else logging.INFO
    logger.log(level, "call %s: no agent started: %s", call_id, outcome)


@router.get(
    _SESSION,
    response_model=SessionShown,
    responses=problems.documented(400, 403, 404, 503),
    dependencies=[Depends(dependencies.may_view)],
    summary="Look at a session",
)
async def get_session(request: Request, call_id: CallId, session_id: str) -> Response:
    try:
        session = await dependencies.backend(request).get(call_id, session_id)
    except BackendUnavailable as problem:
        raise problems.unavailable() from problem
    if session is None:
        raise problems.no_session(session_id)
    return json_answer(identity(session))


@router.get(
    _SESSION + "/metrics",
    response_model=MetricsShown,
    responses=problems.documented(400, 403, 404, 503),
    dependencies=[Depends(dependencies.may_view_metrics)],
    summary="A session's performance, seconds old at most",
)
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


@router.delete(
    _SESSION,
    status_code=202,
    response_class=Response,
    responses=problems.documented(400, 403, 404, 503),
    dependencies=[Depends(dependencies.may_close)],
    summary="Ask a session to end",
)
async def close_session(request: Request, call_id: CallId, session_id: str) -> Response:
    """The request is on record when this answers; it is carried out at once, and survives restarts."""
    return await _close(request, call_id, session_id)


@router.post(
    _SESSION + "/close",
    status_code=202,
    response_class=Response,
    responses=problems.documented(400, 403, 404, 503),
    dependencies=[Depends(dependencies.may_close)],
    summary="The same, for navigator.sendBeacon",
)
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
