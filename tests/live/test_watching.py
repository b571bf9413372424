"""A stream equals a batch, whatever the order of arrival and the cuts; nothing is lost or doubled."""

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphdet.casework.decisions import give_verdict
from graphdet.config import load_config, parse_config
from graphdet.errors import ConfigError, InputError, StoreBusy, UsageError
from graphdet.live.alerts import Moment, Told, broken_promise
from graphdet.live.looking import LiveSettings
from graphdet.live.watching import Live, json_part
from graphdet.logs.parts import LATE, LogPart
from graphdet.logs.rejects import HEADER
from graphdet.store import open_store
from graphdet.tables import RingTables
from graphdet.units import DAY_MS, HOUR_MS
from graphdet.verbs.ingest import ingest
from graphdet.verbs.rings import find_rings
from graphdet.verbs.score import score
from tests.helpers.serving_world import World
from tests.live.small_logs import CONFIG, HEAD, START_MS, Row, csv_file, lines, part, small_log

PARTS = ("rings", "members", "items")


def opened(folder: Path, **changes: Any) -> Live:
    folder.mkdir(parents=True, exist_ok=True)
    return Live.open(open_store(f"duckdb://{folder / 'g.duckdb'}"), CONFIG, folder, LiveSettings(**changes))


def batch(folder: Path, rows: list[Row]) -> RingTables:
    """The rings that `graphdet rings` finds in a log of just these rows."""
    folder.mkdir(parents=True, exist_ok=True)
    store = open_store(f"duckdb://{folder / 'batch.duckdb'}")
    ingest(store, [csv_file(folder / "log.csv", rows)], CONFIG)
    find_rings(store)
    found = store.rings()
    store.close()
    return found


def by_members(tables: RingTables) -> list[tuple[Any, ...]]:
    """Rings with everything that is found of them, without their lasting ids."""
    found = []
    for ring in tables.rings.to_pylist():
        ring_id = ring.pop("ring_id")
        own = [
            sorted(
                tuple(value for name, value in row.items() if name != "ring_id")
                for row in table.to_pylist()
                if row["ring_id"] == ring_id
            )
            for table in (tables.members, tables.items)
        ]
        found.append((str(ring), *own))
    return sorted(found)


def shuffled(rows: list[Row], lateness_ms: int, seed: int) -> list[Row]:
    """An order in which no row comes more than the lateness behind the newest one before it."""
    chance = random.Random(seed)
    return sorted(rows, key=lambda row: (row[2] + chance.random() * lateness_ms, row))


@given(seed=st.integers(0, 3), order=st.integers(0, 10**6), cuts=st.lists(st.integers(1, 900), max_size=6))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_any_cuts_give_the_rings_of_the_batch(
    tmp_path_factory: pytest.TempPathFactory, seed: int, order: int, cuts: list[int]
) -> None:
    folder, rows = tmp_path_factory.mktemp("any"), small_log(seed)
    arriving = shuffled(rows, 6 * HOUR_MS, order)
    live = opened(folder, lateness_ms=6 * HOUR_MS)
    ends = sorted({0, len(rows), *cuts})
    for start, end in pairwise(ends):
        live.add([part(arriving[start:end], start + 2)])
        if end % 3 == 0:  # looks in between leave no trace but lasting ids
            live.look()
    live.look()
    assert live.state.n_late == 0
    assert live.state.n_events == len(rows)
    expected = batch(folder, rows)
    assert sum(expected.rings["flagged"].to_pylist()) > 0
    assert by_members(live.findings()) == by_members(expected)
    live.store.close()


def test_one_look_gives_the_bytes_of_the_batch_and_the_sessions_of_the_window(tmp_path: Path) -> None:
    rows = small_log(1)
    live = opened(tmp_path, window_ms=2 * DAY_MS)
    live.add([part(rows)])
    live.look()
    since = rows[-1][2] - 2 * DAY_MS
    expected = batch(tmp_path / "batch", [row for row in rows if row[2] > since])
    for name in PARTS:
        assert getattr(live.findings(), name).equals(getattr(expected, name)), name
    assert live.store.events().collect("pyarrow").to_native().num_rows == len(rows)  # the store keeps all


def test_a_window_of_too_many_events_is_shortened(tmp_path: Path) -> None:
    rows = small_log(1)
    live = opened(tmp_path, most_rows=400)
    live.add([part(rows)])
    found = live.look()
    assert 300 < found.n_rows <= 400
    expected = batch(tmp_path / "batch", rows[-found.n_rows :])
    assert by_members(live.findings()) == by_members(expected)
    live.add([part([("u1", "i1", rows[-1][2] + 1)])])
    assert live.look().n_rows <= 400  # what left the window was forgotten
    kept = live.store.open_rows()
    assert kept is not None
    assert kept.collect("pyarrow").to_native().num_rows <= 402


