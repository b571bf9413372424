"""The accounts whose verdict would teach most: chosen from scores, rings and behaviour, with a sentence on each."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from graphdet.arrays import Float
from graphdet.evaluation.rounding import six_digits
from graphdet.scores.suggest import Suggested, suggest_rows
from graphdet.words import plural
from graphdet.words import score_in_words as written

NO_FLAG_THRESHOLD = 0.5
NO_RING_ROW = -1


def suggestions_of(
    scores: pa.Table, features: Float, known: NDArray[np.bool_], n: int
) -> tuple[pa.Table, float]:
    """Choose up to n users whose verdict would teach most.

    Args:
        scores: of users (schema.SCORE_COLUMNS), in the order of the other arguments.
        features: float64[n_users, d], behaviour.
        known: bool[n_users], whose verdict or label is known: not asked about, and speaking for users like them.
        n: how many at most.

    Returns:
        user_id, label (empty), score, ring_id, doubt, stands_for and reason, the most telling first; and the threshold
        of a flag that doubt is measured from.
    """
    score = scores["score"].to_numpy().astype(np.float64)
    threshold = _threshold(score, scores["flagged"].to_numpy(zero_copy_only=False).astype(bool))
    ring = _ring_rows(scores["ring_id"])
    chosen = suggest_rows(score, threshold, _normal(features), ring, known, n)
    return _table(chosen, scores, ring, threshold), threshold


def _threshold(score: NDArray[np.float64], flagged: NDArray[np.bool_]) -> float:
    """The lowest score of a flag; one half where nobody is flagged."""
    return float(score[flagged].min()) if flagged.any() else NO_FLAG_THRESHOLD


def _ring_rows(ring_id: pa.ChunkedArray) -> NDArray[np.int64]:
    codes = ring_id.combine_chunks().dictionary_encode().indices
    return np.asarray(pc.fill_null(codes, NO_RING_ROW).to_numpy(zero_copy_only=False), np.int64)


def _normal(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each feature by its rank on the scale of a standard normal; ties share a rank, constant ones are 0."""
    if not len(x):
        return x
    return np.column_stack([norm.ppf(rankdata(column) / (len(column) + 1)) for column in x.T])


def _table(suggested: Suggested, scores: pa.Table, ring: NDArray[np.int64], threshold: float) -> pa.Table:
    chosen = scores.take(pa.array(suggested.rows))
    size = {
        int(code): int(n) for code, n in zip(*np.unique(ring[ring >= 0], return_counts=True), strict=True)
    }
    asked: set[int] = set()
    reasons = []
    for row, n_like, value, ring_id in zip(
        suggested.rows.tolist(),
        suggested.n_like.tolist(),
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
            "label": pa.nulls(len(suggested.rows), pa.int8()),
            "score": chosen["score"],
            "ring_id": chosen["ring_id"],
            "doubt": six_digits(suggested.doubt),
            "stands_for": suggested.n_like,
            "reason": pa.array(reasons, pa.string()),
        }
    )


def _reason(
    value: float, threshold: float, n_like: int, ring_id: str | None, n_members: int, asked: bool
) -> str:
    side = "from the flag's threshold on" if value >= threshold else "below the flag's threshold"
    text = f"score {written(value)}, {side} ({written(threshold)})"
    if n_like > 1:
        text += f"; speaks for {plural(n_like, 'account')} in doubt that act alike"
    if ring_id is not None:
        text += (
            f"; {'another' if asked else 'first asked'} of ring {ring_id} ({plural(n_members, 'account')})"
        )
    return text
