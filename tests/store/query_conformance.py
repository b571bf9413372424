"""What every store must do as a `QueryStore`: the saved queries give the same rows, in the same order."""

from dataclasses import replace

import pyarrow as pa
import pytest

from graphdet.errors import UsageError
from graphdet.ports import Store
from graphdet.progress import Silent
from graphdet.tables import RingTables
from tests.store.audit_conformance import verdict_draft
from tests.store.sample_logs import RING_HISTORY, Row, findings, log_tables, source, table

QUERY_COLUMNS = {
    "top-suspects": ["user_id", "score", "p_value", "ring_id", "reason"],
    "ring": ["what", "id", "n", "value"],
    "ring-timeline": ["user_id", "score", "item_id", "action", "at", "n"],
    "others-on-items": ["user_id", "n_items", "n_acts", "first_at", "last_at", "score", "ring_id"],
    "paths-between": [
        *("steps", "kind", "id", "user_between", "next_kind", "next_id"),
        *("at", "other_at", "gap_s"),
    ],
    "near-ring": ["user_id", "n_items", "n_entities", "score", "ring_id"],
    "rings-sharing-items": [
        *("ring_id", "other_ring_id", "n_items", "n_users", "flagged", "other_flagged"),
    ],
    "changes": [
        *("ring_id", "change", "n_users_before", "n_users", "n_joined", "n_left"),
        *("flagged_before", "flagged", "score", "origin"),
    ],
    "verdicts": ["kind", "subject", "verdict", "reason", "note", "who", "at"],
    "data-quality": ["what", "source", "n", "value", "ok"],
    "rings": ["ring_id", "kind", "n_users", "n_items", "score", "p_value", "q_value", "flagged", "reason"],
    "shared-entities": ["kind", "entity_id", "n_users"],
    "co-actors": ["user_id", "n_items"],
    "suspects-of-item": ["user_id", "score", "at"],
    "counts": ["what", "n"],
}
QUERY_PARAMETERS = {
    "ring": {"ring_id": "ring-1"},
    "ring-timeline": {"ring_id": "ring-1"},
    "others-on-items": {"ring_id": "ring-1"},
    "near-ring": {"ring_id": "ring-1"},
    "paths-between": {"user_id": "u0", "other_id": "u1"},
    "co-actors": {"user_id": "u0"},
    "suspects-of-item": {"item_id": "i0"},
}
ALWAYS_ANSWERED = ("counts", "data-quality")


def fill(store: Store) -> None:
    """A log, scores, rings with a history of two runs, and a verdict."""
    log, scores, rings = findings()
    store.write_log(log_tables(store.bench, log), source("one", log), Silent())
    store.write_scores(scores)
    store.write_rings(
        rings, seen(1, ("ring-0", 0, 0, False), ("ring-1", 0, 0, False), ("ring-2", 0, 0, False))
    )
    store.write_rings(
        rings, seen(2, ("ring-1", 2, 1, True), ("ring-2", 0, 0, False), ("ring-3", 0, 0, False))
    )
    store.append_audit([verdict_draft("ring-1")])


def seen(run: int, *rings: tuple[str, int, int, bool]) -> pa.Table:
    rows: list[Row] = [
        {
            "run": run, "at": "2026-01-01T00:00:00.000Z", "ring_id": ring, "n_users": 3 * run, "n_items": 1,
            "n_joined": joined, "n_left": left, "score": 0.5, "q_value": None, "flagged": flagged,
            "origin": "split from ring-1" if ring == "ring-3" else None, "members": ["u0"], "items": ["i0"],
        }
        for ring, joined, left, flagged in rings
    ]  # fmt: skip
    return table(rows, RING_HISTORY)


def answer(store: Store, name: str, **parameters: object) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in store.query(name, parameters).to_pylist()]


