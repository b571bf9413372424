"""graphdet as its users have it: the built wheel, and the editable install, in an environment of their own.

Dependencies are not installed anew, which would take torch and minutes: the new environment reads them from the
one that runs the tests. The package itself it does not: its place is checked.
"""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command_line import small_log
from tests.helpers.paths import ROOT

pytestmark = pytest.mark.slow

INSTALL = ["install", "--no-deps", "--no-index", "--quiet"]


def clean() -> dict[str, str]:
    """The environment without what would lead Python back to the source."""
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "GRAPHDET_STORE")
    return {name: value for name, value in os.environ.items() if name not in left_out}


def done(*words: str | Path, cwd: Path) -> str:
    """Run a program from a folder and give what it prints."""
    ended = subprocess.run(
        list(map(str, words)), cwd=cwd, env=clean(), capture_output=True, text=True, timeout=600, check=False
    )
    assert ended.returncode == 0, (words, ended.stdout, ended.stderr)
    return ended.stdout


def pip(*words: str | Path, cwd: Path) -> None:
    """Run this environment's pip."""
    done(sys.executable, "-m", "pip", "--disable-pip-version-check", *words, cwd=cwd)


def building() -> list[str]:
    """Build with the backend that is installed; where there is none, pip fetches it for the build alone."""
    return ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []


def environment(folder: Path) -> Path:
    """An empty environment that borrows the dependencies of this one; gives its Python.

    A folder named in a .pth file is put on the path, and the .pth files in it are not read: an editable install of
    the borrowed environment stays out.
    """
    done(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    own = done(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    (Path(own) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--quiet", *building(), "--wheel-dir", folder, ROOT, cwd=folder)
    return next(folder.glob("graphdet-*.whl"))


def installed(folder: Path, install: Callable[[Path], None]) -> tuple[Path, Path]:
    """Install into an environment of its own; gives its folder of programs and where graphdet lies there."""
    python = environment(folder / "venv")
    install(python)
    place = done(python, "-c", "import graphdet; print(graphdet.__file__)", cwd=folder).strip()
    return python.parent, Path(place)


def works(programs: Path, folder: Path) -> None:
    """Run, query and find rings from another folder, with a config and queries that are shipped."""
    graphdet = programs / "graphdet"
    small_log(folder / "log.csv")
    done(graphdet, "run", "log.csv", "--config", "simulated", "--out", "found", cwd=folder)
    assert (folder / "found" / "report.html").exists()
    store = ("--store", "duckdb:found/graph.duckdb")
    counts = json.loads(done(graphdet, "query", "counts", *store, "--json", cwd=folder))
    assert {"users", "items"} <= {row["what"] for row in _rows(counts)}
    rings = json.loads(done(graphdet, "rings", *store, "--json", cwd=folder))
    assert rings["n_rings"] >= rings["n_flagged"]
    code = "import graphdet; print(len(graphdet.open('found').suspects))"
    assert done(programs / "python", "-c", code, cwd=folder).strip() == "10"


def _rows(document: object) -> list[dict[str, object]]:
    rows = document["rows"] if isinstance(document, dict) else document
    assert isinstance(rows, list)
    return rows


def test_the_wheel_holds_what_is_shipped(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in ("configs", "cypher"):
        beside = {path for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert {f"graphdet/{path.relative_to(ROOT)}" for path in beside} <= names
    data = (path for path in (ROOT / "graphdet").rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert {str(path.relative_to(ROOT)) for path in data} <= names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"graphdet"}


def test_the_wheel_works_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    def install(python: Path) -> None:
        pip("--python", python, *INSTALL, wheel, cwd=tmp_path)

    programs, place = installed(tmp_path, install)
    assert place.is_relative_to(tmp_path / "venv")
    assert not (place.parents[1] / "configs").exists()
    works(programs, tmp_path)


def test_the_editable_install_works_from_another_folder(tmp_path: Path) -> None:
    options = ["--no-deps", "--quiet", *building()]

    def install(python: Path) -> None:
        pip("--python", python, "install", *options, "--editable", ROOT, cwd=tmp_path)

    programs, place = installed(tmp_path, install)
    assert place == ROOT / "graphdet" / "__init__.py"
    works(programs, tmp_path)
