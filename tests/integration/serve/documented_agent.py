"""A block of the document as an agent file: `python documented_agent.py BLOCK api …`.

The block stands as it is; what the document leaves undefined is here.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenroom import AgentLauncher, Runner, ServeOptions

BLOCKS = Path(__file__).resolve().parents[2] / "seed" / "blocks"


@dataclass
class User:
    name: str

    def has_permission(self, permission: str) -> bool:
        return (self.name, permission) == ("owner", "start_session")

    def can_access_call(self, call_id: str) -> bool:
        return self.name == "owner"


async def validate_token(authorization: str) -> User:
    return User(authorization.removeprefix("Bearer "))


async def create_agent(**kwargs: Any) -> Any:
    raise AssertionError("over a cluster no agent is built here")


async def join_call(agent: Any, call_type: str, call_id: str, **kwargs: Any) -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    block = sys.argv.pop(1)
    given = {
        "AgentLauncher": AgentLauncher,
        "Runner": Runner,
        "ServeOptions": ServeOptions,
        "create_agent": create_agent,
        "join_call": join_call,
        "validate_token": validate_token,
    }
    exec(compile((BLOCKS / f"{block}.py").read_text(), f"{block}.py", "exec", dont_inherit=True), given)
    given["runner"].cli()
