"""One real Neo4j for all tests of this folder."""

from tests.store.neo4j_server import neo4j_server, neo4j_url

__all__ = ["neo4j_server", "neo4j_url"]
