"""Lines that are broken: put aside with file, line and reason; the rows around them are read."""

import json

import pytest

from graphdet.errors import TooManyRejects
from graphdet.logs.rejects import HEADER
from tests.logs.log_desk import BASIC, NOW_MS, Desk

HALF = BASIC + "[reject]\nmax_share = 0.9\n"
T = NOW_MS


def put_aside(desk: Desk) -> list[tuple[int, str]]:
    return [(int(r["line"]), r["reason"]) for r in desk.rejects()]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_too_few_and_too_many_columns(desk: Desk, table, end: str) -> None:
    lines = ["user,item,at", f"a,i,{T}", "b,i", f"c,i,{T},4", f"d,i,{T}"]
    log = desk.read(desk.write("log.csv", end.join(lines) + end), config=HALF)
    assert put_aside(desk) == [(3, "too few columns"), (4, "too many columns")]
    assert [json.loads(r["row"]) for r in desk.rejects()] == [{"text": "b,i"}, {"text": f"c,i,{T},4"}]
    # The number of a row counts the bad lines before it, so labels by event_id stay right.
    assert table(log.tables.events, "event_row", "user_id") == [(0, "a"), (3, "d")]
    assert (log.n_rows, log.n_events, log.n_rejects) == (4, 2, 2)


def test_a_cut_last_line(desk: Desk) -> None:
    log = desk.read(desk.write("log.csv", f"user,item,at\na,i,{T}\nb,i"), config=HALF)
    assert put_aside(desk) == [(3, "too few columns")]
    assert log.n_rows == 2


def test_lines_are_right_past_quoted_line_ends_and_blank_lines(desk: Desk, table) -> None:
    text = (
        "\n"  # 1
        "user,item,at\n"  # 2
        "\n"  # 3
        f'"a\nb",i,{T}\n'  # 4, 5
        "short,i\n"  # 6
        "\n"  # 7
        f'"c\n\nd",i,{T}\n'  # 8, 9, 10
        f",i,{T}\n"  # 11
        "\n"  # 12
        f"e,,{T}\n"  # 13
    )
    log = desk.read(desk.write("log.csv", text), config=HALF)
    assert put_aside(desk) == [
        (6, "too few columns"),
        (11, "missing user_id (user)"),
        (13, "missing item_id (item)"),
    ]
    assert table(log.tables.events, "event_row", "user_id") == [(0, "a\nb"), (2, "c\n\nd")]


def test_a_quote_that_is_never_closed_swallows_nothing(desk: Desk, table) -> None:
    text = f'user,item,at\na,i,{T}\nb,"i,{T}\n' + "".join(f"c{k},i,{T}\n" for k in range(1000))
    log = desk.read(desk.write("log.csv", text))
    assert put_aside(desk) == [(3, "a quote is not closed on this line")]
    assert (log.n_rows, log.n_events) == (1002, 1001)
    assert table(log.tables.events, "event_row", "user_id")[-1] == (999, "c997")


@pytest.mark.slow
def test_a_large_file_with_an_open_quote_in_its_middle(desk: Desk) -> None:
    good = "".join(f"u{k},i{k % 9},{T - k}\n" for k in range(200_000))
    text = f'user,item,at\n{good}x,"open,{T}\n{good}short,i\n'
    log = desk.read(desk.write("log.csv", text), config=BASIC + "[reject]\nduplicates = false\n")
    (line, reason), last = put_aside(desk)
    assert (line, reason[:21]) == (200_002, "a quote is not closed")
    assert last == (400_003, "too few columns")
    assert (log.n_rows, log.n_events) == (400_002, 400_000)


def test_an_open_quote_takes_no_good_line_with_it(desk: Desk) -> None:
    log = desk.read(desk.write("log.csv", f'user,item,at\na,"i,{T}\n"b",i,{T}\nc,i,{T}\n'), config=HALF)
    (reject,) = desk.rejects()
    assert (int(reject["line"]), reject["reason"]) == (2, "a quote is not closed on this line")
    assert json.loads(reject["row"]) == {"text": f'a,"i,{T}'}
    assert log.n_events == 2


def test_text_after_a_closed_quote(desk: Desk) -> None:
    log = desk.read(desk.write("log.csv", f'user,item,at\na,i,{T}\n"b"x,i,{T}\nc,i,{T}\n'), config=HALF)
    assert put_aside(desk) == [(3, "a quote is not closed or text follows it")]
    assert log.n_events == 2


