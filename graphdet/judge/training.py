"""The judge of rings: tells rings from the natural groups of a log by their evidence.

It learns from rings that are known: those of real worlds, and campaigns planted into copies of other logs. Groups of
those logs stand for natural ones, but some may be real rings, so the loss of a natural group stops growing where it
looks like a ring (a truncated loss, after Wu & Liu 2007): nothing pulls a real ring down. Each network is trained
without one half of the natural groups of planted logs and judges only groups of that half.

Evidence has a direction: more of the same never makes a ring less likely, as the networks are monotone in those inputs
whose direction is known (monotone_nets.py), however far it goes beyond what was learned. That also keeps them from
learning single groups by heart.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from graphdet.errors import NotEnoughData
from graphdet.gnn.threads import side_by_side
from graphdet.judge.examples import Lessons, mean_and_scale
from graphdet.judge.model import N_FOLDS, N_SEEDS, RingJudge, standardised
from graphdet.judge.monotone_nets import MonotoneNets, fit

TRUNCATE_AT = 3.0  # logit above which a natural group is not pulled down any more
DOUBT_AT = 0.0  # logit from which a group of the user's own log is no example of a natural one
OWN_WEIGHT = 2.0
NOT_RING_WEIGHT = 4.0  # of all that is no ring, campaigns weigh 1
INNOCENT_WEIGHT = 1.0  # of which hard innocents


def train_ring_judge(lessons: Lessons, direction: Sequence[int], seed: int = 0) -> RingJudge:
    """Train a judge on the blocks of logs whose rings are known.

    Args:
        lessons: the blocks, and what they are.
        direction: per input 1 where more of it speaks for a ring, −1 where against, 0 where either may be.
        seed: of the initial weights.

    Where the lessons have no shares, every campaign weighs the same, however many blocks found it, and so does every
    group of hard innocents; campaigns, hard innocents and natural groups weigh 1 : 1 : 3 (1 : 4 without innocents).

    Raises:
        NotEnoughData: there is no example of a ring, or none of a group that is not.
    """
    if not (lessons.is_ring.any() and lessons.is_natural.any()):
        raise NotEnoughData(
            f"{int(lessons.is_ring.sum())} blocks of rings and {int(lessons.is_natural.sum())} natural groups are too "
            f"few for a judge of rings to learn from"
        )
    mean, scale = mean_and_scale(lessons.inputs, np.full(len(lessons.inputs), 1.0 / len(lessons.inputs)))
    scale = scale + 1e-6
    x = standardised(lessons.inputs, mean, scale)

    def without(held_out: int) -> MonotoneNets:
        share = loss_shares(lessons, held_out)
        return fit(x, lessons.is_ring, share, N_SEEDS, direction, N_FOLDS * seed + held_out, TRUNCATE_AT)

    weights: dict[str, NDArray[np.float32]] = {}
    for held_out, nets in enumerate(side_by_side(without, range(N_FOLDS))):
        for member in range(N_SEEDS):
            weights |= {f"{held_out}.{member}.{name}": values for name, values in nets.arrays(member).items()}
    return RingJudge(weights, mean, scale)


def adapted_judge(
    shipped: RingJudge, base: Lessons, own: Lessons, direction: Sequence[int], seed: int = 0
) -> RingJudge:
    """Train a judge on the shipped lessons and on those of a user's log, planted, which weigh OWN_WEIGHT times as much.

    Groups of the log that the shipped judge takes for rings are no examples of natural ones.

    Args:
        shipped: the judge that the shipped lessons taught.
        base: the shipped lessons, with shares.
        own: the blocks of planted copies of the user's log.
        direction, seed: as in train_ring_judge.

    Raises:
        ValueError: the shipped lessons have no shares.
    """
    if base.share is None:
        raise ValueError("the shipped lessons have no shares")
    doubted = own.is_natural & (shipped.logits(own.inputs, own.fold) > DOUBT_AT)
    own = own.of_rows(np.flatnonzero(~doubted))
    share = OWN_WEIGHT * base.share.sum() * loss_shares(own, None) / (1 + NOT_RING_WEIGHT)
    return train_ring_judge(Lessons.joined([base, replace(own, share=share)]), direction, seed)


def loss_shares(lessons: Lessons, held_out: int | None) -> NDArray[np.float64]:
    """The weight of each row in the loss, float64[n]; natural groups of the fold that is held out weigh 0.

    They add up to 1 + NOT_RING_WEIGHT. Lessons with shares are of other logs than those that are judged, so nothing of
    them is held out.
    """
    if lessons.share is not None:
        return np.asarray((1 + NOT_RING_WEIGHT) * lessons.share / lessons.share.sum())
    innocent, natural = lessons.is_innocent, lessons.is_natural
    share = _evenly(lessons.campaign, lessons.is_ring) + INNOCENT_WEIGHT * _evenly(lessons.innocent, innocent)
    seen = natural if held_out is None else natural & (lessons.fold != held_out)
    seen = seen if seen.any() else natural
    share[seen] = (NOT_RING_WEIGHT - (INNOCENT_WEIGHT if innocent.any() else 0.0)) / max(seen.sum(), 1)
    return share


def _evenly(group: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of the chosen rows, the same sum for every group and 1 in all; 0 for other rows."""
    weight = np.zeros(len(group))
    if chosen.any():
        weight[chosen] = 1.0 / np.bincount(group[chosen])[group[chosen]]
        weight /= weight.sum()
    return weight
