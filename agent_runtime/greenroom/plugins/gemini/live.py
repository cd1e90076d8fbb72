"""One connection to a live session of Gemini: opened within a limit, used, closed.

Whatever goes wrong on it is a :class:`VendorError`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from greenroom.agent.cancellation import outlast
from greenroom.plugins.gemini.client import VENDOR
from greenroom.plugins.gemini.live_errors import Unreadable, live_error
from greenroom.plugins.gemini.options import complaint
from greenroom.plugins.vendor import VendorError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable

    from greenroom.agent.tools import ToolResult
    from greenroom.plugins.gemini.client import Pool
    from greenroom.plugins.vendor import Key
    from greenroom_core.clock import Clock

DIAL_SECONDS = 8.0
SEND_SECONDS = 5.0
MAX_UNREADABLE = 10  # in a row; then the other side speaks something else
SOUND_TYPE = "audio/pcm;rate=16000"


class Live:
    """An open connection."""

    def __init__(self, connecting: Any, session: Any, types: Any, key: Key, clock: Clock) -> None:
        self._connecting = connecting
        self._session = session
        self._types = types
        self._key = key
        self._clock = clock
        self._closing: asyncio.Task[Any] | None = None
        self.opened_at = clock.boot()

    @classmethod
    async def dial(cls, pool: Pool, model: str, config: dict[str, Any], key: Key, clock: Clock) -> Live:
        """A new connection with its session open. Raises :class:`VendorError`, and :class:`ValueError` for what the SDK
        does not know in `config`."""
        try:
            wanted = pool.types.LiveConnectConfig.model_validate(config)
        except ValueError as error:
            raise ValueError(f"gemini.Realtime: {complaint(error)}") from None
        connecting = pool.sdk.aio.live.connect(model=model, config=wanted)
        failure: VendorError | None
        try:
            async with clock.timeout(DIAL_SECONDS):
                session = await connecting.__aenter__()
            live = cls(connecting, session, pool.types, key, clock)
            if session.setup_complete is not None:
                return live
            await live.close()
            failure = VendorError(f"{VENDOR} opened no session", retryable=True)
        except TimeoutError:
            failure = VendorError(f"{VENDOR} did not answer within {DIAL_SECONDS:g} s", retryable=True)
        except Exception as error:
            failure = live_error(error, key, opening=True)
            if failure is None:
                raise
        raise failure  # outside, so that no SDK's error, which holds the request's headers, is its context

    async def sound(self, pcm: bytes) -> None:
        blob = self._types.Blob(data=pcm, mime_type=SOUND_TYPE)
        await self._sent(self._session.send_realtime_input(audio=blob))

    async def sound_pauses(self) -> None:
        """No sound comes for a while."""
        await self._sent(self._session.send_realtime_input(audio_stream_end=True))

    async def text(self, text: str) -> None:
        await self._sent(self._session.send_realtime_input(text=text))

    async def picture(self, jpeg: bytes) -> None:
        blob = self._types.Blob(data=jpeg, mime_type="image/jpeg")
        await self._sent(self._session.send_realtime_input(video=blob))

    async def result(self, result: ToolResult) -> None:
        given = {"error" if result.failed else "output": result.output}
        response = self._types.FunctionResponse(id=result.call.id, name=result.call.name, response=given)
        await self._sent(self._session.send_tool_response(function_responses=[response]))

    async def history(self, contents: list[dict[str, Any]]) -> None:
        """What was said before; the first thing that is sent."""
        turns = [self._types.Content.model_validate(content) for content in contents]
        await self._sent(self._session.send_client_content(turns=turns, turn_complete=True))

    async def messages(self) -> AsyncGenerator[Any, None]:
        """What comes, until the connection ends with an error; an :class:`Unreadable` in place of what is one."""
        lost = 0
        failure: VendorError
        while lost < MAX_UNREADABLE:
            try:
                async for message in self._session.receive():  # ends with each turn
                    lost = 0
                    yield message
                continue
            except (TypeError, AttributeError, KeyError) as error:  # the SDK's own, over what it does not know
                failure = Unreadable(error)
            except Exception as error:
                told = live_error(error, self._key, opening=False)
                if told is None:
                    raise
                failure = told
            if not isinstance(failure, Unreadable):
                raise failure
            lost += 1
            yield failure
        raise VendorError(f"{VENDOR} sends nothing that can be read", retryable=True)

    async def close(self) -> None:
        """Take leave; the websocket hangs up on a server that does not answer to that. Any number of times."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="gemini-close")
        await outlast(self._closing)

    async def _close(self) -> None:
        with suppress(Exception):
            await self._connecting.__aexit__(None, None, None)

    async def _sent(self, sending: Awaitable[None]) -> None:
        failure: VendorError | None
        try:
            async with self._clock.timeout(SEND_SECONDS):
                return await sending
        except TimeoutError:
            failure = VendorError(f"{VENDOR} takes nothing any more", retryable=True)
        except Exception as error:
            failure = live_error(error, self._key, opening=False)
            if failure is None:
                raise
        raise failure
