"""What every store must do as a `CaseworkStore`: decisions are kept in it, and hold from run to run."""

from dataclasses import replace
from datetime import timedelta

import pytest

from graphdet.audit import utc_now, verify
from graphdet.casework.decisions import give_verdict, put_on_list, snooze_ring, standing_of
from graphdet.casework.memory import Remembered, remember
from graphdet.errors import UsageError
from graphdet.ports import Store
from graphdet.rings.finding import RingFinding, RingItem, RingMember, ring_findings_of
from graphdet.tables import RingTables
from tests.store.checks import write
from tests.store.sample_logs import (
    RING_ITEMS,
    RING_MEMBERS,
    RINGS,
    findings,
    table,
)


class CaseworkConformance:
    """The suite of the ports together; part of `StoreConformance`, which says what a subclass provides."""

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

    def test_a_lead_that_comes_and_goes_is_no_news_and_keeps_its_id(self, store: Store) -> None:
        log, _, _ = findings()
        write(store, "one", log)
        items = (RingItem("i0", 2, 3.0), RingItem("i1", 2, 3.0))

        def group(users: str, flagged: bool) -> RingFinding:
            members = tuple(RingMember(user, 0.5) for user in users.split())
            return RingFinding(
                "new",
                len(members),
                2,
                0.9,
                0.01,
                0.01,
                flagged,
                None,
                None,
                "Alike.",
                members=members,
                items=items,
            )

        def run(*groups: RingFinding) -> Remembered:
            known = remember(store, groups)
            store.write_rings(known.rings, known.history)
            return known

        ring, lead = group("u0 u1", True), group("u2 u3", False)
        assert run(ring, lead).changes == {"known_again": 0, "new": 1, "gone": 0}
        grown = group("u2 u3 u4", False)
        assert run(ring, grown).changes == {"known_again": 1, "new": 0, "gone": 0}
        history = store.ring_history()["ring_id"].to_pylist()
        assert (history.count("R0001"), history.count("R0002")) == (2, 1)
        halves = run(ring, group("u2 u3", False), group("u4", False))  # a lead that splits is no news either
        assert (halves.changes["new"], halves.changes["gone"], halves.notes) == (0, 0, ())
        assert run(ring).changes == {"known_again": 1, "new": 0, "gone": 0}
        # What comes back has its id, also as a ring; another gets one that nobody had.
        back = run(ring, replace(lead, flagged=True), group("u5", False))
        assert back.rings.rings["ring_id"].to_pylist() == ["R0001", "R0002", "R0004"]
        assert back.changes == {"known_again": 2, "new": 0, "gone": 0}
        assert run(ring).changes == {"known_again": 1, "new": 0, "gone": 1}

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
