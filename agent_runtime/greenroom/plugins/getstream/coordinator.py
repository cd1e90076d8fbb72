"""Stream's API over HTTP: users, calls, tokens. With time limits and retries; knows nothing of sound."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from getstream import AsyncStream
from getstream.models import CallRequest, ChannelInput, ChannelMemberRequest, UserRequest

from greenroom.plugins.getstream.errors import StreamError
from greenroom.plugins.getstream.hiding import hide
from greenroom.plugins.getstream.retries import pause_before_retry, reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from greenroom.agent.participants import User
    from greenroom.plugins.getstream.keys import Keys
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.getstream")

TRIES = 4


class Coordinator:
    """One application's door to Stream. Raises :class:`StreamError` when Stream refuses or stays away."""

    def __init__(self, keys: Keys, clock: Clock, request_timeout_seconds: float) -> None:
        self._keys = keys
        self._clock = clock
        self._request_timeout_seconds = request_timeout_seconds
        self._opening: asyncio.Task[AsyncStream] | None = None

    async def upsert_user(self, user: User) -> None:
        """Make `user` known, or bring what is known up to date."""
        request = UserRequest(id=user.id, name=user.name or None, image=user.image)
        await self._ask(f"make user {user.id!r} known", lambda client: client.upsert_users(request))

    async def get_or_create_call(self, call_type: str, call_id: str, creator_id: str) -> None:
        data = CallRequest(created_by_id=creator_id)
        await self._ask(
            f"create call {call_type}:{call_id}",
            lambda client: client.video.call(call_type, call_id).get_or_create(data=data),
        )

    async def get_or_create_channel(self, channel_id: str, creator_id: str, member_id: str) -> None:
        """The chat beside a call, with one more user in it."""
        data = ChannelInput(created_by_id=creator_id, members=[ChannelMemberRequest(user_id=member_id)])
        await self._ask(
            f"create the chat of call {channel_id}",
            lambda client: client.chat.channel("messaging", channel_id).get_or_create(data=data),
        )

    async def send_event(self, call_type: str, call_id: str, user_id: str, custom: dict[str, Any]) -> None:
        """To all clients in the call, from `user_id`: Stream takes at most 5 KB."""
        await self._ask(
            f"send an event to call {call_type}:{call_id}",
            lambda client: client.video.call(call_type, call_id).send_call_event(user_id=user_id, custom=custom),
        )

    async def user_token(self, user_id: str, valid_seconds: int) -> str:
        """What a browser may act as `user_id` with."""
        client = await self._client()
        return str(client.create_token(user_id, expiration=valid_seconds))

    async def close(self) -> None:
        """Give the connections back."""
        opening, self._opening = self._opening, None
        if opening is not None:
            await (await opening).aclose()

    async def _ask(self, what: str, request: Callable[[Any], Awaitable[object]]) -> None:
        client = await self._client()
        for tries_made in range(1, TRIES + 1):
            try:
                async with self._clock.timeout(self._request_timeout_seconds):
                    await request(client)
                return
            except Exception as error:
                pause = pause_before_retry(error, tries_made) if tries_made < TRIES else None
                why = self._keys.without_secret(reason(error))
                if pause is None:
                    raise StreamError(f"Stream did not {what}: {why}") from None
                logger.warning("Stream did not %s: %s; trying again in %.1f s", what, why, pause)
                await self._clock.sleep(pause)

    async def _client(self) -> AsyncStream:
        if self._opening is None:
            # Reading the certificates takes tens of milliseconds.
            self._opening = asyncio.create_task(asyncio.to_thread(self._open), name="getstream-client")
        return await asyncio.shield(self._opening)

    def _open(self) -> AsyncStream:
        hide(self._keys.api_key)
        client = AsyncStream(
            api_key=self._keys.api_key,
            api_secret=self._keys.api_secret,
            base_url=self._keys.base_url,
            request_timeout=self._request_timeout_seconds,
        )
        _ = client.video  # is made on first use, and that takes as long again
        return client
