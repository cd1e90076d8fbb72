"""Listings: the sessions of one call, and of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query, Request, Response

from greenroom_api import dependencies, problems
from greenroom_api.backend import BackendUnavailable, BadCursor, ListQuery
from greenroom_api.routes.answers import json_answer
from greenroom_api.routes.route import CALL_ID, CallRoute
from greenroom_api.schemas import SessionsListed
from greenroom_core.model.phases import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter

    from greenroom_api.dependencies import Permissions

Phases = Annotated[list[Phase] | None, Query(description="Only sessions in one of these phases; may be repeated.")]
Runtime = Annotated[str | None, Query(max_length=253, description="Only sessions of this runtime.")]
PageSize = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
After = Annotated[str | None, Query(max_length=512, description="The `next` of the page before.")]


def add_routes(router: APIRouter, may: Permissions) -> None:
    """Both listings under these permissions; that of one call asks whether its sessions may be viewed."""
    router.add_api_route(
        "/calls/{call_id}/sessions",
        list_call_sessions,
        methods=["GET"],
        response_model=SessionsListed,
        responses=problems.documented(400, *_refusals(may.can_view_session), 422, 503),
        dependencies=dependencies.asked_of(may.can_view_session),
        route_class_override=CallRoute,
        openapi_extra={"parameters": [CALL_ID]},
        tags=["listings"],
        summary="The sessions of a call, ended ones too while they are kept",
    )
    router.add_api_route(
        "/sessions",
        list_sessions,
        methods=["GET"],
        response_model=SessionsListed,
        responses=problems.documented(*_refusals(may.can_list_sessions), 422, 503),
        dependencies=dependencies.asked_of(may.can_list_sessions),
        tags=["listings"],
        summary="All sessions, ended ones too while they are kept",
    )


def _refusals(permission: Callable[..., Any]) -> tuple[int, ...]:
    return (403,) if permission in dependencies.ALLOWING_ALL else (401, 403)


async def list_call_sessions(
    request: Request,
    phase: Phases = None,
    runtime: Runtime = None,
    limit: PageSize = 100,
    after: After = None,
) -> Response:
    call_id = request.path_params["call_id"]
    query = ListQuery(call_id=call_id, runtime=runtime, phases=frozenset(phase or ()), limit=limit, after=after)
    return await _listed(request, query)


async def list_sessions(
    request: Request,
    phase: Phases = None,
    call_id: Annotated[str | None, Query(max_length=255, description="Only sessions of this call.")] = None,
    runtime: Runtime = None,
    limit: PageSize = 100,
    after: After = None,
) -> Response:
    query = ListQuery(call_id=call_id, runtime=runtime, phases=frozenset(phase or ()), limit=limit, after=after)
    return await _listed(request, query)


async def _listed(request: Request, query: ListQuery) -> Response:
    try:
        return json_answer(await dependencies.backend(request).list(query))
    except BadCursor as error:
        raise problems.bad_query("after", str(error)) from error
    except BackendUnavailable as problem:
        raise problems.unavailable() from problem
