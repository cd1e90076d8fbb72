"""Routes and middleware of one's own on the application that the Runner has made.

    python examples/custom_routes.py serve
    curl http://127.0.0.1:8000/custom

The agent is that of voice_agent.py, which needs no key.
"""

from fastapi import Request
from fastapi.middleware.gzip import GZipMiddleware
from voice_agent import create_agent, join_call

from greenroom import AgentLauncher, Runner

runner = Runner(AgentLauncher(create_agent=create_agent, join_call=join_call))


@runner.fast_api.get("/custom")
def custom_endpoint():
    return {"message": "Custom endpoint"}


@runner.fast_api.get("/busy")
async def busy(request: Request):
    """A route has the launcher at hand."""
    launcher: AgentLauncher = request.app.state.launcher
    return {"calls": sorted(session.call_id for session in launcher.sessions)}


runner.fast_api.add_middleware(GZipMiddleware, minimum_size=1000)

if __name__ == "__main__":
    runner.cli()
