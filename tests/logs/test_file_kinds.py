"""Kinds of files by their bytes whatever their names, and lines that are no rows."""

import gzip
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphdet.errors import ConfigError, InputError
from tests.logs.log_desk import BASIC, NOW_MS, Desk, rows

GOOD = f"user,item,at\nu1,i1,{NOW_MS}\nu2,i2,{NOW_MS - 1000}\n".encode()
WANT = [("u1", "i1", NOW_MS), ("u2", "i2", NOW_MS - 1000)]
LINES = b"".join(f'{{"user":"{u}","item":"{i}","at":{t}}}\n'.encode() for u, i, t in WANT)


def events(desk: Desk, *paths: Path | str, config: str = BASIC) -> list[tuple[object, ...]]:
    return rows(desk.read(*paths, config=config).tables.interactions, "user_id", "item_id", "at_ms")


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        pa.table(
            {"user": [u for u, *_ in WANT], "item": [i for _, i, _ in WANT], "at": [t for *_, t in WANT]}
        ),
        sink,
    )
    return sink.getvalue()


def archive(*names: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as made:
        for name in names:
            made.writestr(name, GOOD)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv", parquet()),
        ("log.jsonl", parquet()),
        ("log.dat", parquet()),
        ("log.csv", gzip.compress(GOOD, mtime=0)),
        ("log.parquet.csv", gzip.compress(GOOD, mtime=0)),
        ("log.csv.gz", GOOD),
        ("log.csv.zst", gzip.compress(GOOD, mtime=0)),
        ("log.csv", LINES),
        ("log.txt.gz", gzip.compress(LINES, mtime=0)),
        ("log", LINES),
    ],
)
def test_a_file_is_read_for_what_it_is(desk: Desk, name: str, content: bytes) -> None:
    assert events(desk, desk.write(name, content)) == WANT


@pytest.mark.parametrize("name", ["log.csv", "log.xlsx", "log.jsonl", "log.parquet"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (archive("[Content_Types].xml", "xl/workbook.xml"), ["Excel workbook", "save it as CSV"]),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), ["Excel workbook", "save it as CSV"]),
        (b"BZh91AY&SY" + bytes(range(256)), ["bzip2", "unpack"]),
        (b"\xfd7zXZ\x00" + bytes(100), ["xz", "unpack"]),
        (b"SQLite format 3\x00" + bytes(100), ["SQLite", "export"]),
        (b"ARROW1" + bytes(100), ["Arrow", "Parquet"]),
        (b"<!DOCTYPE html><html><body>Log in</body></html>", ["web page", "fetch"]),
    ],
)
def test_what_is_not_read_is_named_with_the_way_out(
    desk: Desk, name: str, content: bytes, words: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        desk.read(desk.write(name, content))
    for word in [*words, name]:
        assert word in str(caught.value)


def test_an_archive_is_no_workbook(desk: Desk) -> None:
    with pytest.raises(InputError, match=r"zip archive.*unpack it"):
        desk.read(desk.write("log.zip", archive("log.csv")))


def test_an_empty_file_beside_others_is_told(desk: Desk) -> None:
    desk.write("a.csv", GOOD)
    empty = desk.write("b.csv", "")
    log = desk.read(str(desk.folder / "*.csv"))
    assert log.n_rows == log.n_events == 2
    assert [w for w in log.warnings if str(empty) in w and "no rows" in w]
    with pytest.raises(InputError, match=r"b\.csv: the file is empty"):
        desk.read(desk.folder / "a.csv", empty)
    desk.write("c.csv.gz", gzip.compress(GOOD, mtime=0))
    desk.write("d.csv.gz", gzip.compress(b"", mtime=0))
    assert desk.read(str(desk.folder / "*.csv.gz")).n_events == 2


def test_another_ending_needs_a_delimiter(desk: Desk) -> None:
    path = desk.write("log.dat", GOOD)
    with pytest.raises(InputError, match=r"set \[read\] delimiter"):
        desk.read(path)
    assert events(desk, path, config=BASIC + '[read]\ndelimiter = ","\n') == WANT
    with pytest.raises(ConfigError, match="delimiter"):
        desk.read(desk.write("log.txt", GOOD))


TABLE = "user;item;at\n" + "".join(f"{u};{i};{t}\n" for u, i, t in WANT)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("sep=;\n" + TABLE, ""),
        ('"sep=;"\r\n' + TABLE, ""),
        (TABLE.replace(";", "::"), 'delimiter = "::"'),
        (TABLE.replace(";", " | "), 'delimiter = " | "'),
        ("Report of March\n\n" + TABLE, 'delimiter = ";"\nskip = 2'),
        ("Report\n# of March\n" + TABLE.replace("u2", "# half time\nu2"), 'delimiter = ";"\nskip = 1\ncomment = "#"'),
        ("// a\n" + TABLE + "// the end\n", 'delimiter = ";"\ncomment = "//"'),
        (TABLE.replace(";", "; ").replace("u1", '"u1"').replace("item", '"item"').replace(" i", ' "i').replace(
            '1; 1', '1"; 1').replace("2; 1", '2"; 1'), 'delimiter = ";"'),
    ],
)  # fmt: skip
def test_lines_that_are_no_rows(desk: Desk, text: str, read: str) -> None:
    assert events(desk, desk.write("log.csv", text), config=f"{BASIC}[read]\n{read}\n") == WANT


