"""The audit log in a real Neo4j: edits are found, writers at a time do not fork it, Browser's verdicts are seen."""

import threading
from collections.abc import Iterator

import pytest

from graphdet.audit import SHOWN_FIELDS, verify
from graphdet.casework.decisions import give_verdict, note_loose, standing_of
from graphdet.casework.memory import remember
from graphdet.errors import GraphdetError, UsageError
from graphdet.rings.finding import ring_findings_of
from graphdet.store.neo4j import Neo4jStore
from graphdet.store.neo4j.statements import cypher
from tests.store.audit_tests import check_notes, filled, note_from_many_processes
from tests.store.checks import write
from tests.store.sample_logs import findings

pytestmark = pytest.mark.neo4j


@pytest.fixture
def store(neo4j_url: str) -> Iterator[Neo4jStore]:
    opened = Neo4jStore(neo4j_url, bulk=False)
    yield opened
    opened.close()


E = "MATCH (e:AuditEntry {seq: 3}) "
EDITS = [
    *(f"{E} SET e.{name} = 'x'" for name in ("entry", "hash", *SHOWN_FIELDS)),
    f"{E} SET e.verdict = null",
    f"{E} SET e.entry = null",
    f"{E} SET e.note = 7",
    f"{E} SET e.comment = 'not there before'",
    f"{E} SET e.entry = replace(e.entry, 'guilty', 'unsure')",
    f"{E} SET e.seq = 30",
    f"{E} DELETE e",
    "MATCH (e:AuditEntry) WHERE e.seq IN [1, 2] SET e.seq = -e.seq"
    " WITH e SET e.seq = CASE e.seq WHEN -1 THEN 2 ELSE 1 END",
    "MATCH (e:AuditEntry {seq: 4}) DELETE e",
    "MATCH (e:AuditEntry) DELETE e",
    "MATCH (e:AuditEntry {seq: 4}) CREATE (n:AuditEntry) SET n = e{.*, seq: 5}",
    "MATCH (h:AuditHead) SET h.count = 3",
    "MATCH (h:AuditHead) SET h.hash = 'x'",
    "MATCH (h:AuditHead) DELETE h",
]


def test_edits_in_the_database_are_found(store: Neo4jStore) -> None:
    for edit in EDITS:
        store._client.run("MATCH (n) WHERE n:AuditEntry OR n:AuditHead DETACH DELETE n")
        assert verify(filled(store)) == []
        store._client.run(edit)
        assert verify(store.audit()), edit


def test_nothing_is_noted_where_the_head_was_removed(store: Neo4jStore) -> None:
    filled(store)
    store._client.run("MATCH (h:AuditHead) DELETE h")
    with pytest.raises(GraphdetError, match="no head"):
        filled(store)
    assert len(store.audit().entries) == 4
    assert store.audit().head is None


def test_processes_wait_for_each_other(store: Neo4jStore, neo4j_url: str) -> None:
    note_from_many_processes(neo4j_url)
    check_notes(store.audit())


def browser_verdict(store: Neo4jStore, name: str = "browser/give-verdict", **parameters: str) -> None:
    """Run the script of Neo4j Browser, as Browser does: in a transaction that may write."""
    given = {"verdict": "innocent", "reason": "fan-club", "note": "a forum\x00", "who": "Bo", **parameters}
    rows = store._client.run(cypher(name), **given)
    assert len(rows) == 1


def test_a_verdict_given_in_browser_is_seen_and_noted(store: Neo4jStore) -> None:
    log, scores, rings = findings()
    write(store, "one", log)
    store.write_scores(scores)
    store.write_rings(rings)
    give_verdict(store, "ring", "ring-1", "guilty", "paid-engagement", "", "Ann")
    browser_verdict(store, ring_id="ring-1")
    browser_verdict(store, "browser/give-user-verdict", user_id="u3", verdict="guilty", reason="fake-account")
    browser_verdict(store, ring_id="ring-2", reason="no reason of ours")

    now = standing_of(store)
    seen = now.of_ring("ring-1")
    assert seen is not None
    assert (seen.verdict, seen.who, seen.seq, seen.note) == ("innocent", "Bo", None, "a forum\x00")
    assert now.of_ring("ring-2") is None
    assert len(store.audit().entries) == 1
    assert store.query("verdicts", {}).num_rows == 4

    assert note_loose(store) == 3
    assert note_loose(store) == 0
    assert verify(store.audit()) == []
    assert len(store.audit().entries) == 4
    noted = standing_of(store).of_ring("ring-1")
    assert noted is not None
    assert noted.found["members"] == ["u0", "u1", "u2"]
    assert noted.at.startswith("20")
    assert store.query("verdicts", {}).num_rows == 4
    faults = [one.fault for one in standing_of(store).verdicts if one.fault]
    assert faults == ["there is no reason 'no reason of ours'"]

    known = remember(store, ring_findings_of(rings))  # the same rings, found again
    by_id = {row["ring_id"]: row for row in known.rings.rings.to_pylist()}
    assert by_id["ring-1"]["flagged"] is False
    store.write_rings(known.rings, known.history)
    assert len(store.audit().entries) == 4


def test_two_who_note_the_same_verdict_note_it_once(store: Neo4jStore, neo4j_url: str) -> None:
    log, _, rings = findings()
    write(store, "one", log)
    store.write_rings(rings)
    for _ in range(3):
        browser_verdict(store, ring_id="ring-1")
    failed: list[BaseException] = []

    def note() -> None:
        mine = Neo4jStore(neo4j_url, bulk=False)
        try:
            note_loose(mine)
        except BaseException as error:
            failed.append(error)
        finally:
            mine.close()

    threads = [threading.Thread(target=note) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(store.audit().entries) == 3
    assert verify(store.audit()) == []


def test_scripts_that_write_are_for_browser_only(store: Neo4jStore) -> None:
    assert "verdicts" in store.queries()
    assert not [name for name in store.queries() if name.startswith("give-")]
    with pytest.raises(UsageError, match="there is no query 'give-verdict'"):
        store.query("give-verdict", {"ring_id": "ring-1"})
