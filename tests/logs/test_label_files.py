"""Labels: read, checked against the log, refused with a place."""

import pyarrow as pa
import pytest

from graphdet.errors import InputError
from graphdet.logs import check_labels, read_labels
from graphdet.logs.score_files import read_label_rows, read_score_file
from graphdet.reports.csv_tables import CsvForm, write_csv
from graphdet.schema import LABEL_KEYS
from tests.logs.log_desk import Desk


@pytest.mark.parametrize("key", LABEL_KEYS)
def test_each_key(desk: Desk, key: str) -> None:
    labels = read_labels(desk.write("l.csv", f"{key},note,label\n b ,x,0\na,,1\nc,,\n\na,again,1.0\n"))
    assert labels.key == key
    assert labels.table.to_pydict() == {key: ["a", "b"], "label": [1, 0]}
    assert labels.table.schema.types == [pa.string(), pa.int8()]


EVIL = [
    '=HYPERLINK("http://x")',
    "=cmd|' /C calc'!A0",
    "@SUM(1)",
    "+1",
    "-1",
    "＝1",
    "'=1",
    "''",
    "'a",
    "a;=1",
    "00123",
    "1e5",
]


@pytest.mark.parametrize("form", [CsvForm.safe, CsvForm.to_fill_in, CsvForm.raw])
@pytest.mark.parametrize("n", range(len(EVIL)))
def test_a_sheet_that_was_filled_in_gives_the_exact_ids(desk: Desk, form: CsvForm, n: int) -> None:
    ids = ["u1", *(EVIL if n == 0 else EVIL[n : n + 1])]
    if form is CsvForm.raw and n in (EVIL.index("'=1"), EVIL.index("''")):
        pytest.skip("alone in a file without other signs it looks like =1 made safe")
    table = pa.table({"user_id": ids, "score": [0.5] * len(ids), "label": [1] * len(ids)})
    path = write_csv(desk.folder / "ask.csv", table, table.column_names, form=form)
    assert set(read_labels(path).table["user_id"].to_pylist()) == set(ids)
    assert read_score_file(path).table["user_id"].to_pylist() == ids
    assert read_label_rows(path, "user_id").table["user_id"].to_pylist() == ids


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
@pytest.mark.parametrize("header", ["user_id{}label", "User_ID{} Label ", '"user_id"{}"LABEL"'])
def test_labels_as_people_write_them(desk: Desk, delimiter: str, header: str) -> None:
    text = "\n".join([header, "a{}1", " b\u00a0{} 0", "17850.0{}1", "::ffff:203.0.113.7{}0"])
    labels = read_labels(desk.write("l.csv", "\ufeff" + text.replace("{}", delimiter) + "\n"))
    assert labels.table.to_pydict() == {"user_id": ["17850", "203.0.113.7", "a", "b"], "label": [1, 0, 1, 0]}


def test_tsv_and_weird_ids(desk: Desk) -> None:
    labels = read_labels(desk.write("l.tsv", 'label\tuser_id\n1\t"a\nb"\n0\t🎁\n'))
    assert labels.table["user_id"].to_pylist() == ["a\nb", "🎁"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("user_id,lable\na,1\n", ["label and exactly one of user_id", "'lable'"]),
        ("user_id,item_id,label\na,i,1\n", ["exactly one of"]),
        ("label\n1\n", ["exactly one of"]),
        ("user_id,label\na,1\nb,yes\n", ["line 3", "'yes' is neither 1, 0 nor empty"]),
        ("user_id,label\na,1\n,1\n", ["line 3", "user_id is missing"]),
        ("user_id,label\na,1\nb\n", ["line 3", "too few columns"]),
        ("user_id,label\na,1\nb,0\na,0\n", ["lines 2 and 4", "'a' is labelled both 1 and 0"]),
        ("user_id,label\na,\n", ["every label is empty"]),
        ("user_id,label\n", ["every label is empty"]),
        ("", ["the file is empty"]),
    ],
)
def test_wrong_labels_say_where(desk: Desk, text: str, words: list[str]) -> None:
    path = desk.write("l.csv", text)
    with pytest.raises(InputError) as caught:
        read_labels(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    for word in words:
        assert word in message


def test_labels_are_text_tables(desk: Desk) -> None:
    with pytest.raises(InputError, match=r"must be a \.csv or \.tsv"):
        read_labels(desk.write("l.jsonl", "{}"))


def test_unknown_ids_are_a_warning_and_kept_apart(desk: Desk) -> None:
    labels = read_labels(desk.write("l.csv", "user_id,label\na,1\nb,0\nx,1\ny,0\n"))
    checked, warnings = check_labels(labels, pa.array(["a", "b", "c"]))
    assert checked.table.to_pydict() == {"user_id": ["a", "b"], "label": [1, 0]}
    assert checked.unknown.to_pydict() == {"user_id": ["x", "y"], "label": [1, 0]}
    (warning,) = warnings
    assert "2 of 4 labels name a user_id that is not in the log" in warning
    assert "'x', 'y'" in warning
    assert check_labels(checked, pa.chunked_array([["a"], ["b"]]))[1] == []


def test_labels_that_teach_nothing(desk: Desk) -> None:
    labels = read_labels(desk.write("l.csv", "user_id,label\na,1\nb,1\nx,0\n"))
    with pytest.raises(
        InputError, match=r"all 2 labels of the log are fraud \(1\); add some that are clean \(0\)"
    ):
        check_labels(labels, pa.array(["a", "b"]))
    with pytest.raises(InputError, match="no label is of a user_id in the log, which has no 'a', 'b', 'x'"):
        check_labels(labels, pa.array(["q"]))
