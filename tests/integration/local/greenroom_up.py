"""One `greenroom up`, as its user has it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from greenroom_local.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 240.0


def greenroom(*words: str) -> list[str]:
    return [sys.executable, "-m", "greenroom_core.cli", *words]


def wait_for(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class Up:
    """One `greenroom up` in a folder of its own."""

    def __init__(self, folder: Path, until: str = "SESSION_ID") -> None:
        self.folder = folder
        self.port = free_ports(1)[0]
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                greenroom("up", "--port", str(self.port), "--slots", "2"),
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_for(lambda: until in self.text or self.process.poll() is not None, self.text)
        assert self.process.poll() is None, self.text

    @property
    def text(self) -> str:
        return self.output.read_text()

    def processes(self) -> set[int]:
        """Everything that lives because of this one, found by the folder in its command line or environment."""
        found = set()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                known = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                if entry.name.isdigit() and str(self.folder).encode() in known:
                    found.add(int(entry.name))
        return found - {os.getpid()}

    def get(self, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, response.read()

    def kubectl(self, *words: str) -> str:
        link = self.folder / ".greenroom" / "kubectl"
        program = str(link) if link.exists() else "kubectl"
        done = subprocess.run(
            [program, "--kubeconfig", ".greenroom/kubeconfig", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout
