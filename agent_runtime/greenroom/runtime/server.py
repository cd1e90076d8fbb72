"""/health, /ready and /metrics of a runtime pod.

/health says only that the process's loop turns, so an outage of the API server never gets a pod killed; /ready says
whether it takes sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from greenroom.runtime.pod import RuntimePod


def application(pod: RuntimePod) -> web.Application:
    async def health(_: web.Request) -> web.Response:
        return web.Response()

    async def ready(_: web.Request) -> web.Response:
        if pod.ready:
            return web.Response()
        why = "the pod is leaving" if pod.draining else "the pod is warming up or has not seen its sessions yet"
        return web.json_response({"detail": why}, status=503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=pod.figures.text(), headers={"Content-Type": "text/plain; version=0.0.4"})

    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/ready", ready), web.get("/metrics", metrics)])
    return app


async def serve(pod: RuntimePod, host: str, port: int) -> web.AppRunner:
    """Starts to listen; the caller awaits `cleanup()` of what comes back. OSError when the port is taken."""
    runner = web.AppRunner(application(pod), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner
