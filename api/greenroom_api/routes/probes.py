"""What the platform asks: is the process alive, may it have requests, how is it doing."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from greenroom_api import dependencies, problems

router = APIRouter(tags=["probes"])


@router.get("/health", response_class=Response, summary="The process is alive")
async def health() -> Response:
    """Depends on nothing outside the process."""
    return Response()


@router.get("/ready", response_class=Response, responses=problems.documented(503), summary="It may have requests")
async def ready(request: Request) -> Response:
    if not dependencies.backend(request).ready:
        raise problems.not_ready()
    return Response()


@router.get("/metrics", response_class=Response, summary="Figures of this process, for Prometheus")
async def process_metrics(request: Request) -> Response:
    text, media_type = request.app.state.instruments.exposition()
    return Response(text, media_type=media_type)
