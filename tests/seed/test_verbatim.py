"""The blocks are the document's own, letter by letter, but for the package's name in their imports."""

from __future__ import annotations

import hashlib

import pytest
from tests.seed.block import FOLDER, source

ORIGINALS = {
    "basic_example": "8b7faaafb9b2b9add65daedecad108be451fd53938768d30ebbe12f123c6df0e",
    "serve_options": "2b677f3b99ea2dd0447913f8208a0199e98925f6c983e4ff2cbf92434498b7d0",
    "permission_callbacks": "10b8f7708f77e4d4b848b4150c494b7ea938e1a33ef87f48da938c15c3e04cb4",
    "default_app": "62ce66666c0325b5a398fe7f6ab785a84fe476efc185f6af4ff5423c4e44f816",
    "custom_instance": "17fe499bc055e3dd10781b3fe92d71ab41c72b5ed8fec31b615e9e555012c64d",
    "session_limits": "312883923e5cbc55fb885c959b2948e4053ce2595836937842a21d04594f9886",
    "without_http": "d384a915b9701a4939eb0309dab21da1d51e13998ac94c7b9fa381fc504a6e03",
    "grpc_sketch": "94cbf6646944f29a124d45c8aff5fe955bdacb5adb4da865e9a6abc491c6b21e",
}
"""SHA-256 of each block as the document has it, without spaces at the ends of lines and with one newline at its end."""


def in_their_words(text: str) -> str:
    """The import lines as they were: the one way in which a block may differ."""
    ours_to_theirs = {"from greenroom import ": "from vision_agents.core import "}
    ours_to_theirs["from greenroom.plugins import "] = "from vision_agents.plugins import "
    lines = text.split("\n")
    for number, line in enumerate(lines):
        for ours, theirs in ours_to_theirs.items():
            if line.startswith(ours):
                lines[number] = theirs + line.removeprefix(ours)
    return "\n".join(lines)


@pytest.mark.parametrize("name", ORIGINALS)
def test_only_the_imports_differ(name: str) -> None:
    original = in_their_words(source(name))
    assert hashlib.sha256(original.encode()).hexdigest() == ORIGINALS[name]


def test_there_are_no_others() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(ORIGINALS)
