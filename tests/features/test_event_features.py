"""Event features see only the past: against a plain loop, and by cutting the log."""

import math
import random

import duckdb
import narwhals as nw
import numpy as np
import pyarrow as pa
import pytest

from graphdet.features.events import Past, PastSeen, event_feature_names, event_features, own_past

pytestmark = pytest.mark.slow

Row = dict[str, object]
HOUR = 3_600_000


def some_events(seed: int, n: int = 80) -> list[Row]:
    draw = random.Random(seed)
    rows: list[Row] = []
    for ix in range(n):
        user = draw.randrange(5)
        at_ms = draw.randrange(60) * (HOUR // 2)  # many events of one moment, and some exactly an hour apart
        rows.append(
            {"event_id": f"e{ix}", "event_row": ix, "user_id": f"u{user}", "item_id": f"i{draw.randrange(4)}"}
            | {"session_id": f"s{user}-{at_ms // (5 * HOUR)}", "action": draw.choice(["view", "buy"])}
            | {"at_ms": at_ms, "amount": draw.choice([None, 0.0, 12.5, -3.0, 1e300]), "quantity": None}
            | {"text": draw.choice([None, "hi", "buy now"]), "place": draw.choice(["a", "b", None])}
            | {"source_ix": 0, "device": f"d{draw.randrange(3)}"}
        )
    return rows


def features_of(rows: list[Row]) -> dict[str, Row]:
    """Features by event id; the links to devices are made of these rows, as ingest makes them."""
    types = pa.schema(
        [
            (name, pa.string())
            for name in ("event_id", "user_id", "item_id", "session_id", "action", "text", "place")
        ]
        + [(name, pa.int64()) for name in ("event_row", "at_ms")]
        + [("amount", pa.float64()), ("quantity", pa.float64()), ("source_ix", pa.int32())]
    )
    first: dict[tuple[object, object], list[int]] = {}
    for row in rows:
        first.setdefault((row["user_id"], row["device"]), []).append(int(str(row["at_ms"])))
    links = pa.table(
        {
            "user_id": pa.array([user for user, _ in first], pa.string()),
            "kind": pa.array(["device"] * len(first), pa.string()),
            "entity_id": pa.array([device for _, device in first], pa.string()),
            "first_ms": pa.array([min(at) for at in first.values()], pa.int64()),
            "n": pa.array([len(at) for at in first.values()], pa.int64()),
        }
    )
    with duckdb.connect() as con:
        events = nw.from_native(con.from_arrow(pa.Table.from_pylist(rows, schema=types))).lazy()
        entities = nw.from_native(con.from_arrow(links)).lazy()
        found = event_features(events, entities, ("place",))
    values = [
        {name: None if math.isnan(value) else value for name, value in zip(found.names, row, strict=True)}
        for row in found.x.tolist()
    ]
    return dict(zip(found.event_id.to_pylist(), values, strict=True))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.slow
def test_later_events_never_change_earlier_features(seed: int) -> None:
    rows = some_events(seed)
    whole = features_of(rows)
    assert len(whole) == len(rows)
    for cut in (3 * HOUR, 11 * HOUR, 20 * HOUR):
        early = [row for row in rows if int(str(row["at_ms"])) < cut]
        assert features_of(early) == {str(row["event_id"]): whole[str(row["event_id"])] for row in early}


def test_an_event_does_not_see_those_of_its_own_moment() -> None:
    rows = [row | {"at_ms": 5 * HOUR, "user_id": "u", "item_id": "i"} for row in some_events(1, 10)]
    for row in features_of(rows).values():
        assert (row["user_events"], row["item_events"], row["pair_events"], row["user_items"]) == (0, 0, 0, 0)
        assert row["user_gap_s"] is None
        assert row["user_amount_ratio"] is None


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = some_events(7)
    shuffled = random.Random(0).sample(rows, len(rows))
    assert features_of(rows) == features_of(shuffled)


@pytest.mark.parametrize("seed", range(3))
def test_counts_and_gaps_are_those_of_a_plain_loop(seed: int) -> None:
    rows = some_events(seed)
    found = features_of(rows)
    for row in rows:
        at = int(str(row["at_ms"]))
        mine = found[str(row["event_id"])]

        def past(*keys: str, since: float = math.inf, row: Row = row, at: int = at) -> list[Row]:
            return [
                other
                for other in rows
                if all(other[key] == row[key] for key in keys) and at - since <= int(str(other["at_ms"])) < at
            ]

        before = past("user_id")
        assert mine["user_events"] == len(before)
        assert mine["user_events_1h"] == len(past("user_id", since=HOUR))
        assert mine["item_events_1d"] == len(past("item_id", since=24 * HOUR))
        assert mine["user_items"] == len({other["item_id"] for other in before})
        assert mine["item_users"] == len({other["user_id"] for other in past("item_id")})
        assert mine["pair_events"] == len(past("user_id", "item_id"))
        assert mine["session_events"] == len(past("session_id"))
        assert mine["same_action"] == len(past("user_id", "action"))
        assert mine["same_text"] == (None if row["text"] is None else len(past("text")))
        assert mine["user_events_30d"] == len(before)
        amounts = [float(str(other["amount"])) for other in before if other["amount"] is not None]
        if (
            row["amount"] is not None
            and amounts
            and max(map(abs, [*amounts, float(str(row["amount"]))])) < 100
        ):
            told, mean = mine["user_amount_to_mean"], sum(amounts) / len(amounts)
            expected = pytest.approx(float(str(row["amount"])) / mean, rel=1e-3) if mean > 0 else None
            assert told == expected
        assert mine["place seen"] == (None if row["place"] is None else len(past("place")))
        last = max((int(str(other["at_ms"])) for other in before), default=None)
        assert mine["user_gap_s"] == (None if last is None else (at - last) / 1000)
        devices = {other["device"] for other in before}
        now = {
            other["device"] for other in rows if other["user_id"] == row["user_id"] and other["at_ms"] == at
        }
        assert mine["user_entities"] == len(devices | now)
        assert mine["new_entities"] == len(now - devices)


def test_every_feature_is_there_and_finite_or_null() -> None:
    for row in features_of(some_events(3)).values():
        assert set(event_feature_names(("place",))) <= set(row)
        values = [row[name] for name in event_feature_names(("place",))]
        assert all(value is None or math.isfinite(float(str(value))) for value in values)


def test_a_span_begins_inclusive_and_ends_before_the_moment() -> None:
    at_ms = np.array([1000, 0, 1001, 999], np.int64)
    seen = own_past(np.zeros(4, np.int64), at_ms)
    assert seen.count(seen.since(1)).tolist() == [2, 0, 2, 1]
    assert seen.count(seen.start).tolist() == [2, 0, 3, 1]
    assert [None if math.isnan(gap) else gap for gap in seen.gap_s()] == [0.001, None, 0.001, 0.999]


@pytest.mark.parametrize("far", [0, 1 << 58])
def test_what_is_seen_is_what_a_plain_loop_counts_also_where_times_are_far_apart(far: int) -> None:
    draw = np.random.default_rng(far % 7)
    key, at_ms = draw.integers(-1, 5, 200), draw.integers(0, 50, 200) * 500
    at_ms[:20] += far
    asked_key, asked_ms = draw.integers(-1, 6, 60), draw.integers(0, 60, 60) * 500
    for delay in (0, 1500):
        seen = PastSeen(Past(key, at_ms), asked_key, asked_ms, delay)
        got = seen.count(seen.since(4))
        for place, (k, t) in enumerate(zip(asked_key, asked_ms, strict=True)):
            in_span = (key == k) & (at_ms >= t - delay - 4000) & (at_ms < t - delay)
            assert math.isnan(got[place]) if k < 0 else got[place] == in_span.sum()
