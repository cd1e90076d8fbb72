"""Faults on the real control plane under a steady load: `python -m tests.fault`, and a short form for pytest.

To add faults: a module with a :class:`Lineup` (a stack and the cases that hurt it), named in `tests/fault/registry.py`.
"""

from __future__ import annotations

from tests.fault.case import Case, Lineup
from tests.fault.scene import Scene

__all__ = ["Case", "Lineup", "Scene"]
