"""The pages and files of a ring in a log without times name no moment and draw no course of time."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from graphdet.reports.gather import Sources
from graphdet.reports.report_page import overview
from graphdet.reports.ring_files import RingFiles, write_rings
from graphdet.rings.leads import lead_table
from graphdet.tables import RingTables
from tests.reports.report_findings import make_findings


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untimed")
    tables, scores, acts, items = make_findings()
    rings = tables.rings
    for name in ("first_seen", "last_seen"):
        nothing = pa.nulls(rings.num_rows, pa.string())
        rings = rings.set_column(rings.column_names.index(name), name, nothing)
    acts = acts.set_column(
        acts.column_names.index("at_ms"), "at_ms", pa.array([0] * acts.num_rows, pa.int64())
    )
    found = RingTables(rings, tables.members, tables.items)
    formats = ("html", "json", "csv", "graphml", "gexf")
    write_rings(folder / "rings", Sources(found, acts, scores, items), ["R0001"], RingFiles(formats))
    overview(folder, scores, found, lead_table(found), {"period": {"first_ms": None, "last_ms": None}})
    return folder


def test_nothing_names_a_moment(out: Path) -> None:
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".html", ".json", ".graphml", ".gexf", ".csv"}
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert "1970" not in text, path
        assert "within 0" not in text, path


def test_the_page_says_so_and_draws_no_time(out: Path) -> None:
    page = (out / "rings" / "R0001.html").read_text(encoding="utf-8")
    assert "The log does not say when anything happened; nothing here rests on time." in page
    assert "How it grew" not in page
    assert "same time" not in page
    assert "Session scripts" not in page
    assert "while the ring was at work, 90" not in page


def test_in_a_log_of_days_the_page_says_days(tmp_path: Path) -> None:
    rings, scores, acts, items = make_findings()
    place = acts.column_names.index("at_ms")
    days = [at // 86_400_000 * 86_400_000 for at in acts["at_ms"].to_pylist()]
    acts = acts.set_column(place, "at_ms", pa.array(days, pa.int64()))
    write_rings(tmp_path, Sources(rings, acts, scores, items), ["R0001"], RingFiles(("json",)))
    answers = json.loads((tmp_path / "R0001.json").read_text(encoding="utf-8"))["answers"]
    assert (
        answers["when"][0]
        == "From 2017-10-01 to 2017-10-01, 1 day in all: the first acts of members on targets."
    )
    assert any("is on the same day as another member's act" in line for line in answers["how"])
