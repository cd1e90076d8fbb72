"""What Gemini says in a live session, message by message, as the agent takes it. Pure.

Gemini does not say when the user begins to speak: while it speaks itself, an interruption says so, else the first words
that it heard. Those may come late, when the reply to them has begun; they are not taken for new ones.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from greenroom.agent.conversation import ToolCall
from greenroom.agent.interfaces import Usage
from greenroom.agent.realtime import (
    CallsUnwanted,
    CallsWanted,
    ReplyDropped,
    ReplyOver,
    ReplySound,
    ReplyWords,
    UserBegan,
    UserOver,
    UserSaid,
    UserSoFar,
)
from greenroom.plugins.vendor.sound import Samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greenroom.agent.realtime import Said

RATE = 24_000


class LiveTurns:
    """State of one connection. `deaf`: the first reply, to a history, is not passed on."""

    def __init__(self, deaf: bool = False) -> None:
        self._deaf = deaf
        self._user_speaks = False
        self._user_text = ""
        self._replying = False  # sound, words or calls came, and more may
        self._models_turn = deaf  # from then until Gemini takes what it made for heard
        self._broke_off = False  # and has not said yet that this turn is complete
        self._samples = Samples(RATE)
        self._calls: set[str] = set()
        self.asked = False
        """A text was sent, and nothing has come of it yet."""
        self._resulted = False  # the last result that Gemini waited for was sent, and nothing has come of it yet
        self.handle: str | None = None
        """What to go on with over another connection."""
        self.leave_seconds: float | None = None
        """So soon this connection ends; None: nobody said that it will."""

    @property
    def replying(self) -> bool:
        return self._replying

    @property
    def calls(self) -> frozenset[str]:
        """Those that Gemini waits for."""
        return frozenset(self._calls)

    @property
    def quiet(self) -> bool:
        """Nothing would be lost with this connection."""
        return not (self._user_speaks or self._models_turn or self._calls or self.due)

    @property
    def due(self) -> bool:
        """It is Gemini's turn to say something."""
        return not self._calls and (self.asked or self._resulted)

    def answered(self, call_id: str) -> None:
        """The result of this call was sent."""
        self._calls.discard(call_id)
        self._resulted = True

    def read(self, message: Any) -> list[Said]:
        """Raises AttributeError, TypeError or ValueError for what is not as it should be."""
        self._note(message)
        said = list(self._content(message.server_content)) if message.server_content is not None else []
        if message.tool_call is not None:
            said += self._wanted(message.tool_call.function_calls or ())
        if message.tool_call_cancellation is not None:
            ids = tuple(message.tool_call_cancellation.ids or ())
            self._calls.difference_update(ids)
            said.append(CallsUnwanted(ids))
        if (used := message.usage_metadata) is not None:
            spoken = (used.response_token_count or 0) + (used.thoughts_token_count or 0)
            said.append(Usage(used.prompt_token_count or 0, spoken))
        return said

    def cut(self) -> tuple[list[Said], str]:
        """The connection is gone: the end of what was open, and what the user said that nothing came of."""
        said, unanswered = list(self._user_done()), ""
        if self._replying:
            said.append(ReplyOver(whole=False))
        else:
            unanswered = next((value.text for value in said if isinstance(value, UserSaid)), "")
        return said, unanswered

    # --- inside ---

    def _note(self, message: Any) -> None:
        if (update := message.session_resumption_update) is not None and update.resumable and update.new_handle:
            self.handle = update.new_handle
        if message.go_away is not None:
            self.leave_seconds = _seconds(message.go_away.time_left)

    def _content(self, content: Any) -> Iterator[Said]:
        if content.interrupted:
            yield from self._interrupted()
        if content.input_transcription is not None and content.input_transcription.text:
            yield from self._heard(content.input_transcription.text)
        if not self._deaf:
            yield from self._made(content)
        if content.generation_complete or content.turn_complete:
            yield from self._reply_over()
        if content.turn_complete:
            yield from self._turn_over(more=content.interaction_status == "IN_PROGRESS")

    def _heard(self, text: str) -> Iterator[Said]:
        self._user_text += text
        if not self._models_turn:
            if not self._user_speaks:
                self._user_speaks = True
                yield UserBegan()
            yield UserSoFar(self._user_text.strip())

    def _made(self, content: Any) -> Iterator[Said]:
        words = content.output_transcription.text if content.output_transcription is not None else None
        parts = (content.model_turn.parts if content.model_turn is not None else None) or ()
        sounds = [part.inline_data.data for part in parts if part.inline_data is not None and part.inline_data.data]
        if sounds or words:
            yield from self._begin()
        if words:
            yield ReplyWords(words)
        for sound in sounds:
            if pcm := self._samples.take(sound):
                yield ReplySound(pcm)

    def _wanted(self, calls: Any) -> Iterator[Said]:
        yield from self._begin()
        yield from self._user_done()
        wanted = tuple(ToolCall(call.id or str(uuid.uuid4()), call.name or "", dict(call.args or {})) for call in calls)
        self._calls.update(call.id for call in wanted)
        yield CallsWanted(wanted)

    def _begin(self) -> Iterator[Said]:
        self._replying = self._models_turn = True
        self.asked = self._resulted = self._broke_off = False
        if self._user_speaks:
            self._user_speaks = False
            yield UserOver()

    def _interrupted(self) -> Iterator[Said]:
        by_text = self.asked and self._models_turn
        was_replying = self._replying
        if was_replying:
            yield from self._user_done()  # what it replied to; words of the one who interrupts come after
        self._replying = self._models_turn = self._deaf = False
        self._broke_off = True
        self._resulted = False
        self._samples = Samples(RATE)
        if not by_text and not self._user_speaks:
            self._user_speaks = True
            yield UserBegan()
        if was_replying:
            yield ReplyDropped()

    def _reply_over(self) -> Iterator[Said]:
        if self._replying:
            yield from self._user_done()
            if rest := self._samples.rest():
                yield ReplySound(rest)
            self._samples = Samples(RATE)
            self._replying = False
            yield ReplyOver()

    def _turn_over(self, more: bool) -> Iterator[Said]:
        models_turn, self._models_turn, self._deaf = self._models_turn, False, False
        if self._broke_off:
            self._broke_off = False
        elif self._resulted and not self._calls and not more:  # the results were enough for it
            self._resulted = False
            yield ReplyOver()
        elif not models_turn:  # it made nothing of what it was told
            yield from self._user_done()
            if self.asked:
                self.asked = False
                yield ReplyWords("")
                yield ReplyOver()
        elif self._user_text:  # said while it spoke, and it did not mind
            yield from self._heard("")

    def _user_done(self) -> Iterator[Said]:
        if self._user_speaks:
            self._user_speaks = False
            yield UserOver()
        text, self._user_text = self._user_text.strip(), ""
        if text:
            yield UserSaid(text)


def _seconds(duration: str | None) -> float:
    """`9.5s` and the like; 0 for anything else: then it is time."""
    number = (duration or "").removesuffix("s")
    return float(number) if number.replace(".", "", 1).isdigit() else 0.0
