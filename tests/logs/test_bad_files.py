"""Files that cannot be used: each says what is wrong, where, and what to do."""

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphdet.errors import ConfigError, InputError
from tests.logs.log_desk import BASIC, NOW_MS, Desk

GOOD = "user,item,at\n" + "".join(f"u{i % 7},i{i % 5},{NOW_MS - i * 1000}\n" for i in range(100))


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.output_stream(sink, compression="zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", "", ["the file is empty"]),
        ("blank.csv", "\n\n\n", ["the file is empty"]),
        ("header.csv", "user,item,at\n", ["a header but no rows"]),
        ("header.jsonl", "\n", ["the file is empty"]),
        (
            "missing.csv",
            "user,itm,at\nu,i,1\n",
            ["no column 'item'", "[columns] item_id", "did you mean 'itm'", "'at'"],
        ),
        ("semicolon.csv", "user;item;at\nu;i;1\n", ["1 column(s)", "3 at ';'", 'delimiter = ";"']),
        ("tab.csv", "user\titem\tat\nu\ti\t1\n", ["1 column(s)", 'delimiter = "\\t"']),
        ("comma.tsv", "user,item,at\nu,i,1\n", ["1 column(s)", 'delimiter = ","']),
        ("twice.csv", "user,user,item,at\nu,u,i,1\n", ["'user' twice"]),
        ("cut.csv.gz", gzip.compress(GOOD.encode(), mtime=0)[:-40], ["truncated", "cut.csv.gz"]),
        ("cut.csv.zst", zstd(GOOD.encode() * 50)[:-20], ["truncated"]),
        (
            "cut.jsonl.gz",
            gzip.compress(b'{"user":"u","item":"i","at":1}\n' * 1000, mtime=0)[:-40],
            ["truncated"],
        ),
        ("noise.csv.gz", bytes(range(256)) * 4, ["is no gzip file or is damaged"]),
        ("log.xlsx", "PK", ["cannot tell its format", ".csv"]),
        ("log", "user", ["cannot tell its format"]),
        ("no.parquet", "PAR1 is not enough", ["is no Parquet file"]),
        ("star*.csv", GOOD, ["rename it"]),
        ("array.json", '[{"user":"u","item":"i","at":1}]', ["no line is a JSON object", "jq"]),
        ("keys.jsonl", '{"user":"u","artikel":"i","at":1}', ["no column 'item'", "'artikel'"]),
    ],
)
def test_unusable_file(desk: Desk, name: str, content: str | bytes, words: list[str]) -> None:
    path = desk.write(name, content)
    with pytest.raises(InputError) as caught:
        desk.read(path)
    assert caught.value.exit_code == 3
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    for word in words:
        assert word in message


def test_paths_that_are_no_files(desk: Desk) -> None:
    with pytest.raises(InputError, match="is a folder"):
        desk.read(desk.folder)
    with pytest.raises(InputError, match="no such file"):
        desk.read(desk.folder / "nothing.csv")
    with pytest.raises(InputError, match="no file matches"):
        desk.read(desk.folder / "*.tsv")
    with pytest.raises(InputError, match="no log file given"):
        desk.read()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_no_permission(desk: Desk) -> None:
    path = desk.write("secret.csv", GOOD)
    path.chmod(0)
    with pytest.raises(InputError, match="check its permissions"):
        desk.read(path)


def test_parquet_without_a_column_and_without_rows(desk: Desk) -> None:
    path = desk.folder / "a.parquet"
    pq.write_table(pa.table({"user": ["u"], "artikel": ["i"], "at": [1]}), path)
    with pytest.raises(InputError, match="no column 'item'"):
        desk.read(path)
    pq.write_table(pa.table({"user": ["u"][:0], "item": ["i"][:0], "at": [1][:0]}), path)
    with pytest.raises(InputError, match="no rows"):
        desk.read(path)


def test_a_parquet_file_that_is_damaged_in_its_middle(desk: Desk) -> None:
    path = desk.folder / "a.parquet"
    desk.bench.execute(
        f"COPY (SELECT hash(k)::VARCHAR AS user, hash(k + 1)::VARCHAR AS item, {NOW_MS} AS at"
        f" FROM range(10000) r(k)) TO '{path}'"
    )
    data = bytearray(path.read_bytes())
    data[1000:1400] = bytes(range(200)) * 2
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"the log cannot be read to its end .*a\.parquet"):
        desk.read(path)


def test_a_text_file_needs_a_delimiter(desk: Desk) -> None:
    path = desk.write("log.txt", "user item at\n")
    with pytest.raises(ConfigError, match="delimiter"):
        desk.read(path)


def test_names_that_do_not_fit_the_first_line(desk: Desk) -> None:
    path = desk.write("log.csv", f"u;i;{NOW_MS}\n")
    text = BASIC + '[read]\nheader = false\nnames = ["user", "item", "at"]\n'
    with pytest.raises(InputError, match=r"3 columns, but the first line has 1.*3 at ';'"):
        desk.read(path, config=text)


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
def test_byte_order_mark(desk: Desk, table, mark: bytes, name: str) -> None:
    body = GOOD if name.endswith("csv") else f'{{"user":"u0","item":"i0","at":{NOW_MS}}}\n' * 1
    log = desk.read(desk.write(name, mark + body.encode()))
    assert ("u0", "i0") in table(log.tables.events, "user_id", "item_id")
    assert log.n_rejects == 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le-bom", "utf-16-be-bom"])
