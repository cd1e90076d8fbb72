"""Takes the place of an agent file and never gets ready: it answers nobody, and ends when it is told to."""

from __future__ import annotations

import signal

if __name__ == "__main__":
    signal.pause()
