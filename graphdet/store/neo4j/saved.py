"""The saved queries of cypher/browser, as tables.

In Neo4j Browser they are pasted or kept as favourites: one statement each, its title the leading comment, a
limit in it. Here the limit can be chosen, the column `drawing` is left out, and nodes and relationships in other
columns become their ids.
"""

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from neo4j.graph import Node, Relationship
from neo4j.time import DateTime

from graphdet.store.neo4j.client import Client
from graphdet.store.neo4j.findings import TYPES, schema_of
from graphdet.store.neo4j.statements import action_of_type, cypher, cypher_text, names
from graphdet.store.queries import check_name, declared, fill_parameters, in_order, needed, title_of

KEYS = ("userId", "sessionId", "itemId", "ringId", "entityId", "digest", "key")
DRAWING = "drawing"  # the column that is there for Neo4j Browser to draw
_LIMIT = re.compile(r"LIMIT \d+\s*\Z")
_WRITES = re.compile(r"^\s*(CREATE|MERGE|SET|REMOVE|DELETE|DETACH)\b", re.MULTILINE)


def reading() -> tuple[str, ...]:
    """Names of the queries that only read, sorted; those that write are for Neo4j Browser alone."""
    return tuple(name for name in names("browser") if not _WRITES.search(cypher(f"browser/{name}")))


def cypher_titles() -> dict[str, str]:
    """Titles of the queries by name, in the order of an investigation."""
    return in_order({name: title_of(cypher_text(f"browser/{name}")) for name in reading()})


def statement_of(name: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A saved query with its limit as a parameter, and all its parameters filled.

    Raises:
        UsageError: no such query; a parameter is missing, unknown or no number.
    """
    check_name(name, reading())
    text = statement_text(name)
    return text, fill_parameters(name, text, parameters)


def statement_text(name: str) -> str:
    """The text of a saved query, comments and all, with its limit as a parameter."""
    return _LIMIT.sub("LIMIT $limit", cypher_text(f"browser/{name}").rstrip())


def browser_defaults() -> dict[str, str | int | float]:
    """Every parameter of the saved queries that has a default, with it, for Neo4j Browser."""
    return {
        key: value
        for name in cypher_titles()
        for key, value in declared(cypher_text(f"browser/{name}")).items()
        if not needed(key)
    }


def run_saved_query(
    client: Client, name: str, parameters: Mapping[str, Any], timeout_s: float | None = None
) -> pa.Table:
    """Run a saved query, for at most timeout_s seconds; `limit` defaults to 100.

    Raises:
        UsageError: no such query; a parameter is missing, unknown or no number.
    """
    columns, rows = client.table(*statement_of(name, parameters), timeout_s)
    values = {
        column: [_plain(row[ix], column) for row in rows]
        for ix, column in enumerate(columns)
        if column != DRAWING
    }
    columns = list(values)
    if not rows:
        return schema_of(columns).empty_table()
    return pa.table({column: pa.array(values[column], TYPES.get(column)) for column in columns})


def _plain(value: Any, column: str) -> Any:
    """A value of the graph as one of a table: times as ISO 8601, nodes as ids, relationships as types."""
    if isinstance(value, DateTime):
        return value.to_native().strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.nanosecond // 1_000_000:03d}Z"
    if isinstance(value, Node):
        return next((value[key] for key in KEYS if key in value), None)
    if isinstance(value, Relationship):
        return value.type
    if isinstance(value, list):
        return [_plain(part, column) for part in value]
    if column == "action" and isinstance(value, str) and value.isupper():  # a type; actions are lower case
        return action_of_type(value)
    return value
