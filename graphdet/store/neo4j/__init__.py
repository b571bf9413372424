"""The Neo4j store and the server that graphdet can start.

The store is imported only when asked for, so that looking at a server's status does not pay for it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphdet.store.neo4j.store import Neo4jStore

__all__ = ["Neo4jStore"]


def __getattr__(name: str) -> Any:
    if name == "Neo4jStore":
        from graphdet.store.neo4j.store import Neo4jStore

        return Neo4jStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
