"""Who may start, close and view sessions: permission callbacks, which are FastAPI dependencies.

    TOKENS="alice-token=alice" python examples/permissions.py serve
    curl -X POST http://127.0.0.1:8000/calls/alice-1/sessions -H "Authorization: Bearer alice-token"

Everybody may use calls whose id begins with their name. The agent is that of voice_agent.py, which needs no key.
"""

import os

from fastapi import Depends, Header, HTTPException
from voice_agent import create_agent, join_call

from greenroom import AgentLauncher, Runner, ServeOptions

TOKENS = dict(pair.split("=", 1) for pair in os.environ.get("TOKENS", "").split(",") if pair)


async def current_user(authorization: str = Header("")) -> str:
    """Any dependency of FastAPI's will do, with its own dependencies; an exception denies with its status."""
    user = TOKENS.get(authorization.removeprefix("Bearer "))
    if user is None:
        raise HTTPException(status_code=401, detail="Authorization required")
    return user


async def own_call(call_id: str, user: str = Depends(current_user)) -> bool:
    """False denies as well, with 403."""
    return call_id.startswith(f"{user}-")


runner = Runner(
    AgentLauncher(create_agent=create_agent, join_call=join_call),
    serve_options=ServeOptions(
        can_start_session=own_call,
        can_close_session=own_call,
        can_view_session=own_call,
        can_view_metrics=own_call,
    ),
)

if __name__ == "__main__":
    runner.cli()
