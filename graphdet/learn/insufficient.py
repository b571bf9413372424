"""Insufficient data: an answer like any other, when a log is too small to learn from."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from graphdet import schema, words
from graphdet.errors import NotEnoughData
from graphdet.tables import GraphArrays

REASON = "insufficient data: the log is too small to learn from"
_FIGURES = ("gnn", "cluster_distance", "probability")


@contextmanager
def with_size_of_log(graph: GraphArrays) -> Iterator[None]:
    """Say the size of the log, and what to do, where a step of training finds it too small.

    Raises:
        NotEnoughData: the block raised it; the new message holds the old one's reason.
    """
    try:
        yield
    except NotEnoughData as error:
        reason = str(error).partition(";")[0]
        raise NotEnoughData(
            f"{size_of(graph)} are too little to learn from ({reason}); use a larger or "
            "longer log, or score with a model that was trained on one (--model)"
        ) from error


def size_of(graph: GraphArrays) -> str:
    """Say how large a log is: users, items, interactions and the time from the first to the last."""
    span_s = int(np.ptp(graph.at_ms)) / 1000 if graph.n_edges else 0.0
    when = f"over {words.duration(span_s)}" if graph.timed else "without times"
    return (
        f"{words.plural(graph.n_users, 'user')}, {words.plural(graph.n_items, 'item')} and "
        f"{words.plural(graph.n_edges, 'interaction')} {when}"
    )


def no_scores(graph: GraphArrays) -> pa.Table:
    """Every user once, score 0, p and q 1, not flagged, the scorers' figures null.

    Shapes: schema.SCORE_COLUMNS by user_id.
    """
    n = graph.n_users
    known = {"user_id": graph.user_ids.cast(pa.string()), "score": np.zeros(n)}
    known |= {"p_value": np.ones(n), "q_value": np.ones(n), "flagged": np.zeros(n, bool)}
    known |= {"ring_id": pa.nulls(n, pa.string()), "reason": pa.array([REASON] * n, pa.string())}
    known |= {name: pa.nulls(n, pa.float64()) for name in _FIGURES}
    return pa.table({name: known[name] for name in schema.SCORE_COLUMNS})
