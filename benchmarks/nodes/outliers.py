"""Which nodes of an attributed graph stand out, without any label.

Four views of a node, each turned into a rank, and the mean of the ranks. The rule is fixed: there is nothing to
fit to labels and nothing is chosen per graph.

* affinity: 1 − mean cosine of the node's standardised features with its neighbours' (local node affinity; Qiao and
  Pang, "Truncated Affinity Maximization", NeurIPS 2023, without their learned representation);
* reconstruction: what a ridge regression on the neighbourhoods at one and two hops and ln degree leaves of the
  node's normal scores, ‖·‖₂ of the scaled rest (the linear form of graph autoencoders, Ding et al., DOMINANT, 2019);
* residual: tail probabilities of node minus neighbourhood mean, summed over features (ECOD, Li et al. 2022:
  the largest of Σ −ln left, Σ −ln right and Σ of the side to which the feature is skewed);
* isolation: isolation forest (Liu et al. 2008) on the node's own normal scores.

In a two-sided graph (users and things) a node is compared with its own side: sides are ranked apart, and its
neighbours are the nodes two steps away. Its features there average as many acts as it has edges, so a deviation
counts as a t statistic does, times √degree.
"""

from dataclasses import dataclass

import igraph as ig
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.ensemble import IsolationForest

from graphdet.clustering.centres import NormalScores

Float = NDArray[np.float64]
VIEWS = ("affinity", "reconstruction", "residual", "isolation")
N_TREES = 200
_RIDGE = 10.0
_FARTHEST = 10.0  # standard deviations: one wild value must not be all of a cosine
_DIGITS = 9  # sums depend on the order of rows in their last digits, ranks would show it
_ROWS_A_CHUNK = 2_000


@dataclass(frozen=True)
class NodeOutliers:
    """Scores of nodes. Shapes: score float64[n] in [0, 1]; views[name] float64[n] in [0, 1], ranks of VIEWS."""

    score: Float
    views: dict[str, Float]
    two_sided: bool


def score_nodes(x: NDArray[np.floating], graph: sp.csr_matrix, seed: int = 0) -> NodeOutliers:
    """Score the nodes of an undirected graph by how they stand out.

    Shapes: x float[n, d]; graph csr[n, n], symmetric, without loops. A node without neighbours is judged by
    the isolation forest alone; the other views put it in the middle.

    Raises:
        ValueError: there are not as many rows as nodes, no feature, or a value is not finite.
    """
    if x.ndim != 2 or len(x) != graph.shape[0] or not x.shape[1]:
        raise ValueError(f"features of shape {x.shape} for {graph.shape[0]} nodes")
    if not np.isfinite(x).all():
        raise ValueError("features of nodes must be finite")
    if not len(x):
        return NodeOutliers(np.zeros(0), {name: np.zeros(0) for name in VIEWS}, False)
    side = _sides(graph)
    raw = _views(x.astype(np.float64), graph.astype(np.float64), side, seed)
    linked = np.diff(graph.indptr) > 0
    views = {name: _ranks(raw[name], side, linked | (name == "isolation")) for name in VIEWS}
    return NodeOutliers(np.mean(list(views.values()), axis=0).round(_DIGITS), views, bool(side.max() > 0))


def _sides(graph: sp.csr_matrix) -> NDArray[np.int64]:
    """0 and 1 for the sides of a two-sided graph, else all 0.

    The largest component says which side is which only by itself: a graph of several components has two sides only
    if the nodes outside the largest are few (a tenth), as each could be turned round.
    """
    n = graph.shape[0]
    upper = sp.triu(graph, k=1).tocoo()
    made = ig.Graph(n=n, edges=np.column_stack([upper.row, upper.col]), directed=False)
    two_sided, colour = made.is_bipartite(return_types=True)
    parts = made.connected_components()
    if not two_sided or not upper.nnz or max(parts.sizes()) < 0.9 * n:
        return np.zeros(n, np.int64)
    side = np.asarray(colour, np.int64)
    member = np.asarray(parts.membership)
    main = member == int(np.argmax(parts.sizes()))
    # The smaller side of the main component is 1, whatever node came first; so it is in the other components.
    turn = np.bincount(member, weights=np.where(side == 1, 1.0, -1.0)) > 0
    side = np.where(turn[member], 1 - side, side)
    return side if (side[main] == 1).sum() > 1 else np.zeros(n, np.int64)


