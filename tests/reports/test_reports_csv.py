"""The CSV contract and the files' all-or-nothing writing."""

import csv
import errno
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphdet import schema
from graphdet.errors import GraphdetError
from graphdet.files import explain_os_error, write_text
from graphdet.reports.csv_tables import CsvForm, write_csv, write_tables
from graphdet.reports.run_facts import write_run_json
from graphdet.rings.finding import Explanation, Reason, with_roles
from graphdet.rings.leads import lead_table
from graphdet.sheets import is_neutral, neutral, original, original_column, safe_column, steady
from graphdet.tables import RingTables
from tests.reports.report_findings import HOSTILE, make_findings

CONTRACT = {
    "suspects.csv": schema.SUSPECT_COLUMNS,
    "rings.csv": schema.RING_COLUMNS,
    "leads.csv": schema.LEAD_COLUMNS,
    "ring_members.csv": schema.LISTED_MEMBER_COLUMNS,
    "ring_items.csv": schema.RING_ITEM_COLUMNS,
}


def read(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle, strict=True))


def test_columns_and_order_are_the_contract(tmp_path: Path) -> None:
    rings, scores, _, _ = make_findings()
    written = write_tables(tmp_path, *with_roles(scores, rings), lead_table(rings))
    for name, columns in CONTRACT.items():
        assert tuple(read(written[name])[0]) == columns
    suspects = read(tmp_path / "suspects.csv")
    assert len(suspects) == scores.num_rows
    keys = [
        (-float(row["score"]), float(row["p_value"]), original(row["user_id"]).encode()) for row in suspects
    ]
    assert keys == sorted(keys)
    assert {row["flagged"] for row in suspects} == {"true", "false"}
    assert [row["ring_id"] for row in read(tmp_path / "rings.csv")] == ["R0001", "R0002", "R0003"]


def test_the_part_of_a_member_is_told_in_both_tables_and_its_sheet(tmp_path: Path) -> None:
    """Weak where the ring does not vouch for it; nothing where nobody said."""
    rings, scores, _, _ = make_findings()
    members = sorted(row["user_id"] for row in rings.members.to_pylist() if row["ring_id"] == "R0001")
    parts = dict(zip(members, ("core", "fringe", "bystander", "chance"), strict=False))
    said = {
        user: (Reason("membership", f"part: {part}", numbers={"role": part}),) for user, part in parts.items()
    }
    evidence = [
        Explanation(member_reasons=said).to_json() if row["ring_id"] == "R0001" else None
        for row in rings.rings.to_pylist()
    ]
    written = write_tables(tmp_path, *with_roles(scores, rings.with_evidence(evidence)), lead_table(rings))
    wanted = {user: {"bystander": "weak", "chance": "weak"}.get(part, part) for user, part in parts.items()}
    for name in ("suspects.csv", "ring_members.csv"):
        found = {
            original(row["user_id"]): row["role"]
            for row in read(written[name])
            if row["ring_id"] == "R0001" and original(row["user_id"]) in parts
        }
        assert found == wanted, name
        assert {row["role"] for row in read(written[name]) if row["ring_id"] != "R0001"} == {""}


def test_hostile_ids_survive_exactly(tmp_path: Path) -> None:
    rings, scores, _, _ = make_findings()
    for folder, form, back in ((tmp_path, CsvForm.safe, original), (tmp_path / "raw", CsvForm.raw, str)):
        write_tables(folder, *with_roles(scores, rings), lead_table(rings), form=form)
        ids = {back(row["user_id"]) for row in read(folder / "suspects.csv")}
        assert set(HOSTILE) <= ids
        members = [row for row in read(folder / "ring_members.csv") if row["ring_id"] == "R0002"]
        assert {back(row["user_id"]) for row in members} == set(HOSTILE)


EVIL = [
    '=HYPERLINK("http://x")',
    "=cmd|' /C calc'!A0",
    "@SUM(1)",
    "+1+1",
    "-1+1",
    "\t=1",
    "\r=1",
    " =1",
    "＝1",
    "'=1",
]
EVIL += [
    "''",
    "'a",
    "a;=1",
    "a\t=1",
    'a"=1',
    "00123",
    "12345678901234567",
    "3-4",
    "1e5",
    "TRUE",
    "SEPT2",
    "u1",
    "7",
    "größe",
]


