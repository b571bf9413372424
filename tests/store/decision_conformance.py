"""What every store must do with decisions: the audit log, the history of rings, and what both are for.

Part of `StoreConformance`.
"""

from datetime import timedelta

import pyarrow as pa
import pytest

from graphdet.audit import Draft, Head, iso_utc, storable, utc_now, verify
from graphdet.casework.decisions import give_verdict, put_on_list, snooze_ring, standing_of
from graphdet.casework.memory import remember
from graphdet.errors import UsageError
from graphdet.ports import Store
from graphdet.progress import Silent
from graphdet.rings.finding import ring_findings_of
from graphdet.tables import RingTables
from tests.store.sample_logs import (
    RING_HISTORY,
    RING_ITEMS,
    RING_MEMBERS,
    RINGS,
    Row,
    SampleLog,
    findings,
    log_tables,
    random_log,
    source,
    table,
)

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


class DecisionConformance:
    """The part of the suite; subclasses provide the fixture `store`."""

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
        assert documents[0]["at"] <= documents[2]["at"] <= iso_utc(utc_now())
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

        known = remember(store, ring_findings_of(found("ring-1", "ring-2")))
        store.write_rings(known.rings, known.history)
        assert known.rings.rings["ring_id"].to_pylist() == ["R0001", "R0002"]
        assert known.facts() == {"muted": {}, "ring_changes": {"known_again": 0, "new": 2, "gone": 0}}
        given, _ = give_verdict(store, "ring", "r1", "innocent", "fan-club", "", "Ann")
        assert given.found["members"] == ["u0", "u1", "u2"]
        assert (given.found["items"], given.found["flagged"]) == (["i0", "i1"], True)

        again = remember(store, ring_findings_of(found("ring-2", "ring-1", extra="u5")))
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

        gone = remember(store, ring_findings_of(found("ring-2")))
        store.write_rings(gone.rings, gone.history)
        assert gone.changes == {"known_again": 1, "new": 0, "gone": 1}
        back = remember(store, ring_findings_of(found("ring-1")))
        assert back.rings.rings["ring_id"].to_pylist() == ["R0001"]  # also after a run without it
        assert verify(store.audit()) == []

    def test_lists_and_snoozes_are_noted_and_undone(self, store: Store) -> None:
        log, scores, rings = findings()
        write(store, "one", log)
        store.write_scores(scores)
        store.write_rings(rings)
        put_on_list(store, "allow", ["u0", "not there"], who="Ann")
        put_on_list(store, "deny", ["u0"], note="n", until=utc_now() + timedelta(days=1), who="Bo")
        snooze_ring(store, "ring-1", utc_now() + timedelta(days=1), who="Ann")
        now = standing_of(store).at(utc_now())
        assert {user: one.list for user, one in now.listed.items()} == {"u0": "deny", "not there": "allow"}
        assert list(now.snoozed) == ["ring-1"]
        before = [entry.document()["before"] for entry in store.audit().entries]
        assert before[2]["list"] == "allow"
        put_on_list(store, "deny", ["u0"], remove=True, who="Bo")
        snooze_ring(store, "ring-1", None, who="Ann")
        now = standing_of(store).at(utc_now())
        assert (list(now.listed), now.snoozed) == (["not there"], {})
        for wrong in (
            lambda: put_on_list(store, "deny", ["u0"], remove=True, who="Bo"),
            lambda: put_on_list(store, "deny", [""], who="Bo"),
            lambda: snooze_ring(store, "ring-1", None, who="Ann"),
            lambda: snooze_ring(store, "ring-9", utc_now(), who="Ann"),
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
