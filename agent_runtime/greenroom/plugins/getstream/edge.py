"""Stream as a way to calls."""

from __future__ import annotations

import asyncio
import logging
import webbrowser
from functools import partial
from typing import TYPE_CHECKING

from greenroom.agent import calls
from greenroom.agent.calls import Call
from greenroom.agent.participants import User
from greenroom.plugins.getstream.connection import Connection
from greenroom.plugins.getstream.coordinator import Coordinator
from greenroom.plugins.getstream.demo import HUMAN_ID, HUMAN_NAME, TOKEN_SECONDS, demo_url
from greenroom.plugins.getstream.entrance import enter
from greenroom.plugins.getstream.errors import StreamError
from greenroom.plugins.getstream.keys import Keys
from greenroom.plugins.getstream.roster import Roster
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from greenroom.agent import Agent
    from greenroom.agent.calls import CallSink
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.getstream")


class Edge(calls.Edge):
    """Calls on Stream's network.

    What is not given comes from the environment: STREAM_API_KEY, STREAM_API_SECRET and, where it is not Stream's
    own, STREAM_BASE_URL. Raises :class:`greenroom.plugins.getstream.MissingKeyError` if a key is in neither.

    Cameras are asked for if somebody looks (processors, a model that sees), about as large as `video_size`.
    """

    def __init__(
        self,
        api_key: str | None = None,
        api_secret: str | None = None,
        base_url: str | None = None,
        *,
        request_timeout_seconds: float = 5.0,
        join_timeout_seconds: float = 20.0,
        reconnect_timeout_seconds: float = 45.0,
        video_size: tuple[int, int] = (1280, 720),
        clock: Clock | None = None,
    ) -> None:
        self._keys = Keys.found(api_key, api_secret, base_url)
        self._clock = clock or SystemClock()
        self._join_timeout_seconds = join_timeout_seconds
        self._reconnect_timeout_seconds = reconnect_timeout_seconds
        self._video_size = video_size
        self._coordinator = Coordinator(self._keys, self._clock, request_timeout_seconds)
        self._user_id: str | None = None

    async def authenticate(self, user: User) -> None:
        await self._coordinator.upsert_user(user)
        self._user_id = user.id

    async def create_call(self, call_type: str, call_id: str) -> Call:
        await self._coordinator.get_or_create_call(call_type, call_id, self._known_user())
        return Call(call_type, call_id)

    async def join(self, call: Call, user: User, session_id: str, sink: CallSink) -> Connection:
        video_size = self._video_size if sink.wants_video else None
        place = await enter(self._keys, call, user.id, self._clock, self._join_timeout_seconds, video_size)
        send_event = partial(self._coordinator.send_event, call.type, call.id, user.id)
        return Connection(
            place, Roster(user.id), session_id, sink, self._clock, self._reconnect_timeout_seconds, send_event
        )

    async def close(self) -> None:
        await self._coordinator.close()

    async def open_demo_for_agent(self, agent: Agent, call_type: str, call_id: str) -> str:
        """Open Stream's demo page in a browser on this machine and return its address, which lets anybody who has it
        into the call for an hour: it is printed and never logged. For consoles; no pod calls this."""
        await agent.create_call(call_type, call_id)
        await self._coordinator.upsert_user(User(name=HUMAN_NAME, id=HUMAN_ID))
        try:
            await self._coordinator.get_or_create_channel(call_id, self._known_user(), HUMAN_ID)
        except StreamError as error:
            logger.warning("the demo page will have no chat: %s", error)
        token = await self._coordinator.user_token(HUMAN_ID, TOKEN_SECONDS)
        url = demo_url(self._keys.api_key, call_id, token)
        print(f"Join the call at {url}", flush=True)
        await asyncio.to_thread(webbrowser.open, url)
        return url

    def _known_user(self) -> str:
        if self._user_id is None:
            raise StreamError("a call on Stream is created by a user: await edge.authenticate(user) before")
        return self._user_id
