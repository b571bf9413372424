"""query: run a saved query of a store."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from graphdet.ports import QueryStore


def run_query(store: QueryStore, name: str, parameters: Mapping[str, Any]) -> pa.Table:
    """Run a saved query; parameter values may be texts, as a command line gives them.

    Raises:
        UsageError: no such query; a parameter is missing, unknown or no number.
    """
    return store.query(name, parameters)


def list_queries(store: QueryStore) -> dict[str, str]:
    """Titles of the saved queries by name, sorted by name."""
    return store.queries()
