"""Behaviour features, which training, scoring and serving share."""

from collections.abc import Sequence

import duckdb
import narwhals as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet.features.behaviour import FEATURE_NAMES, ITEM_FEATURE_NAMES, item_features, user_features
from graphdet.graph.encode import edges_frame
from graphdet.ports import Progress
from graphdet.tables import Frame, GraphArrays

Float = NDArray[np.float64]


def entities_frame(graph: GraphArrays, bench: duckdb.DuckDBPyConnection) -> Frame | None:
    """Links of users to shared entities by row, or None where the log has none: (user_ix, entity_ix)."""
    if not len(graph.entity_ix):
        return None
    table = pa.table({"user_ix": graph.entity_user_ix, "entity_ix": graph.entity_ix})
    return nw.from_native(bench.from_arrow(table)).lazy()


def _matrix(frame: Frame, key: str, names: Sequence[str], n: int) -> Float:
    """Collect a frame of features as float64[n, n_names], row by key; rows without any are 0."""
    table = frame.select(key, *names).collect("pyarrow").to_native()
    out = np.zeros((n, len(names)))
    rows = table.column(key).to_numpy()
    for column, name in enumerate(names):
        out[rows, column] = table.column(name).to_numpy()
    # Sums run in whatever order the engine likes; rounding makes the bytes the same every time.
    return out.round(9)


def behaviour(
    graph: GraphArrays, bench: duckdb.DuckDBPyConnection, progress: Progress
) -> tuple[Float, Float]:
    """Behaviour features: float64[n_users, len(FEATURE_NAMES)] and float64[n_items, len(ITEM_FEATURE_NAMES)]."""
    progress.start("behaviour features")
    edges = edges_frame(graph, bench)
    users = _matrix(
        user_features(edges, entities_frame(graph, bench)), "user_ix", FEATURE_NAMES, graph.n_users
    )
    items = _matrix(item_features(edges), "item_ix", ITEM_FEATURE_NAMES, graph.n_items)
    progress.done()
    return users, items
