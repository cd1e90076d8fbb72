"""The one entry behind the Makefile: makes the set-up that a command needs, then runs the command.

The standard library only, since it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenroom_local.binaries.progress import Progress

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "greenroom-set-up.json"
OLDEST_PYTHON = (3, 11)
DEAF_PYTHON = (3, 14)  # from here on local.STT cannot be installed

DEMO_EXTRAS = ("operator", "api", "local", "control-plane")
UP_EXTRAS = (*DEMO_EXTRAS, "webrtc")  # for the page that one talks to
WORK_EXTRAS = ("all",)
RELEASE_EXTRAS = ("control-plane",)  # what reads the chart's YAML is in there
DEV_GROUP = "dev"
VENDORS_GROUP = "vendors"  # comes with it: the SDKs that the tests run against

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
    ("python", "-m", "greenroom_core.model.crds", "--check"),
)
GENERATORS = (
    ("python", "-m", "greenroom_core.model.crds"),
    (
        *("python", "-m", "grpc_tools.protoc", "--proto_path=examples/grpc", "--python_out=examples/grpc"),
        *("--pyi_out=examples/grpc", "--grpc_python_out=examples/grpc", "agent.proto"),
    ),
)


class Unprepared(Exception):
    """The set-up cannot be made; the message is one sentence that says what to do."""


def main(arguments: list[str]) -> int:
    """Run one command; its exit status comes back, or the process becomes the command."""
    commands = {
        "demo": demo,
        "up": up,
        "test": test,
        "check": check,
        "bench": bench,
        "bench-scale": bench_scale,
        "simulate": simulate,
        "fault": fault,
        "e2e": e2e,
        "generate": generate,
        "image": image,
        "pins": pins,
        "chart": chart,
        "release-image": release_image,
        "release-chart": release_chart,
    }
    if len(arguments) != 1 or arguments[0] not in commands:
        print(f"usage: dev.py {'|'.join(commands)}", file=sys.stderr)
        return 2
    try:
        return commands[arguments[0]]()
    except Unprepared as problem:
        print(f"{arguments[0]}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def demo() -> int:
    """One spoken session before one's eyes."""
    return _greenroom("demo", "--answer", "demo/answer.wav", extras=DEMO_EXTRAS)


def up() -> int:
    """Everything, left running."""
    return _greenroom("up", extras=UP_EXTRAS)


def test() -> int:
    """All tests on the real control plane; ARGS goes to pytest."""
    _prepare(WORK_EXTRAS, dev=True)
    _find_binaries()
    _find_helm()
    _find_redis()
    _find_chromium()
    return _become("python", "-m", "pytest", *_extra_arguments())


def check() -> int:
    """Everything that judges the source without running it. All of it, so that one run shows all."""
    _prepare(WORK_EXTRAS, dev=True)
    failed = [words for words in CHECKS if not _passes(words)]
    failed += [words for words in _workflow_checks() if not _passes(words)]
    if failed:
        print(f"check: failed: {', '.join(' '.join(words) for words in failed)}", file=sys.stderr)
    return 1 if failed else 0


def bench() -> int:
    """The table of figures; ARGS goes to the bench."""
    _prepare(WORK_EXTRAS, dev=True)
    _find_binaries()
    _find_redis()
    return _become("python", "-m", "tests.bench", *_extra_arguments())


def bench_scale() -> int:
    """What grows with pods and sessions, and what does not; ARGS goes to the bench."""
    _prepare(WORK_EXTRAS, dev=True)
    _find_binaries()
    return _become("python", "-m", "tests.bench.scale", *_extra_arguments())


def fault() -> int:
    """Faults on a real control plane under load, the table of what came of them; ARGS goes to the suite."""
    _prepare(WORK_EXTRAS, dev=True)
    _find_binaries()
    return _become("python", "-m", "tests.fault", *_extra_arguments())


def e2e() -> int:
    """The chart in a real cluster, used as people use it; ARGS goes to the suite, of which docs/e2e.md tells."""
    _prepare(WORK_EXTRAS, dev=True)
    _find_binaries()
    _find_helm()
    return _become("python", "-m", "tests.e2e", *_extra_arguments())


