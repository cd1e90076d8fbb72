"""Who asks, and what they may do: the ways that `greenroom api` knows to find out.

A gate turns a bearer token into a caller and says what that caller may; the doorkeeper stands between the routes and
the gate. Nothing here knows sessions. Applications of users' own ask permission checks of their own instead.
"""

from __future__ import annotations

from greenroom_api.auth.close_tokens import CloseTokens
from greenroom_api.auth.doorkeeper import Doorkeeper
from greenroom_api.auth.gate import Act, Caller, Gate, Undecided, Unrecognised

__all__ = ["Act", "Caller", "CloseTokens", "Doorkeeper", "Gate", "Undecided", "Unrecognised"]
