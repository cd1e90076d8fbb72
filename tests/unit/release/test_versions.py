"""One version in all that is published, and what stands against publishing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from deploy.versions import Sources, disagreements, read, reasons_not_to_release

ROOT = Path(__file__).resolve().parents[3]

READY = Sources(
    pyproject='[project]\nname = "greenroom"\nversion = "0.2.0"\n',
    chart='version: 0.2.0\nappVersion: "0.2.0"\n',
    changelog="# Changelog\n\n## 0.2.0 - 2026-11-30\n\n- All of it.\n\n## 0.1.0 - 2026-10-01\n",
)


def test_this_checkout_says_one_version() -> None:
    assert list(disagreements(read(ROOT))) == []


def test_one_that_agrees_may_be_released() -> None:
    assert list(reasons_not_to_release(READY, "v0.2.0")) == []


def test_the_chart_says_another_version() -> None:
    [line] = disagreements(replace(READY, chart='version: 0.2.0\nappVersion: "0.1.0"\n'))
    assert line == "charts/greenroom/Chart.yaml: appVersion is '0.1.0', pyproject.toml says '0.2.0'"


def test_a_version_that_yaml_takes_for_a_number_is_another() -> None:
    [line] = disagreements(replace(READY, chart='version: 0.2\nappVersion: "0.2.0"\n'))
    assert "version is 0.2," in line


def test_the_changelog_says_another_version() -> None:
    [line] = disagreements(replace(READY, changelog="## 0.3.0 - 2026-12-01\n"))
    assert "'0.3.0'" in line


def test_a_changelog_without_headings() -> None:
    assert len(list(disagreements(replace(READY, changelog="Nothing yet.\n")))) == 1


def test_between_releases_the_changelog_says_none() -> None:
    between = replace(READY, changelog="## Unreleased\n\n## 0.2.0\n")
    assert list(disagreements(between)) == []
    [line] = reasons_not_to_release(between, "v0.2.0")
    assert line == "CHANGELOG.md: 'Unreleased' is to become '0.2.0 - <day>'"


def test_a_tag_of_another_version() -> None:
    for tag in ("v0.1.0", "0.2.0", "v0.2.0-rc.1", ""):
        [line] = reasons_not_to_release(READY, tag)
        assert line == f"TAG is {tag!r}, pyproject.toml says '0.2.0': the tag to be is 'v0.2.0'"
