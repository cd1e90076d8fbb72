"""The agent's place in a Stream call, from entering to having left."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import getstream_rtc

from greenroom.agent import calls
from greenroom.plugins.getstream.errors import StreamError
from greenroom.plugins.getstream.pictures import watch
from greenroom.plugins.getstream.sound import listen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from greenroom.agent.calls import CallSink
    from greenroom.agent.video import VideoFrame
    from greenroom.plugins.getstream.entrance import Place
    from greenroom.plugins.getstream.roster import Roster
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.getstream")

_AWAY = (getstream_rtc.CallingState.RECONNECTING, getstream_rtc.CallingState.MIGRATING)


class Connection(calls.Connection):
    """Reports people, their sound and their pictures to the sink, plays the agent's sound."""

    def __init__(
        self,
        place: Place,
        roster: Roster,
        session_id: str,
        sink: CallSink,
        clock: Clock,
        reconnect_timeout_seconds: float,
        send_event: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        self._send_event = send_event
        self._place: Place | None = place
        self._roster = roster
        self._session_id = session_id
        self._sink = sink
        self._clock = clock
        self._reconnect_timeout_seconds = reconnect_timeout_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until the call is over. Raises :class:`StreamError` when the connection fell and stays away."""
        self._compare()
        try:
            async with asyncio.TaskGroup() as group:
                for work in (self._follow_people(), self._follow_tracks(group), self._here.speech.run()):
                    self._spawn(group, work)
                lost = await self._follow_states()
                for task in self._tasks:
                    task.cancel()
        except BaseExceptionGroup as crashed:
            raise crashed.exceptions[0] from None
        if lost is not None:
            raise StreamError(f"the connection to Stream fell and {lost}")

    def send_audio(self, frame: bytes) -> None:
        if self._place is not None:
            self._place.speech.send(frame)

    def clear_audio(self) -> None:
        if self._place is not None:
            self._place.speech.clear()

    async def send_custom_event(self, data: Mapping[str, Any]) -> None:
        """Through Stream's API; the call's clients get it as the event `custom`. Raises :class:`StreamError`."""
        await self._send_event(dict(data))

    async def leave(self) -> None:
        place, self._place = self._place, None
        if place is None:
            return
        await place.leave(self._clock)
        if dropped := place.speech.dropped_seconds:
            logger.warning("[%s] %.2f s of speech could not be sent to the call", self._session_id, dropped)

    @property
    def _here(self) -> Place:
        """The place, until it was left. Kept in no variable, which the traceback of a cancelled task would hold on to:
        as long as anything refers to the SDK's call, it keeps connections to Stream."""
        if self._place is None:
            raise RuntimeError("the call has been left")
        return self._place

    # --- what the SDK reports ---

    async def _follow_states(self) -> str | None:
        """Returns when the call is over: what it was lost to, None if it came to its end.

        After a minute away the SDK says LEFT, as after an end that came while it was away: so that one is told from
        the other, we lose patience sooner.
        """
        away_since: float | None = None
        while True:
            try:
                async with self._clock.timeout(self._patience(away_since)):
                    event = await anext(self._here.states)
            except StopAsyncIteration:
                return None
            except TimeoutError:
                return f"was not back within {self._reconnect_timeout_seconds:g} s"
            state = event.state if isinstance(event, getstream_rtc.CallingStateChanged) else None
            if state == getstream_rtc.CallingState.LEFT:
                return None
            if state == getstream_rtc.CallingState.RECONNECTING_FAILED:
                return "cannot be taken up again, says the SDK"
            if state in _AWAY and away_since is None:
                away_since = self._clock.boot()
                logger.warning("[%s] the connection to Stream is away, reconnecting", self._session_id)
                self._sink.connection_lost()
            elif state == getstream_rtc.CallingState.JOINED and away_since is not None:
                away_since = None
                logger.info("[%s] the connection to Stream is back", self._session_id)
                self._sink.connection_restored()
                self._compare()

    def _patience(self, away_since: float | None) -> float | None:
        """Seconds until a connection that is away is given up."""
        if away_since is None:
            return None
        return max(0.0, away_since + self._reconnect_timeout_seconds - self._clock.boot())

    async def _follow_people(self) -> None:
        async for event in self._here.people:
            if isinstance(event, getstream_rtc.ParticipantJoined):
                if participant := self._roster.entered(event.participant):
                    self._sink.participant_joined(participant)
            elif isinstance(event, getstream_rtc.ParticipantLeft):
                if participant := self._roster.left(event.participant.session_id):
                    self._sink.participant_left(participant)
            elif isinstance(event, getstream_rtc.EventsLagged):
                self._compare()
            elif isinstance(event, getstream_rtc.CallGrantsUpdated):
                logger.warning("[%s] Stream changed what the agent may do: %s", self._session_id, event.message)
            elif isinstance(event, getstream_rtc.Error):
                logger.warning("[%s] Stream reports an error: %s", self._session_id, event.error.message)

    async def _follow_tracks(self, group: asyncio.TaskGroup) -> None:
        while True:
            try:
                track = await anext(self._here.tracks)
            except StopAsyncIteration:
                return
            except getstream_rtc.RtcError as error:
                logger.warning("[%s] some participants cannot be heard: %s", self._session_id, error)
                continue
            session_id = track.participant.session_id
            if track.track_type == getstream_rtc.TrackType.AUDIO:
                self._spawn(group, listen(track, partial(self._hear, session_id)))
            elif track.track_type == getstream_rtc.TrackType.VIDEO and self._sink.wants_video:
                self._spawn(group, watch(track, partial(self._see, session_id), self._clock))
            del track  # the last reference is the subscription

    def _hear(self, speaker_session_id: str, pcm: bytes) -> None:
        if participant := self._roster.speaker(speaker_session_id):
            self._sink.audio_received(participant, pcm)

    def _see(self, session_id: str, frame: VideoFrame) -> None:
        if participant := self._roster.speaker(session_id):
            self._sink.video_received(participant, frame)

    def _spawn(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
        task = group.create_task(work, name=f"{self._session_id}-getstream")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _compare(self) -> None:
        """Take over the SDK's list, after a join or when events were missed."""
        new, gone = self._roster.replaced(self._here.call.participants())
        for participant in new:
            self._sink.participant_joined(participant)
        for participant in gone:
            self._sink.participant_left(participant)