def test_mixed_line_ends(desk: Desk, table) -> None:
    text = f"user,item,at\r\na,i,{T}\nb,i,{T}\r\nshort\nc,i,{T}\n\n,i,{T}\r\n"
    log = desk.read(desk.write("log.csv", text), config=HALF)
    assert put_aside(desk) == [(4, "too few columns"), (7, "missing user_id (user)")]
    assert table(log.tables.events, "event_row", "user_id", "at_ms") == [
        (0, "a", T),
        (1, "b", T),
        (3, "c", T),
    ]


def test_bytes_that_are_no_utf_8(desk: Desk, table) -> None:
    data = f"user,item,at\na,i,{T}\n".encode() + b"\xff\xfe\xfd,i,1\n" + f"c,i,{T}\n".encode()
    log = desk.read(desk.write("log.csv", data), config=HALF)
    assert put_aside(desk) == [(3, "not UTF-8")]
    assert table(log.tables.events, "user_id") == [("a",), ("c",)]


def test_no_quotes_at_all(desk: Desk, table) -> None:
    config = BASIC + '[read]\nquote = ""\n'
    log = desk.read(desk.write("log.tsv", f'user\titem\tat\n"a\t5" disk\t{T}\nb\ti\t{T}\n'), config=config)
    assert table(log.tables.events, "user_id", "item_id") == [('"a', '5" disk'), ("b", "i")]


def test_json_lines_that_are_no_objects(desk: Desk, table) -> None:
    good = f'{{"user":"a","item":7,"at":{T}}}\n'
    text = (
        good
        + "\nnot json\n[1, 2]\n"
        + f'{{"user":null,"item":"i","at":{T}}}\n'
        + f'{{"item":"i","at":{T}}}\n'
        + '{"user":"b'
    )
    log = desk.read(desk.write("log.jsonl", text), config=HALF)
    assert put_aside(desk) == [
        (3, "not valid JSON"),
        (4, "not a JSON object"),
        (5, "missing user_id (user)"),
        (6, "missing user_id (user)"),
        (7, "not valid JSON"),
    ]
    assert log.n_rows == 6
    assert table(log.tables.events, "event_row", "user_id", "item_id") == [(0, "a", "7")]


def test_nested_keys_and_keys_with_dots(desk: Desk, table) -> None:
    text = f'{{"u":{{"id":"a"}},"i.x":"one","at":{T}}}\n{{"u.id":"b","i.x":"two","at":{T}}}\n'
    config = BASIC.replace('"user"', '"u.id"').replace('"item"', '"i.x"')
    log = desk.read(desk.write("log.jsonl", text), config=config)
    assert table(log.tables.events, "user_id", "item_id") == [("a", "one"), ("b", "two")]


def test_rejects_csv_is_written_before_the_run_stops(desk: Desk) -> None:
    path = desk.write("log.csv", f"user,item,at\na,i,{T}\n,i,{T}\n,i,{T}\nb,,{T}\n")
    with pytest.raises(TooManyRejects) as caught:
        desk.read(path)
    assert caught.value.exit_code == 3
    message = str(caught.value)
    assert "3 of 4 rows" in message
    assert "max_share = 0.05" in message
    assert "2 missing user_id (user), 1 missing item_id (item)" in message
    assert f"{path} line 3: missing user_id" in message
    assert len(desk.rejects()) == 3


def test_rejects_csv_is_there_without_rejects_and_in_order_of_the_input(desk: Desk) -> None:
    desk.read(desk.write("log.csv", f"user,item,at\na,i,{T}\n"))
    assert desk.rejects_path.read_text() == HEADER
    many = "".join(f"u{k},i,{T}\n,i,{T}\nx,i\n" for k in range(3000))
    desk.read(
        desk.write("a.csv", "user,item,at\n" + many),
        desk.write("b.csv", f"user,item,at\n,i,{T}\n"),
        config=HALF,
    )
    found = desk.rejects()
    assert len(found) == 6001
    assert [int(r["line"]) for r in found[:-1]] == sorted(k for k in range(2, 9002) if k % 3 != 2)
    first = desk.rejects_path.read_bytes()
    desk.read(desk.folder / "a.csv", desk.folder / "b.csv", config=HALF)
    assert desk.rejects_path.read_bytes() == first


def test_rejects_csv_cannot_hold_a_formula(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.folder)
    desk.write("=cmd.csv", f"user,item,at\na,i,{T}\n=cmd|' /C calc'!A0,,{T}\n@x\n")
    desk.read("=cmd.csv", config=HALF)
    for reject in desk.rejects():
        assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for value in reject.values())
        json.loads(reject["row"])
    assert desk.rejects()[0]["file"] == "./=cmd.csv"
    assert json.loads(desk.rejects()[0]["row"])["user"] == "=cmd|' /C calc'!A0"
