"""/health, /ready and /metrics over real HTTP, and the program as a real process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path
from random import Random

import aiohttp
import pytest
from tests.fakes.apiserver import FakeApiServer
from tests.unit.runtime.agents import AgentFile

from greenroom.launcher import AgentLauncher
from greenroom.runtime.pod import RuntimePod
from greenroom.runtime.server import serve
from greenroom.runtime.settings import RuntimeSettings
from greenroom_core.clock import SystemClock
from greenroom_core.world import World

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = RuntimeSettings(namespace="default", pod_name="pod-1", pod_uid="u", slots=2)


async def status_of(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def until_ready(port: int, expected: int) -> str:
    async with asyncio.timeout(30):
        while True:
            try:
                status, text = await status_of(port, "/ready")
                if status == expected:
                    return text
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.01)


async def test_ready_follows_the_pod_and_health_does_not():
    server = FakeApiServer(SystemClock())
    file = AgentFile(SystemClock())
    warm = asyncio.Event()
    file.build = lambda: warm.wait()
    world = World(SystemClock(), Random(1), server.transport("pod"))
    pod = RuntimePod(world, AgentLauncher(file.create_agent, file.join_call), SETTINGS)
    web = await serve(pod, "127.0.0.1", 0)
    port = web.addresses[0][1]
    running = asyncio.create_task(pod.run())
    status, text = await status_of(port, "/ready")
    assert (status, json.loads(text)["detail"][:11]) == (503, "the pod is ")
    assert (await status_of(port, "/health"))[0] == 200
    warm.set()
    await until_ready(port, 200)
    status, text = await status_of(port, "/metrics")
    assert status == 200
    assert "greenroom_runtime_slots 2.0" in text
    server.stop()
    assert (await status_of(port, "/health"))[0] == 200
    pod.drain()
    assert json.loads((await status_of(port, "/ready"))[1]) == {"detail": "the pod is leaving"}
    await running
    await web.cleanup()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


AGENT_FILE = """
from greenroom import AgentLauncher, Runner
from greenroom_core.clock import SystemClock
from tests.unit.runtime.agents import AgentFile

file = AgentFile(SystemClock())
Runner(AgentLauncher(file.create_agent, file.join_call)).cli()
"""


async def process(folder: Path, port: int) -> asyncio.subprocess.Process:
    """The pod program whose API server is not there."""
    for name, text in (("token", "t"), ("namespace", "default"), ("ca.crt", _authority())):
        (folder / name).write_text(text)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "GREENROOM_NAMESPACE": "default",
        "GREENROOM_POD_NAME": "pod-1",
        "GREENROOM_POD_UID": "u",
        "GREENROOM_HOST": "127.0.0.1",
        "GREENROOM_PORT": str(port),
        "GREENROOM_SERVICEACCOUNT_DIR": str(folder),
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(free_port()),
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        AGENT_FILE,
        "runtime",
        cwd=ROOT,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )


def _authority() -> str:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return dated.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


async def test_the_process_is_healthy_without_an_api_server_and_ends_with_0_on_sigterm(tmp_path):
    port = free_port()
    program = await process(tmp_path, port)
    try:
        await until_ready(port, 503)
        assert (await status_of(port, "/health"))[0] == 200
        program.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            _, error = await program.communicate()
        assert program.returncode == 0, error.decode()
        assert b"Traceback" not in error
        assert b"settings: namespace=default pod_name=pod-1 pod_uid=u runtime=default slots=10" in error
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()


@pytest.mark.parametrize("host", ["127.0.0.1"])
async def test_a_taken_port_is_one_sentence(tmp_path, host):
    with socket.socket() as taken:
        taken.bind((host, 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = await process(tmp_path, port)
        async with asyncio.timeout(30):
            _, error = await program.communicate()
    assert program.returncode == 1
    assert error.decode().splitlines()[-1].startswith(f"runtime: cannot listen on {host}:{port} (--host, --port): ")