def simulate() -> int:
    """Whole days on virtual time, drawn from seeds; SEEDS, START and SECONDS bound them."""
    _prepare(WORK_EXTRAS, dev=True)
    return _become("python", "-m", "tests.simulation")


def generate() -> int:
    """Write every generated file anew."""
    _prepare(WORK_EXTRAS, dev=True)
    return 0 if all(_passes(words) for words in GENERATORS) else 1


def image() -> int:
    """The image as an archive; IMAGE names it, ARGS goes to the builder. Needs nothing installed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "local")}
    name = ("--image", os.environ["IMAGE"]) if os.environ.get("IMAGE") else ()
    words = [sys.executable, "-m", "greenroom_local.image", *name, *_extra_arguments()]
    os.execve(sys.executable, words, environment)


def pins() -> int:
    """Write anew what the image is made of, hashes included. Asks the package index."""
    _prepare(WORK_EXTRAS, dev=True)
    return _become("python", "-m", "greenroom_local.image.pins")


def chart() -> int:
    """The chart as people get it, judged and packed into dist/."""
    _prepare(RELEASE_EXTRAS, dev=False)
    return _become("python", "-m", "deploy.chart")


def release_image() -> int:
    """The image for all platforms, to REGISTRY as the version of TAG."""
    _prepare(RELEASE_EXTRAS, dev=False)
    return _become("python", "-m", "deploy.release", "image")


def release_chart() -> int:
    """The chart, to REGISTRY as the version of TAG."""
    _prepare(RELEASE_EXTRAS, dev=False)
    return _become("python", "-m", "deploy.release", "chart")


def _greenroom(*words: str, extras: tuple[str, ...]) -> int:
    flags = [*words, "--dir", ".greenroom"]
    for variable, flag in (("PORT", "--port"), ("PODS", "--pods"), ("SLOTS", "--slots")):
        if os.environ.get(variable):
            flags += [flag, os.environ[variable]]
    if os.environ.get("AGENT"):
        # Named from where the user stands; the command itself stands in the checkout.
        flags += ["--agent", str(Path(os.environ["AGENT"]).absolute())]
    elif _python_version() >= DEAF_PYTHON:
        raise Unprepared(
            "the agent of the demo hears with pocketsphinx, which has no wheel for Python 3.14: remove .venv if there "
            "is one, and run `make PYTHON=python3.13 …`; or name an agent with other ears in AGENT."
        )
    _prepare(extras, dev=False)
    _find_binaries()
    return _become("python", "-m", "greenroom_core.cli", *flags)


def _extra_arguments() -> list[str]:
    return shlex.split(os.environ.get("ARGS", ""))


def _passes(words: tuple[str, ...]) -> bool:
    print(f"$ {' '.join(words)}", flush=True)
    return subprocess.run([_program(words[0]), *words[1:]], cwd=ROOT, check=False).returncode == 0


def _become(*words: str) -> int:
    """Replace this process, so that signals and exit status are the command's own."""
    os.chdir(ROOT)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(_program(words[0]), [_program(words[0]), *words[1:]])


def _program(name: str) -> str:
    return str(VENV / "bin" / name)


def _prepare(extras: tuple[str, ...], *, dev: bool) -> None:
    """An environment in `.venv` that has what is asked for; nothing is done when it has already."""
    wanted = {*extras, DEV_GROUP} if dev else set(extras)
    state = _state()
    if _runs(PYTHON) and _has(state, wanted):
        return
    if not _runs(PYTHON):
        _make_venv()
        state = {}
    if state.get("of") == _fingerprint():
        wanted |= set(state["has"])
    _install(wanted)
    STAMP.write_text(json.dumps({"of": _fingerprint(), "has": sorted(wanted)}))


def _has(state: dict[str, Any], wanted: set[str]) -> bool:
    if state.get("of") != _fingerprint():
        return False
    has = set(state["has"])
    # Everything that the demo uses is in the extra `all`.
    return wanted <= (has | set(DEMO_EXTRAS) if "all" in has else has)


def _state() -> dict[str, Any]:
    try:
        state = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) and isinstance(state.get("has"), list) else {}


