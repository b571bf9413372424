"""What every store must do so that accounts can be forgotten, and what is past its time can go."""

import json
import re

import pytest

from graphdet.audit import iso_utc, utc_now, verify
from graphdet.casework.decisions import give_verdict, put_on_list, standing_of
from graphdet.casework.forgetting import withheld_of
from graphdet.config import Retention
from graphdet.ports import Store
from graphdet.tables import RingTables
from graphdet.verbs.forget import forget, retention, was_forgotten
from tests.store.checks import check_graph, write
from tests.store.sample_logs import RING_HISTORY, START, WEIRD_IDS, SampleLog, findings, table


def without(log: SampleLog, user: str) -> SampleLog:
    return SampleLog(
        [event for event in log.events if event[0] != user],
        [link for link in log.links if link[0] != user],
        dict(log.names),
    )


def all_texts(store: Store) -> str:
    """Everything that a store tells, as one text."""
    rings = store.rings()
    tables = [store.scores(), rings.rings, rings.members, rings.items, store.ring_history()]
    frames = [store.interactions(), store.entities(), store.sessions()]
    tables += [frame.collect("pyarrow").to_native() for frame in frames]
    told = [*(t.to_pylist() for t in tables), [e.entry for e in store.audit().entries], store.meta("run")]
    shown = [dict(entry.shown) for entry in store.audit().entries]
    return json.dumps([told, shown], ensure_ascii=False)


class PrivacyConformance:
    """The suite; part of `StoreConformance`, which says what a subclass provides."""

    def test_a_forgotten_account_is_nowhere_and_its_chain_holds(self, store: Store) -> None:
        log, scores, rings = findings()
        write(store, "one", log)
        store.write_scores(scores)
        history = [
            {
                "run": 1,
                "at": "2026-01-01T00:00:00.000Z",
                "ring_id": "ring-1",
                "members": ["u0", "u1"],
                "items": [],
            }
        ]
        store.write_rings(rings, table(history, RING_HISTORY))
        store.set_meta("run", json.dumps({"warnings": ["look at u1, please", "at u10"], "top": ["u1", "u2"]}))
        give_verdict(store, "user", "u1", "guilty", "fake-account", "u1 is a bot", "Ann")
        give_verdict(store, "ring", "ring-1", "guilty", "paid-engagement", "with u1.", "Ann")
        head = put_on_list(store, "deny", ["u0", "u1"], who="Bo")
        assert '"u1"' in all_texts(store)
        members = set(rings.members["user_id"].to_pylist())
        assert "u1" in members

        would = forget(store, ["u1"], "Cy", dry_run=True)
        assert was_forgotten(store, "u1") is None
        done = forget(store, ["u1"], "Cy")
        assert (would.removed, would.audit_entries) == (done.removed, done.audit_entries)
        assert done.audit_entries == 3
        assert done.removed["sessions"] == len({event[1] for event in log.events if event[0] == "u1"}) > 0

        told = all_texts(store)
        assert re.findall(r"\bu1\b", told) == []
        assert "u10" in told
        kept = store.meta("run")
        assert kept is not None
        assert json.loads(kept)["top"] == ["u2"]
        check_graph(store, without(log, "u1"))
        assert set(store.rings().members["user_id"].to_pylist()) == members - {"u1"}
        assert store.ring_history()["members"].to_pylist() == [["u0"]]
        assert verify(store.audit(), expect=head.hash) == []
        standing = standing_of(store)
        assert standing.of_user("u1") is None
        assert standing.of_ring("ring-1") is not None
        assert set(standing.listed) == {"u0"}
        proof = was_forgotten(store, "u1")
        assert proof is not None
        assert proof.who == "Cy"
        assert was_forgotten(store, "u2") is None
        assert len(withheld_of(store).users) == 1

    def test_whoever_alters_a_redacted_entry_is_found(self, store: Store) -> None:
        log, _, _ = findings()
        write(store, "one", log)
        put_on_list(store, "deny", ["u0", "u1"], who="Bo")
        forget(store, ["u1"], "Cy")
        entries = store.audit().entries
        assert '"redacted":true' in entries[1].entry
        other = type(entries[1])(2, entries[1].entry.replace("Bo", "Al"), entries[1].hash, entries[1].shown)
        store.append_audit([], [other])
        assert [fault.seq for fault in verify(store.audit())] == [2]

    def test_ids_of_any_letters_are_forgotten_and_others_stay(self, store: Store) -> None:
        ids = WEIRD_IDS
        events = [(user, f"s{ix}", f"i{ix}", "view", START + ix, None, None) for ix, user in enumerate(ids)]
        log = SampleLog(events, links=[(user, "device", "d", START) for user in ids])
        write(store, "weird", log)
        for first, last in ((0, 1), (1, 6)):
            forget(store, ids[first:last], "Cy")
            counts = store.counts()
            assert (counts["users"], counts["interactions"]) == (len(ids) - last,) * 2
        assert [was_forgotten(store, user) is not None for user in ids[:8]] == [True] * 6 + [False] * 2
        assert verify(store.audit()) == []

    def test_an_account_that_is_an_item_too_goes_on_both_sides(self, store: Store) -> None:
        events = [("a", "s1", "b", "pay", START, None, None), ("c", "s2", "a", "pay", START + 1, None, None)]
        events.append(("c", "s3", "b", "pay", START + 2, None, None))
        write(store, "pay", SampleLog(events))
        forget(store, ["a"], "Cy", as_items=True)
        check_graph(store, SampleLog(events[2:]))
        assert len(withheld_of(store).items) == 1

    def test_what_is_past_its_time_goes_and_what_is_not_stays(self, store: Store) -> None:
        day = 86_400_000
        now = utc_now()
        at = round(now.timestamp() * 1000)
        old = [
            ("a", "s1", "i1", "view", at - 40 * day, None, None),
            ("b", "s2", "i2", "view", at - 39 * day, None, None),
        ]
        new = [("b", "s3", "i3", "view", at - day, None, None)]
        log = SampleLog(
            [*old, *new], links=[("a", "device", "d1", at - 40 * day), ("b", "device", "d2", at - day)]
        )
        write(store, "one", log)
        runs = [
            {
                "run": n,
                "at": iso_utc(now).replace("20", year, 1),
                "ring_id": "r",
                "members": ["a"],
                "items": [],
            }
            for n, year in ((1, "19"), (2, "20"))
        ]
        _, _, rings = findings()
        none = RingTables(*(part.slice(0, 0) for part in (rings.rings, rings.members, rings.items)))
        store.write_rings(none, table(runs, RING_HISTORY))
        put_on_list(store, "deny", ["b"], who="Bo")
        wanted = Retention(events_days=30, findings_days=30, verdicts_days=30)
        would = retention(store, wanted, "Cy", dry_run=True, now=now)
        check_graph(store, log)
        done = retention(store, wanted, "Cy", now=now)
        assert [one.removed for one in would] == [one.removed for one in done]
        check_graph(store, SampleLog(new, links=[("b", "device", "d2", at - day)]))
        assert store.ring_history()["run"].to_pylist() == [2]
        assert set(standing_of(store).listed) == {"b"}
        assert withheld_of(store).before_ms == pytest.approx(at - 30 * day, abs=1)
        later = retention(store, Retention(verdicts_days=1e-9), "Cy")
        assert [one.removed for one in later] == [{"decisions": 1}]
        assert standing_of(store).listed == {}
        assert verify(store.audit()) == []
