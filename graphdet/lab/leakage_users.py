"""audit-leakage for labels of users: no label reaches its own user, and labels dealt anew teach nothing.

Users are judged by all of the log, so there is no future to inject: what can leak is a label, through neighbours,
folds, or when a network stops. Trees and network are asked as train makes them, with fewer rounds and steps: a leak
shows in few.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.features.behaviour import behaviour
from graphdet.features.pairs import find_pairs
from graphdet.gnn.heterodata import graph_in_pyg
from graphdet.gnn.network import infer
from graphdet.gnn.sampling import TieIndex
from graphdet.gnn.settings import GnnSettings
from graphdet.gnn.training import repeatable, train_member, untrained, watched_users
from graphdet.lab.leakage import AUDIT_TREES, N_FLIPPED, LeakageCheck, at_chance
from graphdet.lab.tune_validation import users_told
from graphdet.learn.user_labels import Task
from graphdet.learn.user_told import tree_folds
from graphdet.learn.user_trees import UserColumns, lesson_of, user_columns
from graphdet.ports import CaseworkStore
from graphdet.progress import Progress, Silent

UserLabelArray = NDArray[np.int8]
AUDIT_NETWORK = GnnSettings(n_steps=50, eval_every=10)
Learn = Callable[
    [UserLabelArray, int], Float
]  # (labels, fold) → logits of all users by who has not seen the fold


def audit_user_labels(
    store: CaseworkStore, labels: Path, *, seed: int = 0, progress: Progress | None = None
) -> list[LeakageCheck]:
    """Check the way from labels of users to scores on a store; nothing is written.

    Raises:
        InputError: the labels cannot be used, or are fewer than five of a kind.
    """
    progress = progress or Silent()
    task = users_told(store, labels, progress)
    windows = find_pairs(task.graph, store.bench, progress)
    users, items = behaviour(task.graph, store.bench, progress)
    data = graph_in_pyg(task.graph, users, items, windows, progress)
    progress.start("neighbours of users")
    columns = user_columns(store, task.graph, windows, users)
    progress.done()
    n_folds = AUDIT_NETWORK.n_folds
    fold = tree_folds(task.y, task.campaign, n_folds, seed)
    inputs, ties = untrained(data, AUDIT_NETWORK).prepare(data)
    learners: dict[str, tuple[NDArray[np.int64], Learn]] = {
        "trees": (fold, of_trees(columns, fold, seed)),
        "network": (fold % n_folds, of_network(inputs, ties, task, fold % n_folds, seed)),
    }
    progress.start("audit", 2 * len(learners))
    checks = []
    for name, (held, learn) in learners.items():
        checks.append(permuted(name, task.y, held, learn, seed))
        progress.advance()
        checks.append(turned(name, task.y, held, learn, seed))
        progress.advance()
    progress.done()
    return checks


def of_trees(columns: UserColumns, fold: NDArray[np.int64], seed: int) -> Learn:
    """Trees as fit_user_trees grows them."""
    return lambda y, k: lesson_of(columns, y, fold, y, k).learn(AUDIT_TREES, seed)[1]


def of_network(
    inputs: NDArray[np.float32], ties: TieIndex, task: Task, fold: NDArray[np.int64], seed: int
) -> Learn:
    """A network as train_gnn trains it."""

    def learn(y: UserLabelArray, k: int) -> Float:
        held, settings, cpu = fold == k, AUDIT_NETWORK, torch.device("cpu")
        watched = watched_users(y, task.campaign, held, settings.watched_share, seed + k)
        with repeatable(seed):
            net, _ = train_member(inputs, ties, y, held, watched, settings, seed + k, cpu)
            return infer(net, inputs, ties, cpu)[0]

    return learn


def permuted(name: str, y: UserLabelArray, fold: NDArray[np.int64], learn: Learn, seed: int) -> LeakageCheck:
    """Learn from labels dealt anew among the labelled; ranks are compared within folds."""
    known = np.flatnonzero(y >= 0)
    dealt = y.copy()
    dealt[known] = np.random.default_rng((seed, 37)).permutation(y[known])
    logit = np.zeros(len(y))
    for k in np.unique(fold[known]).tolist():
        mine = known[fold[known] == k]
        logit[mine] = learn(dealt, k)[mine]
    passed, numbers = at_chance(dealt[known], logit[known], fold[known])
    return LeakageCheck(f"Permuted labels teach nothing ({name})", passed, numbers)


def turned(name: str, y: UserLabelArray, fold: NDArray[np.int64], learn: Learn, seed: int) -> LeakageCheck:
    """Turn over labels of one fold, frauds and clean ones, and ask who has not seen that fold again."""
    draw = np.random.default_rng((seed, 41))
    known = y >= 0
    k = int(np.bincount(fold[known]).argmax())
    by_label = [draw.permutation(np.flatnonzero((fold == k) & (y == value)))[:N_FLIPPED] for value in (1, 0)]
    rows = np.concatenate(by_label)
    other = y.copy()
    other[rows] = 1 - other[rows]
    mine = known & (fold == k)
    moved = int((learn(y, k)[mine] != learn(other, k)[mine]).sum())
    return LeakageCheck(
        f"A user's own label does not reach its score ({name})",
        moved == 0,
        f"{len(rows)} labels of one fold turned over, {moved} of that fold's {int(mine.sum())} scores changed",
    )
