"""A quote that is not closed costs its own line, never the good ones after it; values over several lines stay whole."""

import random

import pytest

from graphdet.logs.quotes import NOT_CLOSED, TEXT_FOLLOWS, Records
from tests.logs.log_desk import Desk, rows

T = 1_600_000_000_000
CONFIG = """
[columns]
user_id = "user"
item_id = "item"
timestamp = "at"
[reject]
max_share = 1
"""
TEXTS = CONFIG + '[time]\nunit = "ms"\n'
WITH_TEXT = TEXTS.replace('timestamp = "at"', 'timestamp = "at"\ntext = "text"')


def good(n: int, first: int = 0) -> list[str]:
    return [f"u{k},i{k},{T + k}" for k in range(first, first + n)]


@pytest.mark.parametrize("gap", [0, 1, 2, 5, 100, 1500])
@pytest.mark.parametrize(
    ("opened", "end", "n_bad"),
    [
        ('"v,j,1600000000000', 'w,"x y",1600000000000', 1),
        ('"v,j,1600000000000', 'w,x y",1600000000000', 2),
        ('"v,j,1600000000000', '"w,x y,1600000000000', 2),
        ('v,"j,1600000000000', 'w,"x, y",1600000000000', 1),
        ('v,"j,1600000000000', 'w,"x ""y""",1600000000000', 1),
        ('v,j,"1600000000000', "w,x,1600000000000", 1),
    ],
)
def test_no_good_line_is_lost(desk: Desk, gap: int, opened: str, end: str, n_bad: int) -> None:
    lines = [*good(5), opened, *good(gap, 5), end, *good(3, 5 + gap)]
    log = desk.read(desk.write("a.csv", "user,item,at\n" + "\n".join(lines) + "\n"), config=TEXTS)
    users = {user for (user,) in rows(log.tables.events, "user_id")}
    assert {f"u{k}" for k in range(8 + gap)} <= users
    assert log.n_rows <= len(lines)
    if gap:
        assert (log.n_rows, log.n_rejects) == (len(lines), n_bad)
        assert {int(reject["line"]) for reject in desk.rejects()} <= {7, 8 + gap}


def test_values_over_several_lines_stay_whole_and_are_counted(desk: Desk) -> None:
    text = 'user,item,at,text\nu1,i1,1600000000000,"one\ntwo, or three\n\n""four"""\nu2,i2,1600000000001,"five\nsix"\n'
    log = desk.read(desk.write("a.csv", text), config=WITH_TEXT)
    assert log.n_events == 2
    assert rows(log.tables.events, "text") == [("five\nsix",), ('one\ntwo, or three\n\n"four"',)]
    (warning,) = [w for w in log.warnings if "several lines" in w]
    assert warning.startswith(
        str(desk.folder / "a.csv") + ": 2 rows have values that run over several lines, 6 lines"
    )


def test_values_over_several_lines_stay_whole_beside_an_open_quote(desk: Desk) -> None:
    lines = [
        'u1,i1,1600000000000,"one\ntwo ""2"", or\nthree"',
        'u2,i2,1600000000001,"oh',
        *(f"{g},a" for g in good(9)),
    ]
    lines += ['u3,i3,1600000000002,"five\n\nsix"']
    log = desk.read(desk.write("a.csv", "user,item,at,text\n" + "\n".join(lines) + "\n"), config=WITH_TEXT)
    assert (log.n_rows, log.n_events, log.n_rejects) == (12, 11, 1)
    assert ('one\ntwo "2", or\nthree',) in rows(log.tables.events, "text")
    assert ("five\n\nsix",) in rows(log.tables.events, "text")
    assert [(reject["line"], reject["reason"]) for reject in desk.rejects()] == [("5", NOT_CLOSED)]


def test_a_quote_within_an_unquoted_value_is_no_mistake(desk: Desk) -> None:
    lines = ['u1,5" tv,1600000000000', 'u"2,i,1600000000000', '"u3,i,1600000000000', *good(4)]
    log = desk.read(desk.write("a.csv", "user,item,at\n" + "\n".join(lines) + "\n"), config=TEXTS)
    assert (log.n_rows, log.n_events) == (7, 6)
    assert ('5" tv',) in rows(log.tables.events, "item_id")


def test_any_number_of_open_quotes_costs_no_good_line(desk: Desk) -> None:
    draw = random.Random(3)
    for _ in range(6):
        lines = good(200)
        bad = draw.sample(range(200), draw.randrange(1, 12))
        for k in bad:
            at = draw.randrange(3)
            cells = lines[k].split(",")
            cells[at] = '"' + cells[at]
            lines[k] = ",".join(cells)
        log = desk.read(desk.write("a.csv", "user,item,at\n" + "\n".join(lines) + "\n"), config=TEXTS)
        assert (log.n_rows, log.n_events) == (200, 200 - len(bad))


def test_records_of_lines_that_are_no_text_or_have_text_after_a_quote() -> None:
    records = Records(";", "'", 2)
    lines = [(1, "'a';b"), (2, None), (3, ""), (4, "'a'x;b"), (5, "a;'b"), (6, "c'"), (7, "d;'e")]
    assert [(n, reason, n_lines) for n, _, reason, n_lines in records.of(lines)] == [
        (1, None, 1),
        (2, "not UTF-8", 1),
        (4, TEXT_FOLLOWS, 1),
        (5, None, 2),
        (7, NOT_CLOSED, 1),
    ]