def test_rows_that_come_twice_count_once_and_late_ones_are_put_aside_with_their_line(tmp_path: Path) -> None:
    rows = small_log(2)
    live = opened(tmp_path, lateness_ms=HOUR_MS)
    live.add([part(rows)])
    again = [row for row in rows if row[2] >= rows[-1][2] - HOUR_MS]
    found = live.add([part([*again, ("u1", "x", rows[0][2]), ("", "i1", rows[-1][2])], 5000)])
    assert (found.n_duplicates, found.n_late, found.n_rejects, found.n_clean) == (len(again), 1, 2, 0)
    text = (tmp_path / "rejects.csv").read_text(encoding="utf-8").splitlines()
    assert text[0] == HEADER.rstrip("\n")
    assert text[-2].startswith(f"log.csv,{5000 + len(again)},{LATE},")
    assert text[-1].startswith(f"log.csv,{5001 + len(again)},missing user_id (user),")
    assert live.state.n_events == len(rows)


def test_json_objects_are_read_too_with_a_key_missing_and_a_poisonous_line(tmp_path: Path) -> None:
    live = opened(tmp_path)
    at = small_log(0)[0][2]
    good = json_part("queue", [{"user": "a", "item": "b", "at": at}, {"user": "a", "item": "c"}], 7)
    poison = LogPart("queue", "jsonl", b"", b"{no json\n\xff\xfe\n[1]\n", 9)
    found = live.add([good, poison])
    assert (found.n_rows, found.n_clean, found.n_rejects) == (5, 1, 4)
    lines_ = (tmp_path / "rejects.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [line.split(",")[:3] for line in lines_] == [
        ["queue", "8", "missing timestamp (at)"],
        ["queue", "9", "not valid JSON"],
        ["queue", "10", "not UTF-8"],
        ["queue", "11", "not a JSON object"],
    ]


def test_events_of_several_parts_have_numbers_of_their_own(tmp_path: Path) -> None:
    live, rows = opened(tmp_path), small_log(0)[:60]
    for start in (0, 30):
        objects = [{"user": user, "item": item, "at": at} for user, item, at in rows[start : start + 20]]
        parts = [
            json_part("a", objects[:10]),
            part(rows[start + 20 : start + 30]),
            json_part("b", objects[10:]),
        ]
        live.add(parts)
    numbers = live.store.events().select("event_row").collect("pyarrow").to_native()["event_row"]
    assert sorted(numbers.to_pylist()) == list(range(60))


def test_a_part_without_its_column_changes_nothing(tmp_path: Path) -> None:
    live = opened(tmp_path)
    live.add([part(small_log(0)[:100])], {"s": 1})
    with pytest.raises(InputError, match="there is no column 'item'"):
        live.add([LogPart("other.csv", "csv", b"user,what,at\n", b"a,b,1\n", 2)], {"s": 2})
    assert (live.position("s"), live.state.n_events) == (1, 100)


def test_what_was_not_committed_is_as_if_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = small_log(3)
    live = opened(tmp_path)
    live.add([part(rows[:500])], {"s": 500})
    with monkeypatch.context() as patch:
        patch.setattr(live.store, "set_meta", lambda key, value: 1 / 0)
        with pytest.raises(ZeroDivisionError):  # after events and rows were written, before the commit
            live.add([part([*rows[500:], ("", "x", rows[-1][2])])], {"s": 1000})
    live.store.close()
    live = opened(tmp_path)
    assert (live.position("s"), live.state.n_rows) == (500, 500)
    assert (tmp_path / "rejects.csv").read_text(encoding="utf-8") == HEADER
    live.add([part(rows[500:])], {"s": 1000})
    live.look()
    assert by_members(live.findings()) == by_members(batch(tmp_path / "batch", rows))
    assert live.store.sources()[live.state.stream].n_rows == len(rows)


def test_alerts_come_once_and_again_when_the_ring_grows(tmp_path: Path) -> None:
    rows = small_log(1, n_members=30, n_targets=8)
    live = opened(tmp_path)
    live.add([part(rows)])
    first = live.look()
    rings = [alert for alert in first.alerts if "bad0" in alert["members"]]
    assert [alert["kind"] for alert in rings] == ["ring"]
    assert rings[0]["e_value"] > 1
    end = max(row[2] for row in rows if row[0].startswith("bad"))
    assert not any(alert["kind"] == "ring" for alert in live.look().alerts)  # nothing new
    live.store.close()
    live = opened(tmp_path, lateness_ms=3 * DAY_MS)
    live.add([part([(f"bad{n}", f"t{k}", end + n + 60 * k) for n in range(40, 55) for k in range(8)])])
    grown = [alert for alert in live.look().alerts if alert["kind"] == "ring_grown"]
    assert len(grown) == 1
    assert len(grown[0]["joined"]) >= 10
    assert grown[0]["ring_id"] == rings[0]["ring_id"]
    outbox = live.alerts()
    assert outbox["seq"].to_pylist() == list(range(1, outbox.num_rows + 1))
    assert len(set(outbox["key"].to_pylist())) == outbox.num_rows
    assert live.store.ring_history().num_rows < 3 * live.findings().rings.num_rows  # only what changed


