"""Speech to text by Deepgram, which finds the turns too: one connection a call, dialled again when it breaks."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from greenroom.agent.turn_taking import HearingTrouble, TurnTakingSTT
from greenroom.plugins.deepgram.carrying import Carried
from greenroom.plugins.deepgram.classic import ClassicTurns
from greenroom.plugins.deepgram.flux import FluxTurns
from greenroom.plugins.deepgram.line import Line
from greenroom.plugins.deepgram.options import Options, addresses
from greenroom.plugins.vendor import Backoff, Key, Leases, VendorError, find_key, load
from greenroom.plugins.vendor.wire_logs import hide_keys
from greenroom.warmup import Warmable
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greenroom.agent.turn_taking import Heard, Sound
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.plugins.deepgram")

DEFAULT_MODEL = "flux-general-en"
DEFAULT_URL = "https://api.deepgram.com"
STEADY_SECONDS = 5.0  # a connection that lived so long did not fail at once
START_ATTEMPTS = 3


async def _open(account: tuple[Key, str]) -> tuple[Any, Any]:
    """The SDK's client for the API key and address of `account`, and the HTTP client that it wants and never uses."""
    hide_keys()
    deepgram, environments, httpx = await load("deepgram"), await load("deepgram.environment"), await load("httpx")
    key, base_url = account
    http, socket = addresses(base_url)
    environment = environments.DeepgramClientEnvironment(base=http, production=socket, agent=socket, agent_rest=http)
    unused = await asyncio.to_thread(httpx.AsyncClient)
    sdk = deepgram.AsyncDeepgramClient(api_key=key.reveal(), environment=environment, httpx_client=unused)
    await asyncio.to_thread(lambda: (sdk.listen.v1, sdk.listen.v2))  # imported when first touched
    return sdk, unused


async def _close(client: tuple[Any, Any]) -> None:
    await client[1].aclose()


CLIENTS: Leases[tuple[Key, str], tuple[Any, Any]] = Leases(_open, _close)


class STT(TurnTakingSTT, Warmable[None]):
    """Deepgram's ears. The key is `api_key` or DEEPGRAM_API_KEY, the address `base_url` or DEEPGRAM_BASE_URL.

    A `flux-…` model finds the end of a turn by what is said (v2); any other by `endpointing_ms` of silence (v1).
    `eager_turn_detection` has Flux say when a turn is probably over, so that an answer is ready when it is. The
    thresholds, time-outs, `language` (for `flux-general-multi` one or several) and `keyterms` are Deepgram's own.
    Raises :class:`ValueError` without a key or for settings that Deepgram would refuse.
    """

    def __init__(
        self,
        api_key: str | None = None,
        model: str = DEFAULT_MODEL,
        language: str | Sequence[str] | None = None,
        eager_turn_detection: bool = False,
        eot_threshold: float | None = None,
        eager_eot_threshold: float | None = None,
        *,
        eot_timeout_ms: int | None = None,
        endpointing_ms: int | None = None,
        keyterms: Sequence[str] = (),
        base_url: str | None = None,
        backoff: Backoff | None = None,
        clock: Clock | None = None,
    ) -> None:
        key = find_key("deepgram.STT", api_key, "DEEPGRAM_API_KEY")
        self._account = (key, base_url or os.environ.get("DEEPGRAM_BASE_URL") or DEFAULT_URL)
        addresses(self._account[1])
        self._options = Options(
            model,
            _several(language),
            eager_turn_detection,
            eot_threshold,
            eager_eot_threshold,
            eot_timeout_ms,
            endpointing_ms,
            _several(keyterms),
        )
        self._options.check()
        self._backoff = backoff or Backoff(attempts=START_ATTEMPTS, longest_seconds=5.0)
        self._clock = clock or SystemClock()
        self._random = Random()
        self._sdk: Any = None
        self._line: Line | None = None
        self._failures = 0

    async def on_warmup(self) -> None:
        await load("deepgram")

    def on_warmed_up(self, resource: None) -> None:
        """The SDK is imported; connections belong to calls."""

    async def start(self) -> None:
        """Dial, so that a wrong key is known before the call. Raises :class:`VendorError`."""
        if self._sdk is None:
            self._sdk, _ = await CLIENTS.take(self._account)
        while self._line is None:
            try:
                self._line = await self._dial()
            except VendorError as error:
                await self._pause(error, self._backoff.attempts)

    async def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            await CLIENTS.give_back(self._account)

    async def configure(
        self,
        *,
        language: str | Sequence[str] | None = None,
        eot_threshold: float | None = None,
        eager_eot_threshold: float | None = None,
        eot_timeout_ms: int | None = None,
        keyterms: Sequence[str] | None = None,
    ) -> None:
        """Listen otherwise from now on, in this call; what is not given stays. Flux only.

        Raises :class:`ValueError`, and changes nothing, for what Deepgram would refuse. What it refuses nevertheless
        is reported as an error of the ears.
        """
        if not self._options.flux:
            raise ValueError(f"model={self._options.model!r}: only Flux models are configured within a call")
        changes: dict[str, Any] = {
            "languages": None if language is None else _several(language),
            "eot_threshold": eot_threshold,
            "eager_eot_threshold": eager_eot_threshold,
            "eot_timeout_ms": eot_timeout_ms,
            "keyterms": None if keyterms is None else _several(keyterms),
        }
        options = replace(self._options, **{name: value for name, value in changes.items() if value is not None})
        options.check()
        self._options = options
        if self._line is not None:
            await self._line.configure(options.configuration())

    async def hear(self, sound: Sound, heard: Callable[[Heard], None]) -> None:
        """Listen until cancelled. Raises :class:`VendorError` if Deepgram refuses for good."""
        while True:
            try:
                await self._hear_on(await self._dialled(), sound, heard)
            except VendorError as error:
                if error.retryable:
                    heard(HearingTrouble(error))
                await self._pause(error)

    async def _dialled(self) -> Line:
        if self._line is None:
            self._line = await self._dial()
        return self._line

    async def _dial(self) -> Line:
        return await Line.dial(self._sdk, self._options, self._account[0], self._clock)

    async def _pause(self, error: VendorError, attempts: int | None = None) -> None:
        """Wait before the next connection. Raises `error` if that would be in vain, or one too many of `attempts`."""
        self._failures += 1
        if not error.retryable or (attempts is not None and self._failures >= attempts):
            raise error
        pause = self._backoff.pause_seconds(self._failures, self._random.random())
        logger.warning("no connection, dialling again in %.1f s: %s", pause, error)
        await self._clock.sleep(pause)

    async def _hear_on(self, line: Line, sound: Sound, heard: Callable[[Heard], None]) -> None:
        """Use one connection up. Always raises."""
        turns = FluxTurns() if self._options.flux else ClassicTurns()
        carried = Carried(line, turns, heard, self._account[0], self._clock)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(carried.send(sound), name="deepgram-send")
                group.create_task(carried.receive(), name="deepgram-receive")
        except BaseExceptionGroup as errors:
            failure = _first(errors)
        finally:
            if self._clock.boot() - line.opened_at > STEADY_SECONDS:
                self._failures = 0
            await line.close()
            self._line = None
        if (over := turns.cut()) is not None:
            heard(over)
        raise failure


def _several(texts: str | Sequence[str] | None) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts or ())


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
