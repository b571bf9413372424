"""What every store must do as a `GraphStore`: keep logs, and give the graph that they make."""

import json
import random
from pathlib import Path

import narwhals as nw
import pytest

from graphdet.config import Columns, Config, Text, Time
from graphdet.errors import ConfigError, UsageError
from graphdet.gnn.heterodata import extract
from graphdet.graph.encode import read_graph
from graphdet.ports import Store
from graphdet.progress import Silent
from graphdet.verbs.ingest import ingest
from tests.store.checks import INTERACTION_KEY, check_graph, interaction_key, rows_of, same_rows, write
from tests.store.sample_logs import (
    ENTITIES,
    INTERACTIONS,
    ITEMS,
    START,
    SampleLog,
    entities_of,
    interactions_of,
    random_log,
    reached,
    source,
)


class GraphConformance:
    """The suite of the port; part of `StoreConformance`, which says what a subclass provides."""

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
        assert {interaction_key(row) for row in interactions_of(first)} & {
            interaction_key(row) for row in interactions_of(second)
        }
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

    def test_a_log_without_times_is_one(self, store: Store, tmp_path: Path) -> None:
        path = tmp_path / "friends.csv"
        path.write_text("user,item\na,x\na,y\nb,x\n", encoding="utf-8")
        ingest(store, [path], Config(name="friends", columns=Columns(user_id="user", item_id="item")))
        assert not read_graph(store, Silent()).timed
        sessions = store.sessions().sort("session_id").collect("pyarrow").to_native()
        assert sessions["session_id"].to_pylist() == ["a@0", "b@0"]
        path = tmp_path / "visits.csv"
        path.write_text("user,item,at\na,x,2020-01-01\n", encoding="utf-8")
        timed = Config(name="timed", columns=Columns(user_id="user", item_id="item", timestamp="at"))
        with pytest.raises(ConfigError, match="has no times and the config timed names a timestamp"):
            ingest(store, [path], timed)

    def test_a_log_that_grew_adds_its_new_rows(self, store: Store, tmp_path: Path) -> None:
        path, other = tmp_path / "a.csv", tmp_path / "turned.csv"
        config = Config(name="grown", columns=Columns(user_id="user", item_id="item", timestamp="at"))
        lines = [f"u{k % 3},i{k % 2},2020-01-01T10:00:{k:02}\n" for k in range(12)]
        found = []
        for target, rows in ((path, lines[:7]), (path, lines[:10]), (other, lines[::-1])):
            target.write_text("user,item,at\n" + "".join(rows), encoding="utf-8")
            result = ingest(store, [target], config)
            found.append((result.n_rows, result.n_events, result.n_known))
        assert found == [(7, 7, 0), (10, 3, 7), (12, 2, 10)]
        assert sum(store.interactions().collect("pyarrow").to_native()["n"].to_pylist()) == 12
        assert len(set(store.row_keys().collect("pyarrow").to_native()["graphdet_row_key"].to_pylist())) == 12
        assert ingest(store, [path, other], config).already

    def test_a_payment_is_kept_from_both_sides(self, store: Store, tmp_path: Path) -> None:
        path = tmp_path / "paid.csv"
        path.write_text(
            "from,to,day,sum\na,b,2020-01-01,10\nb,a,2020-01-02,4\nb,c,2020-01-02,5\n", encoding="utf-8"
        )
        columns = Columns(user_id="from", item_id="to", payee="to", timestamp="day", amount="sum")
        ingest(store, [path], Config(name="paid", columns=columns, time=Time(unit="day")))
        kept = [
            (row["user_id"], row["item_id"], row["action"], row["amount"])
            for row in rows_of(store.interactions(), INTERACTIONS)
        ]
        assert sorted(kept) == [
            ("a", "b", "received", 4.0), ("a", "b", "sent", 10.0), ("b", "a", "received", 10.0),
            ("b", "a", "sent", 4.0), ("b", "c", "sent", 5.0), ("c", "b", "received", 5.0),
        ]  # fmt: skip
        graph = read_graph(store, Silent())
        assert (graph.timed, graph.resolution_ms) == (True, 86_400_000)
