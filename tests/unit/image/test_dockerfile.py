"""What must be true of deploy/Dockerfile, whoever builds it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from greenroom_local.image import inputs

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction with its arguments, continued lines joined."""
    code = re.sub(r"(?m)^#.*\n", "", text).replace("\\\n", " ")
    split = (line.split(None, 1) for line in code.splitlines() if line.strip())
    return [(word, " ".join(rest.split())) for word, rest in split]


ALL = instructions(DOCKERFILE)
LAST = ALL[max(at for at, (word, _) in enumerate(ALL) if word == "FROM") :]


def of_last(word: str) -> list[str]:
    return [rest for found, rest in LAST if found == word]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in of_last("ENV") for pair in shlex.split(rest))


def test_it_runs_as_a_user_without_rights() -> None:
    assert of_last("USER") == ["65532:65532"]
    assert [word for word, _ in LAST].index("USER") > [word for word, _ in LAST].index("COPY")


def test_the_last_stage_takes_files_and_runs_nothing() -> None:
    assert of_last("RUN") == of_last("ADD") == []
    assert all("--from=build" in rest for rest in of_last("COPY"))


def test_both_stages_stand_on_the_same_base() -> None:
    assert [rest.split()[0] for word, rest in ALL if word == "FROM"] == ["${BASE}", "${BASE}"]
    assert ("ARG", "BASE=docker.io/library/python:3.13-slim") in ALL


def test_what_it_sets() -> None:
    found = environment()
    expected = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "ORT_DISABLE_TELEMETRY": "1", "HOME": "/tmp"}
    assert {name: found[name] for name in expected} == expected
    assert found["PATH"].startswith("/opt/greenroom/bin:")


def test_every_package_comes_by_its_hash_and_in_no_build() -> None:
    installs = [rest for word, rest in ALL if word == "RUN" and "pip" in rest]
    assert sum(rest.count("requirements.txt") for rest in installs) == 2
    assert all("--require-hashes --only-binary :all:" in rest for rest in installs if "requirements.txt" in rest)
    assert all("--no-index" in rest for rest in installs if "requirements.txt" not in rest)
    assert any(rest.endswith("check") for rest in installs)


def test_nothing_of_the_builders_machine_is_kept() -> None:
    """Settings and certificates are secrets, which are in no layer; arguments of a build stay readable."""
    assert "--mount=type=secret,id=pip.conf --mount=type=secret,id=ca.pem" in " ".join(rest for _, rest in ALL)
    given = {rest.partition("=")[0] for word, rest in ALL if word == "ARG"}
    assert given == {"BASE", "SOURCE_DATE_EPOCH"}


def test_all_that_is_copied_is_let_through_and_counted() -> None:
    """.dockerignore and the digest that says whether an archive is still good know every file that goes in."""
    copied = {source for word, rest in ALL if word == "COPY" and "--from" not in rest for source in rest.split()[:-1]}
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    counted = {str(file.relative_to(ROOT)) for file in inputs.files(ROOT)}
    for source in copied:
        assert any(Path(source).match(pattern) for pattern in let_through), source
        assert any(name == source or name.startswith(f"{source}/") for name in counted), source
    assert {"deploy/Dockerfile", ".dockerignore"} <= counted


def test_the_chart_starts_what_is_there() -> None:
    values = yaml.safe_load((ROOT / "charts/greenroom/values.yaml").read_text())
    command = values["demo"]["command"]
    script = next(word for word in command if word.endswith(".py"))
    assert script.startswith("/app/examples/")
    assert (ROOT / script.removeprefix("/app/")).is_file()


@pytest.mark.parametrize("script", ["slim.sh", "finish.sh"])
def test_scripts_stop_at_the_first_failure(script: str) -> None:
    text = (ROOT / "deploy" / script).read_text()
    assert re.search(r"(?m)^set -eu$", text)
    assert ("RUN", f"sh deploy/{script}") in [(word, " ".join(rest.split()[:2])) for word, rest in ALL]


def test_the_document_gives_this_dockerfile_of_two_lines() -> None:
    document = (ROOT / "docs" / "image.md").read_text()
    (example,) = re.findall(r"(?ms)^    (FROM greenroom.*?)\n\n", document)
    assert [line.split()[0] for line in example.splitlines()] == ["FROM", "RUN", "COPY"]
