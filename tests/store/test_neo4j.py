"""The Neo4j store against a real server: the suite of every store, and what only this one does."""

from collections.abc import Iterator

import pytest
from conformance import StoreConformance

from graphdet.ports import Store
from graphdet.store import open_store

pytestmark = pytest.mark.neo4j


@pytest.fixture
def store(neo4j_url: str) -> Iterator[Store]:
    opened = open_store(neo4j_url)
    yield opened
    opened.close()


class TestConformance(StoreConformance):
    pass
