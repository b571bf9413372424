"""Without torch, which is an extra, everything that needs no network works, and the rest says what to install."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command_line import small_log
from tests.helpers.paths import ROOT

pytestmark = pytest.mark.slow

# Python reads a module of this name when it starts; this one makes torch look as if it were not installed.
HIDING = """
from importlib.machinery import PathFinder

found = PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.split(".")[0] in ("torch", "torch_geometric") else found(name, path, target)

PathFinder.find_spec = find_spec
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("no torch")
    (folder / "hiding").mkdir()
    (folder / "hiding" / "sitecustomize.py").write_text(HIDING)
    small_log(folder / "log.csv")
    return folder


def graphdet(place: Path, *words: object) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(place / "hiding"), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "graphdet", *map(str, words)],
        cwd=place, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_what_needs_no_network_works(place: Path) -> None:
    store = f"duckdb:{place / 'graph.duckdb'}"
    for words in (
        ("ingest", "log.csv", "--config", "simulated", "--store", store),
        ("rings", "--store", store),
        ("items", "--store", store),
        ("eda", "log.csv", "--config", "simulated", "--out", "look"),
        ("query", "counts", "--store", store),
    ):
        done = graphdet(place, *words)
        assert done.returncode == 0, (words, done.stderr)


def test_a_run_does_without_and_says_so(place: Path) -> None:
    """What the README tells first: made with what `pip install .` brings."""
    words = ("--users", 400, "--items", 120, "--days", 7, "--plan", "L1", "--campaigns", 1)
    assert graphdet(place, "simulate", "--out", "shop.csv", "--kind", "shop", *words).returncode == 0
    done = graphdet(place, "run", "shop.csv", "--config", "simulated", "--out", "findings")
    assert done.returncode == 0, done.stderr
    assert "torch is not installed; pip install 'graphdet[gnn]'" in done.stderr
    assert (place / "findings" / "report.html").exists()
    done = graphdet(place, "run", "shop.csv", "--config", "simulated", "--out", "more", "--train", "always")
    assert done.returncode == 1
    assert "pip install 'graphdet[gnn]'" in done.stderr


def test_what_needs_it_says_what_to_install(place: Path) -> None:
    done = graphdet(
        place, "simulate", "--out", "made.parquet", "--users", 2000, "--items", 400, "--plan", "L1"
    )
    assert done.returncode == 0, done.stderr
    store = f"duckdb:{place / 'made.duckdb'}"
    assert (
        graphdet(place, "ingest", "made.parquet", "--config", "simulated", "--store", store).returncode == 0
    )
    done = graphdet(place, "train", "--store", store, "--model", "model")
    assert done.returncode == 1
    assert "pip install 'graphdet[gnn]'" in done.stderr
    assert "Traceback" not in done.stderr
