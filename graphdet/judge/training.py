"""The judge of rings: tells planted campaigns from the natural groups of a log by their evidence.

The log's own groups stand for natural ones, but some may be real rings. Three things keep those from being
learned as innocent: each network is trained without one half of the log's own groups and judges only that
half; the loss of a natural group stops growing where it looks like a ring (a truncated loss, after Wu & Liu 2007), so
that nothing pulls a real ring down; and where a judge doubts many of the log's own groups, it is trained again without
them (trimming, after Rousseeuw 1984).

More of the same evidence never makes a ring less likely: the networks are monotone in those inputs whose direction
is known (monotone_nets.py), which also keeps them from learning single groups by heart. Of a group like no campaign
planted into the log they have no opinion (known_campaigns.py).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from graphdet.errors import NotEnoughData
from graphdet.gnn.threads import side_by_side
from graphdet.judge.examples import KnownCampaigns, Lessons, mean_and_scale
from graphdet.judge.model import N_FOLDS, N_SEEDS, RingJudge, standardised
from graphdet.judge.monotone_nets import MonotoneNets, fit

TRUNCATE_AT = 3.0  # logit above which a natural group is not pulled down any more
DOUBT_AT = (
    0.0  # logit of a first judge above which a natural group of the user's own log is no example any more
)
# Share of the natural groups from which those that a first judge doubts are left out. Below, the truncated loss does
# enough, and a log's oddest groups, once left out, would look like rings.
MANY_DOUBTED = 0.05
NOT_RING_WEIGHT = 4.0  # of all that is no ring, campaigns weigh 1
INNOCENT_WEIGHT = 1.0  # of which hard innocents
FEW_NATURAL_LESSONS = (
    20.0  # natural groups in a log, from which its own lessons weigh more than those of other logs
)


def train_ring_judge(
    lessons: Lessons, direction: Sequence[int], seed: int = 0, base: Lessons | None = None
) -> RingJudge:
    """Train a judge on the blocks of planted logs.

    Args:
        lessons: the blocks of the user's own log, planted, and what they are.
        direction: per input 1 where more of it speaks for a ring, −1 where against, 0 where either may be.
        seed: of the initial weights.
        base: blocks of other logs. They weigh FEW_NATURAL_LESSONS against the number of natural groups in one copy of
            the user's own log: a log with hundreds learns from itself, one with a handful mostly from others. Without,
            `lessons` are of logs that hold no rings but the planted, and all their natural groups are examples.

    Within either, every campaign weighs the same, however many blocks found it, and so does every group of hard
    innocents; campaigns, hard innocents and natural groups weigh 1 : 1 : 3 (1 : 4 where no innocents were found).

    Raises:
        NotEnoughData: there is no example of a ring, or none of a group that is not.
    """
    if base is None:
        if _enough(lessons):
            return _train_once(lessons, direction, seed, None)
        raise NotEnoughData(
            "the log is too small to learn what a ring looks like in it: "
            f"{int(lessons.is_ring.sum())} blocks of planted campaigns and {int(lessons.is_natural.sum())} natural "
            f"groups were found"
        )
    judge = _train_once(lessons, direction, seed, base)
    doubted = lessons.is_natural & (judge.logits(lessons.inputs, lessons.fold) > DOUBT_AT)
    if doubted.any() and doubted.sum() >= MANY_DOUBTED * lessons.is_natural.sum():
        judge = _train_once(lessons.of_rows(np.flatnonzero(~doubted)), direction, seed, base)
    return replace(judge, known=KnownCampaigns.of(lessons, direction))


def _enough(lessons: Lessons) -> bool:
    """Say whether there are examples of both kinds."""
    return bool(lessons.is_ring.any() and lessons.is_natural.any())


def _train_once(lessons: Lessons, direction: Sequence[int], seed: int, base: Lessons | None) -> RingJudge:
    """Train a judge on all of these lessons."""
    sources = [(lessons, 1.0)]
    if base is not None:
        n_natural = lessons.is_natural.sum() / lessons.n_logs if _enough(lessons) else 0.0
        own = n_natural / (n_natural + FEW_NATURAL_LESSONS)
        sources = [(part, weight) for part, weight in ((lessons, own), (base, 1.0 - own)) if weight > 0]
    inputs = np.concatenate([part.inputs for part, _ in sources])
    of_row = np.concatenate(
        [np.full(len(part.inputs), weight / len(part.inputs)) for part, weight in sources]
    )
    mean, scale = mean_and_scale(inputs, of_row)
    scale = scale + 1e-6
    x = standardised(inputs, mean, scale)
    is_ring = np.concatenate([part.is_ring for part, _ in sources])

    def without(held_out: int) -> MonotoneNets:
        share = [
            weight * loss_shares(part, held_out if part is lessons else None) for part, weight in sources
        ]
        return fit(
            x, is_ring, np.concatenate(share), N_SEEDS, direction, N_FOLDS * seed + held_out, TRUNCATE_AT
        )

    weights: dict[str, NDArray[np.float32]] = {}
    for held_out, nets in enumerate(side_by_side(without, range(N_FOLDS))):
        for member in range(N_SEEDS):
            weights |= {f"{held_out}.{member}.{name}": values for name, values in nets.arrays(member).items()}
    return RingJudge(weights, mean, scale)


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
