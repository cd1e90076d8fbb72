"""Sessions in processes of their own: what one of them does to its process, it does to no other.

:class:`ProcessStock` makes lives as :class:`greenroom.lives.InProcess` does.
"""

from __future__ import annotations

from greenroom.isolation.failures import AgentCodeError
from greenroom.isolation.life import ProcessLife, SessionProcessLost
from greenroom.isolation.source import RecipeSource
from greenroom.isolation.stock import ProcessStock

__all__ = ["AgentCodeError", "ProcessLife", "ProcessStock", "RecipeSource", "SessionProcessLost"]
