"""What every store must do as an `AuditStore`: keep entries for good, chained, as they were written."""

from graphdet.audit import Draft, Head, iso_utc, storable, utc_now, verify
from graphdet.ports import Store
from graphdet.tables import RingTables
from tests.store.checks import write
from tests.store.sample_logs import (
    RING_HISTORY,
    findings,
    random_log,
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


def verdict_draft(ring: str, verdict: str = "guilty", who: str = "Ann", note: str = "") -> Draft:
    after = {"verdict": verdict, "reason": "other", "note": note, "found": {"members": ["u0"]}}
    return Draft(who, "verdict", "ring", ring, None, after)


class AuditConformance:
    """The suite of the port; part of `StoreConformance`, which says what a subclass provides."""

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