def _views(x: Float, graph: sp.csr_matrix, side: NDArray[np.int64], seed: int) -> dict[str, Float]:
    scores, standard = np.zeros_like(x), np.zeros_like(x)
    sides = [np.flatnonzero(side == k) for k in np.unique(side)]
    for rows in sides:
        scores[rows] = NormalScores.fit(x[rows]).transform(x[rows])
        spread = x[rows].std(axis=0)
        centred = (x[rows] - x[rows].mean(axis=0)) / np.where(spread > 1e-12, spread, 1.0)
        standard[rows] = centred.clip(-_FARTHEST, _FARTHEST)
    walk = _walk(graph)
    direct, around = walk @ scores, _Peers(walk, len(sides) > 1)
    peers = around.mean(scores)
    unit = standard / np.maximum(np.linalg.norm(standard, axis=1, keepdims=True), 1e-9)
    degree = np.diff(graph.indptr).astype(np.float64)
    weight = np.sqrt(degree) if len(sides) > 1 else np.ones(len(x))
    affinity = np.einsum("ij,ij->i", unit, around.mean(unit))
    rest = (scores - peers) * weight[:, None]
    inputs = np.hstack([direct, peers, walk @ peers, np.log1p(degree)[:, None]])
    found = {"affinity": (1 - affinity) * weight}
    found |= {name: np.zeros(len(x)) for name in VIEWS[1:]}
    for rows in sides:
        found["reconstruction"][rows] = _unexplained(inputs[rows], scores[rows]) * weight[rows]
        found["residual"][rows] = tail_surprise(rest[rows])
        found["isolation"][rows] = _isolation(scores[rows], seed)
    return found


class _Peers:
    """Means over a node's peers: its neighbours, or in a two-sided graph the others of its side, by two steps."""

    def __init__(self, walk: sp.csr_matrix, two_steps: bool) -> None:
        self.walk, self.two_steps = walk, two_steps
        if two_steps:
            # What a walk of two steps brings back to where it began is not a peer.
            self.back = np.asarray(walk.multiply(walk.T).sum(axis=1)).ravel()

    def mean(self, values: Float) -> Float:
        first = np.asarray(self.walk @ values)
        if not self.two_steps:
            return first
        away = np.asarray(self.walk @ first) - self.back[:, None] * values
        share = 1 - self.back
        mean: Float = np.divide(away, share[:, None], out=np.zeros_like(away), where=share[:, None] > 1e-9)
        return mean


def _walk(graph: sp.csr_matrix) -> sp.csr_matrix:
    degree = np.diff(graph.indptr)
    return sp.csr_matrix(sp.diags(1.0 / np.maximum(degree, 1)) @ graph)


def _unexplained(inputs: Float, target: Float) -> Float:
    """Length of what a ridge regression leaves of each row, every column scaled by its own rest."""
    x, y = inputs - inputs.mean(axis=0), target - target.mean(axis=0)
    weights = np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ y)
    rest = y - x @ weights
    spread = rest.std(axis=0)
    return np.asarray(np.linalg.norm(rest / np.where(spread > 1e-9, spread, 1.0), axis=1), np.float64)


def tail_surprise(x: Float) -> Float:
    """ECOD: how far in the tails of its columns each row lies, in nats, float64[n] for float64[n, d]."""
    n = len(x)
    totals = np.zeros((3, n))
    for column in x.round(_DIGITS).T:
        left = -np.log(rankdata(column, "max") / n)
        right = -np.log(rankdata(-column, "max") / n)
        skew = float(((column - column.mean()) ** 3).mean())
        totals += np.stack([left, right, left if skew < 0 else right])
    return np.asarray(totals.max(axis=0), np.float64)


def _isolation(scores: Float, seed: int) -> Float:
    # The forest draws rows by number: sorted by what they hold, the draw does not depend on how nodes are numbered.
    order = np.lexsort(scores.T)
    forest = IsolationForest(n_estimators=N_TREES, random_state=seed).fit(scores[order])
    return np.concatenate(
        [-forest.score_samples(scores[k : k + _ROWS_A_CHUNK]) for k in range(0, len(scores), _ROWS_A_CHUNK)]
    )


def _ranks(values: Float, side: NDArray[np.int64], judged: NDArray[np.bool_]) -> Float:
    """Mid-ranks within each side, (0, 1); a half where nothing was judged."""
    out = np.full(len(values), 0.5)
    for k in np.unique(side):
        rows = np.flatnonzero((side == k) & judged)
        out[rows] = (rankdata(values[rows].round(_DIGITS)) - 0.5) / max(len(rows), 1)
    return out
