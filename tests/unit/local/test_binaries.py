"""Where the control plane's programs come from: the order, and every way in which one of them can fail."""

from __future__ import annotations

import io
import shutil
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenroom_local.binaries import NotFound, Unusable, cache, find_binaries, pins
from greenroom_local.binaries.download import Limits
from greenroom_local.binaries.found import examine
from greenroom_local.binaries.progress import Progress

from .conftest import make_archive, program_texts, sha512, write_programs

if TYPE_CHECKING:
    from .conftest import Mirror

QUICK = Limits(answer_seconds=0.4, stall_seconds=0.4)
"""For a mirror that keeps silent; one that answers gets time, however busy the machine."""

PATIENT = Limits(answer_seconds=30.0, stall_seconds=30.0)
PATH_OF_ARCHIVE = "/envtest-v1.36.2/envtest-v1.36.2-linux-amd64.tar.gz"


class Case:
    """A user's machine: an empty cache, no Go, and what was said."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.tools = home / "tools"
        self.tools.mkdir()
        self.environment = {"XDG_CACHE_HOME": str(home / "cache"), "PATH": str(self.tools)}
        self.output = io.StringIO()

    @property
    def cached(self) -> Path:
        return cache.binaries_folder(self.environment)

    @property
    def lines(self) -> list[str]:
        return self.output.getvalue().splitlines()

    @property
    def problems(self) -> list[str]:
        """What was said without the notes on progress."""
        return [line for line in self.lines if line.startswith(("download:", "build:"))]

    def find(self, limits: Limits = PATIENT) -> object:
        return find_binaries(self.environment, Progress(self.output), limits)

    def put_go_on_path(self, version: str = "1.26.6") -> None:
        """A `go` that "builds" by writing scripts: what is under test is the order, not the Go compiler."""
        built = write_programs(self.home / "built", program_texts())
        go = self.tools / "go"
        go.write_text(
            "#!/bin/sh\n"
            f'[ "$1" = env ] && {{ echo go{version}; exit 0; }}\n'
            'while [ "$1" != -o ]; do shift; done\n'
            f'{shutil.which("cp")} {built}/"${{2##*/}}" "$2"\n'
        )
        go.chmod(0o755)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr(pins, "platform_name", lambda: "linux-amd64")

    def refuse(*_: object) -> Path:
        raise AssertionError("a test must not fetch Go")

    monkeypatch.setattr("greenroom_local.binaries.build._go_from_wheel", refuse)
    return Case(tmp_path)


def publish(mirror: Mirror, case: Case, monkeypatch: pytest.MonkeyPatch, archive: bytes | None = None) -> bytes:
    """Let the mirror hand out a good archive, and pin its checksum."""
    content = archive or make_archive(program_texts())
    mirror.files[PATH_OF_ARCHIVE] = content
    monkeypatch.setitem(pins.SHA512, "linux-amd64", sha512(content))
    case.environment["GREENROOM_BINARIES_URL"] = mirror.url
    return content


def test_kubebuilder_assets_come_first(case: Case) -> None:
    folder = write_programs(case.home / "assets", program_texts(kubernetes="1.33.0"))
    write_programs(case.cached, program_texts())
    case.environment["KUBEBUILDER_ASSETS"] = str(folder)
    found = examine(folder, "KUBEBUILDER_ASSETS")
    assert case.find() == found
    assert (found.kubernetes_version, found.etcd_version) == ("1.33.0", "3.6.12")
    assert case.lines == []


def test_old_assets_are_one_line_and_the_cache_is_next(case: Case) -> None:
    folder = write_programs(case.home / "assets", program_texts(kubernetes="1.31.4"))
    write_programs(case.cached, program_texts())
    case.environment["KUBEBUILDER_ASSETS"] = str(folder)
    assert case.find() == examine(case.cached, "cache")
    assert case.lines == [f"KUBEBUILDER_ASSETS: {folder}/kube-apiserver is version 1.31.4, needed is 1.32 or newer"]


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (program_texts(etcd="3.4.23"), "etcd is version 3.4.23, needed is 3.5.13 or newer"),
        (program_texts(kubectl="not implemented"), "kubectl is not a kubectl"),
        (program_texts(kubectl='{"clientVersion": {"gitVersion": "stub"}}'), "it says version 'stub'"),
        (program_texts() | {"etcd": "#!/bin/sh\nexit 3\n"}, "exit status 3"),
        (program_texts() | {"etcd": "#!/nowhere/sh\n"}, "does not run"),
        ({"etcd": program_texts()["etcd"]}, "has no kube-apiserver, no kubectl"),
    ],
)
def test_programs_that_will_not_do(tmp_path: Path, texts: dict[str, str], complaint: str) -> None:
    with pytest.raises(Unusable, match=complaint):
        examine(write_programs(tmp_path / "bin", texts), "test")


def test_download_fills_the_cache(case: Case, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(mirror, case, monkeypatch)
    assert case.find() == examine(case.cached, "download")
    assert sorted(path.name for path in case.cached.iterdir()) == sorted(pins.NAMES)
    assert mirror.asked == [PATH_OF_ARCHIVE]
    assert case.find() == examine(case.cached, "cache")
    assert mirror.asked == [PATH_OF_ARCHIVE], "the second time nothing is asked"


def test_wrong_checksum_goes_on_to_the_build(case: Case, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(mirror, case, monkeypatch)
    monkeypatch.setitem(pins.SHA512, "linux-amd64", "0" * 128)
    case.put_go_on_path()
    assert case.find() == examine(case.cached, "build")
    assert "has the wrong checksum" in case.problems[0]
    assert case.problems[0].startswith(f"download: {mirror.url}{PATH_OF_ARCHIVE}")


def test_missing_archive_goes_on_to_the_build(case: Case, mirror: Mirror) -> None:
    case.environment["GREENROOM_BINARIES_URL"] = mirror.url + "/"
    case.put_go_on_path()
    assert case.find() == examine(case.cached, "build")
    assert case.lines[0] == f"download: {mirror.url}{PATH_OF_ARCHIVE} answered 404 Not Found"


def test_stalled_download_goes_on_to_the_build(case: Case, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(mirror, case, monkeypatch)
    mirror.stall_at = 100
    case.put_go_on_path()
    assert case.find(QUICK) == examine(case.cached, "build")
    assert "stalled: no byte for 0.4 s at 0.0 MB of" in case.problems[0]


def test_cut_download_goes_on_to_the_build(case: Case, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(mirror, case, monkeypatch)
    mirror.cut_at = 100
    case.put_go_on_path()
    assert case.find() == examine(case.cached, "build")
    assert "was cut off at 0.0 MB of" in case.problems[0]


def test_mirror_that_never_answers_is_given_up_soon(case: Case, mirror: Mirror) -> None:
    mirror.silent = True
    case.environment["GREENROOM_BINARIES_URL"] = mirror.url
    case.put_go_on_path()
    before = time.monotonic()
    assert case.find(QUICK) == examine(case.cached, "build")
    assert time.monotonic() - before < 30
    assert case.lines[0].endswith("did not answer within 0.4 s")


def test_name_that_cannot_be_reached_goes_on_to_the_build(case: Case) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        case.environment["GREENROOM_BINARIES_URL"] = f"http://127.0.0.1:{unused.getsockname()[1]}"
        case.put_go_on_path()
        assert case.find() == examine(case.cached, "build")
    assert "Connection refused" in case.lines[0]


def test_archive_of_old_programs_goes_on_to_the_build(
    case: Case, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(mirror, case, monkeypatch, make_archive(program_texts(etcd="3.4.23")))
    case.put_go_on_path()
    assert case.find() == examine(case.cached, "build")
    assert "is version 3.4.23" in case.problems[0]


def test_archive_that_is_none_goes_on_to_the_build(case: Case, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(mirror, case, monkeypatch, b"<html>log in to the network first</html>")
    case.put_go_on_path()
    assert case.find() == examine(case.cached, "build")
    assert "cannot be unpacked" in case.problems[0]


def test_platform_without_an_archive_builds(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "platform_name", lambda: "linux-riscv64")
    case.put_go_on_path()
    assert case.find() == examine(case.cached, "build")
    assert case.lines[0] == "download: nobody publishes these programs for linux-riscv64"


def test_old_go_is_not_used(case: Case, mirror: Mirror) -> None:
    case.environment["GREENROOM_BINARIES_URL"] = mirror.url
    case.put_go_on_path("1.24.1")
    with pytest.raises(AssertionError, match="must not fetch Go"):
        case.find()


def test_failed_build_is_one_line_and_the_sentence_says_what_to_do(case: Case, mirror: Mirror) -> None:
    case.environment["GREENROOM_BINARIES_URL"] = mirror.url
    case.put_go_on_path()
    shutil.rmtree(case.home / "built")
    with pytest.raises(NotFound) as failed:
        case.find()
    assert case.lines[-1].startswith("build: building kube-apiserver: exit status 1, ")
    assert str(case.cached) in str(failed.value)
    assert not case.cached.exists()


def test_offline_tries_nothing(case: Case, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(mirror, case, monkeypatch)
    case.put_go_on_path()
    case.environment["GREENROOM_OFFLINE"] = "1"
    with pytest.raises(NotFound) as offline:
        case.find()
    assert mirror.asked == []
    assert case.lines == []
    assert str(offline.value) == (
        "GREENROOM_OFFLINE is set and there is no control plane here: put etcd, kube-apiserver and kubectl "
        f"(Kubernetes 1.36.2, etcd 3.6.12) into {case.cached}, or name a folder that has them in "
        "KUBEBUILDER_ASSETS."
    )


def test_offline_with_a_cache_is_quiet(case: Case) -> None:
    write_programs(case.cached, program_texts())
    case.environment["GREENROOM_OFFLINE"] = "1"
    assert case.find() == examine(case.cached, "cache")


def test_damaged_cache_is_replaced(case: Case, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    write_programs(case.cached, {"etcd": "#!/bin/sh\nexit 1\n"})
    publish(mirror, case, monkeypatch)
    assert case.find() == examine(case.cached, "download")
    assert case.lines[0] == f"cache: {case.cached} has no kube-apiserver, no kubectl"
    assert [path.name for path in case.cached.parent.iterdir()] == ["bin"], "nothing half-made is left"


def test_cache_follows_xdg_unless_it_is_relative(tmp_path: Path) -> None:
    name = "k8s-1.36.2-etcd-3.6.12"
    assert cache.binaries_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "greenroom" / name / "bin"
    assert cache.binaries_folder({"XDG_CACHE_HOME": "here"}) == Path.home() / ".cache/greenroom" / name / "bin"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_rewrites_one_line_on_a_terminal() -> None:
    times = iter([0.0, 0.01, 1.0])
    terminal = Terminal()
    progress = Progress(terminal, lambda: next(times))
    for text in ("one", "too soon", "two"):
        progress.update(text)
    progress.say("done")
    assert terminal.getvalue() == "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[Kdone\n"


def test_progress_elsewhere_is_a_line_now_and_then() -> None:
    times = iter([0.0, 1.0, 16.0])
    log = io.StringIO()
    progress = Progress(log, lambda: next(times))
    for text in ("one", "too soon", "two"):
        progress.update(text)
    assert log.getvalue() == "one\ntwo\n"