def test_no_table_can_run_as_a_formula_and_every_text_comes_back(tmp_path: Path) -> None:
    table = pa.table({"n": [-0.5] * len(EVIL), "user_id": EVIL, "list": [[name] for name in EVIL]})
    for form in (CsvForm.safe, CsvForm.to_fill_in):
        path = write_csv(tmp_path / "t.csv", table, ("n", "user_id", "list"), form=form)
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")
        rows = read(path)
        assert [original(row["user_id"]) for row in rows] == EVIL
        assert is_neutral(row["user_id"] for row in rows)
        for field in (field for row in rows for field in row.values() if field != "-0.5"):
            assert field[0] not in "=+-@＝\t\r "
        if form is CsvForm.to_fill_in:
            kept = [row["user_id"] for row in rows if row["user_id"][0] != "'"]
            assert kept == ["a;=1", "a\t=1", 'a"=1', "u1", "7", "größe"]
    raw = write_csv(tmp_path / "raw.csv", table, ("user_id",), form=CsvForm.raw)
    with raw.open(encoding="utf-8", newline="") as handle:
        assert [row["user_id"] for row in csv.DictReader(handle)] == EVIL


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_safe_columns_come_back_whatever_they_hold(texts: list[str]) -> None:
    for safe in (neutral, steady):
        written = safe_column(pa.array(texts), safe)
        assert written.to_pylist() == [safe(text) for text in texts]
        assert original_column(written).to_pylist() == texts


def test_the_order_of_the_rows_does_not_change_the_bytes(tmp_path: Path) -> None:
    for place in (None, 1, 2):
        rings, scores, _, _ = make_findings(shuffle=place)
        write_tables(tmp_path / str(place), *with_roles(scores, rings), lead_table(rings))
    for name in CONTRACT:
        assert len({(tmp_path / str(place) / name).read_bytes() for place in (None, 1, 2)}) == 1


def test_empty_findings_give_headers_only(tmp_path: Path) -> None:
    rings, scores, _, _ = make_findings()
    empty = RingTables(rings.rings.slice(0, 0), rings.members.slice(0, 0), rings.items.slice(0, 0))
    write_tables(tmp_path, *with_roles(scores.slice(0, 0), empty), lead_table(empty))
    for name, columns in CONTRACT.items():
        assert (tmp_path / name).read_text("utf-8") == "\ufeff" + ",".join(columns) + "\n"


def test_missing_numbers_are_empty_fields(tmp_path: Path) -> None:
    columns = {"a": pa.array([None, float("nan"), 1 / 3, 1e-300]), "b": pa.array(["x", None, "y,z", 'q"'])}
    path = write_csv(tmp_path / "t.csv", pa.table(columns), ("a", "b"))
    assert path.read_text("utf-8-sig") == 'a,b\n,x\n,\n0.333333333,"y,z"\n1e-300,"q"""\n'


def test_labelled_things_get_their_own_file(tmp_path: Path) -> None:
    rings, scores, _, _ = make_findings()
    columns = {"event_id": ["7", "8"], "score": [0.1, 0.9], "p_value": [0.9, 0.1], "flagged": [False, True]}
    labelled = {"event": pa.table({**columns, "reason": ["", "big amount"]})}
    write_tables(tmp_path, *with_roles(scores, rings), lead_table(rings), labelled)
    assert [row["event_id"] for row in read(tmp_path / "event_scores.csv")] == ["8", "7"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "suspects.csv"
    target.write_text("old")
    script = """
import resource, sys
from pathlib import Path
from graphdet.errors import GraphdetError
from graphdet.files import write_text
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_text(Path(sys.argv[1]), "x" * 100_000)
except GraphdetError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(target)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith(f"cannot write {target}: the file would be larger")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["suspects.csv"]


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("I am a file")
    with pytest.raises(GraphdetError, match=r"cannot write .*out.*: a (part of this path|file of this name)"):
        write_text(tmp_path / "out" / "rings.csv", "")


def test_a_full_disk_is_said_with_what_to_do() -> None:
    message = str(explain_os_error(OSError(errno.ENOSPC, "No space left on device"), Path("out/rings.csv")))
    assert message.startswith("cannot write out/rings.csv: no space left")
    assert "free some space" in message


def test_run_json_has_its_schema_and_no_nan(tmp_path: Path) -> None:
    stages = {"ingest": {"seconds": 1.5, "peak_mib": float("nan")}}
    path = write_run_json(tmp_path, {"seed": 0, "stages": stages, "counts": {"users": 3}})
    document = json.loads(path.read_text())
    assert document["schema"] == "graphdet.run/1"
    assert document["stages"] == {"ingest": {"seconds": 1.5, "peak_mib": None}}
