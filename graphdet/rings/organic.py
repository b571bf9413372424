"""The organic model: how often would these users act on these items anyway?

Acts are cut into time slices of equal numbers of acts. Within a slice t, users and items meet in proportion
to how active each is there, so the expected number of (distinct) acts of user u on item i is

    mu_ui = sum_t  d_ut * p_it / E_t

with d_ut the acts of u, p_it the acts on i and E_t all acts in slice t (a Chung–Lu model per slice). It knows
activity, popularity, the life of an item and the hours of a user; it does not know taste, which is measured
apart (see evidence.py).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.tables import GraphArrays

N_SLICES = 64
RowNumbers = NDArray[np.int32] | NDArray[np.int64]
ROWS_AT_ONCE = 1_024


@dataclass(frozen=True)
class Acts:
    """Distinct (user, item) acts with their first time, sorted by (user, item).

    Shapes, all [n_acts]: user_ix, item_ix, session_ix int32; at_ms int64; slice_ix int16.
    """

    user_ix: NDArray[np.int32]
    item_ix: NDArray[np.int32]
    session_ix: NDArray[np.int32]
    at_ms: NDArray[np.int64]
    slice_ix: NDArray[np.int16]


def distinct_acts(graph: GraphArrays) -> Acts:
    """The first act of every user on every item."""
    kept = graph.first_rows
    at_ms = graph.at_ms[kept]
    cuts = np.quantile(at_ms, np.linspace(0, 1, N_SLICES + 1)[1:-1]) if len(at_ms) else np.zeros(0)
    return Acts(
        user_ix=graph.user_ix[kept],
        item_ix=graph.item_ix[kept],
        session_ix=graph.session_ix[kept],
        at_ms=at_ms,
        slice_ix=np.searchsorted(cuts, at_ms, side="right").astype(np.int16),
    )


@dataclass(frozen=True)
class ActTimes:
    """The distinct acts by item (or user), then time.

    other_ix int32[n_acts], the user (item) of each; key int64[n_acts], item (user) times span plus time, ascending;
    origin_ms, span_ms.
    """

    other_ix: NDArray[np.int32]
    key: NDArray[np.int64]
    origin_ms: int
    span_ms: int

    @classmethod
    def of(cls, by: NDArray[np.int32], other: NDArray[np.int32], at_ms: NDArray[np.int64]) -> "ActTimes":
        """Sort the acts of a log by `by` and time; all three [n_acts]."""
        origin = int(at_ms.min()) if len(at_ms) else 0
        span = int(at_ms.max()) - origin + 1 if len(at_ms) else 1
        key = by.astype(np.int64) * span + (at_ms - origin)
        order = np.argsort(key, kind="stable")
        return cls(other[order], key[order], origin, span)

    def between(
        self,
        by: NDArray[np.int32] | NDArray[np.int64],
        first_ms: NDArray[np.int64],
        last_ms: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the acts of each item (user) from first_ms to last_ms, both included, begin and end: int64[n] each."""
        base = by.astype(np.int64) * self.span_ms
        low = np.clip(first_ms - self.origin_ms, 0, self.span_ms - 1)
        high = np.clip(last_ms - self.origin_ms, 0, self.span_ms - 1)
        return np.searchsorted(self.key, base + low), np.searchsorted(self.key, base + high, side="right")


