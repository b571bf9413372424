"""What every store must do.

A store's tests inherit `StoreConformance` and give it a `store` fixture, empty each time.
"""

import math
import random
from datetime import timedelta

import pyarrow as pa
import pytest
from sample_logs import (
    ENTITIES,
    INTERACTIONS,
    ITEMS,
    RING_HISTORY,
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

from graphdet.audit import Draft, Head, iso, storable, utc_now, verify
from graphdet.errors import UsageError
from graphdet.pipeline.decisions import give_verdict, put_on_list, snooze, standing_of
from graphdet.pipeline.extract import extract
from graphdet.pipeline.memory import remember
from graphdet.ports import Silent, Store
from graphdet.tables import Frame, RingTables

QUERY_COLUMNS = {
    "top-suspects": ["user_id", "score", "p_value", "ring_id", "reason"],
    "rings": ["ring_id", "n_users", "n_items", "score", "p_value", "q_value", "flagged", "reason"],
    "ring": ["user_id", "score", "item_id", "action", "at", "n"],
    "shared-entities": ["kind", "entity_id", "n_users"],
    "co-actors": ["user_id", "n_items"],
    "suspects-of-item": ["user_id", "score", "at"],
    "busy-sessions": ["session_id", "user_id", "n_items", "seconds"],
    "counts": ["what", "n"],
    "verdicts": ["kind", "subject", "verdict", "reason", "note", "who", "at"],
}
HOSTILE_TEXTS = [
    "<img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "nul\x00inside",
    "lone \ud800 and \udcff surrogates",
    "\u202eright to left\u2066 isolate",
    "two\nlines\r\n\x1b[31mred",
    "`'\"\\ $who {x: 1}'); DROP TABLE audit; --",
    "😀 漢字 שלום",
    "x" * 10_000,
    "",
]
QUERY_PARAMETERS = {
    "ring": {"ring_id": "ring-1"},
    "co-actors": {"user_id": "u0"},
    "suspects-of-item": {"item_id": "i0"},
}


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


def verdict_draft(ring: str, verdict: str = "guilty", who: str = "Ann", note: str = "") -> Draft:
    after = {"verdict": verdict, "reason": "other", "note": note, "found": {"members": ["u0"]}}
    return Draft(who, "verdict", "ring", ring, None, after)


def history(run: int, ring: str, members: list[str]) -> pa.Table:
    row: Row = {
        "run": run, "at": "2026-01-01T00:00:00.000Z", "ring_id": ring, "n_users": len(members), "n_items": 1,
        "n_joined": 0, "n_left": 0, "score": 0.5, "q_value": None, "flagged": True, "origin": None,
        "members": members, "items": ["i0", '"; {}'],
    }  # fmt: skip
    return table([row], RING_HISTORY)


class StoreConformance:
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

    # --- the audit log and the rings' history ------------------------------------------------------------
    def test_an_empty_store_has_an_empty_audit_log(self, store: Store) -> None:
        assert store.audit().entries == ()
        assert verify(store.audit()) == []
        assert store.loose_verdicts() == []
        assert store.ring_history().num_rows == 0
        assert store.ring_history().schema.equals(table([], RING_HISTORY).schema)

    def test_entries_are_chained_and_stay(self, store: Store) -> None:
        log, scores, rings = findings()
        write(store, "one", log)
        store.write_rings(rings)
        first = store.append_audit([verdict_draft("ring-1"), Draft("Bo", "report", "store", "s")])
        assert (first.count, store.audit().head) == (2, first)
        store.write_scores(scores)
        store.write_rings(rings)
        write(store, "two", random_log(6))
        store.write_rings(
            RingTables(*(part.slice(0, 0) for part in (rings.rings, rings.members, rings.items)))
        )
        last = store.append_audit([verdict_draft("ring-2", verdict="innocent")])
        audit = store.audit()
        assert [entry.seq for entry in audit.entries] == [1, 2, 3]
        assert audit.head == last == Head(3, audit.entries[-1].hash)
        assert verify(audit, expect=first.hash) == []
        documents = [entry.document() for entry in audit.entries]
        assert [document["subject"] for document in documents] == ["ring-1", "s", "ring-2"]
        assert documents[1]["previous"] == audit.entries[0].hash
        assert documents[0]["at"] <= documents[2]["at"] <= iso(utc_now())
        assert store.append_audit([]) == last
        assert store.audit() == audit

    def test_hostile_texts_go_through_the_audit_log_unharmed(self, store: Store) -> None:
        for text in HOSTILE_TEXTS:
            store.append_audit([verdict_draft(text, who=text, note=text) for _ in range(2)])
        audit = store.audit()
        assert verify(audit) == []
        documents = [entry.document() for entry in audit.entries][::2]
        for document, text in zip(documents, HOSTILE_TEXTS, strict=True):
            assert (document["who"], document["subject"]) == (text, text)
            assert document["after"]["note"] == text
        answer = store.query("verdicts", {"limit": 100})
        assert sorted(answer["note"].to_pylist()) == sorted(2 * [storable(text) for text in HOSTILE_TEXTS])

    def test_verdicts_are_queried_the_latest_first(self, store: Store) -> None:
        for ring in ("ring-1", "ring-2"):
            store.append_audit([verdict_draft(ring)])
        store.append_audit([Draft("Ann", "allow", "user", "u", after={"list": "allow"})])
        answer = store.query("verdicts", {}).to_pylist()
        assert [
            (row["kind"], row["subject"], row["verdict"], row["reason"], row["who"]) for row in answer
        ] == [
            ("ring", "ring-2", "guilty", "other", "Ann"),
            ("ring", "ring-1", "guilty", "other", "Ann"),
        ]

    def test_the_history_of_rings_grows_with_the_rings_that_are_written(self, store: Store) -> None:
        log, _, rings = findings()
        write(store, "one", log)
        first, second = history(1, "ring-1", ["u0", "u1"]), history(2, "ring-1", [])
        store.write_rings(rings, first)
        store.write_rings(rings)
        assert store.ring_history().to_pylist() == first.to_pylist()
        store.write_rings(rings, second)
        assert store.ring_history().to_pylist() == [*first.to_pylist(), *second.to_pylist()]
        assert store.ring_history().schema.equals(first.schema)
        assert store.rings().rings.num_rows == rings.rings.num_rows
        with pytest.raises(ValueError, match=r"ring.history lacks"):
            store.write_rings(rings, first.drop_columns(["members"]))
        assert store.ring_history().num_rows == 2

    def test_rings_are_known_again_and_an_innocent_one_stays_quiet(self, store: Store) -> None:
        """The whole memory over a store: rings renumbered by strength keep their ids, and decisions hold."""
        log, scores, rings = findings()
        write(store, "one", log)
        store.write_scores(scores)

        def found(*order: str, extra: str | None = None) -> RingTables:
            """The two rings under provisional ids, in the order of strength."""
            name = {ring: f"R{ix + 1:04d}" for ix, ring in enumerate(order)}
            parts = [
                [
                    row | {"ring_id": name[row["ring_id"]]}
                    for row in part.to_pylist()
                    if row["ring_id"] in name
                ]
                for part in (rings.rings, rings.members, rings.items)
            ]
            parts[0].sort(key=lambda row: row["ring_id"])
            if extra:
                parts[1] += [{"ring_id": name["ring-1"], "user_id": extra, "score": 0.9}]
            for row in parts[0]:
                row["flagged"] = True
            return RingTables(
                *(table(p, t) for p, t in zip(parts, (RINGS, RING_MEMBERS, RING_ITEMS), strict=True))
            )

        known = remember(store, found("ring-1", "ring-2"))
        store.write_rings(known.rings, known.history)
        assert known.rings.rings["ring_id"].to_pylist() == ["R0001", "R0002"]
        assert known.facts() == {"muted": {}, "ring_changes": {"known_again": 0, "new": 2, "gone": 0}}
        given, _ = give_verdict(store, "ring", "r1", "innocent", "fan-club", "", "Ann")
        assert given.found["members"] == ["u0", "u1", "u2"]
        assert (given.found["items"], given.found["flagged"]) == (["i0", "i1"], True)

        again = remember(store, found("ring-2", "ring-1", extra="u5"))
        store.write_rings(again.rings, again.history)
        by_id = {row["ring_id"]: row for row in store.rings().rings.to_pylist()}
        assert (by_id["R0001"]["flagged"], by_id["R0002"]["flagged"]) == (False, True)
        assert by_id["R0001"]["reason"].startswith("Judged innocent by Ann")
        assert again.facts() == {
            "muted": {"rings_judged_innocent": 1}, "ring_changes": {"known_again": 2, "new": 0, "gone": 0},
        }  # fmt: skip
        seen = [row for row in store.ring_history().to_pylist() if row["ring_id"] == "R0001"]
        assert [(row["run"], row["n_joined"], row["n_left"]) for row in seen] == [(1, 0, 0), (2, 1, 0)]
        assert seen[1]["members"] == ["u0", "u1", "u2", "u5"]

        gone = remember(store, found("ring-2"))
        store.write_rings(gone.rings, gone.history)
        assert gone.changes == {"known_again": 1, "new": 0, "gone": 1}
        back = remember(store, found("ring-1"))
        assert back.rings.rings["ring_id"].to_pylist() == ["R0001"]  # also after a run without it
        assert verify(store.audit()) == []

    def test_lists_and_snoozes_are_noted_and_undone(self, store: Store) -> None:
        log, scores, rings = findings()
        write(store, "one", log)
        store.write_scores(scores)
        store.write_rings(rings)
        put_on_list(store, "allow", ["u0", "not there"], who="Ann")
        put_on_list(store, "deny", ["u0"], note="n", until=utc_now() + timedelta(days=1), who="Bo")
        snooze(store, "ring-1", utc_now() + timedelta(days=1), who="Ann")
        now = standing_of(store).at(utc_now())
        assert {user: one.list for user, one in now.listed.items()} == {"u0": "deny", "not there": "allow"}
        assert list(now.snoozed) == ["ring-1"]
        before = [entry.document()["before"] for entry in store.audit().entries]
        assert before[2]["list"] == "allow"
        put_on_list(store, "deny", ["u0"], remove=True, who="Bo")
        snooze(store, "ring-1", None, who="Ann")
        now = standing_of(store).at(utc_now())
        assert (list(now.listed), now.snoozed) == (["not there"], {})
        for wrong in (
            lambda: put_on_list(store, "deny", ["u0"], remove=True, who="Bo"),
            lambda: put_on_list(store, "deny", [""], who="Bo"),
            lambda: snooze(store, "ring-1", None, who="Ann"),
            lambda: snooze(store, "ring-9", utc_now(), who="Ann"),
            lambda: give_verdict(store, "ring", "ring-9", "guilty", "paid-engagement", "", "Ann"),
            lambda: give_verdict(store, "user", "nobody", "guilty", "paid-engagement", "", "Ann"),
            lambda: give_verdict(store, "user", "u0", "guilty", "fan-club", "", "Ann"),
        ):
            with pytest.raises(UsageError):
                wrong()
        assert len(store.audit().entries) == 6
        assert verify(store.audit()) == []

    def test_a_user_is_judged_with_what_was_known(self, store: Store) -> None:
        log, scores, rings = findings()
        write(store, "one", log)
        with pytest.raises(UsageError, match="no user 'nobody'"):
            give_verdict(store, "user", "nobody", "unsure", "needs-more-data", "", "Ann")
        given, _ = give_verdict(store, "user", "u5", "unsure", "needs-more-data", "", "Ann")
        assert given.found == {"flagged": False, "rings": []}
        store.write_scores(scores)
        store.write_rings(rings)
        given, head = give_verdict(store, "user", "u0", "guilty", "fake-account", "n", "Ann")
        assert (given.found["rings"], given.found["flagged"]) == (["ring-1"], True)
        assert head.count == 2
        give_verdict(store, "user", "u0", "innocent", "fan-club", "", "Bo")
        before = store.audit().entries[-1].document()["before"]
        assert before == {"verdict": "guilty", "reason": "fake-account", "note": "n", "entry": 2}

    def test_meta_is_kept_and_replaced(self, store: Store) -> None:
        store.set_meta("model", '{"seed": 0}')
        store.set_meta("other", "")
        store.set_meta("model", '{"seed": 1}\n"quoted"')
        assert store.meta("model") == '{"seed": 1}\n"quoted"'
        assert store.meta("other") == ""
        assert store.meta("Model") is None

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

    # --- queries -----------------------------------------------------------------------------------------
    def test_every_query_has_a_title_and_its_columns(self, store: Store) -> None:
        titles = store.queries()
        assert set(QUERY_COLUMNS) <= set(titles)
        assert list(titles) == sorted(titles)
        assert all(title and not title.startswith(("/", "-")) for title in titles.values())
        for filled in (False, True):
            for name, columns in QUERY_COLUMNS.items():
                answer = store.query(name, QUERY_PARAMETERS.get(name, {}))
                assert answer.column_names == columns, name
                assert name == "counts" or bool(answer.num_rows) == filled, name
            log, scores, rings = findings()
            write(store, "one", log)
            store.write_scores(scores)
            store.write_rings(rings)
            store.append_audit([verdict_draft("ring-1")])

    def test_queries_answer(self, store: Store) -> None:
        log, scores, rings = findings()
        write(store, "one", log)
        store.write_scores(scores)
        store.write_rings(rings)

        def ask(name: str, *columns: str, **parameters: object) -> list[tuple[object, ...]]:
            answer = store.query(name, parameters).to_pylist()
            return [tuple(row[column] for column in columns) for row in answer]

        suspects = ask("top-suspects", "user_id", "score", "ring_id")
        assert suspects == [("u0", 0.9, "ring-1"), ("u1", 0.9, "ring-1"), ("u4", 0.8, None)]
        assert ask("rings", "ring_id", "n_users", "flagged") == [("ring-1", 3, True), ("ring-2", 2, False)]
        assert ask("ring", "user_id", "score", "item_id", "action", "n", ring_id="ring-1") == [
            ("u0", 0.9, "i0", "view", 2),
            ("u1", 0.9, "i0", "view", 1),
            ("u2", 0.5, "i0", "view", 1),
            ("u0", 0.9, "i1", "view", 1),
            ("u1", 0.9, "i1", "view", 1),
            ("u2", 0.5, "i1", "view", 1),
        ]
        assert ask("ring", "at", ring_id="ring-1")[0] == ("2023-11-14T22:13:20.123Z",)
        # d1 is shared by two suspects and an innocent; the ip by one suspect and an innocent
        assert ask("shared-entities", "kind", "entity_id", "n_users") == [("device", "d1", 2)]
        assert ask("co-actors", "user_id", "n_items", user_id="u0") == [
            ("u1", 3),
            ("u2", 3),
            ("u3", 3),
            ("u4", 1),
        ]
        assert ask("suspects-of-item", "user_id", "score", item_id="i0") == [
            ("u0", 0.9),
            ("u1", 0.9),
            ("u4", 0.8),
        ]
        assert ask("busy-sessions", "session_id", "user_id", "n_items", "seconds", limit=2) == [
            ("s0", "u0", 3, 9.0),
            ("s1", "u1", 3, 2.0),
        ]
        assert dict(ask("counts", "what", "n")) == store.counts()

    def test_limits_apply(self, store: Store) -> None:
        log, scores, _ = findings()
        write(store, "one", log)
        store.write_scores(scores)
        assert store.query("top-suspects", {"limit": 1}).num_rows == 1
        assert store.query("top-suspects", {"limit": "2"}).num_rows == 2
        assert store.query("top-suspects", {"limit": 0}).num_rows == 0

    @pytest.mark.parametrize(
        ("name", "parameters", "words"),
        [
            ("top-suspect", {}, "did you mean top-suspects"),
            ("zzz", {}, "there are busy-sessions"),
            ("ring", {}, "needs ring_id"),
            ("co-actors", {"limit": 3}, "needs user_id"),
            ("rings", {"ring": "r"}, "no parameter ring "),
            ("rings", {"limit": "many"}, "whole number"),
            ("rings", {"limit": -1}, "whole number"),
        ],
    )
    def test_wrong_queries_are_usage_errors(
        self, store: Store, name: str, parameters: dict[str, object], words: str
    ) -> None:
        with pytest.raises(UsageError, match=words):
            store.query(name, parameters)


def key(row: Row) -> tuple[object, ...]:
    """What makes an interaction one."""
    return tuple(row[name] for name in INTERACTION_KEY)
