"""The offline engines keep to themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SPEAK = """
import asyncio
from greenroom.plugins import local

async def speak():
    return [sound async for sound in local.TTS(seed=1).synthesize("Hello.")]

assert asyncio.run(speak())
"""


def test_the_voice_leaves_no_device_id_and_no_queue_of_reports(tmp_path: Path) -> None:
    """The ONNX runtime makes both where its reporting is on."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", SPEAK], env=environment, check=True, timeout=120)
    assert list(tmp_path.rglob("*")) == []
