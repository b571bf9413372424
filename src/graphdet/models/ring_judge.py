"""The judge of rings: tells planted campaigns from the natural groups of a log by their evidence.

The log's own groups stand for natural ones, but some may be real rings. Three things keep those from being
learned as innocent: each network is trained without one half of the log's own groups and judges only that
half; the loss of a natural group stops growing where it looks like a ring (a truncated loss, after Wu & Liu 2007), so
that nothing pulls a real ring down; and the groups that a first judge doubts are left out when the judge is trained
again (trimming, after Rousseeuw 1984).

More of the same evidence never makes a ring less likely: the networks are monotone in those inputs whose direction
is known (weights kept ≥ 0 behind the signed inputs, after Sill 1998), which also keeps them from learning single
groups by heart. Of a group like no campaign planted into the log they have no opinion (known_campaigns.py).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from graphdet.errors import NotEnoughData
from graphdet.models.judge import N_FOLDS, N_SEEDS, RingJudge
from graphdet.models.known_campaigns import KnownCampaigns
from graphdet.models.ring_examples import Lessons

HIDDEN = (32, 16)
STEPS = 300
WARM_STEPS = 60  # with the plain loss, to learn where natural groups are before trusting the network's doubt
TRUNCATE_AT = 3.0  # logit above which a natural group is not pulled down any more
DOUBT_AT = (
    0.0  # logit of a first judge above which a natural group of the user's own log is no example any more
)
WEIGHT_DECAY = 1.0
NOT_RING_WEIGHT = 4.0  # of all that is no ring, campaigns weigh 1
INNOCENT_WEIGHT = 1.0  # of which hard innocents
FEW_NATURAL = 20.0  # natural groups in a log, from which its own lessons weigh more than those of other logs


def train_ring_judge(
    lessons: Lessons, direction: Sequence[int], seed: int = 0, base: Lessons | None = None
) -> RingJudge:
    """Train a judge on the blocks of planted logs.

    Args:
        lessons: the blocks of the user's own log, planted, and what they are.
        direction: per input 1 where more of it speaks for a ring, −1 where against, 0 where either may be.
        seed: of the initial weights.
        base: blocks of other logs. They weigh FEW_NATURAL against the number of natural groups in one copy of the
            user's own log: a log with hundreds learns from itself, one with a handful mostly from others. Without,
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
    if doubted.any():
        judge = _train_once(lessons.of_rows(np.flatnonzero(~doubted)), direction, seed, base)
    return replace(judge, known=KnownCampaigns.of(lessons))


def _enough(lessons: Lessons) -> bool:
    """Say whether there are examples of both kinds."""
    return bool(lessons.is_ring.any() and lessons.is_natural.any())


def _train_once(lessons: Lessons, direction: Sequence[int], seed: int, base: Lessons | None) -> RingJudge:
    """Train a judge on all of these lessons."""
    sources = [(lessons, 1.0)]
    if base is not None:
        n_natural = lessons.is_natural.sum() / lessons.n_logs if _enough(lessons) else 0.0
        own = n_natural / (n_natural + FEW_NATURAL)
        sources = [(part, weight) for part, weight in ((lessons, own), (base, 1.0 - own)) if weight > 0]
    inputs = np.concatenate([part.inputs for part, _ in sources])
    of_row = np.concatenate(
        [np.full(len(part.inputs), weight / len(part.inputs)) for part, weight in sources]
    )
    mean = of_row @ inputs
    scale = np.sqrt(of_row @ (inputs - mean) ** 2) + 1e-6
    x = torch.from_numpy(np.clip((inputs - mean) / scale, -5, 5).astype(np.float32))
    y = torch.from_numpy(np.concatenate([part.is_ring for part, _ in sources]).astype(np.float32))
    sign = torch.tensor(direction, dtype=torch.float32)
    weights: dict[str, NDArray[np.float32]] = {}
    for held_out in range(N_FOLDS):
        share = np.concatenate(
            [weight * _shares(part, held_out if part is lessons else None) for part, weight in sources]
        )
        rows = np.flatnonzero(share > 0)
        for member in range(N_SEEDS):
            net = _fit(
                x[rows],
                y[rows],
                torch.from_numpy(share[rows].astype(np.float32)),
                sign,
                seed * 1_000 + held_out * N_SEEDS + member,
            )
            for layer, module in enumerate(_linear(net)):
                name = f"{held_out}.{member}.{layer}"
                weights[f"{name}.weight"] = module.weight.detach().numpy()
                weights[f"{name}.bias"] = module.bias.detach().numpy()
    return RingJudge(weights, mean, scale)


def _shares(lessons: Lessons, held_out: int | None) -> NDArray[np.float64]:
    """The weight of each row in the loss, float64[n]; natural groups of the fold that is held out weigh 0."""
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


def _linear(net: nn.Sequential) -> list[nn.Linear]:
    return [module for module in net if isinstance(module, nn.Linear)]


def _make_monotone(net: nn.Sequential, sign: torch.Tensor, start: bool = False) -> None:
    """Project the weights to where the network is monotone: at the start by their size, later by cutting at 0."""
    with torch.no_grad():
        first, *later = _linear(net)
        signed = first.weight * sign
        first.weight.copy_(
            torch.where(sign != 0, sign * (signed.abs() if start else signed.clamp(min=0)), first.weight)
        )
        for layer in later:
            layer.weight.copy_(layer.weight.abs() if start else layer.weight.clamp(min=0))


def _fit(
    x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, sign: torch.Tensor, seed: int
) -> nn.Sequential:
    """Fit one network by projected AdamW with a one-cycle schedule on all rows at once."""
    generator_state, n_threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(1)  # the network is tiny: threads would only wait for each other
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Linear(x.shape[1], HIDDEN[0]),
        nn.Tanh(),
        nn.Linear(HIDDEN[0], HIDDEN[1]),
        nn.Tanh(),
        nn.Linear(HIDDEN[1], 1),
    )
    torch.set_rng_state(generator_state)
    _make_monotone(net, sign, start=True)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-2, total_steps=STEPS)
    for step in range(STEPS):
        optimiser.zero_grad()
        logit = net(x)[:, 0]
        trusted = (y > 0) | (logit.detach() < TRUNCATE_AT) | torch.tensor(step < WARM_STEPS)
        loss = nn.functional.binary_cross_entropy_with_logits(
            logit, y, weight=weight * trusted, reduction="sum"
        )
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        _make_monotone(net, sign)
    torch.set_num_threads(n_threads)
    return net
