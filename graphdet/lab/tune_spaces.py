"""The settings that tune varies, and between which values."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from graphdet.errors import UsageError
from graphdet.gnn.settings import GnnSettings
from graphdet.lab.tuning import Choice, Range, Settings, Space
from graphdet.scores.trees import TreeSettings

TUNED_LEARNERS = ("trees", "gnn")
TREE_SPACE: Space = {
    "learning_rate": Range(0.01, 0.3, True, (0.02, 0.05, 0.15)),
    "leaves": Range(4, 63, True, (7, 15, 31)),
    "l2": Range(0.01, 100.0, True, (0.1, 1.0, 10.0)),
    "l1": Range(0.001, 10.0, True, (0.001, 0.1, 1.0)),
    "min_rows_in_leaf": Range(3, 200, True, (5, 20, 100)),
    "rounds": Range(50, 600, True, (100, 200, 400)),
    "row_share": Range(0.5, 1.0, False, (0.6, 0.8, 1.0)),
    "feature_share": Range(0.3, 1.0, False, (0.4, 0.6, 1.0)),
}
NETWORK: Space = {
    "learning_rate": Range(0.0005, 0.05, True, (0.001, 0.005, 0.02)),
    "dropout": Range(0.0, 0.5, False, (0.0, 0.1, 0.3)),
    "input_dropout": Range(0.0, 0.7, False, (0.1, 0.3, 0.5)),
    "weight_decay": Range(0.00001, 0.1, True, (0.0001, 0.001, 0.01)),
    "l1": Range(0.0000001, 0.001, True, (0.0000001, 0.00001, 0.001)),
    "schedule": Choice(("one_cycle", "constant", "cosine", "step", "exponential")),
    "optimiser": Choice(("adamw", "adam")),
    "robustness": Range(0.0, 0.9, False, (0.0, 0.4, 0.7)),
}
# A grid over everything is out of reach; these are what a grid covers unless told otherwise.
GRID_OVER = {"trees": ("learning_rate", "leaves", "l2"), "gnn": ("learning_rate", "dropout", "weight_decay")}


def space_of(learner: str, sampler: str, over: Sequence[str]) -> tuple[Space, Settings]:
    """The settings of a learner to vary, and their defaults.

    over: names of settings; none for all of them, or for those of GRID_OVER where the sampler is a grid.

    Raises:
        UsageError: the learner has no setting of a name.
    """
    everything, usual = (
        (NETWORK, asdict(GnnSettings())) if learner == "gnn" else (TREE_SPACE, asdict(TreeSettings()))
    )
    space = _chosen(everything, over or (GRID_OVER[learner] if sampler == "grid" else ()))
    return space, {name: _within(usual[name], each) for name, each in space.items()}


def _chosen(space: Space, over: Sequence[str]) -> Space:
    for name in over:
        if name not in space:
            raise UsageError(f"--over: there is no setting {name!r} here; there are {', '.join(space)}")
    return {name: space[name] for name in over} if over else space


def _within(value: Any, each: Range | Choice) -> Any:
    """A default within its range: a penalty of 0 becomes the least one of a logarithmic scale."""
    return value if isinstance(each, Choice) else min(max(value, each.low), each.high)