def test_utf_16_is_read(desk: Desk, table, encoding: str) -> None:
    text = f"user,item,at\nJosé,🎁,{NOW_MS}\nx,y,{NOW_MS}\n"
    if encoding.endswith("bom"):
        data = ("\ufeff" + text).encode(encoding.removesuffix("-bom"))
    else:
        data = text.encode(encoding)
    log = desk.read(desk.write("log.csv", data))
    assert table(log.tables.events, "user_id", "item_id") == [("José", "🎁"), ("x", "y")]


def test_utf_16_without_a_mark_says_how_to_convert(desk: Desk) -> None:
    path = desk.write("log.csv", GOOD.encode("utf-16-le"))
    with pytest.raises(InputError, match="iconv -f UTF-16LE"):
        desk.read(path)


def test_other_encodings_are_named_in_the_config(desk: Desk, table) -> None:
    path = desk.write("log.csv", f"user,item,at\nJosé,i,{NOW_MS}\nx,i,{NOW_MS}\n".encode("cp1252"))
    log = desk.read(path, config=BASIC + '[read]\nencoding = "cp1252"\n')
    assert table(log.tables.events, "user_id") == [("José",), ("x",)]
    log = desk.read(path, config=BASIC + "[reject]\nmax_share = 0.5\n")
    assert log.rejects_by_reason == {"not UTF-8": 1}


def test_unknown_encoding(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="encoding"):
        desk.config(BASIC + '[read]\nencoding = "klingon"\n')


def test_an_empty_file_among_others_is_a_warning(desk: Desk) -> None:
    log = desk.read(desk.write("a.csv", GOOD), desk.write("b.csv", "user,item,at\n"))
    assert log.n_rows == 100
    assert log.warnings == [f"{desk.folder / 'b.csv'}: no rows"]


@pytest.mark.parametrize(
    "name", ["log.csv", "log.csv.gz", "log.csv.zst", "log.tsv", "log.jsonl", "log.parquet"]
)
def test_every_format_gives_the_same_tables(desk: Desk, table, name: str) -> None:
    lines = [line.split(",") for line in GOOD.splitlines()]
    objects = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    path = desk.folder / name
    if name.endswith(".gz"):
        desk.write(name, gzip.compress(GOOD.encode()))
    elif name.endswith(".zst"):
        desk.write(name, zstd(GOOD.encode()))
    elif name.endswith(".tsv"):
        desk.write(name, GOOD.replace(",", "\t"))
    elif name.endswith(".jsonl"):
        desk.write(name, "".join(str(o).replace("'", '"') + "\n" for o in objects))
    elif name.endswith(".parquet"):
        columns = {k: [o[k] for o in objects] for k in lines[0]}
        pq.write_table(pa.table({**columns, "at": [int(v) for v in columns["at"]]}), path)
    else:
        desk.write(name, GOOD)
    expected = desk.read(desk.write("plain.csv", GOOD))
    log = desk.read(path)
    for name in ("events", "interactions", "items", "sessions", "entities"):
        assert table(getattr(log.tables, name)) == table(getattr(expected.tables, name))


def test_several_files_and_globs_keep_their_order(desk: Desk, table) -> None:
    lines = GOOD.splitlines(keepends=True)
    desk.write("part-2.csv", lines[0] + "".join(lines[41:]))
    desk.write("part-1.csv", lines[0] + "".join(lines[1:41]))
    whole = desk.read(desk.write("whole.csv", GOOD))
    parts = desk.read(desk.folder / "part-*.csv")
    assert table(parts.tables.events) == table(whole.tables.events)
    assert [Path(path).name for path, _, _ in parts.files] == ["part-1.csv", "part-2.csv"]
    assert [n for _, _, n in parts.files] == [40, 60]
    turned = desk.read(desk.folder / "part-2.csv", desk.folder / "part-1.csv", desk.folder / "*-2.csv")
    assert turned.n_rows == 100
    assert turned.digest != parts.digest


def test_files_with_columns_in_another_order(desk: Desk, table) -> None:
    a = desk.write("a.csv", f"user,item,at\nu,i,{NOW_MS}\n")
    b = desk.write("b.csv", f"extra,at,item,user\nx,{NOW_MS},i2,u2\n")
    log = desk.read(a, b)
    assert table(log.tables.events, "event_row", "user_id", "item_id") == [(0, "u", "i"), (1, "u2", "i2")]


def test_rejects_that_cannot_be_written(desk: Desk) -> None:
    from graphdet.errors import GraphdetError

    desk.write("out", "a file where a folder should be")
    with pytest.raises(GraphdetError, match=r"cannot write .*: a file of this name is in the way"):
        desk.read(desk.write("log.csv", GOOD))


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a pipe"])
def test_what_can_be_read_only_once_is_no_log(desk: Desk, kind: str) -> None:
    path = desk.folder / "log.csv"
    if kind == "device":
        path.symlink_to("/dev/null")
    else:
        os.mkfifo(desk.folder / "pipe")
        path.symlink_to(desk.folder / "pipe") if "link" in kind else (desk.folder / "pipe").rename(path)
    with pytest.raises(InputError, match=r"log\.csv: is a pipe or a device.*write it into a file first"):
        desk.read(path)
