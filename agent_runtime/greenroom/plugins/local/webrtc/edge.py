"""A browser as a way to calls. Needs aiortc when it is made, imports it when it joins."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from greenroom.agent import calls
from greenroom.plugins.local.webrtc import offers
from greenroom.plugins.local.webrtc.limits import Limits
from greenroom.plugins.local.webrtc.servers import IceServers
from greenroom.plugins.vendor.packages import load
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from greenroom.agent.calls import Call, CallSink
    from greenroom.agent.participants import User
    from greenroom_core.clock import Clock


class Edge(calls.Edge):
    """A call straight between a browser and this process.

    `offer` is the browser's complete SDP, with its candidates; the answer goes to :meth:`CallSink.call_answered`.
    `turn_url` names a TURN server, a STUN server, or both with a comma; not given, it comes with name and credential
    from GREENROOM_TURN_URL, GREENROOM_TURN_USERNAME and GREENROOM_TURN_CREDENTIAL. Raises :class:`ValueError` for an
    offer or address that is none, ModuleNotFoundError without the extra `webrtc`.
    """

    def __init__(
        self,
        offer: str,
        *,
        turn_url: str | None = None,
        turn_username: str | None = None,
        turn_credential: str | None = None,
        connect_timeout_seconds: float = 30.0,
        disconnect_timeout_seconds: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        if find_spec("aiortc") is None:
            raise ModuleNotFoundError(
                "local.Edge needs the package of 'aiortc': pip install 'greenroom[webrtc]'", name="aiortc"
            )
        self._offer = offers.check(offer)
        self._servers = IceServers.found(turn_url, turn_username, turn_credential)
        self._limits = Limits(connect_timeout_seconds, disconnect_timeout_seconds)
        self._clock = clock or SystemClock()

    async def join(self, call: Call, user: User, session_id: str, sink: CallSink) -> calls.Connection:
        connection = await load("greenroom.plugins.local.webrtc.connection")
        joined: calls.Connection = await connection.enter(
            self._offer, self._servers, self._limits, session_id, sink, self._clock
        )
        return joined
