"""How sure the membership of an account in a ring is, and which rings are listed."""

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.rings.blocks import block_acts, entry_rows, outside_appeal
from graphdet.rings.find import MOST_LEADS, Judged, worth_a_look
from graphdet.rings.organic import Organic, dot_of_rows, surprise
from graphdet.rings.own_time import moments, visitors


def member_strength(judged: Judged, model: Organic) -> Float:
    """How sure each membership is, float64[nnz of judged.blocks.users], in [0, 1].

    ring score × (1 − e^−g), with g the nats by which the member's own acts on the targets beat the organic
    model and the cost of naming the member; in the ring's moment, where it has one and that says more.
    """
    users = judged.blocks.users
    at = entry_rows(users)
    acts = block_acts(judged.blocks, model)
    want = at * np.int64(model.n_users) + users.indices
    n_targets = _looked_up(acts.block * model.n_users + model.acts.user_ix[acts.act], None, want)
    appeal = outside_appeal(judged.blocks, model, acts)
    expected = dot_of_rows(appeal, at, model.user_slices, users.indices)
    gain = surprise(n_targets, expected) - np.log(max(model.n_users / 10, 2))
    when = moments(judged.blocks, acts, model)
    found = visitors(judged.blocks, when, model)
    in_moment = surprise(found.count, found.expected) - when.user_cost(model.n_users)[found.block]
    key = when.row[found.block] * model.n_users + found.user
    gain = np.maximum(np.maximum(gain, _looked_up(key, in_moment, want)), 0.0)
    return np.asarray(judged.score[at] * (1 - np.exp(-gain)))


def _looked_up(key: NDArray[np.int64], value: Float | None, want: NDArray[np.int64]) -> Float:
    """Sum of the values of each wanted key (its count, without values), float64[len(want)]; 0 where there is none."""
    keys, at = np.unique(key, return_inverse=True)
    if not len(keys):
        return np.zeros(len(want))
    total = np.bincount(at, value, minlength=len(keys)).astype(np.float64)
    place = np.minimum(np.searchsorted(keys, want), len(keys) - 1)
    return np.where(keys[place] == want, total[place], 0.0)


def user_membership(judged: Judged, model: Organic) -> tuple[Float, NDArray[np.int64]]:
    """The surest membership of each user in a ring that stands out, and the ring's row (0 and −1: none).

    Shapes: float64[n_users] in [0, 1], int64[n_users].
    """
    judged = judged.standing
    users = judged.blocks.users
    at = entry_rows(users)
    value = member_strength(judged, model)
    best = np.zeros(model.n_users)
    ring = np.full(model.n_users, -1, np.int64)
    order = np.lexsort((-at, value))
    best[users.indices[order]] = value[order]
    ring[users.indices[order]] = at[order]
    return best, ring


def ring_ids(n: int) -> list[str]:
    """Names of rings, strongest first: R0001, R0002 …"""
    return [f"R{number + 1:04d}" for number in range(n)]


def listed_rings(judged: Judged) -> NDArray[np.int64]:
    """Rows of the rings that are listed, ascending: the flagged ones, and leads.

    Of more than MOST_LEADS leads (see find.worth_a_look) the strongest are listed.
    """
    leads = np.flatnonzero(worth_a_look(judged.score, judged.p_value) & ~judged.flagged)
    leads = leads[np.argsort(-judged.logit[leads], kind="stable")][:MOST_LEADS]
    return np.sort(np.append(np.flatnonzero(judged.flagged), leads))
