"""For the tests of this folder: a real run over a hostile log, and the helpers of the other folders."""

from tests.store.neo4j_server import neo4j_server, neo4j_url
from tests.zoo.hostile import hostile_run

__all__ = ["hostile_run", "neo4j_server", "neo4j_url"]
