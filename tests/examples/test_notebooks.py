"""The notebooks of examples/ run from top to bottom, and are kept without what they print."""

import base64
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.helpers.paths import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
MOST_LINES = 10  # from a DataFrame to a drawn ring


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def lines(source: str) -> list[str]:
    return [line for line in source.splitlines() if line.strip()]


def pictures(notebook: nbformat.NotebookNode) -> list[bytes]:
    outputs = (output for cell in code(notebook) for output in cell.outputs)
    found = (output.data.get("image/png") for output in outputs if "data" in output)
    return [base64.b64decode(picture) for picture in found if picture]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in code(notebook))
    # The kernel is a process of its own, in a folder of its own, and has to find this source.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    drawn = pictures(notebook)
    assert len(drawn) == 1
    assert len(drawn[0]) > 10_000
    said = [output for cell in code(notebook) for output in cell.outputs if output.get("name") == "stderr"]
    assert said == []
    keep = os.environ.get("KEEP_PICTURES")
    if keep:
        (Path(keep) / f"{path.stem}.png").write_bytes(drawn[0])


def test_ten_lines_draw_a_ring() -> None:
    notebook = nbformat.read(ROOT / "examples" / "first_ring.ipynb", as_version=4)
    drawing = next(cell.source for cell in code(notebook) if "nx.draw" in cell.source)
    assert "graphdet.run(log" in drawing
    assert len(lines(drawing)) <= MOST_LINES
