"""The documentation is made from the code and the notebooks, its links hold, and its search needs no network."""

import base64
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import nbformat
import pytest

from graphdet import schema
from graphdet.cli.main import app
from scripts import docs_pages
from scripts import guide as docs_guide
from tests.helpers.paths import CONFIGS, ROOT
from tests.store.chromium import watched_pages

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
MOST_LINES = 10  # from a DataFrame to a drawn ring


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def pictures(notebook: nbformat.NotebookNode) -> list[bytes]:
    outputs = (output for cell in code(notebook) for output in cell.outputs)
    found = (output.data.get("image/png") for output in outputs if "data" in output)
    return [base64.b64decode(picture) for picture in found if picture]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, nbformat.NotebookNode]]:
    """The pages that are written and those that are made, in a folder of their own, and the executed notebooks."""
    folder = tmp_path_factory.mktemp("documentation")
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("reference", "tutorials"))
    shutil.copy(ROOT / "zensical.toml", folder)
    # The kernel is a process of its own, in a folder of its own, and has to find this source.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        docs_pages.write_reference(folder / "docs")
        made = {path.stem: docs_pages.notebook(path, folder / "docs" / "tutorials") for path in NOTEBOOKS}
    return folder, made


@pytest.fixture(scope="module")
def site(sources: tuple[Path, dict[str, nbformat.NotebookNode]]) -> Path:
    """The built site; the build fails on a link that leads nowhere."""
    folder, _ = sources
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, sources: tuple[Path, dict[str, nbformat.NotebookNode]]) -> None:
    kept = nbformat.read(path, as_version=4)
    nbformat.validate(kept)
    assert all(not cell.outputs and cell.execution_count is None for cell in code(kept))
    notebook = sources[1][path.stem]
    drawn = pictures(notebook)
    assert len(drawn) == 1
    assert len(drawn[0]) > 10_000
    said = [output for cell in code(notebook) for output in cell.outputs if output.get("name") == "stderr"]
    assert said == []


def test_ten_lines_draw_a_ring() -> None:
    notebook = nbformat.read(ROOT / "examples" / "first_ring.ipynb", as_version=4)
    drawing = next(cell.source for cell in code(notebook) if "nx.draw" in cell.source)
    assert "graphdet.run(log" in drawing
    assert len([line for line in drawing.splitlines() if line.strip()]) <= MOST_LINES


def test_the_reference_names_all_that_there_is(site: Path) -> None:
    reference = site / "reference"
    commands = (reference / "commands.html").read_text(encoding="utf-8")
    for name in [command.name for command in app.registered_commands]:
        assert f"graphdet {name}</h2>" in commands or f">graphdet {name}<" in commands, name
    assert "--fdr" in commands
    config = (reference / "config.html").read_text(encoding="utf-8")
    assert all(path.stem in config for path in CONFIGS.glob("*.toml"))
    tables = (reference / "tables.html").read_text(encoding="utf-8")
    assert all(column in tables for column in (*schema.SUSPECT_COLUMNS, *schema.RING_COLUMNS))
    assert "graphdet.run" in (reference / "library.html").read_text(encoding="utf-8")
    assert "MATCH" in (reference / "queries.html").read_text(encoding="utf-8")


def test_the_guide_is_made_from_what_there_is() -> None:
    made_from = docs_guide.GUIDE.read_text(encoding="utf-8").partition("\n")[0]
    assert f" from {docs_guide.digest()};" in made_from, "docs/guide.md is stale: make guide"


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """The site on loopback, as `python -m http.server` serves it."""
    handler = partial(_Silent, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.browser
def test_search_needs_no_network(address: str) -> None:
    for page, width, said in watched_pages("light"):
        found = page.get_by_text("graphdet snooze").first
        for _ in range(10):  # a key that comes before the page listens is lost
            page.goto(f"{address}index.html")
            page.wait_for_load_state("networkidle")
            page.keyboard.press("/")
            page.wait_for_timeout(500)
            page.keyboard.type("snooze")
            page.wait_for_timeout(2000)
            if found.count() and found.is_visible():
                break
        assert found.is_visible()
        assert [line for line in said if not line.startswith(address)] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