class QueryConformance:
    """The suite of the port; part of `StoreConformance`, which says what a subclass provides."""

    def test_every_query_has_a_title_and_its_columns(self, store: Store) -> None:
        titles = store.queries()
        assert list(QUERY_COLUMNS) == [name for name in titles if not name.startswith("draw-")]
        assert [title[:2] for title in titles.values()] == [f"{ix:02}" for ix in range(1, len(titles) + 1)]
        for filled in (False, True):
            for name, columns in QUERY_COLUMNS.items():
                found = store.query(name, QUERY_PARAMETERS.get(name, {}))
                assert found.column_names == columns, name
                assert (
                    name in ALWAYS_ANSWERED or bool(found.num_rows) == filled or name == "rings-sharing-items"
                ), name
            if not filled:
                fill(store)

    def test_queries_answer(self, store: Store) -> None:
        fill(store)

        def ask(name: str, *columns: str, **parameters: object) -> list[tuple[object, ...]]:
            rows = store.query(name, parameters).to_pylist()
            return [tuple(row[column] for column in columns) for row in rows]

        suspects = ask("top-suspects", "user_id", "score", "ring_id")
        assert suspects == [("u0", 0.9, "ring-1"), ("u1", 0.9, "ring-1"), ("u4", 0.8, None)]
        assert ask("top-suspects", "user_id", min_score=0.85) == [("u0",), ("u1",)]
        assert ask("rings", "ring_id", "n_users", "flagged") == [("ring-1", 3, True), ("ring-2", 2, False)]
        assert ask("rings", "ring_id", min_score="0.5") == [("ring-1",)]
        times = ask("ring-timeline", "user_id", "score", "item_id", "action", "n", ring_id="ring-1")
        assert times == [
            ("u0", 0.9, "i0", "view", 2),
            ("u1", 0.9, "i0", "view", 1),
            ("u2", 0.5, "i0", "view", 1),
            ("u0", 0.9, "i1", "view", 1),
            ("u1", 0.9, "i1", "view", 1),
            ("u2", 0.5, "i1", "view", 1),
        ]
        assert ask("ring-timeline", "at", ring_id="ring-1")[0] == ("2023-11-14T22:13:20.123Z",)
        # d1 is shared by two suspects and an innocent; the ip by one suspect and an innocent
        assert ask("shared-entities", "kind", "entity_id", "n_users") == [("device", "d1", 2)]
        assert ask("co-actors", "user_id", "n_items", user_id="u0") == [
            ("u1", 3),
            ("u2", 3),
            ("u3", 3),
            ("u4", 1),
        ]
        # i1 and i2 have four acts each, i0 has five: the rarest are taken, ties by id, up to max_acts in all
        assert ask("co-actors", "user_id", "n_items", user_id="u0", max_acts=8)[0] == ("u1", 2)
        assert ask("co-actors", "user_id", "n_items", user_id="u0", max_acts=7)[0] == ("u1", 1)
        assert ask("suspects-of-item", "user_id", "score", item_id="i0") == [
            ("u0", 0.9),
            ("u1", 0.9),
            ("u4", 0.8),
        ]
        assert dict(ask("counts", "what", "n")) == store.counts()

    def test_a_ring_is_shown_with_what_it_shares(self, store: Store) -> None:
        fill(store)
        assert answer(store, "ring", ring_id="ring-1") == [
            ("item", "i0", 3, 12.25),
            ("item", "i1", 2, 3.5),
            ("device", "d1", 2, None),
            ("member", "u0", 2, 0.9),
            ("member", "u1", 2, 0.9),
            ("member", "u2", 2, 0.5),
        ]
        assert answer(store, "ring", ring_id="ring-2")[0] == ("item", "i2", 2, None)
        assert answer(store, "ring", ring_id="no such ring") == []

    def test_who_else_acted_in_the_window_and_who_is_near(self, store: Store) -> None:
        fill(store)
        others = answer(store, "others-on-items", ring_id="ring-1")
        # u3 acted 3 ms after the ring's first act on i0, u4 bought i0 half a second later
        first, second = "2023-11-14T22:13:20.126Z", "2023-11-14T22:13:21.126Z"
        assert others == [
            ("u3", 2, 2, first, second, 0.7, None),
            ("u4", 1, 1, "2023-11-14T22:13:20.623Z", "2023-11-14T22:13:20.623Z", 0.8, None),
        ]
        assert len(answer(store, "others-on-items", ring_id="ring-1", margin_h=0.5)) == 2
        assert answer(store, "others-on-items", ring_id="ring-1", limit=1) == others[:1]
        # i1 alone, which is the rarer one
        assert [row[:3] for row in answer(store, "others-on-items", ring_id="ring-1", max_acts=4)] == [
            ("u3", 1, 1)
        ]
        assert answer(store, "others-on-items", ring_id="ring-1", max_acts=3) == []
        # u3 by both items; u5 by the device of u0 and u1
        assert answer(store, "near-ring", ring_id="ring-1") == [
            ("u3", 2, 0, 0.7, None),
            ("u5", 0, 1, 0.01, None),
        ]
        assert answer(store, "near-ring", ring_id="ring-1", min_items=1)[1:] == [
            ("u4", 1, 0, 0.8, None),
            ("u5", 0, 1, 0.01, None),
        ]
        assert [row[0] for row in answer(store, "near-ring", ring_id="ring-1", max_acts=0)] == ["u5"]

    def test_in_a_log_without_times_all_who_acted_are_others(self, store: Store) -> None:
        log, scores, rings = findings()
        whenever = [(*event[:4], 0, *event[5:]) for event in log.events]
        untimed = replace(log, events=whenever, links=[])
        store.write_log(log_tables(store.bench, untimed), source("untimed", untimed), Silent())
        store.write_scores(scores)
        table_of_rings = rings.rings
        for name in ("first_seen", "last_seen"):
            nothing = pa.nulls(table_of_rings.num_rows, pa.string())
            place = table_of_rings.column_names.index(name)
            table_of_rings = table_of_rings.set_column(place, name, nothing)
        store.write_rings(RingTables(table_of_rings, rings.members, rings.items))
        assert store.rings().rings["first_seen"].null_count == table_of_rings.num_rows
        others = answer(store, "others-on-items", ring_id="ring-1")
        assert [row[:3] for row in others] == [("u3", 2, 2), ("u4", 1, 1)]

    def test_paths_between_two_users(self, store: Store) -> None:
        fill(store)
        nothing = (None, None, None)
        start = "2023-11-14T22:13:20.000Z"  # devices count from here in these logs
        found = answer(store, "paths-between", user_id="u0", other_id="u1")
        assert [row[:6] for row in found] == [
            (1, "device", "d1", *nothing),
            (1, "item", "i0", *nothing),
            (1, "item", "i1", *nothing),
            (1, "item", "i2", *nothing),
            (1, "ring", "ring-1", *nothing),
        ]
        assert [row[8] for row in found] == [0.0, 0.001, 0.001, 0.001, None]
        assert found[1][6:8] == ("2023-11-14T22:13:20.123Z", "2023-11-14T22:13:20.124Z")
        assert found[0][6][:19] == start[:19]  # type: ignore[index]
        # u5 is on the device of u0 and on the address of u4
        indirect = answer(store, "paths-between", user_id="u0", other_id="u4")
        assert (2, "device", "d1", "u5", "ip", "10.0.0.1", None, None, None) in indirect
        few = answer(store, "paths-between", user_id="u0", other_id="u4", max_users=2)
        assert [row[0] for row in few] == [1]
        assert answer(store, "paths-between", user_id="u0", other_id="nobody") == []

    def test_rings_that_share_items_and_what_changed(self, store: Store) -> None:
        fill(store)
        assert answer(store, "rings-sharing-items") == []
        _, _, rings = findings()
        items = [*rings.items.to_pylist(), {"ring_id": "ring-2", "item_id": "i0", "n_users": 1, "lift": 1.0}]
        members = [*rings.members.to_pylist(), {"ring_id": "ring-2", "user_id": "u0", "score": 0.1}]
        both = type(rings)(
            rings.rings,
            pa.Table.from_pylist(members, schema=rings.members.schema),
            pa.Table.from_pylist(items, schema=rings.items.schema),
        )
        store.write_rings(both)
        assert answer(store, "rings-sharing-items") == [("ring-1", "ring-2", 1, 1, True, False)]
        assert answer(store, "rings-sharing-items", min_shared=2) == []
        assert answer(store, "changes") == [
            ("ring-3", "new", None, 6, 0, 0, None, False, 0.5, "split from ring-1"),
            ("ring-1", "changed", 3, 6, 2, 1, False, True, 0.5, None),
            ("ring-0", "gone", 3, None, None, None, False, None, 0.5, None),
            ("ring-2", "same", 3, 6, 0, 0, False, False, 0.5, None),
        ]
        assert answer(store, "changes", min_score=0.6) == []

    def test_verdicts_since_and_data_quality(self, store: Store) -> None:
        fill(store)
        assert [row[:3] for row in answer(store, "verdicts")] == [("ring", "ring-1", "guilty")]
        assert answer(store, "verdicts", since="2999-01-01") == []
        found = {row[0]: row for row in answer(store, "data-quality")}
        log, _, _ = findings()
        file = ", ".join(source("one", log).files)
        n_rows, n_rejects = source("one", log).n_rows, source("one", log).n_rejects
        assert found["rows"] == ("rows", file, n_rows, None, None)
        share = n_rejects / n_rows
        assert found["rejected rows"] == ("rejected rows", file, n_rejects, share, share <= 0.05)
        assert answer(store, "data-quality", max_reject_share=1.0)[0][4] is True
        assert found["users, sessions a user"] == ("users, sessions a user", None, 6, 1.0, None)
        assert found["items, interactions an item"][2:] == (4, 3.5, None)
        assert found["verdicts not yet in the audit log"][2:] == (0, None, True)

    def test_limits_apply(self, store: Store) -> None:
        log, scores, _ = findings()
        store.write_log(log_tables(store.bench, log), source("one", log), Silent())
        store.write_scores(scores)
        assert store.query("top-suspects", {"limit": 1}).num_rows == 1
        assert store.query("top-suspects", {"limit": "2"}).num_rows == 2
        assert store.query("top-suspects", {"limit": 0}).num_rows == 0

    @pytest.mark.parametrize(
        ("name", "parameters", "words"),
        [
            ("top-suspect", {}, "did you mean top-suspects"),
            ("zzz", {}, "there are changes"),
            ("ring", {}, "needs ring_id"),
            ("co-actors", {"limit": 3}, "needs user_id"),
            ("rings", {"ring": "r"}, "no parameter ring "),
            ("rings", {"limit": "many"}, "whole number"),
            ("rings", {"limit": -1}, "whole number"),
            ("rings", {"limit": 2**63}, "whole number"),
            ("rings", {"min_score": "high"}, "min_score must be a number"),
            ("rings", {"min_score": "nan"}, "min_score must be a number"),
            ("near-ring", {"ring_id": "r", "min_items": "1.5"}, "min_items must be a whole number"),
            ("verdicts", {"since": "yesterday"}, "since must be a time"),
        ],
    )
    def test_wrong_queries_are_usage_errors(
        self, store: Store, name: str, parameters: dict[str, object], words: str
    ) -> None:
        with pytest.raises(UsageError, match=words):
            store.query(name, parameters)
