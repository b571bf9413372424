"""What is known of a node's neighbours, without ever telling a node its own label.

Known nodes are dealt into folds that do not look at labels. A node of fold k hears the labels of the other folds
only; a node whose label is unknown hears all. So neither its own label nor that of a node judged with it
can come back over any number of hops, and flipping it leaves its own row as it was.
"""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.features.relations import Columns, Relations

N_FOLDS = 10
_PRIOR = 4.0  # how many average neighbours a node is given before its own are counted


def label_folds(y: NDArray[np.integer], seed: int, n_folds: int = N_FOLDS) -> NDArray[np.int64]:
    """Deal the known nodes (y ≥ 0) into folds at random, by place and not by label; unknown ones get −1.

    Shapes: y int[n], 1 fraud, 0 clean, −1 unknown; returns int64[n] in −1 … n_folds − 1.
    """
    fold = np.full(len(y), -1, np.int64)
    known = np.flatnonzero(np.asarray(y) >= 0)
    fold[np.random.default_rng(seed).permutation(known)] = np.arange(len(known)) % n_folds
    return fold


def label_messages(
    relations: Relations, y: NDArray[np.integer], fold: NDArray[np.int64], usual: float | None = None
) -> Columns:
    """Share of known fraud around each node, per relation, by labels of other folds only.

    Per relation: share1 and share2, the share of fraud among known neighbours and by walks of two steps, drawn to
    the share of fraud among all that may be heard (`usual` where nobody may); known1, ln(1 + known neighbours heard).

    Shapes: y int[n], 1 fraud, 0 clean, −1 unknown; fold int64[n], ≥ 0 where known. Returns float32[n, 3 r].

    Raises:
        ValueError: a known node has no fold.
    """
    y = np.asarray(y)
    if len(y) and (fold[y >= 0] < 0).any():
        raise ValueError("every known node needs a fold")
    names = tuple(f"{name}_{kind}" for name in relations.graphs for kind in ("share1", "share2", "known1"))
    out = np.zeros((len(y), len(names)), np.float32)
    for k in [-1, *np.unique(fold[fold >= 0]).tolist()]:
        rows = np.flatnonzero(fold == k)
        heard = (y >= 0) & (fold != k)
        out[rows] = _heard(relations, (y == 1) & heard, heard, usual)[rows]
    return Columns(names, out)


def _heard(
    relations: Relations, fraud: NDArray[np.bool_], known: NDArray[np.bool_], usual: float | None
) -> NDArray[np.float32]:
    prior = share_of(int(fraud.sum()), int(known.sum()))
    if usual is not None and not known.any():
        prior = usual
    both = np.column_stack([fraud, known]).astype(np.float64)
    parts = [np.zeros((len(known), 0))]
    for graph in relations.graphs.values():
        first = np.asarray(graph @ both)
        second = np.asarray(graph @ (first / np.maximum(_degree(graph), 1.0)))
        parts += [_share(first, prior), _share(second, prior), np.log1p(first[:, 1:])]
    return np.hstack(parts).astype(np.float32)


def messages_to_one(
    partners: NDArray[np.int64],
    beyond: tuple[NDArray[np.int64], NDArray[np.integer]],
    fraud: NDArray[np.bool_],
    known: NDArray[np.bool_],
    prior: float,
) -> NDArray[np.float32]:
    """What label_messages tells one node in one relation, float32[3].

    Shapes: partners int64[k]; beyond, int[m] each, all their neighbours: the place among them of whose it is, and the
    neighbour; fraud, known bool[n], labels that it may hear, which is for the caller to see to.
    """
    owner, second = beyond
    size = np.maximum(np.bincount(owner, minlength=len(partners)), 1)
    told = (owner[each[second]] for each in (fraud, known))
    walks = np.array([[(1.0 / size[whose]).sum() for whose in told]], np.float64)
    first = np.array([[fraud[partners].sum(), known[partners].sum()]], np.float64)
    share1, share2 = _share(first, prior)[0, 0], _share(walks, prior)[0, 0]
    return np.array([share1, share2, np.log1p(first[0, 1])], np.float32)


def share_of(n_fraud: int, n_known: int) -> float:
    """The share of fraud among known nodes; one half of nobody."""
    return (n_fraud + 0.5) / (n_known + 1.0)


def _degree(graph: sp.csr_matrix) -> NDArray[np.float64]:
    return np.asarray(np.diff(graph.indptr), np.float64)[:, None]


def _share(both: NDArray[np.float64], prior: float) -> NDArray[np.float64]:
    share: NDArray[np.float64] = (both[:, :1] + _PRIOR * prior) / (both[:, 1:] + _PRIOR)
    return share
