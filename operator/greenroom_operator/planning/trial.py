"""What the starts of a revision's sessions say of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

FEWEST_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """Sessions of one revision that got Running, and those that failed before; `message` is of the last of these."""

    started: int = 0
    failed: int = 0
    message: str = ""

    @property
    def proven(self) -> bool:
        return self.started > 0 and not self.failing

    @property
    def failing(self) -> bool:
        """Three failures at least, and more failures than starts."""
        return self.failed >= FEWEST_FAILURES and self.failed > self.started
