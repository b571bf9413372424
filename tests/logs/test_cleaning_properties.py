"""What holds of any log: no row is lost, the order of rows does not matter, kinds of file do not matter."""

import csv
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphdet.errors import InputError
from tests.logs.log_desk import NOW_MS, Desk, rows

CONFIG = """
[columns]
user_id = "user"
item_id = "item"
timestamp = "at"
action = "what"
amount = "price"
quantity = "n"
[time]
unit = "ms"
[actions]
keep = ["view", "buy", "return"]
[filters]
geo = ["", "BR"]
[reject]
max_share = 1
"""
HEADER = ["user", "item", "at", "what", "price", "n", "geo"]
TIMES = st.one_of(
    st.integers(NOW_MS - 10_000_000, NOW_MS).map(str),
    st.sampled_from(["", "0", "x", str(NOW_MS // 1000), str(NOW_MS * 1000), str(NOW_MS * 2), "-5"]),
)
IDS = st.one_of(
    st.sampled_from(["a", "b", " a", "", "  ", "c\0"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=6),
)
NUMBERS = st.sampled_from(["", "1", "2.5", "-1", "0", "nan", "inf", "x"])
ROWS = st.lists(
    st.tuples(
        IDS,
        IDS,
        TIMES,
        st.sampled_from(["", "view", "BUY", "scroll"]),
        NUMBERS,
        NUMBERS,
        st.sampled_from(["BR", "", "US"]),
    ),
    min_size=1,
    max_size=25,
)


def as_csv(lines: list[tuple[str, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([HEADER, *lines])
    return out.getvalue()


def read(desk: Desk, *paths: Any) -> Any:
    """Read; None when not one row is usable."""
    try:
        return desk.read(*paths, config=CONFIG)
    except InputError as error:
        if "no usable row is left" not in str(error):
            raise
        return None


@settings(max_examples=40, deadline=None)
@given(lines=ROWS)
@pytest.mark.slow
def test_no_row_is_lost(tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, ...]]) -> None:
    desk = Desk(tmp_path_factory.mktemp("log"))
    log = read(desk, desk.write("a.csv", as_csv(lines)))
    put_aside = desk.rejects()
    if log is None:
        return
    assert log.n_rows == len(lines) == log.n_events + log.n_rejects + log.n_duplicates + log.n_filtered
    assert len(put_aside) == log.n_rejects + log.n_duplicates == sum(log.rejects_by_reason.values())
    assert len(rows(log.tables.events)) == log.n_events
    assert sum(n for (n,) in rows(log.tables.interactions, "n")) == log.n_events
    sessions = {(s, u) for s, u, *_ in rows(log.tables.sessions)}
    assert {(s, u) for u, s in rows(log.tables.events, "user_id", "session_id")} == sessions
    assert len({s for s, _ in sessions}) == len(sessions)
    assert {i for i, _ in rows(log.tables.items)} == {i for (i,) in rows(log.tables.events, "item_id")}


@settings(max_examples=30, deadline=None)
@given(lines=ROWS, random=st.randoms(use_true_random=False))
@pytest.mark.slow
def test_a_shuffled_log_gives_the_same_graph(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, ...]], random: Any
) -> None:
    desk = Desk(tmp_path_factory.mktemp("log"))
    shuffled = list(lines)
    random.shuffle(shuffled)
    one, two = (
        read(desk, desk.write("a.csv", as_csv(lines))),
        read(desk, desk.write("b.csv", as_csv(shuffled))),
    )
    assert (one is None) == (two is None)
    if one is not None:
        assert one.rejects_by_reason == two.rejects_by_reason
        for name in ("interactions", "items", "sessions", "entities"):
            assert rows(getattr(one.tables, name)) == rows(getattr(two.tables, name))


@settings(max_examples=20, deadline=None)
@given(lines=ROWS, cut=st.integers(0, 25))
@pytest.mark.slow
def test_files_in_a_row_are_one_log_and_parquet_is_as_csv(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, ...]], cut: int
) -> None:
    desk = Desk(tmp_path_factory.mktemp("log"))
    whole = read(desk, desk.write("a.csv", as_csv(lines)))
    first, second = lines[:cut], lines[cut:]
    paths = [desk.write(f"{k}.csv", as_csv(part)) for k, part in enumerate([first, second]) if part]
    parts = read(desk, *paths)
    columns = {
        name: pa.array([line[i] or None for line in lines], pa.string()) for i, name in enumerate(HEADER)
    }
    columns["geo"] = pa.array([line[-1] for line in lines], pa.string())
    pq.write_table(pa.table(columns), desk.folder / "a.parquet")
    columnar = read(desk, desk.folder / "a.parquet")
    for other in (parts, columnar):
        assert (whole is None) == (other is None)
        if whole is not None:
            assert whole.rejects_by_reason == other.rejects_by_reason
            for name in ("events", "interactions", "items", "sessions"):
                assert rows(getattr(whole.tables, name)) == rows(getattr(other.tables, name))
