"""The slot ledger: which sessions count, and on which pod, binds under way included.

An assumed bind keeps its place until its answer is known: what the feed says meanwhile does not move it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greenroom_operator.planning.values import CallKey, RuntimeKey, call_key, runtime_key
from greenroom_operator.state.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from greenroom_core.model.queue import Share
    from greenroom_core.model.session import AgentSession


@dataclass(frozen=True, slots=True)
class Entry:
    """A session that counts; `pod_uid` is None while it waits. `assumed`: its bind is under way."""

    call: CallKey
    pod_uid: str | None
    assumed: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


class Ledger:
    """`known` are all sessions on record: what is to be counted by caller starts from them."""

    def __init__(self, known: Iterable[AgentSession] = ()) -> None:
        self._known = known
        self._entries: dict[str, Entry] = {}
        self._by_runtime: Counter[RuntimeKey] = Counter()
        self._by_call: Counter[CallKey] = Counter()
        self._by_pod: Counter[str] = Counter()
        self._shares: dict[RuntimeKey, Shares] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def admitted(self, uid: str) -> bool:
        return uid in self._entries

    def in_runtime(self, runtime: RuntimeKey) -> int:
        return self._by_runtime[runtime]

    def in_call(self, call: CallKey) -> int:
        return self._by_call[call]

    def on_pod(self, pod_uid: str) -> int:
        return self._by_pod[pod_uid]

    def shares(self, runtime: RuntimeKey, fair_by: str) -> Mapping[str, Share]:
        """By the label's value. Counted through once, and kept from then on while that label is asked for."""
        shares = self._shares.get(runtime)
        if shares is None or shares.label != fair_by or shares.overgrown:
            shares = self._shares[runtime] = Shares(fair_by)
            for session in self._known:
                if runtime_key(session) == runtime:
                    shares.served(session)
            for entry in self._entries.values():
                if entry.call.runtime == runtime:
                    shares.count(entry.labels, entry.pod_uid, 1)
            shares.counted_through()
        return shares.by_caller

    def observe(self, session: AgentSession) -> None:
        """Takes the session as the API server has it. An unbound one counts only once admitted."""
        uid = session.metadata.uid
        entry = self._entries.get(uid)
        if (shares := self._shares.get(runtime_key(session))) is not None:
            shares.served(session)
        if session.ended:
            self.remove(uid)
        elif session.bound:
            self._set(uid, Entry(call_key(session), session.status.pod_uid, labels=session.metadata.labels))
        elif entry is not None and not entry.assumed:
            self._set(uid, Entry(entry.call, None))

    def admit(self, session: AgentSession) -> None:
        """Counts a waiting session from now on."""
        if session.metadata.uid not in self._entries:
            self._set(session.metadata.uid, Entry(call_key(session), None))

    def assume(self, session: AgentSession, pod_uid: str) -> None:
        """A bind to that pod is on its way."""
        labels = session.metadata.labels
        self._set(session.metadata.uid, Entry(call_key(session), pod_uid, assumed=True, labels=labels))

    def settle(self, session: AgentSession) -> None:
        """The bind's answer is known, and `session` is what the API server holds now."""
        entry = self._entries.get(session.metadata.uid)
        if entry is not None and entry.assumed:
            self._set(session.metadata.uid, Entry(entry.call, None))
        self.observe(session)

    def remove(self, uid: str) -> None:
        entry = self._entries.pop(uid, None)
        if entry is not None:
            self._count(entry, -1)

    def _set(self, uid: str, entry: Entry) -> None:
        self.remove(uid)
        self._entries[uid] = entry
        self._count(entry, 1)

    def _count(self, entry: Entry, step: int) -> None:
        if (shares := self._shares.get(entry.call.runtime)) is not None:
            shares.count(entry.labels, entry.pod_uid, step)
        for counter, key in (
            (self._by_runtime, entry.call.runtime),
            (self._by_call, entry.call),
            (self._by_pod, entry.pod_uid),
        ):
            if key is None:
                continue
            counter[key] += step  # type: ignore[index]
            if not counter[key]:  # type: ignore[index]
                del counter[key]
