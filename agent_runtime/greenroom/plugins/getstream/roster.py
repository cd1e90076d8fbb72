"""Who is in a Stream call: users, each with one or more sessions (tabs, devices). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from greenroom.agent.participants import Participant

if TYPE_CHECKING:
    from collections.abc import Iterable


class Attendee(Protocol):
    """A participant as the SDK describes it."""

    @property
    def user_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def name(self) -> str: ...


class Roster:
    """A user is in the call from the first of its sessions to the last. Sessions of the agent's own user do not
    count: what is left of an agent that crashed must not keep the next one company."""

    def __init__(self, own_user_id: str) -> None:
        self._own_user_id = own_user_id
        self._participants: dict[str, Participant] = {}
        self._sessions: dict[str, str] = {}  # session -> user, the oldest first

    def entered(self, attendee: Attendee) -> Participant | None:
        """The participant who is new with this session."""
        if attendee.user_id == self._own_user_id:
            return None
        self._sessions.setdefault(attendee.session_id, attendee.user_id)
        if attendee.user_id in self._participants:
            return None
        participant = Participant(attendee.user_id, attendee.name)
        self._participants[attendee.user_id] = participant
        return participant

    def left(self, session_id: str) -> Participant | None:
        """The participant who is gone with this session."""
        user_id = self._sessions.pop(session_id, None)
        if user_id is None or user_id in self._sessions.values():
            return None
        return self._participants.pop(user_id)

    def replaced(self, attendees: Iterable[Attendee]) -> tuple[list[Participant], list[Participant]]:
        """Take over a whole list: who is new, who is gone."""
        listed = list(attendees)
        here = {attendee.session_id for attendee in listed}
        new = [participant for attendee in listed if (participant := self.entered(attendee))]
        absent = [session_id for session_id in self._sessions if session_id not in here]
        gone = [participant for session_id in absent if (participant := self.left(session_id))]
        return new, gone

    def speaker(self, session_id: str) -> Participant | None:
        """Whose voice this session is. Of a user's sessions only the oldest is heard: two at once would be noise."""
        user_id = self._sessions.get(session_id)
        if user_id is None:
            return None
        oldest = next(session for session, user in self._sessions.items() if user == user_id)
        return self._participants[user_id] if oldest == session_id else None
