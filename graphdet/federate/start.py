"""What both networks start from: the shipped judge, and a network of users that learned generated logs.

Made by `scripts/ship_user_start.py`. Both are public, so that nothing of them has to be hidden.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from graphdet.federate.networks import Arrays
from graphdet.judge.model import N_FOLDS, N_SEEDS, RingJudge

USER_START = Path(__file__).parent / "user_start.safetensors"
_LAYERS = (0, 2, 4)  # the linear layers of a network of the judge, in torch's order


def _names() -> list[tuple[str, str]]:
    """The names of the judge's weights in torch, and in RingJudge."""
    return [
        (f"nets.{fold * N_SEEDS + seed}.{layer}.{what}", f"{fold}.{seed}.{number}.{what}")
        for fold in range(N_FOLDS)
        for seed in range(N_SEEDS)
        for number, layer in enumerate(_LAYERS)
        for what in ("weight", "bias")
    ]


def judge_arrays(judge: RingJudge) -> Arrays:
    """The weights of a judge, as networks.JudgeNets has them."""
    return {ours: np.ascontiguousarray(judge.weights[theirs]) for ours, theirs in _names()}


def judge_of(weights: Arrays, start: RingJudge) -> RingJudge:
    """A judge with these weights, and the scaling of the one that it started from."""
    return RingJudge({theirs: weights[ours] for ours, theirs in _names()}, start.mean, start.scale)


def user_start() -> Arrays:
    """The weights that the network of users starts from."""
    return load_file(USER_START)
