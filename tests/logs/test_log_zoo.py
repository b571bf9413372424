"""Tiny logs that break assumptions."""

import pytest

from tests.logs.log_desk import BASIC, NOW_MS, Desk

T = NOW_MS
SHOP = BASIC.replace("[time]", 'session_id = "visit"\n[time]')


@pytest.mark.parametrize(
    ("name", "lines", "n"),
    [
        ("one event", [("u", "i", T)], (1, 1, 1, 1)),
        ("one user", [("u", f"i{k}", T - k) for k in range(50)], (50, 1, 50, 1)),
        ("one item", [(f"u{k}", "i", T - k) for k in range(50)], (50, 50, 1, 50)),
        ("one second", [(f"u{k % 5}", f"i{k}", T) for k in range(50)], (50, 5, 50, 5)),
        ("one star item", [(f"u{k}", "star" if k % 2 else f"i{k}", T) for k in range(50)], (50, 50, 26, 50)),
        ("the same again", [("u", "i", T - k * 10) for k in range(50)], (1, 1, 1, 1)),
    ],
)
def test_zoo(desk: Desk, table, name: str, lines: list[tuple[str, str, int]], n: tuple[int, ...]) -> None:
    text = "user,item,at\n" + "".join(f"{u},{i},{t}\n" for u, i, t in lines)
    log = desk.read(desk.write("zoo.csv", text))
    found = table(log.tables.interactions)
    users = {row[0] for row in found}
    counts = (len(found), len(users), len(table(log.tables.items)), len(table(log.tables.sessions)))
    assert counts == n, name
    assert sum(row[5] for row in found) == len(lines)
    assert log.n_rejects == 0


@pytest.mark.slow
def test_a_hub_of_a_million_events(desk: Desk) -> None:
    """One user and one item with a million events each; sizes that break per-user lists or windows."""
    path = desk.folder / "hub.parquet"
    desk.bench.execute(
        f"COPY (SELECT 'hub' AS user, 'i' || (k % 1000) AS item, {T} - k AS at FROM range(500000) r(k)"
        f" UNION ALL SELECT 'u' || k, 'hub', {T} - k FROM range(500000) r(k)) TO '{path}'"
    )
    log = desk.read(path)
    assert log.n_events == 1_000_000
    sessions = log.tables.sessions.to_native()
    assert sessions.filter("user_id = 'hub'").aggregate("count(*)").fetchone() == (1,)


def test_many_small_files(desk: Desk) -> None:
    for k in range(60):
        desk.write(f"part-{k:03}.csv", f"user,item,at\nu{k},i,{T}\n,i,{T}\n")
    log = desk.read(desk.folder / "part-*.csv", config=BASIC + "[reject]\nmax_share = 0.5\n")
    assert (log.n_rows, log.n_events, log.n_rejects) == (120, 60, 60)
    assert [r["file"][-12:] for r in desk.rejects()] == [f"part-{k:03}.csv" for k in range(60)]


def test_two_reads_on_one_bench_do_not_disturb_each_other(desk: Desk, table) -> None:
    one = desk.read(desk.write("a.csv", f"user,item,at\na,i,{T}\n"))
    before = table(one.tables.events)
    two = desk.read(
        desk.write("b.csv", f"user,item,at\nb,i,{T}\n,i,{T}\n"), config=BASIC + "[reject]\nmax_share = 1\n"
    )
    assert table(one.tables.events) == before
    assert table(two.tables.events, "user_id") == [("b",)]