def _fingerprint() -> str:
    """Changes with everything that decides what is installed. A moved checkout needs its environment anew as well."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def _runs(python: Path) -> bool:
    code = f"import sys, pip; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    try:
        return subprocess.run([str(python), "-c", code], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _python_version() -> tuple[int, ...]:
    """Of the environment, or of the one that would be made."""
    if not _runs(PYTHON):
        return sys.version_info[:2]
    words = [str(PYTHON), "-c", "import sys; print(*sys.version_info[:2])"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return tuple(map(int, said.split()))


def _make_venv() -> None:
    shutil.rmtree(VENV, ignore_errors=True)
    print(f"making an environment in {VENV}", flush=True)
    words = [sys.executable, "-m", "venv", str(VENV)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode == 0 and _runs(PYTHON):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    version = ".".join(str(part) for part in sys.version_info[:2])
    raise Unprepared(
        f"python3 -m venv does not work here: install the package python3-venv "
        f"(Debian and Ubuntu: apt install python{version}-venv) and try again."
    )


def _install(wanted: set[str]) -> None:
    progress = _progress()
    extras = sorted(wanted - {DEV_GROUP})
    requirements = ["--editable", f".[{','.join(extras)}]"]
    if DEV_GROUP in wanted:
        requirements += _dev_requirements()
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    words = [*pip, "--constraint", "constraints.txt", *requirements]
    progress.say(f"installing {', '.join(sorted(wanted))} into {VENV}")
    tail: list[str] = []
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            tail = [*tail[-9:], line.rstrip()]
            progress.update(f"installing: {line.strip()[:90]}")
    progress.clear()
    if process.returncode != 0:
        print("\n".join(tail), file=sys.stderr)
        raise Unprepared("pip could not install what is needed, its last lines are above.")


def _dev_requirements() -> list[str]:
    # pip itself reads dependency groups only since 25.1, which a fresh environment need not have.
    import tomllib

    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return [*groups[DEV_GROUP], *groups[VENDORS_GROUP]]


def _find_binaries() -> None:
    _local()
    from greenroom_local.binaries import NotFound, find_binaries

    try:
        find_binaries()
    except NotFound as problem:
        raise Unprepared(str(problem)) from None


def _find_helm() -> None:
    """Only the chart's tests want it, so without one the others still run."""
    from greenroom_local.binaries import NotFound, find_helm

    try:
        find_helm()
    except NotFound as problem:
        print(problem, file=sys.stderr)


def _find_redis() -> None:
    """Only the tests of the shared session registry want it, and rows of the bench; the others still run."""
    _local()
    from greenroom_local.binaries import NotFound, find_redis

    try:
        find_redis(python=str(PYTHON))
    except NotFound as problem:
        print(problem, file=sys.stderr)


def _find_chromium() -> None:
    """Only the tests of the page that one talks to want it; the others still run."""
    from greenroom_local.binaries import NotFound, find_chromium

    try:
        find_chromium()
    except NotFound as problem:
        print(f"{problem} The tests in a browser are skipped.", file=sys.stderr)


def _workflow_checks() -> tuple[tuple[str, ...], ...]:
    """actionlint, on what GitHub runs. Where it cannot be had the other checks do, but not in CI."""
    _local()
    from greenroom_local.binaries import NotFound, find_actionlint

    try:
        return ((str(find_actionlint()),),)
    except NotFound as problem:
        if os.environ.get("CI"):
            raise Unprepared(str(problem)) from None
        print(f"{problem} The workflows are not judged.", file=sys.stderr)
        return ()


def _progress() -> Progress:
    _local()
    from greenroom_local.binaries.progress import Progress

    return Progress(sys.stderr)


def _local() -> None:
    """The part of the project that runs without anything installed."""
    path = str(ROOT / "local")
    if path not in sys.path:
        sys.path.insert(0, path)


def _newer_python() -> str | None:
    names = ("python3.13", "python3.12", "python3.11", "python3.14")
    return next(filter(None, map(shutil.which, names)), None)


def _with_a_python_that_will_do() -> None:
    if sys.version_info >= OLDEST_PYTHON:
        return
    found = _newer_python()
    if found is None:
        here = ".".join(str(part) for part in sys.version_info[:3])
        sys.exit(f"Greenroom needs Python 3.11 or newer, and this is {here}: install a newer one and try again.")
    os.execv(found, [found, *sys.argv])


if __name__ == "__main__":
    _with_a_python_that_will_do()
    sys.exit(main(sys.argv[1:]))
