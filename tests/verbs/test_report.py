"""What a report tells of decisions."""

from contextlib import closing
from pathlib import Path

from graphdet.casework.decisions import give_verdict
from graphdet.store.duckdb.store import DuckDBStore
from graphdet.verbs.report import decided_on
from tests.reports.report_findings import make_findings


def test_a_report_tells_what_holds_now(tmp_path: Path) -> None:
    rings, scores, _, _ = make_findings()
    with closing(DuckDBStore(tmp_path / "graph.duckdb")) as store:
        store.write_rings(rings)
        store.write_scores(scores)
        assert decided_on(store, store.rings(), ["R0001"])["R0001"].state == "open"
        give_verdict(store, "ring", "R0001", "guilty", "fake-account", "they share a phone", "Ann")
        give_verdict(store, "user", "u002", "innocent", "data-error", "", "Bo")
        told = decided_on(store, store.rings(), ["R0001"])["R0001"]
    assert told.state == "guilty"
    (line,) = told.lines
    assert line.startswith("Judged guilty by Ann on ")
    assert line.endswith("(fake-account): they share a phone.")
    assert list(told.members) == ["u002"]