def test_rows_keep_the_numbers_of_their_lines(desk: Desk) -> None:
    text = "title\n# a\nuser,item,at\n# b\nu1,i1,never\n\n# c\nu2,i2,1,2,3\nu3,i3," + str(NOW_MS) + "\n"
    config = BASIC + '[read]\nskip = 1\ncomment = "#"\n[reject]\nmax_share = 1\n'
    log = desk.read(desk.write("log.csv", text), config=config)
    assert (log.n_rows, log.n_events) == (3, 1)
    assert [(r["line"], r["reason"][:9]) for r in desk.rejects()] == [("5", "timestamp"), ("8", "too many ")]


def test_a_comment_within_quotes_is_a_value(desk: Desk) -> None:
    text = f'user,item,at,text\nu1,i1,{NOW_MS},"first\n#second\nthird"\n# gone\nu2,i2,{NOW_MS - 1000},x\n'
    config = BASIC.replace("[time]", 'text = "text"\n[time]') + '[read]\ncomment = "#"\n'
    log = desk.read(desk.write("log.csv", text), config=config)
    assert ("first\n#second\nthird",) in rows(log.tables.events, "text")
    assert log.n_events == 2


def test_quotes_with_blanks_before_them(desk: Desk) -> None:
    text = f'"user", "item", "at"\n"a, ""b""", "i1", "{NOW_MS}"\n"c", "d, ""e""", "{NOW_MS - 1}"\n'
    assert events(desk, desk.write("log.csv", text)) == [
        ('a, "b"', "i1", NOW_MS),
        ("c", 'd, "e"', NOW_MS - 1),
    ]


W3C = """#Software: Internet Information Services
#Version: 1.0
#Fields: date time c-ip cs-uri-stem
2023-11-01 10:00:00 203.0.113.7 /a
#Software: started again
#Fields: date time c-ip cs-uri-stem
2023-11-01 10:00:01 203.0.113.8 /b
"""
W3C_CONFIG = '[columns]\nuser_id = "c-ip"\nitem_id = "cs-uri-stem"\ntimestamp = ["date", "time"]\n'


@pytest.mark.parametrize("name", ["ex.log", "ex.txt", "ex.csv"])
def test_extended_logs_of_w3c(desk: Desk, name: str) -> None:
    at = 1_698_832_800_000
    want = [("203.0.113.7", "/a", at), ("203.0.113.8", "/b", at + 1000)]
    assert events(desk, desk.write(name, W3C), config=W3C_CONFIG) == want
    tabs = "".join(line if line[0] == "#" and "F" not in line else line.replace(" ", "\t").replace(":\t", ": ")
                   for line in W3C.splitlines(keepends=True))  # fmt: skip
    assert events(desk, desk.write("tabs.log", tabs), config=W3C_CONFIG) == want
    other = desk.write("other.log", W3C + "#Fields: date time cs-uri-stem c-ip\n2023-11-01 10:00:00 /a x\n")
    with pytest.raises(InputError, match="line 8: the directive #Fields changes"):
        desk.read(other, config=W3C_CONFIG)


def test_names_of_rows_as_r_writes_them(desk: Desk) -> None:
    text = f'"user","item","at"\n"1","u1","i1",{NOW_MS}\n"2","u2","i2",{NOW_MS - 1000}\n'
    assert events(desk, desk.write("log.csv", text)) == WANT


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n  "user": "a",\n  "item": "x"\n}\n', ["pretty-printed", "jq -c . FILE"]),
        ('[\n{"user": "a"},\n{"user": "b"}\n]\n', ["jq -c '.[]'"]),
        ('{"rows": [{"user": "a", "item": "b", "at": 1}]}\n', ["'rows'", "jq -c '.rows[]'"]),
    ],
)
def test_json_in_another_layout(desk: Desk, text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        desk.read(desk.write("log.json", text))
    for word in words:
        assert word in str(caught.value)


def test_a_delimiter_is_named_whatever_the_case_of_the_header(desk: Desk) -> None:
    with pytest.raises(InputError, match=r'3 at \';\': set \[read\] delimiter = ";"'):
        desk.read(desk.write("log.csv", TABLE.replace("user", "USER").replace("item", "Item")))
    with pytest.raises(InputError, match="did you mean 'USER'"):
        desk.read(desk.write("log.csv", GOOD.replace(b"user", b"USER")))
