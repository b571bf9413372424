"""The conformance suite: what every store must do, one class for each port of `graphdet.ports`.

A new store proves itself so: its test module has a fixture `store` that gives an open and empty store to each test, and
one class that inherits the whole suite.

    @pytest.fixture
    def store(tmp_path: Path) -> Iterator[Store]:
        opened = NewStore(tmp_path / "log")
        yield opened
        opened.close()

    class TestNewStore(StoreConformance):
        ...

A store that is not finished may inherit the suite of one port first. As findings and decisions are about a log, all
suites but `MetaConformance` need `write_log`. Expected values come from the sample log itself, never from another
store; what only one store does (locks, bulk loads, events that it keeps) is tested in its own module.
"""

from graphdet.casework.decisions import put_on_list
from graphdet.ports import Store
from graphdet.progress import Silent
from tests.store.audit_conformance import AuditConformance
from tests.store.casework_conformance import CaseworkConformance
from tests.store.checks import check_graph, rows_of, write
from tests.store.findings_conformance import FindingsConformance
from tests.store.graph_conformance import GraphConformance
from tests.store.privacy_conformance import PrivacyConformance
from tests.store.query_conformance import QueryConformance
from tests.store.sample_logs import (
    INTERACTIONS,
    RINGS,
    SCORES,
    START,
    WEIRD_IDS,
    SampleLog,
    findings,
    log_tables,
    score_row,
    source,
    table,
)


class MetaConformance:
    """What every store must do as a `MetaStore`."""

    def test_meta_is_kept_and_replaced(self, store: Store) -> None:
        store.set_meta("model", '{"seed": 0}')
        store.set_meta("other", "")
        store.set_meta("model", '{"seed": 1}\n"quoted"')
        assert store.meta("model") == '{"seed": 1}\n"quoted"'
        assert store.meta("other") == ""
        assert store.meta("Model") is None


class StoreConformance(
    GraphConformance,
    FindingsConformance,
    AuditConformance,
    CaseworkConformance,
    QueryConformance,
    MetaConformance,
    PrivacyConformance,
):
    """The suites of all ports, and what concerns several of them; subclasses provide the fixture `store`."""

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

    def test_forgetting_leaves_decisions_alone(self, store: Store) -> None:
        log, scores, rings = findings()
        for _ in range(2):
            store.write_log(log_tables(store.bench, log), source("one", log), Silent())
            store.write_scores(scores)
            store.write_rings(rings)
            store.set_meta("note", "kept")
            put_on_list(store, "deny", ["u1"], who="me")
            n_decisions = len(store.audit().entries)
            store.forget()
            assert set(store.counts().values()) == {0}
            assert (store.sources(), store.meta("note")) == ({}, None)
            assert store.scores().num_rows == store.rings().rings.num_rows == 0
            assert len(store.audit().entries) == n_decisions > 0

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
