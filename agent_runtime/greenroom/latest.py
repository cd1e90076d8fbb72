"""A text of the agent's for its host, who may ask for it sooner or later than it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Latest:
    """Whoever listens hears each text; the latest at once, if there is one."""

    def __init__(self) -> None:
        self._text: str | None = None
        self._listeners: list[Callable[[str], None]] = []

    def hear(self, listener: Callable[[str], None]) -> None:
        self._listeners.append(listener)
        if self._text is not None:
            listener(self._text)

    def tell(self, text: str) -> None:
        self._text = text
        for listener in self._listeners:
            listener(text)
