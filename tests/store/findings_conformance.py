"""What every store must do as a `FindingsStore`: keep scores, rings and the history of rings."""

import pyarrow as pa
import pytest

from graphdet.ports import Store
from graphdet.tables import RingTables
from tests.store.checks import same_rows, write
from tests.store.sample_logs import (
    RING_HISTORY,
    RING_ITEMS,
    RING_MEMBERS,
    SCORES,
    Row,
    findings,
    random_log,
    score_row,
    table,
)


def history(run: int, ring: str, members: list[str]) -> pa.Table:
    row: Row = {
        "run": run, "at": "2026-01-01T00:00:00.000Z", "ring_id": ring, "n_users": len(members), "n_items": 1,
        "n_joined": 0, "n_left": 0, "score": 0.5, "q_value": None, "flagged": True, "origin": None,
        "members": members, "items": ["i0", '"; {}'],
    }  # fmt: skip
    return table([row], RING_HISTORY)


class FindingsConformance:
    """The suite of the port; part of `StoreConformance`, which says what a subclass provides."""

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