def test_verdicts_can_say_that_the_promise_is_broken(tmp_path: Path) -> None:
    live = opened(tmp_path)
    live.add([part(small_log(1))])
    live.look()
    told = Told(rings={f"R{n:04d}": [] for n in range(1, 4)})
    for ring_id in live.findings().rings["ring_id"].to_pylist()[:3]:
        give_verdict(live.store, "ring", ring_id, "innocent", "fan-club", "", "ann")
    from graphdet.casework.decisions import standing_of

    moment = Moment("s", "2026-01-01T00:00:00.000Z")
    said = broken_promise(standing_of(live.store), told, 0.05, moment)
    assert [alert["kind"] for alert in said] == ["promise_broken"]
    assert broken_promise(standing_of(live.store), told, 0.05, moment) == []  # once


def test_drift_is_told_once_and_growth_is_none(tmp_path: Path) -> None:
    def month(number: int, per_user: int, n_users: int) -> list[Row]:
        chance = random.Random(number)
        return sorted(
            (
                (
                    f"u{user}",
                    f"i{int(60 * chance.random() ** 2)}",
                    START_MS + number * 30 * DAY_MS + chance.randrange(30 * DAY_MS),
                )
                for user in range(n_users)
                for _ in range(per_user + chance.randrange(3))
            ),
            key=lambda row: row[2],
        )

    live = opened(tmp_path)
    said = []
    for number, (per_user, n_users) in enumerate([(4, 150), (4, 150), (4, 300), (9, 150), (9, 150)]):
        live.add([part(month(number, per_user, n_users))])
        said.append([alert["title"] for alert in live.look().alerts if alert["kind"] == "drift"])
    assert [len(one) for one in said] == [0, 0, 0, 1, 0]
    assert "acts of an account" in said[3][0]


def test_one_store_has_one_watcher_one_config_and_times(tmp_path: Path) -> None:
    live = opened(tmp_path)
    live.add([part(small_log(0)[:10])])
    other = parse_config(
        {"columns": {"user_id": "item", "item_id": "user", "timestamp": "at"}, "time": {"unit": "ms"}},
        name="other",
        where="other",
    )
    with pytest.raises(ConfigError, match="watched with another config"):
        Live.open(live.store, other, tmp_path)
    untimed = parse_config({"columns": {"user_id": "user", "item_id": "item"}}, name="u", where="u")
    with pytest.raises(ConfigError, match="without"):
        Live.open(live.store, untimed, tmp_path)
    with pytest.raises(UsageError, match="--lateness"):
        LiveSettings(window_ms=1, lateness_ms=2)
    import subprocess
    import sys

    code = f"import duckdb; duckdb.connect({str(tmp_path / 'g.duckdb')!r})"
    other_process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "lock" in other_process.stderr
    assert StoreBusy("x").exit_code == 4


def test_head_and_lines_are_what_csv_says() -> None:
    assert part([("a", "b", 1)]).lines == lines([("a", "b", 1)])
    assert part([]).head == HEAD


def test_a_model_scores_users_as_the_batch_does_and_suspects_are_told_once(
    trained_world: World, tmp_path: Path
) -> None:
    head, _, body = (trained_world.store.parent / "log.csv").read_bytes().partition(b"\n")
    store = open_store(f"duckdb://{tmp_path / 'g.duckdb'}")
    config = load_config("simulated")
    live = Live.open(store, config, tmp_path, LiveSettings(model_dir=trained_world.model))
    live.add([LogPart("log.csv", "csv", head + b"\n", body, 2)])
    first = live.look()
    batch = trained_world.copy(tmp_path)
    score(batch, trained_world.model)
    assert store.scores().num_rows > 0
    assert store.scores().equals(batch.scores())
    told = [user for alert in first.alerts for user in alert["members"]]
    flagged = store.scores()
    assert set(told) <= set(flagged.filter(flagged["flagged"])["user_id"].to_pylist()) | {
        user for user, ring in zip(*(flagged[n].to_pylist() for n in ("user_id", "ring_id")), strict=True) if ring
    }  # fmt: skip
    assert not live.look().alerts
    batch.close()
    store.close()
