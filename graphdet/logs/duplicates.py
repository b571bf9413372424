"""Rows that are equal in every mapped column."""

import duckdb
import narwhals as nw

from graphdet.logs.bench import height, materialise
from graphdet.tables import Frame

_NOT_KEYS = frozenset({"file_ix", "row", "event_row", "verdict", "wanted", "time_number", "time_given"})


def find_duplicates(bench: duckdb.DuckDBPyConnection, clean: Frame) -> tuple[Frame, int]:
    """Find all but the first of equal rows.

    Most logs have few equal rows or none, so candidates come from a narrow group-by, and only they are
    compared in full.

    Returns:
        The frame (file_ix, row, event_row) of the rows to put aside, and how many they are.
    """
    near = ("user_id", "item_id", "at_ms")
    repeated = clean.group_by(*near).agg(n=nw.len()).filter(nw.col("n") > 1).select(*near)
    candidates = materialise(bench, repeated, "repeated")
    keys = [n for n in clean.collect_schema().names() if n not in _NOT_KEYS and not n.endswith("_given")]
    rows = clean.join(candidates, on=list(near), how="semi")
    rows = rows.with_columns(first_row=nw.col("event_row").min().over(*keys))
    rows = rows.filter(nw.col("event_row") > nw.col("first_row")).select("file_ix", "row", "event_row")
    later = materialise(bench, rows, "duplicates")
    return later, height(later)
