"""For the tests of this folder: a real run over a hostile log, and the helpers of the other folders."""

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent.parent / folder) for folder in ("cli", "store")]

from hostile import hostile_run
from neo4j_server import neo4j_server, neo4j_url

__all__ = ["hostile_run", "neo4j_server", "neo4j_url"]
