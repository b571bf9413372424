"""The one real Neo4j, for the golden outputs."""

from neo4j_server import neo4j_server, neo4j_url

__all__ = ["neo4j_server", "neo4j_url"]
