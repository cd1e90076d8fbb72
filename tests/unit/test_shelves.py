"""Each top-level folder is a shelf: no package of its own, so `operator/` never stands before the standard library's
`operator`."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def shelves() -> list[Path]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return [ROOT / Path(package).parent for package in packages]


def python(*words: str) -> str:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_shelves_are_those_that_the_project_names() -> None:
    assert {shelf.name for shelf in shelves()} == {"core", "operator", "api", "agent_runtime", "local"}


@pytest.mark.parametrize("shelf", [*shelves(), ROOT, ROOT / "tests", ROOT / "docs"], ids=lambda path: path.name)
def test_shelf_is_no_package(shelf: Path) -> None:
    assert not (shelf / "__init__.py").exists()


@pytest.mark.parametrize("flags", [(), ("-S",), ("-I",), ("-S", "-E")], ids=" ".join)
def test_operator_is_the_standard_librarys_from_the_checkouts_root(flags: tuple[str, ...]) -> None:
    found = python(*flags, "-c", "import operator; print(operator.__file__, operator.itemgetter(0)('ab'))")
    file, item = found.split()
    assert Path(file).parent == Path(subprocess.__file__).parent
    assert item == "a"


def test_operator_is_the_standard_librarys_beside_our_own_packages() -> None:
    code = "import greenroom_operator, operator; print(operator.__file__)"
    assert Path(python("-c", code)).parent == Path(subprocess.__file__).parent


def test_each_shelf_holds_one_import_package_with_type_marks() -> None:
    for shelf in shelves():
        packages = [path.parent.name for path in shelf.glob("*/__init__.py")]
        assert len(packages) == 1, shelf
        assert (shelf / packages[0] / "py.typed").exists()
