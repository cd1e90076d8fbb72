"""What the platform asks: is the process alive, may it have requests, how is it doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request, Response

from greenroom_api import dependencies, problems

if TYPE_CHECKING:
    from fastapi import APIRouter


def add_routes(router: APIRouter) -> None:
    router.add_api_route(
        "/health", health, methods=["GET"], response_class=Response, tags=["probes"], summary="The process is alive"
    )
    router.add_api_route(
        "/ready",
        ready,
        methods=["GET"],
        response_class=Response,
        responses=problems.documented(503),
        tags=["probes"],
        summary="It may have requests",
    )
    router.add_api_route(
        "/metrics",
        process_metrics,
        methods=["GET"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        tags=["probes"],
        summary="Figures of this process, for Prometheus",
    )


async def health() -> Response:
    """Depends on nothing outside the process."""
    return Response()


async def ready(request: Request) -> Response:
    """A server that is leaving answers on, but nothing new is to be sent to it."""
    if request.app.state.leaving or not dependencies.backend(request).ready:
        raise problems.not_ready()
    return Response()


async def process_metrics(request: Request) -> Response:
    text, media_type = request.app.state.instruments.exposition()
    return Response(text, media_type=media_type)
