"""`greenroom up` and `greenroom demo` as their user runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.local.greenroom_up import SECONDS, Up, greenroom, wait_for

from greenroom_local.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    running = Up(tmp_path_factory.mktemp("up"))
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


@pytest.fixture
def own_up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def test_a_session_starts_and_is_seen(up: Up) -> None:
    status, answer = up.get("/calls/first-call/sessions", "POST", b"{}")
    assert status == 201
    name = json.loads(answer)["session_id"]
    assert up.kubectl("get", "agentsessions", name, "-o", "jsonpath={.status.phase}") == "Running"
    assert up.get(f"/calls/first-call/sessions/{name}/metrics")[0] == 200
    assert up.get(f"/calls/first-call/sessions/{name}", "DELETE")[0] == 202
    wait_for(
        lambda: up.kubectl("get", "agentsessions", name, "-o", "jsonpath={.status.phase}") == "Closed",
        "the session was not closed",
    )


def test_what_it_prints_can_be_typed(up: Up) -> None:
    assert f"API         http://127.0.0.1:{up.port}" in up.text
    assert f"talk        http://127.0.0.1:{up.port}/talk" in up.text
    assert up.get("/talk")[0] == 200
    assert "kubeconfig  .greenroom/kubeconfig" in up.text
    assert len(re.findall(r"^  curl ", up.text, re.MULTILINE)) == 2
    assert "kubectl --kubeconfig .greenroom/kubeconfig get agentsessions -w" in up.text


def test_programs_run_under_their_own_accounts(up: Up) -> None:
    pods = json.loads(up.kubectl("get", "pods", "-o", "json"))["items"]
    accounts = {pod["spec"]["serviceAccountName"] for pod in pods}
    assert accounts == {"greenroom-operator", "greenroom-api", "greenroom-runtime"}
    for account in accounts:
        user = f"system:serviceaccount:default:{account}"
        program = up.folder / ".greenroom" / "kubectl"
        done = subprocess.run(
            [
                str(program) if program.exists() else "kubectl",
                *("--kubeconfig", ".greenroom/kubeconfig", "auth", "can-i", "get", "secrets", f"--as={user}"),
            ],
            cwd=up.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.strip() == "no", done.stderr
    operator = "--as=system:serviceaccount:default:greenroom-operator"
    assert up.kubectl("auth", "can-i", "watch", "nodes", operator).strip() == "yes"


def test_a_second_one_in_the_same_folder_is_one_sentence(up: Up) -> None:
    done = subprocess.run(greenroom("up"), cwd=up.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"up: another Greenroom is running in {up.folder}/.greenroom (process {up.process.pid}): "
        "end it first, or run this one in another checkout\n"
    )


def test_a_taken_port_is_one_sentence(up: Up, tmp_path: Path) -> None:
    words = greenroom("up", "--port", str(up.port))
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"up: port {up.port} is taken: choose another with PORT={up.port + 1}\n"


def test_an_agent_that_does_not_start_shows_why(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text("raise ValueError('no key given')")
    words = greenroom("up", "--port", str(free_ports(1)[0]), "--agent", "agent.py")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 1
    assert "the runtime pod of agent.py has ended" in done.stderr
    assert "ValueError: no key given" in done.stderr


def test_an_operator_that_does_not_start_shows_why(tmp_path: Path) -> None:
    (tmp_path / "kopf.py").write_text("raise RuntimeError('kopf is broken on purpose')")
    words = greenroom("up", "--port", str(free_ports(1)[0]))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 1
    assert "greenroom-operator does not start" in done.stderr
    assert "kopf is broken on purpose" in done.stderr


def test_a_dead_operator_is_replaced_and_calls_go_on(up: Up) -> None:
    _, answer = up.get("/calls/lasting/sessions", "POST", b"{}")
    name = json.loads(answer)["session_id"]
    words = b"greenroom_core.cli\x00operator"
    operators = [pid for pid in up.processes() if words in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(operators) == 1
    os.kill(operators[0], signal.SIGKILL)
    wait_for(lambda: "greenroom-operator has ended and is started again" in up.text, "nobody noticed")
    assert up.kubectl("get", "agentsessions", name, "-o", "jsonpath={.status.phase}") == "Running"
    status, _ = up.get("/calls/another/sessions", "POST", b"{}")
    assert status == 201, "the new operator binds"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ends_cleanly_when_asked(own_up: Up, number: signal.Signals) -> None:
    assert own_up.processes()
    own_up.process.send_signal(number)
    assert own_up.process.wait(120) == 0
    assert own_up.text.endswith("ending\n")
    assert own_up.processes() == set()


@pytest.mark.parametrize("step", ["starting etcd", "starting the operator", "starting 1 runtime pod"])
def test_ends_cleanly_while_it_comes_up(tmp_path: Path, step: str) -> None:
    own_up = Up(tmp_path, until=step)
    try:
        own_up.process.send_signal(signal.SIGINT)
        assert own_up.process.wait(120) == 0, own_up.text
        assert own_up.text.endswith("ending\n")
        assert own_up.processes() == set()
    finally:
        own_up.process.kill()
        own_up.process.wait()


def test_nothing_is_left_after_a_kill(own_up: Up) -> None:
    assert len(own_up.processes()) >= 5, "etcd, the API server, operator, API and a runtime pod"
    own_up.process.kill()
    own_up.process.wait()
    wait_for(lambda: not own_up.processes(), "something lives on")


def test_demo(tmp_path: Path) -> None:
    words = greenroom("demo", "--port", str(free_ports(1)[0]))
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "demo: Running and Closed, answer in demo/answer.wav"
    assert any("what is the weather in boston" in line for line in lines)
    assert any("agent:" in line and "Boston" in line for line in lines)
    with wave.open(str(tmp_path / "demo" / "answer.wav")) as answer:
        assert answer.getnframes() / answer.getframerate() > 1


def test_demo_that_goes_wrong_is_not_called_a_success(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(
        "from greenroom import AgentLauncher, Runner\n"
        "async def create_agent(question=''):\n    raise RuntimeError('no such voice')\n"
        "async def join_call(agent, call_type, call_id):\n    pass\n"
        "Runner(AgentLauncher(create_agent=create_agent, join_call=join_call)).cli()\n"
    )
    words = greenroom("demo", "--port", str(free_ports(1)[0]), "--agent", "agent.py")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 1
    assert "demo: POST /calls/demo/sessions: 500" in done.stderr
    assert "Running and Closed" not in done.stdout
