"""What a log seems to be: its delimiter, header, columns and times; and the config that init writes of it."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphdet.config import load_config
from graphdet.errors import ConfigError, UsageError
from graphdet.logs.guess import unit_of
from graphdet.verbs.init import config_of_names, init

PLAIN = "user_id,item_id,timestamp\nu1,i1,1700000000\nu2,i1,1700000060\n"
AT = 1_700_000_000


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (["1700000000", ""], "s"),
        (["1700000000.25"], "s"),
        (["1700000000000"], "ms"),
        (["1700000000000000"], "us"),
        (["1700000000000000000"], "ns"),
        (["20240131", "20240201"], "%Y%m%d"),
        (["20240131101500"], "%Y%m%d%H%M%S"),
        (["2024-01-31 10:00:00", "2024-01-31T10:00:00.5Z"], "iso"),
        (["2024-01-31"], "day"),
        (["31/01/2024 10:15", "01/02/2024 00:00"], "%d/%m/%Y %H:%M"),
        (["01/31/2024", "02/01/2024"], "%m/%d/%Y"),
        (["1/31/2024 1:05 PM"], "%m/%d/%Y %I:%M %p"),
        (["31.12.2023 23:59:59"], "%d.%m.%Y %H:%M:%S"),
        (["10/Oct/2023:13:55:36 -0700"], "%d/%b/%Y:%H:%M:%S %z"),
        (["1", "2", "3"], None),
        (["a"], None),
        ([], None),
    ],
)
def test_units_are_told_by_the_values(values: list[str], unit: str | None) -> None:
    assert unit_of(values) == (unit, "")


def test_a_day_that_may_be_a_month_is_doubtful() -> None:
    unit, doubt = unit_of(["01/02/2024", "03/04/2024"])
    assert unit == "%d/%m/%Y"
    assert "%m/%d/%Y" in doubt


STANDARD = ["user_id", "item_id", "timestamp"]
SPOKEN = ["Visitor ID", "PRODUCT", "Event Time"]
NESTED = """{"user": {"id": "u1"}, "item": {"id": 7}, "ts": 1700000000}
{"user": {"id": "u2"}, "ts": 1700000060, "item": {"id": 7}}
"""


def as_parquet(path: Path) -> None:
    at = pa.array([AT * 1000, (AT + 60) * 1000], pa.timestamp("ms"))
    table = {"visitor": ["u1", "u2"], "article": [7, 7], "at": at}
    pq.write_table(pa.table(table), path)


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("a.csv", PLAIN, STANDARD),
        ("a.csv.gz", PLAIN, STANDARD),
        ("a.tsv", PLAIN.replace(",", "\t"), STANDARD),
        ("a.csv", PLAIN.replace(",", ";"), STANDARD),
        ("a.txt", PLAIN.replace(",", "::"), STANDARD),
        ("a.csv", "# made by a tool\n" + PLAIN, STANDARD),
        ("a.csv", PLAIN.replace(",".join(STANDARD), ",".join(SPOKEN)), SPOKEN),
        ("a.jsonl", NESTED, ["user.id", "item.id", "ts"]),
        ("a.parquet", as_parquet, ["visitor", "article", "at"]),
    ],
)  # fmt: skip
def test_a_log_of_common_names_needs_no_config(
    tmp_path: Path, name: str, content: object, columns: list[str]
) -> None:
    path = tmp_path / name
    if callable(content):
        content(path)
    else:
        data = str(content).encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    config, said = config_of_names([path])
    found = config.columns
    assert [found.user_id, found.item_id, found.timestamp] == columns
    assert "graphdet init" in said[0]
    written = init(path, tmp_path / "mine.toml")
    assert load_config(tmp_path / "mine.toml").columns == found  # both understand the same
    assert [row["user"] for row in written.rows] == ["u1", "u2"]
    assert [row["at (UTC)"][11:] for row in written.rows] == ["22:13:20", "22:14:20"]
    assert (written.n_rows, written.n_used, written.unsure) == (2, 2, {})


def test_names_that_do_not_tell_are_no_config_and_init_guesses_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_bytes("wer;was;wann;egal\nmüller;x;31.01.2024;1\nmeier;y;01.02.2024;1\n".encode("cp1252"))
    with pytest.raises(ConfigError, match=r"user_id and item_id and timestamp .*graphdet init"):
        config_of_names([path])
    found = init(path, tmp_path / "b.toml")
    assert set(found.unsure) == {"user_id", "item_id", "timestamp"}
    text = (tmp_path / "b.toml").read_text("utf-8")
    assert text.count("CHECK") == 3
    assert "# Not used: egal" in text
    config = load_config(tmp_path / "b.toml")
    assert (config.read.delimiter, config.read.encoding) == (";", "cp1252")
    assert (config.columns.user_id, config.columns.item_id, config.time.unit) == ("wer", "was", "%d.%m.%Y")
    assert found.rows[0]["user"] == "müller"
    with pytest.raises(UsageError, match="is there already"):
        init(path, tmp_path / "b.toml")


def test_a_file_without_a_header_gets_names_and_hostile_names_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("a1,b7,2024-01-31 10:00:00,x\na2,b7,2024-01-31 10:00:01,y\na1,b8,2024-01-31 10:00:05,x\n")
    found = init(path, tmp_path / "c.toml")
    assert load_config(tmp_path / "c.toml").read.header is False
    assert [row["item"] for row in found.rows] == ["b7", "b7", "b8"]
    evil = 'user"]\n[x'
    (tmp_path / "d.jsonl").write_text(
        "\n".join(json.dumps({evil: u, "item_id": "i\\", "ts": AT}) for u in ("a", "b"))
    )
    init(tmp_path / "d.jsonl", tmp_path / "d.toml")
    assert load_config(tmp_path / "d.toml").columns.user_id == evil


def test_what_cannot_be_known_is_asked_and_the_answers_count(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text("a,b,c\nx1,y1,01/02/2024\nx2,y2,03/04/2024\n")
    asked: list[str] = []

    def ask(question: str, best: str, allowed: object) -> str:
        asked.append(question)
        answers = {
            "user_id": "b",
            "item_id": "a",
            "timestamp": "c",
            "written": "%m/%d/%Y",
            "zone": "Europe/Berlin",
        }
        return next(answer for key, answer in answers.items() if key in question)

    found = init(path, tmp_path / "e.toml", ask=ask)
    assert len(asked) == 5
    config = load_config(tmp_path / "e.toml")
    assert (config.columns.user_id, config.columns.item_id, config.time.zone) == ("b", "a", "Europe/Berlin")
    assert found.rows[0] == {"user": "y1", "item": "x1", "at (UTC)": "2024-01-01 23:00:00", "action": "view"}


def test_a_log_of_one_column_is_told(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("user_id\na\nb\n")
    with pytest.raises(UsageError, match="no column could be item_id"):
        init(tmp_path / "f.csv", None)
