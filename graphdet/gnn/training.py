"""Training the network to tell planted or labelled users from the rest of the log.

Optimisers, learning-rate schedules and penalties of training, by name.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import cos, pi

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from graphdet.clustering.centres import NormalScores
from graphdet.errors import InputError
from graphdet.gnn.folds import group_keys, user_folds
from graphdet.gnn.layers import RingNet
from graphdet.gnn.network import TrainedGnn, build, infer, pick_device, ties_of
from graphdet.gnn.pyg import HeteroData
from graphdet.gnn.sampling import TieIndex, batches_of_seeds
from graphdet.gnn.settings import GnnSettings
from graphdet.gnn.threads import one_thread

_LAST = 0.01  # of the rate, where an exponential schedule ends
_MILESTONES = (0.5, 0.75)  # of the steps, after each of which a step schedule takes a tenth


def make_optimiser(settings: GnnSettings, net: nn.Module) -> Optimizer:
    """The optimiser that is asked for.

    weight_decay is an L2 penalty; AdamW's is decoupled from the gradient (Loshchilov and Hutter 2019). momentum is
    Nesterov's.
    """
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "adamw":
        return AdamW(net.parameters(), lr=rate, weight_decay=decay)
    if settings.optimiser == "adam":
        return Adam(net.parameters(), lr=rate, weight_decay=decay)
    if settings.optimiser == "momentum":
        return SGD(net.parameters(), lr=rate, weight_decay=decay, momentum=settings.momentum, nesterov=True)
    return SGD(net.parameters(), lr=rate, weight_decay=decay)


def make_schedule(settings: GnnSettings, optimiser: Optimizer) -> LRScheduler:
    """How the learning rate goes over the steps; all but one_cycle rise in a line over the warm-up first."""
    if settings.schedule == "one_cycle":
        # Plain SGD has no momentum that could go down as the rate goes up.
        cycles = settings.optimiser != "sgd"
        return OneCycleLR(
            optimiser,
            settings.learning_rate,
            settings.n_steps,
            pct_start=settings.warm_up_share,
            cycle_momentum=cycles,
        )
    return LambdaLR(optimiser, factors(settings))


def factors(settings: GnnSettings) -> Callable[[int], float]:
    """What the learning rate is multiplied by at each step, from 0.

    >>> of = factors(GnnSettings(schedule="step", n_steps=8, warm_up_share=0.25))
    >>> [round(of(step), 3) for step in range(8)]
    [0.5, 1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """
    last, rising = max(settings.n_steps - 1, 1), round(settings.warm_up_share * settings.n_steps)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        if settings.schedule == "cosine":
            return (1 + cos(pi * min((step - rising) / max(last - rising, 1), 1.0))) / 2
        if settings.schedule == "exponential":
            return float(_LAST ** ((step - rising) / max(last - rising, 1)))
        if settings.schedule == "step":
            return float(0.1 ** sum(step >= share * settings.n_steps for share in _MILESTONES))
        return 1.0

    return factor


def l1_norm(net: nn.Module) -> Tensor:
    """Sum of the absolute weights, float32[]; biases and the scales of norms are left out."""
    return torch.stack([each.abs().sum() for each in net.parameters() if each.dim() > 1]).sum()


_VALIDATION_NEGATIVES = 3_000
_APART = 7_919  # of the seeds of what is watched from those of the folds


def train_gnn(
    data: HeteroData,
    y: NDArray[np.integer],
    group: NDArray[np.integer],
    settings: GnnSettings | None = None,
    seed: int = 0,
    device: str | None = None,
    fold: NDArray[np.integer] | None = None,
) -> TrainedGnn:
    """Train one network per fold, by default with AdamW and a one-cycle learning rate, clipped and stopped early.

    The networks see batches rich in positives, so their logits rank users and are no log-odds of the log; the
    fusion calibrates them. Early stopping watches the average precision on a part of what the network would else
    learn from, and the best weights are kept; the held-out fold has no say in anything.

    Args:
        data: from to_hetero.
        y: int[n_users]: 1 positive, 0 clean, −1 unknown (never trained on).
        group: int[n_users], ≥ 0 for users that must stay in one fold, as the accounts of a campaign; −1 for
            none.
        settings: how; None for the defaults.
        seed: of every draw. The same data, settings and seed give the same bytes on CPU.
        device: auto, cpu or cuda; None is auto.
        fold: int[n_users], the fold of users in no group (−1: at random), as by user_folds. Given to predict
            again, it has every user judged by a network that was trained without them.

    Raises:
        InputError: the clean users come from fewer than two folds, or the positives from fewer groups than folds.
    """
    settings = settings or GnnSettings()
    y, group = np.asarray(y), np.asarray(group)
    held = user_folds(y, group, settings.n_folds, seed, fold)
    if len(np.unique(held[y == 0])) < 2:
        raise InputError(
            "training needs clean users in at least two folds; give more labels that are clean (0)"
        )
    model = untrained(data, settings)
    inputs, ties = model.prepare(data)
    examples = Examples(inputs, ties, y)
    chosen = pick_device(device)
    members, history = [], []
    out_of_fold = np.zeros(len(y))
    with repeatable(seed):
        for k in range(settings.n_folds):
            held_out = held == k
            watched = watched_users(y, group, held_out, settings.watched_share, seed + k)
            net, rows = train_member(examples, held_out, watched, settings, seed + k, chosen)
            history += [{"fold": float(k), **row} for row in rows]
            members.append(net)
            out_of_fold[held_out] = infer(net, inputs, ties, chosen)[0][held_out]
    return replace(
        model,
        members=tuple(members),
        out_of_fold=out_of_fold,
        history=tuple(history),
    )


def untrained(data: HeteroData, settings: GnnSettings) -> TrainedGnn:
    """What train_gnn starts from: the scaling of the graph's inputs, which reads no label, and no network yet."""
    _, attributes = ties_of(data)
    return TrainedGnn(
        settings,
        (),
        NormalScores.fit(data["user"].x.cpu().numpy()),
        NormalScores.fit(data["item"].x.cpu().numpy()),
        NormalScores.fit(data["session"].x.cpu().numpy()),
        tie_mean=_statistic(attributes, 0.0),
        tie_std=np.maximum(_statistic(attributes, 1.0), 1e-6),
    )


def watched_users(
    y: NDArray[np.integer],
    group: NDArray[np.integer],
    held_out: NDArray[np.bool_],
    share: float,
    seed: int,
) -> NDArray[np.bool_]:
    """Users outside the held-out fold that are not learned from: early stopping watches them, bool[n_users].

    Groups stay whole. Nobody where share is 0, or where there are fewer groups of positives than the share is a part.
    """
    inside = np.where(held_out, -1, y)
    parts = round(1 / share) if share else 0
    if not parts or len(np.unique(group_keys(group)[inside == 1])) < max(parts, 2) or not (inside == 0).any():
        return np.zeros(len(y), bool)
    # Other draws than those of the folds, of which one would else hold all of a part.
    found = (user_folds(inside, group, parts, seed + _APART) == 0) & (inside >= 0)
    return found if (inside[found] == 0).any() and (inside[~found] == 0).any() else np.zeros(len(y), bool)


@dataclass(frozen=True)
class Examples:
    """What a network learns from: all users as it sees them, and their labels.

    Shapes: inputs float32[n_users, n_inputs], scaled; y int[n_users], 1 positive, 0 clean, −1 unknown.
    """

    inputs: NDArray[np.float32]
    ties: TieIndex
    y: NDArray[np.integer]


def train_member(
    examples: Examples,
    held_out: NDArray[np.bool_],
    watched: NDArray[np.bool_],
    settings: GnnSettings,
    seed: int,
    device: torch.device,
) -> tuple[RingNet, list[dict[str, float]]]:
    """Train one network of users neither held out nor watched, bool[n_users] each; labels of the held out are not read.

    Returns the network and its history, see TrainedGnn.
    """
    inputs, ties, y = examples.inputs, examples.ties, examples.y
    rng = np.random.default_rng([seed, 2])
    torch.manual_seed(seed)
    net = build(settings, inputs.shape[1], ties.attributes.shape[1]).to(device)
    fan_outs = _fan_outs(settings, len(net.rounds))
    learned = ~held_out & ~watched
    positive = np.flatnonzero((y == 1) & learned)
    negative = _draw_negatives(np.flatnonzero((y == 0) & learned), ties, settings.n_negatives, rng)
    judge = _Validation(examples, watched, fan_outs, rng, device) if watched.any() else None
    optimiser = make_optimiser(settings, net)
    steps = _Steps(net, optimiser, make_schedule(settings, optimiser), fan_outs, settings, rng, device)
    seeds = batches_of_seeds(positive, negative, settings.batch_size, settings.positive_share, rng)
    best, kept, since_best, history = -1.0, net.state_dict(), 0, []
    losses: list[float] = []
    for step in range(1, settings.n_steps + 1):
        losses.append(steps.take(examples, next(seeds)))
        if step % settings.eval_every and step < settings.n_steps:
            continue
        if judge is None:  # too few to watch: all steps are taken
            history.append({"step": float(step), "loss": float(np.mean(losses))})
            losses, kept = [], net.state_dict()
            continue
        precision = judge.average_precision(net)
        history.append({"step": float(step), "loss": float(np.mean(losses)), "average_precision": precision})
        losses = []
        since_best += 1
        if precision > best:
            best, since_best = precision, 0
            kept = {name: value.detach().clone() for name, value in net.state_dict().items()}
        if since_best >= settings.patience:
            break
    net.load_state_dict(kept)
    return net.cpu().eval(), history


def robust_loss(logits: Tensor, target: Tensor, q: float) -> Tensor:
    """Generalised cross entropy, the mean of (1 − p^q) ÷ q with p the probability given to the label.

    q → 0 is cross entropy, q = 1 is absolute error (Zhang and Sabuncu 2018). Its gradient fades where the network is
    sure that a label is wrong: a real ring of the log stands among the clean users, and cross entropy would learn it by
    heart; so would it the planted accounts that nothing tells from others.

    Shapes: logits, target float32[n], target 0 or 1; returns float32[].
    """
    log_p = functional.logsigmoid(torch.where(target > 0.5, logits, -logits))
    if q <= 0:
        return -log_p.mean()
    return ((1.0 - torch.exp(q * log_p)) / q).mean()


@dataclass(frozen=True)
class _Steps:
    """The steps that train one network."""

    net: RingNet
    optimiser: Optimizer
    schedule: LRScheduler
    fan_outs: tuple[int, ...]
    settings: GnnSettings
    rng: np.random.Generator
    device: torch.device

    def take(self, examples: Examples, batch: NDArray[np.int64]) -> float:
        """Learn a batch of users, and give its loss."""
        blocks = examples.ties.blocks(batch, self.fan_outs, self.rng, self.device)
        nodes = blocks[0].nodes if blocks else batch
        self.net.train()
        logits = self.net(torch.from_numpy(examples.inputs[nodes]).to(self.device), blocks)
        target = torch.from_numpy(examples.y[batch].astype(np.float32)).to(self.device)
        loss = robust_loss(logits, target, self.settings.robustness)
        if self.settings.l1:
            loss = loss + self.settings.l1 * l1_norm(self.net)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.settings.clip_norm)
        self.optimiser.step()
        self.schedule.step()
        return float(loss.detach())


