"""Programs that only say a version, an archive of them, and a server that hands it out well or badly."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KUBECTL_SAYS = '{"clientVersion": {"gitVersion": "v1.36.2"}}'


def program_texts(kubernetes: str = "1.36.2", etcd: str = "3.6.12", kubectl: str = KUBECTL_SAYS) -> dict[str, str]:
    """What the three programs print, as shell scripts."""
    return {
        "etcd": f"#!/bin/sh\necho 'etcd Version: {etcd}'\n",
        "kube-apiserver": f"#!/bin/sh\necho 'Kubernetes v{kubernetes}'\n",
        "kubectl": f"#!/bin/sh\necho '{kubectl}'\n",
    }


def write_programs(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def make_archive(texts: dict[str, str]) -> bytes:
    """The layout of the published archives."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in texts.items():
            entry = tarfile.TarInfo(f"controller-tools/envtest/{name}")
            entry.size, entry.mode = len(text.encode()), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    return content.getvalue()


@dataclass
class Mirror:
    """A server of the published layout. `cut_at` ends the answer early, `stall_at` lets it hang until the test ends."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut_at: int | None = None
    stall_at: int | None = None
    silent: bool = False
    asked: list[str] = field(default_factory=list)
    test_over: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        if self.silent:
            self.test_over.wait(30)
            return
        content = self.files.get(handler.path)
        if content is None:
            handler.send_error(404)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        end = next((at for at in (self.cut_at, self.stall_at) if at is not None), len(content))
        handler.wfile.write(content[:end])
        handler.wfile.flush()
        if self.stall_at is not None:
            self.test_over.wait(30)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    state = Mirror()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.serve(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        state.test_over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def sha512(content: bytes) -> str:
    return hashlib.sha512(content).hexdigest()
