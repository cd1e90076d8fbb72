"""The session backend over the launcher of this process."""

from __future__ import annotations


class LocalBackend:
    pass
