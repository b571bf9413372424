"""Optimisers, learning-rate schedules and penalties of training, by name."""

from collections.abc import Callable
from math import cos, pi

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from graphdet.gnn.settings import GnnSettings

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
