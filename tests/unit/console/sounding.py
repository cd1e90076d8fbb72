"""A sound card: stands where the package sounddevice would, which finds no device on a machine without one."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenroom.agent.audio import FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Stream:
    """One opened device; `tick` is what PortAudio's own thread does every 20 ms."""

    callback: Callable[..., None]
    form: dict[str, Any]
    running: bool = False

    def start(self) -> None:
        self.running = True

    def close(self) -> None:
        self.running = False

    def tick(self, buffer: bytearray) -> None:
        if self.running:
            view = memoryview(buffer)
            thread = threading.Thread(target=self.callback, args=(view, len(buffer) // 2, None, None))
            thread.start()
            thread.join()


@dataclass
class Card:
    """The module `sounddevice` as far as the console uses it."""

    microphone: bool = True
    loudspeaker: bool = True
    opened: list[Stream] = field(default_factory=list)

    def RawInputStream(self, *, callback: Callable[..., None], **form: Any) -> Stream:  # noqa: N802
        return self._open(self.microphone, callback, form)

    def RawOutputStream(self, *, callback: Callable[..., None], **form: Any) -> Stream:  # noqa: N802
        return self._open(self.loudspeaker, callback, form)

    def _open(self, there: bool, callback: Callable[..., None], form: dict[str, Any]) -> Stream:
        if not there:
            raise RuntimeError("Error querying device -1")
        self.opened.append(Stream(callback, form))
        return self.opened[-1]

    def record(self, frame: bytes) -> None:
        """The microphone hears `frame`."""
        self.opened[-1].tick(bytearray(frame))

    def play(self, size: int = FRAME_BYTES) -> bytes:
        """What the loudspeaker plays next."""
        buffer = bytearray(b"\xff" * size)
        self.opened[0].tick(buffer)
        return bytes(buffer)
