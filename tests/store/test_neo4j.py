"""The Neo4j store against a real server: the suite of every store, and what only this one does."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from graphdet.errors import UsageError
from graphdet.ports import Store
from graphdet.store import open_store
from tests.store.conformance import StoreConformance

pytestmark = pytest.mark.neo4j


@pytest.fixture
def store(neo4j_url: str) -> Iterator[Store]:
    opened = open_store(neo4j_url)
    yield opened
    opened.close()


class TestConformance(StoreConformance):
    pass


def test_events_are_not_kept_and_that_is_said(store: Store) -> None:
    with pytest.raises(UsageError, match="Neo4j keeps the graph only; run with a DuckDB store"):
        store.events()
    with pytest.raises(UsageError, match="keeps no events"):
        store.write_labelled({"event": pa.table({"event_id": ["1"]})})
