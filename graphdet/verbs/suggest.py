"""suggest: the accounts whose verdict would teach most, from the scores and rings that a store holds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from graphdet.casework.decisions import standing_of
from graphdet.casework.labels import verdict_labels
from graphdet.errors import GraphdetError, UsageError
from graphdet.evaluation.rounding import six_digits
from graphdet.features.behaviour import behaviour
from graphdet.graph.encode import read_graph
from graphdet.logs.score_files import read_label_rows
from graphdet.ports import CaseworkStore
from graphdet.progress import Progress, Silent
from graphdet.reports.csv_tables import write_csv
from graphdet.scores.suggest import Suggested, suggest_rows
from graphdet.words import plural
from graphdet.words import score_in_words as written

SUGGESTION_COLUMNS = ("user_id", "label", "score", "ring_id", "doubt", "stands_for", "reason")
HALF = 0.5
NO_RING_ROW = -1


@dataclass(frozen=True)
class Suggestions:
    """Who to ask about, the most telling first (SUGGESTION_COLUMNS, `label` to be filled in), and facts for people."""

    table: pa.Table
    threshold: float
    n_known: int
    n_users: int


def suggest_users(
    store: CaseworkStore,
    n: int,
    *,
    labels: Path | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> Suggestions:
    """Choose up to n users whose verdict would teach most; writes them to `out`, a labels file to be filled in.

    Users with a verdict, and those that `labels` names, are known: they are not asked about, and speak for users like
    them. The store must hold scores.

    Raises:
        UsageError: n is below 1, or the store has no scores.
        InputError: the labels cannot be used.
        GraphdetError: `out` cannot be written.
    """
    if n < 1:
        raise UsageError(f"--n must be at least 1, not {n}")
    progress = progress or Silent()
    scores = store.scores()
    if not scores.num_rows:
        raise UsageError(f"{store.url} holds no scores; run graphdet score or graphdet run first")
    known_ids = set(verdict_labels(standing_of(store)).label)
    if labels is not None:
        known_ids |= set(read_label_rows(labels, "user_id").table["user_id"].to_pylist())
    graph = read_graph(store, progress)
    own, _ = behaviour(graph, store.bench, progress)
    place = pc.index_in(
        graph.user_ids, value_set=scores["user_id"].combine_chunks().cast(graph.user_ids.type)
    )
    if place.null_count:
        raise GraphdetError(
            f"{store.url} has {place.null_count} users without a score: the log grew since; run graphdet score again"
        )
    scores = scores.take(place)
    progress.start("choose whom to ask about")
    score = scores["score"].to_numpy().astype(np.float64)
    threshold = _threshold(score, scores["flagged"].to_numpy(zero_copy_only=False).astype(bool))
    ids = graph.user_ids.to_pylist()
    known = np.fromiter((name in known_ids for name in ids), bool, len(ids))
    ring = _ring_rows(scores["ring_id"])
    found = suggest_rows(score, threshold, _normal(own), ring, known, n)
    table = _table(found, scores, ring, threshold)
    progress.done()
    if out is not None:
        write_csv(out, table, SUGGESTION_COLUMNS)
    return Suggestions(table, threshold, int(known.sum()), len(ids))


def _threshold(score: NDArray[np.float64], flagged: NDArray[np.bool_]) -> float:
    """The lowest score of a flag; one half where nobody is flagged."""
    return float(score[flagged].min()) if flagged.any() else HALF


def _ring_rows(ring_id: pa.ChunkedArray) -> NDArray[np.int64]:
    codes = ring_id.combine_chunks().dictionary_encode().indices
    return np.asarray(pc.fill_null(codes, NO_RING_ROW).to_numpy(zero_copy_only=False), np.int64)


def _normal(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each feature by its rank on the scale of a standard normal; ties share a rank, constant ones are 0."""
    if not len(x):
        return x
    return np.column_stack([norm.ppf(rankdata(column) / (len(column) + 1)) for column in x.T])


def _table(found: Suggested, scores: pa.Table, ring: NDArray[np.int64], threshold: float) -> pa.Table:
    chosen = scores.take(pa.array(found.rows))
    size = {
        int(code): int(n) for code, n in zip(*np.unique(ring[ring >= 0], return_counts=True), strict=True)
    }
    asked: set[int] = set()
    reasons = []
    for row, n_like, value, ring_id in zip(
        found.rows.tolist(),
        found.n_like.tolist(),
        chosen["score"].to_pylist(),
        chosen["ring_id"].to_pylist(),
        strict=True,
    ):
        reasons.append(
            _reason(value, threshold, n_like, ring_id, size.get(int(ring[row]), 0), int(ring[row]) in asked)
        )
        asked.add(int(ring[row]))
    return pa.table(
        {
            "user_id": chosen["user_id"],
            "label": pa.nulls(len(found.rows), pa.int8()),
            "score": chosen["score"],
            "ring_id": chosen["ring_id"],
            "doubt": six_digits(found.doubt),
            "stands_for": found.n_like,
            "reason": pa.array(reasons, pa.string()),
        }
    )


def _reason(
    value: float, threshold: float, n_like: int, ring_id: str | None, n_members: int, asked: bool
) -> str:
    side = "from the flag's threshold on" if value >= threshold else "below the flag's threshold"
    told = f"score {written(value)}, {side} ({written(threshold)})"
    if n_like > 1:
        told += f"; speaks for {plural(n_like, 'account')} in doubt that act alike"
    if ring_id is not None:
        told += (
            f"; {'another' if asked else 'first asked'} of ring {ring_id} ({plural(n_members, 'account')})"
        )
    return told
