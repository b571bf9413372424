"""The one real Neo4j, for the golden outputs."""

from tests.store.neo4j_server import neo4j_server, neo4j_url

__all__ = ["neo4j_server", "neo4j_url"]
