"""Sessions of one call: start, look, metrics, an edge's answer, close."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from greenroom_api import dependencies, openapi, problems
from greenroom_api.auth.close_tokens import HEADER as CLOSE_TOKEN
from greenroom_api.backend import Accepted, AgentFailed, BackendUnavailable, Started, StartOutcome
from greenroom_api.routes.answers import identity, json_answer
from greenroom_api.routes.gone import ClientGone, while_there
from greenroom_api.routes.route import CALL_ID, SESSION_ID, CallRoute, OpenRoute
from greenroom_api.schemas import AnswerShown, MetricsShown, SessionShown, SessionStarted, StartAsked

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter

    from greenroom_api.auth import CloseTokens
    from greenroom_api.dependencies import Permissions

logger = logging.getLogger("greenroom.api.sessions")

_SESSIONS = "/calls/{call_id}/sessions"
_SESSION = _SESSIONS + "/{session_id}"
_START = {
    "parameters": [
        CALL_ID,
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "The same key gives the same session, for as long as that session is kept.",
            "schema": {"type": "string", "minLength": 1, "maxLength": dependencies.KEY_MAX_LENGTH},
        },
        {
            "name": "Prefer",
            "in": "header",
            "description": "`respond-async`: the answer is 202 at once, whatever becomes of the agent.",
            "schema": {"type": "string"},
        },
    ],
    "requestBody": {"content": {"application/json": {"schema": openapi.inlined(StartAsked)}}},
}
_ONE = {"parameters": [CALL_ID, SESSION_ID]}
_ANSWER = {
    "parameters": [
        CALL_ID,
        SESSION_ID,
        {
            "name": "wait_seconds",
            "in": "query",
            "description": "How long to wait for it; a session that ends meanwhile is answered with 404 at once.",
            "schema": {
                "type": "number",
                "minimum": 0,
                "maximum": dependencies.WAIT_AT_MOST_SECONDS,
                "default": dependencies.WAIT_SECONDS,
            },
        },
    ]
}
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


def add_routes(router: APIRouter, may: Permissions, *, direct: bool) -> None:
    """The six routes of single sessions under these permissions.

    `direct`: those that nobody guards may skip FastAPI's solving, since `router` has no dependencies of its own.
    """

    def add(path: str, method: str, endpoint: Callable[..., Any], permission: Callable[..., Any], **more: Any) -> None:
        guarded = permission not in dependencies.ALLOWING_ALL
        statuses = more.pop("statuses") + ((401,) if guarded else ())
        router.add_api_route(
            path,
            endpoint,
            methods=[method],
            responses={**more.pop("responses", {}), **problems.documented(*sorted(statuses))},
            dependencies=dependencies.asked_of(permission),
            tags=["sessions"],
            route_class_override=OpenRoute if direct and not guarded else CallRoute,
            **more,
        )

    add(
        _SESSIONS,
        "POST",
        start_session,
        may.can_start_session,
        status_code=201,
        response_model=SessionStarted,
        responses=_ACCEPTED,
        statuses=(400, 403, 409, 413, 422, 429, 500, 503),
        openapi_extra=_START,
        summary="Start an agent on a call",
    )
    one: dict[str, Any] = {"statuses": (400, 403, 404, 503), "openapi_extra": _ONE}
    add(
        _SESSION,
        "GET",
        get_session,
        may.can_view_session,
        response_model=SessionShown,
        summary="Look at a session",
        **one,
    )
    add(
        _SESSION + "/metrics",
        "GET",
        get_metrics,
        may.can_view_metrics,
        response_model=MetricsShown,
        summary="A session's performance, seconds old at most",
        **one,
    )
    add(
        _SESSION + "/answer",
        "GET",
        get_answer,
        may.can_view_session,
        response_model=AnswerShown,
        responses={204: {"description": "There is none yet"}},
        statuses=(400, 403, 404, 422, 503),
        openapi_extra=_ANSWER,
        summary="What the agent answers to the offer in its session's parameters",
    )
    closing: dict[str, Any] = {"status_code": 202, "response_class": Response, **one}
    add(_SESSION, "DELETE", close_session, may.can_close_session, summary="Ask a session to end", **closing)
    add(
        _SESSION + "/close",
        "POST",
        close_session_beacon,
        may.can_close_session,
        summary="The same, for navigator.sendBeacon",
        **closing,
    )


async def start_session(request: Request) -> Response:
    """Answers when the agent has been built and is joining the call, or certainly never will."""
    call_id = request.path_params["call_id"]
    try:
        asked = await dependencies.start_asked(request)
    except ClientDisconnect:
        return Response(status_code=499)
    wanted = asked.request(
        call_id,
        idempotency_key=dependencies.idempotency_key(request),
        caller=dependencies.caller(request),
        respond_async=dependencies.wants_no_wait(request),
    )
    try:
        outcome = await while_there(request, dependencies.backend(request).start(wanted))
    except ClientGone:
        logger.info("call %s: the client of a start went away", call_id, extra={"call": call_id})
        return Response(status_code=499)
    except BackendUnavailable as problem:
        logger.warning("call %s: start not answered: %s", call_id, problem, extra={"call": call_id})
        raise problems.unavailable() from problem
    if isinstance(outcome, Started | Accepted):
        return _begun(request, outcome)
    _tell(call_id, outcome)
    raise problems.start_failed(outcome)


def _begun(request: Request, outcome: Started | Accepted) -> Response:
    session = outcome.session
    request.state.session_id = session.session_id  # for the audit
    answer = json_answer(identity(session), 201 if isinstance(outcome, Started) else 202)
    if isinstance(outcome, Accepted):
        answer.headers["Location"] = f"{request.url.path}/{session.session_id}"
        answer.headers["Preference-Applied"] = "respond-async"
    tokens: CloseTokens | None = getattr(request.app.state, "close_tokens", None)
    if tokens is not None:
        answer.headers[CLOSE_TOKEN] = tokens.token(session.call_id, session.session_id)
    return answer


def _tell(call_id: str, outcome: StartOutcome) -> None:
    level = logging.ERROR if isinstance(outcome, AgentFailed) else logging.INFO
    logger.log(level, "call %s: no agent started: %s", call_id, outcome, extra={"call": call_id})


async def get_session(request: Request) -> Response:
    call_id, session_id = _path(request)
    try:
        session = await dependencies.backend(request).get(call_id, session_id)
    except BackendUnavailable as problem:
        raise problems.unavailable() from problem
    if session is None:
        raise problems.no_session(session_id)
    queue = dependencies.backend(request).place_in_queue(session)
    return json_answer({**identity(session), **({} if queue is None else {"queue": queue})})


async def get_metrics(request: Request) -> Response:
    call_id, session_id = _path(request)
    try:
        figures = await dependencies.backend(request).metrics(call_id, session_id)
    except BackendUnavailable as problem:
        raise problems.unavailable() from problem
    if figures is None:
        raise problems.no_session(session_id)
    return json_answer(
        {**identity(figures.session), "metrics_generated_at": figures.generated_at, "metrics": figures.metrics}
    )


async def get_answer(request: Request) -> Response:
    call_id, session_id = _path(request)
    wait_seconds = dependencies.wait_seconds(request)
    try:
        answer = await while_there(request, dependencies.backend(request).answer(call_id, session_id, wait_seconds))
    except ClientGone:
        return Response(status_code=499)
    except BackendUnavailable as problem:
        raise problems.unavailable() from problem
    if answer is None:
        raise problems.no_session(session_id)
    if not answer:
        return Response(status_code=204)
    return json_answer({"session_id": session_id, "call_id": call_id, "answer": answer})


async def close_session(request: Request) -> Response:
    """The request is on record when this answers; it is carried out at once, and survives restarts."""
    call_id, session_id = _path(request)
    try:
        known = await dependencies.backend(request).request_close(call_id, session_id)
    except BackendUnavailable as problem:
        raise problems.unavailable() from problem
    if not known:
        raise problems.no_session(session_id)
    return Response(status_code=202)


async def close_session_beacon(request: Request) -> Response:
    return await close_session(request)


def _path(request: Request) -> tuple[str, str]:
    """(call id, session id)"""
    parameters = request.path_params
    return parameters["call_id"], parameters["session_id"]
