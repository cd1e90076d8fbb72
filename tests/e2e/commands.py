"""kubectl and helm, as people use them: programs with a kubeconfig, each command with a deadline."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.stack.kubectl import manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode(errors="replace")


async def run(words: list[str], environment: Mapping[str, str], given: str = "", seconds: float = SECONDS) -> Done:
    """What came of a command. AssertionError when it does not end in time; it does not outlive its caller."""
    process = await asyncio.create_subprocess_exec(
        *words,
        env=environment,
        stdin=asyncio.subprocess.PIPE if given else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate(given.encode() if given else None)
    except TimeoutError:
        raise AssertionError(f"{_shown(words)} did not end within {seconds:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Done(process.returncode or 0, out, err.decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class Program:
    """One of the two, with the kubeconfig that it is to use and a namespace."""

    path: Path
    kubeconfig: Path
    namespace: str

    def of(self, namespace: str) -> Program:
        return replace(self, namespace=namespace)

    async def run(self, *words: str, given: str = "", seconds: float = SECONDS) -> Done:
        # Neither finds the user's own kubeconfig, cache or plugins.
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.kubeconfig.parent),
            "KUBECONFIG": str(self.kubeconfig),
        }
        return await run([str(self.path), "--namespace", self.namespace, *words], environment, given, seconds)

    async def ok(self, *words: str, given: str = "", seconds: float = SECONDS) -> str:
        """What it printed; AssertionError when it failed."""
        done = await self.run(*words, given=given, seconds=seconds)
        assert done.status == 0, f"{self.path.name} {_shown(list(words))}: {done.err.strip()} {done.out.strip()}"
        return done.out


class Helm(Program):
    """helm; values are given as JSON, which is YAML."""

    async def with_values(self, values: Mapping[str, Any], *words: str, seconds: float) -> str:
        return await self.ok(*words, "--values", "-", given=json.dumps(values), seconds=seconds)


class Kubectl(Program):
    async def json(self, *words: str) -> Any:
        return json.loads(await self.ok(*words, "-o", "json"))

    async def get(self, kind: str, name: str = "", *words: str) -> Any:
        """One object, or the list of those that are there. AssertionError when there is none of that name."""
        return await self.json("get", kind, *([name] if name else []), *words)

    async def items(self, kind: str, *words: str) -> list[dict[str, Any]]:
        return list((await self.get(kind, "", *words))["items"])

    async def apply(self, *bodies: Mapping[str, Any]) -> str:
        return await self.ok("apply", "-f", "-", given=manifest(*bodies))

    async def token(self, account: str) -> str:
        return (await self.ok("create", "token", account, "--duration=2h")).strip()


def _shown(words: list[str]) -> str:
    return " ".join(word if len(word) < 80 else f"{word[:77]}…" for word in words)
