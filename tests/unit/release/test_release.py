"""What is pushed where. The registry's side was tried by hand: docs/releasing.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deploy.release import Release, ReleaseRefused, chart_command, image_command, main, plan, push_image

from .test_versions import READY

if TYPE_CHECKING:
    from collections.abc import Mapping


def planned(variables: Mapping[str, str]) -> Release:
    return plan({"REGISTRY": "ghcr.io/Somebody/", "TAG": "v0.2.0", **variables}, READY)


def test_names_are_in_small_letters() -> None:
    release = planned({})
    assert release.image == "ghcr.io/somebody/greenroom:0.2.0"
    assert release.charts == "oci://ghcr.io/somebody/charts"


@pytest.mark.parametrize("name", ["REGISTRY", "TAG"])
def test_a_variable_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(ReleaseRefused, match=f"^{name} is needed$"):
        planned({name: ""})


def test_another_version_is_not_published() -> None:
    with pytest.raises(ReleaseRefused, match=r"TAG is 'v0\.3\.0'"):
        planned({"TAG": "v0.3.0"})


def test_the_image_is_for_both_kinds_of_machine_and_says_where_it_comes_from() -> None:
    words = image_command(planned({}))
    assert words[words.index("--platform") + 1] == "linux/amd64,linux/arm64"
    assert words[words.index("--provenance") + 1] == "mode=max"
    assert words[words.index("--sbom") + 1] == "true"
    assert words[words.index("--tag") + 1] == "ghcr.io/somebody/greenroom:0.2.0"
    assert "--push" in words


def test_only_a_registry_of_this_machine_is_spoken_to_in_the_clear() -> None:
    helm, archive = Path("helm"), Path("greenroom-0.2.0.tgz")
    assert "--plain-http" not in chart_command(planned({}), helm, archive)
    assert "--plain-http" not in chart_command(planned({"REGISTRY": "localhost.example.com/a"}), helm, archive)
    assert "--plain-http" in chart_command(planned({"REGISTRY": "127.0.0.1:5000"}), helm, archive)


def test_a_build_that_fails_is_no_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 3\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReleaseRefused, match=r"^docker buildx ended with exit status 3"):
        push_image(planned({}))
    assert "published" not in capsys.readouterr().out


def test_without_docker_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReleaseRefused, match=r"^docker does not run: "):
        push_image(planned({}))


def test_a_refusal_is_told_and_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("REGISTRY", raising=False)
    assert main(["image"]) == 1
    assert capsys.readouterr().err.startswith("release-image: REGISTRY is needed")
    assert main(["everything"]) == 2
