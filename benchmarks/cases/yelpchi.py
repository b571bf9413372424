"""YelpChi reviews as published logs and graphs describe them: the file, its three relations, behaviour without text."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.features.relations import NamedColumns, Relations

MOST_REVIEWS = 800  # of a product; larger ones are dropped from the graph
PUBLISHED = {"rur": 49_315, "rsr": 3_402_743, "rtr": 573_616}
_FAR = 100_000  # days: wider than the log, so that one number holds a key and a day
Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Reviews:
    """Every row of the file, in its order, [n] each; day counts from 1970, spam is 1 for a filtered review.

    `kept` are the rows that are nodes of the graph.
    """

    user: Int
    product: Int
    stars: Float
    spam: Int
    day: Int

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Reviews of products that are not too large."""
        return np.bincount(self.product)[self.product] <= MOST_REVIEWS


def read_reviews(path: Path) -> Reviews:
    """Read reviews.txt.gz: user, product, stars, label (−1 filtered), date."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [line.split() for line in file]
    day = np.array([row[4] for row in rows], "datetime64[D]").astype(np.int64)
    numbers = np.array([[int(row[0]), int(row[1]), int(row[3])] for row in rows], np.int64)
    stars = np.array([float(row[2]) for row in rows])
    return Reviews(numbers[:, 0], numbers[:, 1], stars, (numbers[:, 2] < 0).astype(np.int64), day)


def review_edges(log: Reviews) -> dict[str, Int]:
    """Edges int64[2, m] among kept reviews (numbered in file order), each once, as PUBLISHED counts them.

    rur: same user. rsr: same product and stars. rtr: same product, in the same month or the next of the
    same calendar year.
    """
    kept = np.flatnonzero(log.kept)
    month = (log.day[kept].astype("datetime64[D]").astype("datetime64[M]")).astype(np.int64)
    product, stars = log.product[kept], (log.stars[kept] * 2).astype(np.int64)
    same = _pairs(product * _FAR + month, product * _FAR + month)
    following = np.where(month % 12 == 11, -1, product * _FAR + month + 1)
    return {
        "rur": _pairs(log.user[kept], log.user[kept]),
        "rsr": _pairs(product * 100 + stars, product * 100 + stars),
        "rtr": np.hstack([same, _pairs(following, product * _FAR + month, once=False)]),
    }


def _pairs(left: Int, right: Int, once: bool = True) -> Int:
    """All (i, j) with left[i] == right[j]; `once` keeps i < j."""
    order = np.argsort(right, kind="stable")
    first = np.searchsorted(right[order], left, "left")
    count = np.searchsorted(right[order], left, "right") - first
    i = np.repeat(np.arange(len(left)), count)
    place = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
    ends = np.stack([i, order[np.repeat(first, count) + place]])
    return ends[:, ends[0] < ends[1]] if once else ends


def earlier_only(relations: Relations, day: Int) -> Relations:
    """The same graphs, where a node hears only those of days strictly before its own."""
    graphs = {}
    for name, graph in relations.graphs.items():
        edge = graph.tocoo()
        before = day[edge.col] < day[edge.row]
        ones = np.ones(int(before.sum()), np.float32)
        graphs[name] = sp.csr_matrix((ones, (edge.row[before], edge.col[before])), shape=graph.shape)
    return Relations(relations.n_nodes, graphs)


class _Around:
    """Counts and sums over rows of the same key within a window of days."""

    def __init__(self, key: Int, day: Int) -> None:
        self.at = key * _FAR + day
        self.order = np.argsort(self.at, kind="stable")
        self.sorted = self.at[self.order]
        self.key = key

    def count(self, low: int, high: int) -> Float:
        """Rows of days in [day + low, day + high); the row itself counts when the window holds its day."""
        return (self._place(high) - self._place(low)).astype(np.float64)

    def sum(self, values: Float, low: int, high: int) -> Float:
        total = np.concatenate([[0.0], np.cumsum(values[self.order])])
        return total[self._place(high)] - total[self._place(low)]

    def gap(self, side: str) -> Float:
        """Days to the last earlier ("before") or the first later ("after") row of the key; −1 where there is none."""
        if side == "before":
            place = np.searchsorted(self.sorted, self.at, "left") - 1
        else:
            place = np.searchsorted(self.sorted, self.at, "right")
        found = self.sorted[place.clip(0, len(self.sorted) - 1)]
        same = (place >= 0) & (place < len(self.sorted)) & (found // _FAR == self.key)
        return np.where(same, np.abs(self.at - found), -1).astype(np.float64)

    def _place(self, shift: int) -> Int:
        wanted = (self.at + shift).clip(self.key * _FAR, (self.key + 1) * _FAR)
        return np.searchsorted(self.sorted, wanted, "left")


def behaviour(log: Reviews, causal: bool) -> NamedColumns:
    """What each row of the file looks like without its text, over the whole file.

    With `causal` a review sees only rows of days strictly before its own; else the whole log, in hindsight. A label
    is never read.
    """
    ahead = (lambda days: 0) if causal else (lambda days: days + 1)
    everything = 0 if causal else _FAR
    user, product = _Around(log.user, log.day), _Around(log.product, log.day)
    same = _Around(log.product * 100 + (log.stars * 2).astype(np.int64), log.day)
    extreme = (np.abs(log.stars - 3) == 2).astype(np.float64)
    n_product = product.count(-_FAR, everything)
    own = 0.0 if causal else 1.0  # a hindsight window holds the row itself: leave it out of means
    mean = (product.sum(log.stars, -_FAR, everything) - own * log.stars + 5 * 3.7) / (n_product - own + 5)
    away = log.stars - mean
    n_user = user.count(-_FAR, everything)
    others = np.maximum(n_user - own, 0)
    square = product.sum(log.stars**2, -_FAR, everything) / np.maximum(n_product, 1)
    plain = product.sum(log.stars, -_FAR, everything) / np.maximum(n_product, 1)
    found = {
        "stars": log.stars,
        "extreme": extreme,
        "away": away,
        "away_abs": np.abs(away),
        "weekday": (log.day + 3) % 7.0,
        "user_n": n_user,
        "user_stars": (user.sum(log.stars, -_FAR, everything) - own * log.stars + 3.7) / (others + 1),
        "user_extreme": (user.sum(extreme, -_FAR, everything) - own * extreme + 0.4) / (others + 1),
        "user_away": (user.sum(np.abs(away), -_FAR, everything) - own * np.abs(away) + 1.0) / (others + 1),
        "user_low": (user.sum((log.stars <= 2) * 1.0, -_FAR, everything) - own * (log.stars <= 2) + 0.2)
        / (others + 1),
        "user_gap_before": user.gap("before"),
        "product_n": n_product,
        "product_mean": mean,
        "product_std": np.sqrt(np.maximum(square - plain**2, 0)),
        "product_rank": product.count(-_FAR, 0),
        "product_gap_before": product.gap("before"),
        "product_extreme": product.sum(extreme, -_FAR, everything) / np.maximum(n_product, 1),
        "same_stars_share": same.count(-_FAR, everything) / np.maximum(n_product, 1),
    }
    for days in (7, 30, 90):
        found[f"user_{days}d"] = user.count(-days, ahead(days))
        found[f"product_{days}d"] = product.count(-days, ahead(days))
        found[f"same_stars_{days}d"] = same.count(-days, ahead(days))
        recent = product.sum(log.stars, -days, ahead(days)) / np.maximum(found[f"product_{days}d"], 1)
        found[f"product_drift_{days}d"] = np.where(found[f"product_{days}d"] > 0, recent - mean, 0)
    found["burst"] = found["product_7d"] / (found["product_90d"] * 7 / 90 + 1)
    found["user_burst"] = found["user_7d"] / np.maximum(n_user, 1)
    if not causal:
        found["user_same_day"] = user.count(0, 1)
        found["product_same_day"] = product.count(0, 1)
        found["same_stars_same_day"] = same.count(0, 1)
        found["user_gap_after"] = user.gap("after")
        found["product_gap_after"] = product.gap("after")
    values = np.column_stack([np.asarray(v, np.float64) for v in found.values()])
    return NamedColumns(tuple(found), values.astype(np.float32))


def rules(found: NamedColumns, causal: bool) -> dict[str, Float]:
    """Scores of simple known rules (Mukherjee et al. 2013; Rayana and Akoglu 2015), by the columns of `behaviour`."""
    column = dict(zip(found.names, found.values.T.astype(np.float64), strict=True))
    return {
        "rule: extreme stars": column["extreme"],
        "rule: singleton reviewer": -column["user_n"],
        "rule: away from the product's mean": column["away_abs"],
        "rule: burst of the product": column["burst"],
        "rule: early review": -column["product_rank"],
    }


def two_sided(log: Reviews) -> tuple[NDArray[np.float32], Int, Int, NDArray[np.bool_]]:
    """Users and products as one graph: x float32[n, 7], edges int64[2, m], y int64[n], is_user bool[n].

    y is 1 for a user with a filtered review.
    """
    users, u = np.unique(log.user, return_inverse=True)
    products, p = np.unique(log.product, return_inverse=True)
    blocks = [_summary(log, side, size) for side, size in ((u, len(users)), (p, len(products)))]
    n = len(users) + len(products)
    y = np.zeros(n, np.int64)
    np.maximum.at(y, u, log.spam)
    return np.vstack(blocks).astype(np.float32), np.stack([u, p + len(users)]), y, np.arange(n) < len(users)


def _summary(log: Reviews, of: Int, size: int) -> Float:
    n = np.bincount(of, minlength=size)
    mean = np.bincount(of, log.stars, size) / n
    spread = np.sqrt(np.maximum(np.bincount(of, log.stars**2, size) / n - mean**2, 0))
    extreme = np.bincount(of, np.abs(log.stars - 3) == 2, size) / n
    low = np.bincount(of, log.stars <= 2, size) / n
    first, last = np.full(size, _FAR), np.zeros(size)
    np.minimum.at(first, of, log.day)
    np.maximum.at(last, of, log.day)
    days = np.bincount(np.unique(of * _FAR + log.day) // _FAR, minlength=size)
    return np.column_stack([np.log1p(n), mean, spread, extreme, low, np.log1p(last - first), n / days])
