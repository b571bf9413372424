"""A folder KEY=VALUE only fills what a file lacks; CSV, JSON lines and Parquet alike. No first line is eaten."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphdet.errors import InputError
from tests.logs.log_desk import Desk, rows

T = 1_600_000_000_000
CONFIG = """
[columns]
user_id = "user"
item_id = "item"
timestamp = "at"
[time]
unit = "ms"
"""
WITH_DAY = CONFIG + '[attributes]\nday = "dt"\n'


def write(desk: Desk, folder: str, form: str, cells: dict[str, list[object]]) -> Path:
    path = desk.folder / folder / f"log.{form}"
    path.parent.mkdir(parents=True)
    if form == "parquet":
        pq.write_table(pa.table(cells), path)
        return path
    lines = [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]
    if form == "jsonl":
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        path.write_text(
            "\n".join([",".join(cells), *(",".join(map(str, line.values())) for line in lines)]) + "\n"
        )
    return path


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_the_files_own_column_stays(desk: Desk, form: str) -> None:
    path = write(desk, "user=ZZ/USER=YY", form, {"user": ["a", "b"], "item": ["i", "i"], "at": [T, T + 1]})
    assert rows(desk.read(path, config=CONFIG).tables.events, "user_id") == [("a",), ("b",)]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_column_that_the_file_lacks_is_that_of_its_folder(desk: Desk, form: str) -> None:
    cells: dict[str, list[object]] = {"item": ["i", "j"], "at": [T, T + 1]}
    paths = [
        write(desk, folder, form, cells)
        for folder in ("dt=2020-09-13/user=007", "dt=x%3Dy/user=8", "dt=__HIVE_DEFAULT_PARTITION__/user=9")
    ]
    log = desk.read(*paths, config=WITH_DAY)
    assert set(rows(log.tables.events, "user_id", "day")) == {
        ("007", "2020-09-13"),
        ("8", "x=y"),
        ("9", None),
    }
    assert log.n_events == 6


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_column_that_neither_has_is_missing(desk: Desk, form: str) -> None:
    path = write(desk, "day=1", form, {"user": ["a"], "item": ["i"], "at": [T]})
    with pytest.raises(InputError, match="no column 'dt'"):
        desk.read(path, config=WITH_DAY)


NAMES = CONFIG + '[read]\nnames = ["user", "item", "at"]\n'


def test_a_first_line_that_is_a_row_is_read_and_that_is_said(desk: Desk) -> None:
    log = desk.read(desk.write("a.csv", f"a,i,{T}\nb,i,{T}\n"), config=NAMES)
    assert log.n_events == 2
    (warning,) = log.warnings
    assert "looks like a row" in warning
    assert "header = false" in warning


def test_a_first_line_that_is_said_to_be_a_header_is_left_out_with_a_warning(desk: Desk) -> None:
    log = desk.read(desk.write("a.csv", f"a,i,{T}\nb,i,{T}\n"), config=NAMES + "header = true\n")
    assert log.n_events == 1
    assert "is left out as the header" in log.warnings[0]


@pytest.mark.parametrize("header", ["user,item,at", "Konto,Artikel,Zeitpunkt", "USER,x1,t2020"])
def test_a_header_of_other_names_stays_one(desk: Desk, header: str) -> None:
    log = desk.read(desk.write("a.csv", f"{header}\na,i,{T}\n"), config=NAMES)
    assert (log.n_events, log.warnings) == (1, [])


def test_no_header_that_is_said_warns_of_nothing(desk: Desk) -> None:
    log = desk.read(desk.write("a.csv", f"a,i,{T}\n"), config=NAMES + "header = false\n")
    assert (log.n_events, log.warnings) == (1, [])
