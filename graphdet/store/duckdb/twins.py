"""The SQL twins of the Cypher queries in cypher/browser: same names, parameters and columns."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from graphdet.store.queries import check_name, fill_parameters, in_order, title_of


@cache
def _texts() -> dict[str, str]:
    folder = resources.files("graphdet.store.duckdb") / "sql"
    found = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    return {name.removesuffix(".sql"): found[name] for name in sorted(found) if name.endswith(".sql")}


def sql_titles() -> dict[str, str]:
    """Titles of the queries by name, in the order of an investigation."""
    return in_order({name: title_of(text) for name, text in _texts().items()})


def load_query(name: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Read a query and fill its parameters.

    Raises:
        UsageError: no such query; a parameter is missing, unknown or no number.
    """
    check_name(name, sql_titles())
    text = _texts()[name]
    return text, fill_parameters(name, text, parameters)


def sql_text(name: str) -> str:
    """The whole text of a query, with its title."""
    return _texts()[name]
