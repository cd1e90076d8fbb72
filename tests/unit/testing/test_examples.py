"""The examples of docs/testing.md, as they stand, and the repository's own examples under the kit."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from greenroom.testing import Call, Conversation, ScriptedLLM

ROOT = Path(__file__).resolve().parents[3]
BLOCKS = re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", (ROOT / "docs/testing.md").read_text(), re.M | re.S)
HEARS = sys.version_info < (3, 14)  # from there on pocketsphinx, so local.STT, has no wheel
KEYS = ("STREAM_API_KEY", "STREAM_API_SECRET", "DEEPGRAM_API_KEY", "GOOGLE_API_KEY", "ELEVENLABS_API_KEY")


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"kit_example_{name}", ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_examples_of_the_document_pass(tmp_path: Path) -> None:
    assert [name for name, _ in BLOCKS] == [
        "my_agent.py",
        "test_plain.py",
        "test_fixture.py",
        "test_checkpoint.py",
        "test_sound.py",
    ]
    for name, source in BLOCKS:
        if HEARS or name != "test_sound.py":
            (tmp_path / name).write_text(source)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
    )
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "-p", "pytest_asyncio.plugin"]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=alone, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{5 if HEARS else 4} passed" in done.stdout


async def test_an_agent_of_vendors_parts_is_tested_without_the_vendors(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        monkeypatch.setenv(key, "unused-0123456789")
    basic = example("basic")
    llm = ScriptedLLM("Hello!", [Call("get_weather", location="Boston"), "It is sunny."])
    async with Conversation(basic.create_agent, basic.join_call, llm=llm, text_only=True) as talk:
        (await talk.listen()).expect_said("hello")
        turn = await talk.say("What is the weather in Boston?")
        turn.expect_tool("get_weather", location="Boston")
        turn.expect_said("sunny")
        turn.expect_nothing_else()


async def test_the_voice_agent_is_typed_to_whatever_its_edge() -> None:
    voice_agent = example("voice_agent")
    async with Conversation(
        voice_agent.create_agent, voice_agent.join_call, parameters={"question": "Unused?"}, text_only=True
    ) as talk:
        turn = await talk.say("What is the weather in Paris?")
        turn.expect_tool("get_weather", location="Paris")


def test_the_kit_brings_neither_an_engine_nor_a_test_framework() -> None:
    code = "import sys, greenroom.testing; print(sorted({'numpy', 'pytest', 'hibari', 'aiohttp'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
