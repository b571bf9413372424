"""Whose verdict would teach most.

A verdict on one account says something of those like it. Chosen are, one after the other, the accounts that add most to

    Σ_i  (doubt_i + 0.05) · max_{j chosen or known}  likeness_ij

(facility location, submodular, so that the greedy choice is near the best: Nemhauser 1978; for active learning Wei,
Iyer and Bilmes 2015). Doubt is high next to the flag's threshold; a little of it everybody has, as the scores may be
surely wrong. Likeness falls with the distance of what two accounts do, and is high within a ring: the verdict on one
member speaks for the others, so a ring is not asked again and again. What is known already speaks for what is like it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.neighbors import NearestNeighbors

from graphdet.arrays import Float

MOST_POOL = 3_000  # candidates: those of the highest doubt
MOST_KNOWN = 2_000  # known accounts that speak for others
IN_RING = 0.98  # likeness of two members of one ring
CURIOSITY = 0.05  # doubt that everybody has: the first scores may be surely wrong
NEIGHBOURS = 10


@dataclass(frozen=True)
class Suggested:
    """Rows to ask about, the first teaches most.

    Shapes: rows int64[n]; doubt float64[n] in [0, 1]; gain float64[n], what each adds to the sum; n_like int64[n], how
    many candidates each speaks for better than any other that is chosen or known.
    """

    rows: NDArray[np.int64]
    doubt: Float
    gain: Float
    n_like: NDArray[np.int64]


def doubt_of(score: Float, threshold: float) -> Float:
    """4 p (1 − p) with p the score's log-odds from the threshold on: 1 at the threshold, 0 far from it.

    >>> doubt_of(np.array([0.2, 0.01, 0.99]), 0.2).round(2).tolist()
    [1.0, 0.15, 0.01]
    """
    at = [logit(np.clip(value, 1e-9, 1 - 1e-9)) for value in (score, threshold)]
    p = expit(at[0] - at[1])
    return np.asarray(4 * p * (1 - p))


def suggest_rows(
    score: Float, threshold: float, x: Float, ring: NDArray[np.integer], known: NDArray[np.bool_], n: int
) -> Suggested:
    """Choose up to n rows that are not known.

    Shapes: score float64[m] in [0, 1]; x float64[m, d], what each does, on scales that compare; ring int[m], −1 for
    none; known bool[m].
    """
    doubt = doubt_of(score, threshold)
    free = np.flatnonzero(~known)
    pool = free[np.argsort(-doubt[free], kind="stable")[:MOST_POOL]]
    heard = np.flatnonzero(known)
    heard = heard[np.argsort(-doubt[heard], kind="stable")[:MOST_KNOWN]]
    if not len(pool):
        empty = np.zeros(0)
        return Suggested(pool, empty, empty, np.zeros(0, np.int64))
    width = _bandwidth(x[pool])
    like = _likeness(x[pool], x[pool], ring[pool], ring[pool], width)
    covered = np.zeros(len(pool), np.float32)
    speaker = np.full(len(pool), -1)
    if len(heard):
        covered = _likeness(x[pool], x[heard], ring[pool], ring[heard], width).max(axis=1)
    weight = (doubt[pool] + CURIOSITY).astype(np.float32)
    chosen: list[int] = []
    gains = []
    for _ in range(min(n, len(pool))):
        added = np.maximum(like - covered[:, None], 0).T @ weight
        added[chosen] = -1
        best = int(added.argmax())
        better = like[:, best] > covered
        speaker[better] = len(chosen)
        covered = np.maximum(covered, like[:, best])
        chosen.append(best)
        gains.append(float(added[best]))
    n_like = np.bincount(speaker[speaker >= 0], minlength=len(chosen))
    rows = pool[chosen]
    return Suggested(rows, doubt[rows], np.array(gains), n_like.astype(np.int64))


def _bandwidth(x: Float) -> float:
    """Median distance to the tenth neighbour: what counts as near where accounts are."""
    if len(x) < 3:
        return 1.0
    k = min(NEIGHBOURS, len(x) - 1)
    distance, _ = NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)
    return max(float(np.median(distance[:, -1])), 1e-6)


def _likeness(
    a: Float, b: Float, ring_a: NDArray[np.integer], ring_b: NDArray[np.integer], width: float
) -> NDArray[np.float32]:
    """A Gaussian of the distance, and IN_RING at least within one ring: float32[len(a), len(b)]."""
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    like = np.exp(-np.maximum(squared, 0) / (2 * width**2)).astype(np.float32)
    same = (ring_a[:, None] == ring_b[None, :]) & (ring_a >= 0)[:, None]
    return np.asarray(np.maximum(like, np.where(same, IN_RING, 0.0)), np.float32)
