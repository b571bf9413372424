"""What every store must do.

A store's tests inherit `StoreConformance` and give it a `store` fixture, empty each time.
"""

import json
import math
import random
from pathlib import Path

import narwhals as nw
import pyarrow as pa
import pytest

from graphdet.config import Columns, Config, Text, Time
from graphdet.errors import UsageError
from graphdet.gnn.heterodata import extract
from graphdet.ports import Store
from graphdet.progress import Silent
from graphdet.tables import Frame, RingTables
from graphdet.verbs.ingest import ingest
from tests.store.decision_conformance import DecisionConformance
from tests.store.query_conformance import QueryConformance
from tests.store.sample_logs import (
    ENTITIES,
    INTERACTIONS,
    ITEMS,
    RING_ITEMS,
    RING_MEMBERS,
    RINGS,
    SCORES,
    SESSIONS,
    START,
    WEIRD_IDS,
    Row,
    SampleLog,
    entities_of,
    findings,
    interactions_of,
    items_of,
    log_tables,
    random_log,
    reached,
    score_row,
    sessions_of,
    source,
    table,
)


def rows_of(frame: Frame, types: dict[str, pa.DataType]) -> list[Row]:
    """Collect a frame, check its columns and types, and give its rows."""
    collected = frame.collect("pyarrow").to_native()
    assert collected.column_names == list(types)
    assert {name: collected.schema.field(name).type for name in types} == types
    return collected.to_pylist()


def same_rows(have: list[Row], want: list[Row], *keys: str) -> None:
    """Equal as sets of rows; floats to nine digits, since sums may be taken in any order."""

    def key(row: Row) -> tuple[str, ...]:
        return tuple(str(row[name]) for name in keys)

    assert sorted(map(key, have)) == sorted(map(key, want))
    for one, other in zip(sorted(have, key=key), sorted(want, key=key), strict=True):
        for name, value in other.items():
            if isinstance(value, float) and isinstance(one[name], float):
                assert math.isclose(one[name], value, rel_tol=1e-9, abs_tol=1e-12), (name, one, other)
            else:
                assert one[name] == value, (name, one, other)


INTERACTION_KEY = ("user_id", "session_id", "item_id", "action")


def check_graph(store: Store, *logs: SampleLog) -> None:
    """All four tables of the graph are what these logs, in this order, make them."""
    same_rows(rows_of(store.interactions(), INTERACTIONS), interactions_of(*logs), *INTERACTION_KEY)
    same_rows(rows_of(store.sessions(), SESSIONS), sessions_of(*logs), "session_id")
    same_rows(rows_of(store.items(), ITEMS), items_of(*logs), "item_id")
    same_rows(rows_of(store.entities(), ENTITIES), entities_of(*logs), "user_id", "kind", "entity_id")


def write(store: Store, name: str, log: SampleLog) -> None:
    store.write_log(log_tables(store.bench, log), source(name, log), Silent())


