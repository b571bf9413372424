"""Sessions: cut by gaps, joined across ingests, told apart where ids are shared."""

from itertools import pairwise
from typing import Any

import narwhals as nw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphdet.logs.known import Known
from tests.logs.log_desk import BASIC, NOW_MS, Desk, rows

GAP = BASIC + "[sessions]\ngap_s = 10\n"
NAMED = BASIC.replace("[time]", 'session_id = "visit"\n[time]')
T = NOW_MS - 1_000_000


def reference(events: list[tuple[str, int]], gap_ms: int) -> dict[tuple[str, int], str]:
    """Cut sessions in plain Python: (user, time) → session id."""
    sessions: dict[tuple[str, int], str] = {}
    last: dict[str, int] = {}
    current: dict[str, str] = {}
    for user, at in sorted(events):
        if user not in last or at - last[user] > gap_ms:
            current[user] = f"{user}@{at}"
        last[user] = at
        sessions[user, at] = current[user]
    return sessions


def as_csv(events: list[tuple[str, int]]) -> str:
    return "user,item,at\n" + "".join(f"{user},i{k},{at}\n" for k, (user, at) in enumerate(events))


def test_the_gap_itself_does_not_cut(desk: Desk, table) -> None:
    times = [T, T + 10_000, T + 20_001, T + 20_001]
    log = desk.read(desk.write("a.csv", as_csv([("u", t) for t in times])), config=GAP)
    assert table(log.tables.sessions) == [
        (f"u@{T}", "u", T, T + 10_000),
        (f"u@{T + 20_001}", "u", T + 20_001, T + 20_001),
    ]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "a@1", *"cdefg"]), st.integers(0, 120).map(lambda s: T + s * 1000)),
    min_size=1,
    max_size=120,  # many users in few logs: a log costs as much to read as hundreds of events
)


@settings(max_examples=12, deadline=None)
@given(events=EVENTS, seed=st.randoms(use_true_random=False))
def test_sessions_agree_with_plain_python_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, int]], seed: Any
) -> None:
    desk = Desk(tmp_path_factory.mktemp("log"))
    shuffled = list(events)
    seed.shuffle(shuffled)
    log = desk.read(desk.write("a.csv", as_csv(shuffled)), config=GAP)
    want = reference(events, 10_000)
    assert set(rows(log.tables.events, "user_id", "at_ms", "session_id")) == {
        (user, at, session) for (user, at), session in want.items()
    }


@settings(max_examples=10, deadline=None)
@given(events=EVENTS, cuts=st.lists(st.integers(0, 120), max_size=3))
def test_a_log_in_parts_gives_the_sessions_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, int]], cuts: list[int]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("log"))
    ordered = sorted(events, key=lambda e: e[1])
    bounds = sorted({0, len(ordered), *(c for c in cuts if c < len(ordered))})
    known: dict[str, list[Any]] = {}
    got = set()
    for k, (start, end) in enumerate(pairwise(bounds)):
        path = desk.write(f"{k}.csv", as_csv(ordered[start:end]))
        table = [(s, *rest) for s, rest in known.items()]
        existing = None
        if table:
            existing = sessions_frame(desk, table)
        log = desk.read(path, config=GAP, known=Known(sessions=existing))
        got |= set(rows(log.tables.events, "user_id", "at_ms", "session_id"))
        for session, user, first, last in rows(log.tables.sessions):
            _, old_first, old_last = known.get(session, [user, first, last])
            known[session] = [user, min(first, old_first), max(last, old_last)]
    assert got == {(user, at, session) for (user, at), session in reference(events, 10_000).items()}


def sessions_frame(desk: Desk, sessions: list[tuple[Any, ...]]) -> Any:
    desk.bench.execute(
        "CREATE OR REPLACE TABLE known"
        " (session_id VARCHAR, user_id VARCHAR, started_ms BIGINT, ended_ms BIGINT)"
    )
    desk.bench.executemany("INSERT INTO known VALUES (?, ?, ?, ?)", sessions)
    return nw.from_native(desk.bench.table("known"))


def test_an_event_inside_a_long_session_belongs_to_it(desk: Desk, table) -> None:
    existing = sessions_frame(desk, [("u@0", "u", T, T + 100_000), ("u@1", "u", T + 300_000, T + 300_000)])
    times = {
        T + 50_000: "u@0",
        T + 110_000: "u@0",
        T + 110_001 + 10_000: f"u@{T + 120_001}",
        T + 295_000: "u@1",
    }
    log = desk.read(
        desk.write("a.csv", as_csv([("u", t) for t in times])), config=GAP, known=Known(sessions=existing)
    )
    assert dict(table(log.tables.events, "at_ms", "session_id")) == times


def test_named_sessions_of_one_user_stay_as_they_are(desk: Desk, table) -> None:
    text = f"user,item,at,visit\na,i,{T},s1\na,j,{T + 10**9 % 7},s1\nb,i,{T},s2\n"
    log = desk.read(desk.write("a.csv", text), config=NAMED)
    assert [s for s, *_ in table(log.tables.sessions)] == ["s1", "s2"]
    assert log.warnings == []


def test_a_session_id_of_several_users_is_told_apart(desk: Desk, table) -> None:
    text = f"user,item,at,visit\na,i,{T},s1\nb,j,{T},s1\na,i,{T + 5},s2\n"
    log = desk.read(desk.write("a.csv", text), config=NAMED)
    assert table(log.tables.events, "user_id", "session_id") == [("a", "a/s1"), ("a", "s2"), ("b", "b/s1")]
    assert [s for s, *_ in table(log.tables.sessions)] == ["a/s1", "b/s1", "s2"]
    assert log.warnings == ["2 sessions share their id with other users'; they were named USER/SESSION"]


def test_session_ids_that_the_store_knows_of_other_users(desk: Desk, table) -> None:
    existing = sessions_frame(desk, [("s1", "a", T, T), ("a/s2", "a", T, T), ("b/s2", "b", T, T)])
    text = f"user,item,at,visit\na,i,{T},s1\nb,j,{T},s1\na,i,{T},s2\nc,i,{T},s3\n"
    log = desk.read(desk.write("a.csv", text), config=NAMED, known=Known(sessions=existing))
    assert table(log.tables.events, "user_id", "session_id") == [
        ("a", "a/s2"),
        ("a", "s1"),
        ("b", "b/s1"),
        ("c", "s3"),
    ]


def test_rows_without_a_session_in_a_log_with_sessions(desk: Desk, table) -> None:
    text = f"user,item,at,visit\na,i,{T},s1\na,j,{T},\na,k,{T + 1},\nb,i,{T},s2\n"
    log = desk.read(desk.write("a.csv", text), config=NAMED)
    assert table(log.tables.events, "item_id", "session_id") == [
        ("i", "s1"),
        ("i", "s2"),
        ("j", f"a@{T}"),
        ("k", f"a@{T}"),
    ]
    assert log.warnings == ["2 rows have no session; they were given sessions by the gap rule"]
