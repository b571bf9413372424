"""Every file that the commands write on small seeds is what it was, to the byte, on both stores.

A change that means to change what is written records the digests anew with `make golden`, and the change log says so.
"""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

HERE = Path(__file__).parent
RECORD = HERE / "outputs.json"
# What decides the last bits of a figure, or the shape of a page, beside our own code.
DECIDING = (
    *("duckdb", "igraph", "lightgbm", "numpy", "onnx", "scikit-learn", "scipy", "torch", "torch-geometric"),
    "weasyprint",
)

pytestmark = pytest.mark.slow


def circumstances() -> dict[str, str]:
    """What the record holds for."""
    versions = {name: version(name) for name in DECIDING}
    return versions | {"python": platform.python_version().rpartition(".")[0], "machine": platform.machine()}


def written(work: Path, *more: str) -> dict[str, dict[str, str]]:
    """Digests of all outputs, made anew."""
    program = [sys.executable, str(HERE / "outputs.py"), str(work), *more]
    ours = {**os.environ, "PYTHONPATH": str(ROOT)}  # the package of this checkout, whichever is installed
    done = subprocess.run(program, capture_output=True, text=True, timeout=1_500, check=False, env=ours)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


def differing(found: dict[str, dict[str, str]], wanted: dict[str, dict[str, str]]) -> list[str]:
    """Step and file of every output that is not as recorded."""
    return [
        f"{step}: {name}"
        for step in sorted(found.keys() | wanted.keys())
        for name in sorted(found.get(step, {}).keys() | wanted.get(step, {}).keys())
        if found.get(step, {}).get(name) != wanted.get(step, {}).get(name)
    ]


def check_or_record(store: str, found: dict[str, dict[str, str]]) -> None:
    """Hold digests against the record; with RECORD_GOLDEN set they become the record."""
    here = circumstances()
    kept = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    if os.environ.get("RECORD_GOLDEN"):
        kept |= {"circumstances": here, store: found}
        RECORD.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        return
    assert differing(found, kept[store]) == []


@pytest.fixture(autouse=True)
def same_circumstances() -> None:
    """The digests hold for the packages that they were recorded with."""
    if os.environ.get("RECORD_GOLDEN"):
        return
    here, there = circumstances(), json.loads(RECORD.read_text(encoding="utf-8"))["circumstances"]
    other = [f"{name} {here[name]} for {there.get(name)}" for name in here if here[name] != there.get(name)]
    if other:
        pytest.skip(f"digests were recorded with other packages: {', '.join(other)}")


def test_outputs_with_duckdb(tmp_path: Path) -> None:
    check_or_record("duckdb", written(tmp_path / "work"))


@pytest.mark.neo4j
def test_outputs_with_neo4j(tmp_path: Path, neo4j_url: str) -> None:
    check_or_record("neo4j", written(tmp_path / "work", "--store", neo4j_url))
