"""How well a ranking finds what was planted: users by average precision, rings by overlap."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def average_precision(score: NDArray[np.floating], y: NDArray[np.integer]) -> float:
    """Area under the precision–recall steps; equal scores count as one step. 0 when there is no positive.

    >>> average_precision(np.array([3.0, 2.0, 1.0]), np.array([1, 0, 1])).__round__(3)
    0.833
    """
    precision, recall = _curve(score, y)
    return float((precision * np.diff(recall, prepend=0.0)).sum())


def recall_at_precision(score: NDArray[np.floating], y: NDArray[np.integer], precision: float = 0.9) -> float:
    """Largest recall of a cut-off whose precision is at least the one asked for; 0 when none reaches it.

    >>> recall_at_precision(np.array([3.0, 2.0, 1.0]), np.array([1, 0, 1]), 0.9)
    0.5
    """
    found, recall = _curve(score, y)
    return float(recall[found >= precision].max(initial=0.0))


def _curve(
    score: NDArray[np.floating], y: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall at the end of each run of equal scores, from the top."""
    score, y = np.asarray(score, np.float64), np.asarray(y) == 1
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)[: len(order)]
    hits = np.cumsum(y[order])[last]
    flagged = np.flatnonzero(last) + 1
    return hits / np.maximum(flagged, 1), hits / max(int(y.sum()), 1)


@dataclass(frozen=True)
class RingMatch:
    """Found rings against planted campaigns.

    jaccard_of_campaign: float64[n_planted], the best overlap each campaign reached (0 when nothing met it).
    """

    precision: float
    recall: float
    f1: float
    jaccard_of_campaign: NDArray[np.float64]


def match_rings(
    found: Sequence[Set[int]], planted: Sequence[Set[int]], min_jaccard: float = 0.5
) -> RingMatch:
    """Match rings to campaigns, one to one, best Jaccard overlap first; pairs below min_jaccard do not match.

    precision = matched ÷ found, recall = matched ÷ planted (each 0 when its denominator is), f1 their
    harmonic mean.

    >>> match_rings([{1, 2, 3}, {7, 8}], [{1, 2, 3, 4}]).precision
    0.5
    """
    overlaps = sorted(
        (
            (len(ring & campaign) / len(ring | campaign), i, j)
            for i, ring in enumerate(found)
            for j, campaign in enumerate(planted)
            if ring & campaign
        ),
        key=lambda entry: (-entry[0], entry[1], entry[2]),
    )
    best = np.zeros(len(planted))
    used_rings: set[int] = set()
    used_campaigns: set[int] = set()
    for jaccard, i, j in overlaps:
        best[j] = max(best[j], jaccard)
        if jaccard >= min_jaccard and i not in used_rings and j not in used_campaigns:
            used_rings.add(i)
            used_campaigns.add(j)
    precision = len(used_rings) / len(found) if found else 0.0
    recall = len(used_rings) / len(planted) if planted else 0.0
    f1 = 2 * precision * recall / (precision + recall) if used_rings else 0.0
    return RingMatch(precision, recall, f1, best)
