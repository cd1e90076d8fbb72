"""The FastAPI application of an agent file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from greenroom.launcher import AgentLauncher
    from greenroom.options import ServeOptions


def fast_api(launcher: AgentLauncher, options: ServeOptions) -> FastAPI:
    """The application that `serve` and `api` run: made here, or the user's own with nothing registered on it."""
    raise NotImplementedError