@dataclass(frozen=True)
class Organic:
    """The organic model of a log, as sparse and small dense arrays.

    by_user: CSR float32[n_users, n_items] of ones; by_item its transpose; user_slices float32[n_users,
    N_SLICES]; item_slices float32[n_items, N_SLICES], already divided by E_t; slice_acts float32[N_SLICES],
    the E_t.
    """

    acts: Acts
    by_user: sp.csr_matrix
    by_item: sp.csr_matrix
    user_slices: NDArray[np.float32]
    item_slices: NDArray[np.float32]
    slice_acts: NDArray[np.float32]

    @property
    def n_users(self) -> int:
        """How many users."""
        return int(self.by_user.shape[0])

    @property
    def n_items(self) -> int:
        """How many items."""
        return int(self.by_user.shape[1])

    @cached_property
    def degree(self) -> Float:
        """Distinct items per user, float64[n_users]."""
        return np.asarray(np.diff(self.by_user.indptr), np.float64)

    @cached_property
    def audience(self) -> Float:
        """Distinct users per item, float64[n_items]."""
        return np.asarray(np.diff(self.by_item.indptr), np.float64)

    @cached_property
    def acts_by_item_time(self) -> ActTimes:
        """The distinct acts by item, then time."""
        return ActTimes.of(self.acts.item_ix, self.acts.user_ix, self.acts.at_ms)

    @cached_property
    def acts_by_user_time(self) -> ActTimes:
        """The distinct acts by user, then time."""
        return ActTimes.of(self.acts.user_ix, self.acts.item_ix, self.acts.at_ms)

    @cached_property
    def act_times(self) -> NDArray[np.int64]:
        """The times of all distinct acts, ascending, int64[n_acts]."""
        return np.sort(self.acts.at_ms)

    @cached_property
    def user_gram(self) -> Float:
        """Sum over users of d_u d_u', float64[N_SLICES, N_SLICES]."""
        slices = self.user_slices.astype(np.float64)
        gram: Float = slices.T @ slices
        return gram

    @cached_property
    def item_gram(self) -> Float:
        """Sum over items of p_i p_i' / (E E'), float64[N_SLICES, N_SLICES]."""
        slices = self.item_slices.astype(np.float64)
        gram: Float = slices.T @ slices
        return gram


def organic_model(graph: GraphArrays) -> Organic:
    """Fit the organic model of a log; counts only, nothing to converge."""
    return organic_of(distinct_acts(graph), graph.n_users, graph.n_items)


def organic_of(acts: Acts, n_users: int, n_items: int) -> Organic:
    """Fit the organic model of distinct acts of n_users on n_items."""
    indptr = np.concatenate([[0], np.cumsum(np.bincount(acts.user_ix, minlength=n_users))])
    ones = np.ones(len(acts.user_ix), np.float32)
    by_user = sp.csr_matrix((ones, acts.item_ix, indptr.astype(np.int64)), shape=(n_users, n_items))
    user_slices = _count(acts.user_ix, acts.slice_ix, n_users)
    item_slices = _count(acts.item_ix, acts.slice_ix, n_items)
    total = np.maximum(item_slices.sum(axis=0), 1)
    return Organic(acts, by_user, by_user.T.tocsr(), user_slices, item_slices / total, total)


def _count(rows: NDArray[np.int32], slices: NDArray[np.int16], n_rows: int) -> NDArray[np.float32]:
    flat = np.bincount(rows.astype(np.int64) * N_SLICES + slices, minlength=n_rows * N_SLICES)
    return flat.reshape(n_rows, N_SLICES).astype(np.float32)


def dot_of_rows(a: Float, rows: RowNumbers, b: NDArray[np.floating], columns: RowNumbers) -> Float:
    """Scalar products of rows[k] of a and columns[k] of b, float64[len(rows)]; a [n, d], b [m, d]."""
    out = np.empty(len(rows))
    for start in range(0, len(rows), ROWS_AT_ONCE):  # what is gathered stays in the processor's cache
        part = slice(start, start + ROWS_AT_ONCE)
        np.einsum("ij,ij->i", a[rows[part]], b[columns[part]], out=out[part])
    return out


def surprise(observed: Float, expected: Float) -> Float:
    """Log-likelihood a Poisson count gains over its expectation: x ln(x / mu) - (x - mu), in nats; 0 if x <= mu."""
    observed = np.asarray(observed, np.float64)
    expected = np.maximum(np.asarray(expected, np.float64), 1e-12)
    safe = np.maximum(observed, 1e-12)
    gain = observed * np.log(safe / expected) - (observed - expected)
    return np.where(observed > expected, gain, 0.0)