class _Validation:
    """Average precision of the watched positives among a sample of watched clean users.

    The sample is not weighted up to the log: a log's own rings count as clean here, and at the log's base
    rate the few of them at the very top would decide when to stop.
    """

    def __init__(
        self,
        examples: Examples,
        watched: NDArray[np.bool_],
        fan_outs: tuple[int, ...],
        rng: np.random.Generator,
        device: torch.device,
    ) -> None:
        ties, y = examples.ties, examples.y
        positive = np.flatnonzero((y == 1) & watched)
        negative = _draw_negatives(np.flatnonzero((y == 0) & watched), ties, _VALIDATION_NEGATIVES, rng)
        users = np.concatenate([positive, negative])
        self.blocks = ties.blocks(users, fan_outs, rng, device)
        nodes = self.blocks[0].nodes if self.blocks else users
        self.x = torch.from_numpy(examples.inputs[nodes]).to(device)
        self.y = y[users]

    def average_precision(self, net: RingNet) -> float:
        net.eval()
        with torch.no_grad():
            logits = net(self.x, self.blocks).cpu().numpy()
        return float(average_precision_score(self.y, logits))


def _draw_negatives(
    rows: NDArray[np.int64], ties: TieIndex, size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw clean users, three quarters of them with partners where there are so many: the others are easy."""
    tied = ties.degree[rows] > 0
    n_tied = min(int(tied.sum()), max(round(0.75 * size), size - int((~tied).sum())))
    n_free = min(int((~tied).sum()), size - n_tied)
    parts = [rng.choice(rows[tied], n_tied, replace=False), rng.choice(rows[~tied], n_free, replace=False)]
    return np.sort(np.concatenate(parts))


def _fan_outs(settings: GnnSettings, n_rounds: int) -> tuple[int, ...]:
    if n_rounds and len(settings.fan_outs) != n_rounds:
        raise ValueError(f"{n_rounds} rounds need as many fan-outs, not {settings.fan_outs}")
    return settings.fan_outs[:n_rounds]


def _statistic(attributes: torch.Tensor, power: float) -> NDArray[np.float32]:
    """Mean (power 0) or standard deviation (power 1) of each tie attribute; 0 and 1 without ties."""
    if not len(attributes):
        return np.full(attributes.shape[1], power, np.float32)
    table = attributes.numpy().astype(np.float64)
    value: NDArray[np.float32] = (table.std(axis=0) if power else table.mean(axis=0)).astype(np.float32)
    return value


@contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """Seed torch, ask for deterministic kernels on one thread, and leave the caller's state as it was."""
    before = torch.are_deterministic_algorithms_enabled()
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)
