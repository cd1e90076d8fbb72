"""How a fleet's latest tries to bring up a pod went, and how long the next one waits. Pure; boot-clock seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace

_LONGEST_BACKOFF_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Attempts:
    """`failures` in a row, and why the last pod failed; `refusal` is the API server's word while it takes no pod."""

    failures: int = 0
    last_failure_at: float = 0.0
    why: str = ""
    refusal: str = ""

    @property
    def not_before(self) -> float:
        """The first failure is mended at once, later ones after 1, 2, 4 … 60 s."""
        if self.failures <= 1:
            return 0.0
        return self.last_failure_at + min(2.0 ** (self.failures - 2), _LONGEST_BACKOFF_SECONDS)

    def failed(self, why: str, now: float) -> Attempts:
        """Pods that fail while the next try is waited for are of one round: ten at once are no ten in a row."""
        if now < self.not_before:
            return replace(self, why=why)
        return replace(self, failures=self.failures + 1, last_failure_at=now, why=why)

    def refused(self, why: str) -> Attempts:
        return replace(self, refusal=why)

    def accepted(self) -> Attempts:
        """The API server has taken a pod: if it did not before, nothing is known of its like."""
        return Attempts() if self.refusal else self