class StoreConformance(DecisionConformance, QueryConformance):
    """The suite; subclasses provide the fixture `store`."""

    # --- the log -----------------------------------------------------------------------------------------
    def test_empty_store_answers_with_empty_tables(self, store: Store) -> None:
        check_graph(store)
        assert store.sources() == {}
        assert set(store.counts().values()) == {0}
        assert store.scores().schema.equals(table([], SCORES).schema)
        assert store.scores().num_rows == 0
        rings = store.rings()
        assert (rings.rings.num_rows, rings.members.num_rows, rings.items.num_rows) == (0, 0, 0)
        assert rings.rings.schema.equals(table([], RINGS).schema)
        assert store.meta("none") is None
        assert rows_of(store.neighbourhood(["u"], 2), INTERACTIONS) == []

    def test_a_log_reads_back(self, store: Store) -> None:
        log = random_log(1)
        write(store, "one", log)
        check_graph(store, log)
        assert store.sources() == {"digest-one": source("one", log)}

    def test_a_log_without_events_changes_no_table(self, store: Store) -> None:
        write(store, "empty", SampleLog([]))
        check_graph(store)
        assert list(store.sources()) == ["digest-empty"]

    def test_the_same_source_twice_changes_nothing(self, store: Store) -> None:
        log = random_log(2)
        write(store, "one", log)
        write(store, "one", log)
        check_graph(store, log)
        assert list(store.sources()) == ["digest-one"]

    def test_a_second_source_is_merged(self, store: Store) -> None:
        first, second = random_log(3), random_log(4)
        assert {key(row) for row in interactions_of(first)} & {key(row) for row in interactions_of(second)}
        write(store, "first", first)
        assert len(rows_of(store.interactions(), INTERACTIONS)) == len(interactions_of(first))
        write(store, "second", second)
        check_graph(store, first, second)
        assert list(store.sources()) == ["digest-first", "digest-second"]

    def test_a_name_stays_until_there_is_another(self, store: Store) -> None:
        event = ("u", "s", "i", "view", START, None, None)
        logs = [SampleLog([event], names=names) for names in ({"i": "old"}, {}, {"i": "new"}, {})]
        for ix, log in enumerate(logs):
            write(store, str(ix), log)
            check_graph(store, *logs[: ix + 1])
        assert rows_of(store.items(), ITEMS) == [{"item_id": "i", "name": "new"}]

    def test_windows_are_half_open(self, store: Store) -> None:
        events = [("u", f"s{ix}", "i", "view", START + ix, None, None) for ix in range(5)]
        write(store, "one", SampleLog(events))

        def times(since: int | None, until: int | None) -> list[object]:
            return sorted(row["at_ms"] for row in rows_of(store.interactions(since, until), INTERACTIONS))

        assert times(START + 1, START + 3) == [START + 1, START + 2]
        assert times(None, START + 1) == [START]
        assert times(START + 4, None) == [START + 4]
        assert times(START + 2, START + 2) == []
        near = rows_of(store.neighbourhood(["u"], 1, START + 1, START + 3), INTERACTIONS)
        assert sorted(row["at_ms"] for row in near) == [START + 1, START + 2]

    def test_a_window_looks_at_the_first_time_of_an_interaction(self, store: Store) -> None:
        events = [("u", "s", "i", "view", START + at, None, None) for at in (0, 10)]
        write(store, "one", SampleLog(events))
        assert rows_of(store.interactions(START + 5), INTERACTIONS) == []
        assert [row["n"] for row in rows_of(store.interactions(START, START + 5), INTERACTIONS)] == [2]

    @pytest.mark.parametrize("hops", [1, 2, 3, 4, 5])
    def test_neighbourhoods_equal_a_walk_over_sets(self, store: Store, hops: int) -> None:
        log = random_log(5, n_events=40, n_users=25, n_items=30)
        write(store, "one", log)
        everything = interactions_of(log)
        since, until = START + 1000, START + 9000
        within = [row for row in everything if since <= row["at_ms"] < until]
        for seeds in (["u1"], ["u1", "u2", "u1"], ["nobody"], [], ["u3", "nobody"]):
            near = rows_of(store.neighbourhood(seeds, hops), INTERACTIONS)
            same_rows(near, reached(everything, seeds, hops), *INTERACTION_KEY)
            near = rows_of(store.neighbourhood(seeds, hops, since, until), INTERACTIONS)
            same_rows(near, reached(within, seeds, hops), *INTERACTION_KEY)

    def test_acts_have_the_first_of_each_user_on_each_item(self, store: Store) -> None:
        log = random_log(8, n_events=60, n_users=5, n_items=6)
        write(store, "one", log)
        first: dict[tuple[object, object], int] = {}
        for row in interactions_of(log):
            pair = row["user_id"], row["item_id"]
            first[pair] = min(first.get(pair, int(row["at_ms"])), int(row["at_ms"]))
        expected = [{"user_id": u, "item_id": i, "at_ms": at} for (u, i), at in first.items()]
        acts = store.acts().with_columns(nw.col("user_id", "item_id").cast(nw.String))
        acts = acts.group_by("user_id", "item_id").agg(nw.col("at_ms").min())
        types = {name: INTERACTIONS[name] for name in ("user_id", "item_id", "at_ms")}
        same_rows(rows_of(acts, types), expected, "user_id", "item_id")

    def test_hops_below_one_are_a_usage_error(self, store: Store) -> None:
        with pytest.raises(UsageError, match="hops must be 1 or more"):
            store.neighbourhood(["u"], 0)

    @pytest.mark.parametrize("hops", [1, 2, 3, None])
    def test_graphs_in_pyg_map_back_to_the_log(self, store: Store, hops: int | None) -> None:
        log = random_log(5, n_events=40, n_users=25, n_items=30)
        write(store, "one", log)
        since, until = START + 1000, START + 9000
        within = [row for row in interactions_of(log) if since <= row["at_ms"] < until]
        seeds = sorted({str(row["user_id"]) for row in within})[:2]
        expected = within if hops is None else reached(within, seeds, hops)
        data, graph = extract(
            store, None if hops is None else seeds, hops=hops or 2, since_ms=since, until_ms=until
        )
        users, sessions, items = (data[kind].ids.to_pylist() for kind in ("user", "session", "item"))
        owner = {s: users[u] for u, s in data["user", "started", "session"].edge_index.T.tolist()}
        found = [
            (owner[session], sessions[session], items[item], action, at_ms, n)
            for action in graph.actions
            for (session, item), at_ms, n in zip(
                data["session", action, "item"].edge_index.T.tolist(),
                data["session", action, "item"].at_ms.tolist(),
                data["session", action, "item"].n.tolist(),
                strict=True,
            )
        ]
        names = ("user_id", "session_id", "item_id", "action", "at_ms", "n")
        assert sorted(found) == sorted(tuple(row[name] for name in names) for row in expected)
        links = {
            (users[user], kind, data[kind].ids[entity].as_py())
            for kind in data.node_types
            if ("user", "used", kind) in data.edge_types
            for user, entity in data["user", "used", kind].edge_index.T.tolist()
        }
        kinds = {"device": "device", "payment_card": "paymentcard"}
        assert links == {
            (row["user_id"], kinds[str(row["kind"])], row["entity_id"])
            for row in entities_of(log)
            if row["user_id"] in users
        }

    def test_a_seed_without_interactions_is_a_usage_error(self, store: Store) -> None:
        write(store, "one", random_log(6))
        with pytest.raises(UsageError, match=r"1 of 2 users have no interaction.*'nobody'"):
            extract(store, ["u0", "nobody"])

    def test_weird_ids_survive(self, store: Store) -> None:
        ids = WEIRD_IDS
        events = [
            (user, f"session {user}", ids[-ix - 1], "view", START + ix, None, None)
            for ix, user in enumerate(ids)
        ]
        log = SampleLog(
            events,
            links=[(user, "device", user, START) for user in ids],
            names={item: f"name of {item}" for item in ids},
        )
        write(store, "weird `name'\"", log)
        check_graph(store, log)
        for ix, user in enumerate(ids):
            near = rows_of(store.neighbourhood([user], 1), INTERACTIONS)
            assert [(row["user_id"], row["item_id"]) for row in near] == [(user, ids[-ix - 1])]
        store.write_scores(table([score_row(user, 0.5, True, user) for user in ids], SCORES))
        assert store.scores()["user_id"].to_pylist() == sorted(ids, key=str.encode)
        assert store.query("suspects-of-item", {"item_id": ids[0]})["user_id"].to_pylist() == [ids[-1]]
        store.set_meta("key `'\"\n", "value `'\"\n")
        assert store.meta("key `'\"\n") == "value `'\"\n"

    @pytest.mark.parametrize("seed", [0, 1])
    def test_repeats_and_new_sources_in_any_order(self, store: Store, seed: int) -> None:
        draw = random.Random(seed)
        logs = [random_log(100 * seed + ix, n_events=draw.randrange(1, 50)) for ix in range(3)]
        done: list[int] = []
        for _ in range(6):
            ix = draw.randrange(len(logs))
            write(store, str(ix), logs[ix])
            done += [ix] if ix not in done else []
            check_graph(store, *(logs[one] for one in done))
            assert list(store.sources()) == [f"digest-{one}" for one in done]

    # --- findings ----------------------------------------------------------------------------------------
    def test_scores_read_back_most_suspicious_first(self, store: Store) -> None:
        log, scores, _ = findings()
        write(store, "one", log)
        store.write_scores(scores)
        want = sorted(scores.to_pylist(), key=lambda row: (-row["score"], row["user_id"]))
        assert store.scores().to_pylist() == want
        assert store.scores().schema.equals(scores.schema)

    def test_scores_of_some_users_are_read_alone(self, store: Store) -> None:
        log, scores, _ = findings()
        write(store, "one", log)
        store.write_scores(scores)
        wanted = scores["user_id"].to_pylist()[:2]
        some = [row for row in store.scores().to_pylist() if row["user_id"] in wanted]
        assert 0 < len(some) < scores.num_rows
        assert store.scores([*wanted, wanted[0], "nobody"]).to_pylist() == some
        assert store.scores([]).num_rows == 0
        assert store.scores([]).schema.equals(scores.schema)

    def test_scores_are_replaced(self, store: Store) -> None:
        log, scores, _ = findings()
        write(store, "one", log)
        store.write_scores(scores)
        fewer = table([score_row("u3", 0.6, True, None)], SCORES)
        store.write_scores(fewer)
        assert store.scores().to_pylist() == fewer.to_pylist()
        assert store.counts()["suspects"] == 1
        assert store.query("top-suspects", {})["user_id"].to_pylist() == ["u3"]
        store.write_scores(fewer.slice(0, 0))
        assert store.scores().num_rows == 0
        assert store.counts()["suspects"] == 0

    def test_a_second_log_keeps_the_findings(self, store: Store) -> None:
        log, scores, rings = findings()
        write(store, "one", log)
        store.write_scores(scores)
        store.write_rings(rings)
        before = store.scores(), store.rings()
        write(store, "two", random_log(6))
        assert store.scores().equals(before[0])
        assert store.rings() == before[1]

    def test_rings_read_back_and_are_replaced(self, store: Store) -> None:
        log, _, rings = findings()
        write(store, "one", log)
        store.write_rings(rings)
        found = store.rings()
        assert found.rings.schema.equals(rings.rings.schema)
        assert found.members.schema.equals(table([], RING_MEMBERS).schema)
        assert found.items.schema.equals(table([], RING_ITEMS).schema)
        assert found.rings.to_pylist() == sorted(rings.rings.to_pylist(), key=lambda row: -row["score"])
        same_rows(found.members.to_pylist(), rings.members.to_pylist(), "ring_id", "user_id")
        same_rows(found.items.to_pylist(), rings.items.to_pylist(), "ring_id", "item_id")
        ring_ids = ["ring-1"] * 3 + ["ring-2"] * 2
        assert found.members["ring_id"].to_pylist() == ring_ids
        assert found.members["user_id"].to_pylist() == ["u0", "u1", "u2", "u3", "u4"]
        assert found.items["item_id"].to_pylist() == ["i0", "i1", "i2"]

        one = pa.compute.equal(rings.rings["ring_id"], "ring-2")
        fewer = RingTables(rings.rings.filter(one), rings.members.slice(0, 1), rings.items.slice(2, 1))
        store.write_rings(fewer)
        assert store.rings() == fewer
        assert store.counts()["rings"] == 1
        store.write_rings(
            RingTables(*(part.slice(0, 0) for part in (rings.rings, rings.members, rings.items)))
        )
        assert store.rings().rings.num_rows == 0
        assert store.rings().members.num_rows == 0

    def test_scores_of_items_and_sessions_read_back_and_are_replaced(self, store: Store) -> None:
        log, scores, _ = findings()
        write(store, "one", log)
        store.write_scores(scores)
        assert store.labelled() == {}

        def some(kind: str, *values: tuple[str, float, bool]) -> pa.Table:
            ids, score, flagged = zip(*values, strict=True)
            p_values = [1 - value for value in score]
            reasons = ['"why" 😀', *[None] * (len(ids) - 1)]
            columns = [list(ids), list(score), p_values, list(flagged), reasons]
            types = [pa.string(), pa.float64(), pa.float64(), pa.bool_(), pa.string()]
            names = [f"{kind}_id", "score", "p_value", "flagged", "reason"]
            arrays = [pa.array(column, type_) for column, type_ in zip(columns, types, strict=True)]
            return pa.table(dict(zip(names, arrays, strict=True)))

        items = some("item", ("i1", 0.5, False), ("i9", 0.25, False), ("i0", 1.0, True), ("i2", 0.5, False))
        sessions = some("session", ("s0", 0.5, True), ("s3", 0.75, True))
        store.write_labelled({"item": items, "session": sessions})
        found = store.labelled()
        assert found["item"]["item_id"].to_pylist() == ["i0", "i1", "i2", "i9"]
        assert found["item"].sort_by("item_id").equals(items.sort_by("item_id"))
        assert found["session"]["session_id"].to_pylist() == ["s3", "s0"]
        store.write_labelled({"session": sessions.slice(0, 1)})
        assert list(store.labelled()) == ["session"]
        assert store.labelled()["session"].num_rows == 1
        store.write_labelled({})
        assert store.labelled() == {}
        assert store.scores().num_rows == scores.num_rows

    def test_meta_is_kept_and_replaced(self, store: Store) -> None:
        store.set_meta("model", '{"seed": 0}')
        store.set_meta("other", "")
        store.set_meta("model", '{"seed": 1}\n"quoted"')
        assert store.meta("model") == '{"seed": 1}\n"quoted"'
        assert store.meta("other") == ""
        assert store.meta("Model") is None

    def test_accounts_of_one_template_share_an_entity(self, store: Store, tmp_path: Path) -> None:
        """Files one after the other: the same wording, other links and numbers, is one node."""
        said = [
            ("a", "CHECK out my channel http://a.co/1 now!!!"),
            ("b", "check out my channel: https://b.net/22 NOW"),
            ("c", "nice song"),
        ]
        more = [
            ("d", "ch\u0435ck out my ch\u200bannel http://c.org now"),
            ("a", "check out my channel bit.ly/x now"),
        ]
        columns = Columns(user_id="user", item_id="item", timestamp="at", text="text")
        config = Config(name="said", columns=columns, time=Time(unit="s"), text=Text(templates=True))
        for name, rows in (("one", said), ("two", more)):
            path = tmp_path / f"{name}.jsonl"
            lines = [
                json.dumps({"user": user, "item": "i", "at": 1_600_000_000 + n, "text": text})
                for n, (user, text) in enumerate(rows)
            ]
            path.write_text("\n".join(lines), encoding="utf-8")
            ingest(store, [path], config)
        links = rows_of(store.entities(), ENTITIES)
        assert sorted((row["user_id"], row["n"]) for row in links) == [("a", 2), ("b", 1), ("d", 1)]
        assert {row["kind"] for row in links} == {"template"}
        [entity] = {str(row["entity_id"]) for row in links}
        assert entity.startswith("check out my channel link now #")
        assert store.counts()["entities"] == 1

    def test_counts(self, store: Store) -> None:
        log, scores, rings = findings()
        write(store, "one", log)
        store.write_scores(scores)
        store.write_rings(rings)
        assert store.counts() == {
            "users": 6,
            "items": 4,
            "sessions": 6,
            "interactions": 14,
            "entities": 2,
            "rings": 2,
            "suspects": 3,
        }


def key(row: Row) -> tuple[object, ...]:
    """What makes an interaction one."""
    return tuple(row[name] for name in INTERACTION_KEY)
