"""What to say when an engine is not installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def engine(module: str, part: str, extra: str = "local") -> Any:
    """The engine's module. ImportError with the way out if it is not there."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"local.{part} needs the package of {module!r}: pip install 'greenroom[{extra}]' ({error})", name=module
        ) from error
