"""Whole conversations: what a live call costs, how soon engines without a network answer, what 1,000 calls leave."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.bench.turn.costs import callers_alone
from tests.bench.turn.meters import cpu_share, resident_bytes
from tests.bench.turn.sessions import SHORT, USUAL, Session, in_calls, offline, scripted, sending
from tests.bench.turn.wire import LOUD, SPEECH

from greenroom.agent.audio import FRAME_BYTES, FRAME_SECONDS, peak
from greenroom.plugins import local

QUESTIONS = (
    "What is the weather like in Amsterdam today?",
    "Can you tell me the time of the next train?",
    "Hello, how are you this morning?",
    "Please read me the news of the day.",
    "How far is it from here to the station?",
    "Thank you, that was very helpful.",
)
AUDIBLE_PEAK = 300
TURN_SECONDS = 2.0
LIMIT_SECONDS = 8.0


# --- live calls -------------------------------------------------------------------------------------------------


async def live(sessions: int, engines: bool, seconds: float) -> dict[str, Any]:
    """A caller speaks for two seconds, hears an answer, speaks again. CPU a session-second; bytes of a session
    beyond what the engines take, which are loaded and used before."""
    clip = (LOUD,) * round(TURN_SECONDS / FRAME_SECONDS)
    if engines:
        clip = (await spoken(QUESTIONS[:1]))[0]
        await use_engines(sessions, b"".join(clip))

    def party() -> Session:
        return offline() if engines else scripted("vad", USUAL)

    first = party()
    async with in_calls([first]), sending([first.caller]):
        await first.caller.say(clip)
        await answered(first)  # what the process pays once
    before = resident_bytes()
    parties = [party() for _ in range(sessions)]
    async with in_calls(parties), sending([one.caller for one in parties]), asyncio.TaskGroup() as group:
        alone = await callers_alone(parties, 2.0)
        talks = [group.create_task(talk(one, clip)) for one in parties]
        await asyncio.sleep(1.0)
        share = await cpu_share(asyncio.sleep(seconds))
        bytes_each = (resident_bytes() - before) / sessions
        for task in talks:
            task.cancel()
    return {
        "cpu": (share - alone) / sessions,
        "bytes": bytes_each,
        "least_frames": min(one.connection.frames for one in parties),
    }


async def talk(party: Session, clip: Sequence[bytes]) -> None:
    """Turn after turn, until cancelled. Calls do not keep step."""
    await asyncio.sleep(random.uniform(0, 1))
    while True:
        await party.caller.say(clip)
        await quiet_again(party)


async def quiet_again(party: Session) -> None:
    """The agent has answered and is done, or says nothing."""
    began = perf_counter()
    while party.connection.silent_from < began and perf_counter() < began + LIMIT_SECONDS:
        await asyncio.sleep(0.1)
    while (left := party.connection.silent_from + 0.3 - perf_counter()) > 0:
        await asyncio.sleep(left)


async def answered(party: Session) -> None:
    """The next frame that the agent sends."""
    sent = asyncio.Event()
    party.connection.on_frame = lambda frame: sent.set()
    async with asyncio.timeout(LIMIT_SECONDS):
        await sent.wait()


async def use_engines(count: int, clip: bytes) -> None:
    """So many of each loaded and used at the same time; calls find them again."""
    async with AsyncExitStack() as stack:
        for _ in range(count):
            vad = local.VAD()
            await vad.start()
            stack.push_async_callback(vad.close)
        ears = local.STT()
        await ears.start()
        utterances = [ears.utterance() for _ in range(count)]
        for utterance in utterances:
            await utterance.feed(clip)
        texts = [await utterance.finish() for utterance in utterances]
        await spoken(f"You said: {text}." for text in texts)


async def spoken(texts: Iterable[str]) -> list[tuple[bytes, ...]]:
    """Each text as frames, the last one the last that can be heard."""
    voice = local.TTS(seed=7)
    await voice.start()
    found = []
    for text in texts:
        pcm = b"".join([piece async for piece in voice.synthesize(text)])
        frames = [
            pcm[start : start + FRAME_BYTES].ljust(FRAME_BYTES, b"\0") for start in range(0, len(pcm), FRAME_BYTES)
        ]
        while peak(frames[-1]) < AUDIBLE_PEAK:
            frames.pop()
        found.append(tuple(frames))
    return found


# --- end of speech to first sound -------------------------------------------------------------------------------


async def answer_time(turns: int) -> dict[str, Any]:
    """Seconds from the last frame of a question to the first audible one of the answer, by the engines that need no
    network."""
    questions = await spoken(QUESTIONS)
    party = offline()
    heard: list[float] = []

    def listen(frame: bytes) -> None:
        if not heard and peak(frame) >= AUDIBLE_PEAK:
            heard.append(perf_counter())

    seconds = []
    async with in_calls([party]), sending([party.caller]):
        party.connection.on_frame = listen
        await asyncio.sleep(0.5)
        for number in range(turns):
            await party.caller.say(questions[number % len(questions)])
            heard.clear()
            await quiet_again(party)
            seconds += [heard[0] - party.caller.ended_at] if heard else []
    return {"seconds": seconds, "asked": turns}


# --- a thousand calls -------------------------------------------------------------------------------------------


async def many_calls(counts: Sequence[int], at_once: int) -> list[dict[str, int]]:
    """What is there after so many calls, each cut off in its first answer; `at_once` at a time."""
    found, done = [], 0
    for count in counts:
        await run_calls(count - done, at_once)
        found.append({"calls": count, **left_behind()})
        done = count
    return found


async def run_calls(count: int, at_once: int) -> None:
    left = iter(range(count))

    async def line() -> None:
        for number in left:
            party = scripted("vad" if number % 2 else "turn-taking", SHORT)
            async with in_calls([party]), sending([party.caller]):
                await party.caller.say(SPEECH)
                await answered(party)

    await asyncio.gather(*(line() for _ in range(at_once)))


def left_behind() -> dict[str, int]:
    memory = resident_bytes(trimmed=True)  # collects first
    return {
        "bytes": memory,
        "blocks": sys.getallocatedblocks(),
        "objects": len(gc.get_objects()),
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
    }
