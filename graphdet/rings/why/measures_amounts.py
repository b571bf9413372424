"""A measure about money: members pay, order or claim the same amount, more than others do on the same targets."""

import numpy as np

from graphdet.rings.why.measures import Measure, acts_by
from graphdet.rings.why.ring_view import RingView

PRIOR_EDGES = 2.0  # by which the log's own amounts count beside those of a target's outsiders
DIGITS = 4  # significant digits in which amounts are the same


def same_amounts(ring: RingView) -> list[Measure]:
    """Most of the members' events on targets are of one amount.

    By chance as often as it is among outsiders on the same target: what an item costs is no pattern. That there is
    such an amount at all is worth one event.
    """
    graph = ring.log.graph
    if not len(graph.amount):
        return []
    on_target = np.flatnonzero(np.isin(graph.item_ix, ring.targets) & ~np.isnan(graph.amount))
    amount = _rounded(graph.amount[on_target] / np.maximum(graph.n[on_target], 1))
    target = np.searchsorted(ring.targets, graph.item_ix[on_target])
    inside = np.isin(graph.user_ix[on_target], ring.members)
    n = int(inside.sum())
    if n < 3:
        return []
    values, count = np.unique(amount[inside], return_counts=True)
    usual = float(values[np.argmax(count)])
    same = amount == usual
    k = len(ring.targets)
    outside = np.bincount(target[~inside], minlength=k)
    alike = np.bincount(target[~inside & same], minlength=k)
    everywhere = ~np.isnan(graph.amount)
    everywhere[on_target[inside]] = False
    of_log = _rounded(graph.amount[everywhere] / np.maximum(graph.n[everywhere], 1))
    share = (float((of_log == usual).sum()) + 0.5) / (len(of_log) + 1)
    chance = (alike + PRIOR_EDGES * share) / (outside + PRIOR_EDGES)
    key = np.unique(
        graph.user_ix[on_target[inside & same]].astype(np.int64) * graph.n_items
        + graph.item_ix[on_target[inside & same]]
    )
    acts = ring.log.model.acts
    mine = np.isin(acts.user_ix[ring.act].astype(np.int64) * graph.n_items + acts.item_ix[ring.act], key)
    return [
        Measure(
            "same_amounts",
            float((inside & same).sum() - 1),
            float(chance[target[inside]].sum()),
            trials=float(n - 1),
            per_trial=max(ring.per_sitting, 1.0),
            numbers={"amount": usual, "n_events": n, "n_same": int((inside & same).sum())},
            acts=acts_by(np.zeros(len(mine)), mine, ring),
        )
    ]


def _rounded(amount: np.ndarray) -> np.ndarray:
    """Amounts with DIGITS significant digits."""
    size = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.maximum(np.abs(amount), 1e-12))))
    return np.asarray(np.round(np.round(amount * size) / size, 9))
