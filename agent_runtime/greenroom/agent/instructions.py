"""What a model is told to be: a text, or a file that holds it. Knows nothing of agents.

A text may name files as `@style.md`, as those of Vision Agents do: what they hold is put after it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

# Not an address as in a@b.md, and nothing but markdown, so that a word with an @ stays a word.
_NAMED_FILE = re.compile(r"(?<![\w@.])@([^\s@]+?\.md)(?!\w)")


def read_instructions(instructions: str | PathLike[str]) -> str:
    """The text itself with the files it names, or what the file holds. Files are read each time, as UTF-8.

    Named files are below the current directory, for a part of the text may come from a caller. Raises
    :class:`ValueError` if a file is elsewhere or cannot be read.
    """
    if not isinstance(instructions, str):
        return _contents(Path(instructions))
    named = dict.fromkeys(_NAMED_FILE.findall(instructions))
    return "\n\n".join((instructions, *(f"# {name}\n\n{_contents(_below_here(name))}" for name in named)))


def _below_here(name: str) -> Path:
    folder = Path.cwd()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or path.name.startswith("."):
        raise ValueError(f"instructions: @{name} is not a file below {folder}: name one that is, or give a Path")
    return path


def _contents(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ValueError(f"instructions: {path.absolute()} cannot be read: {reason}") from error
