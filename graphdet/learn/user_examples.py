"""Labels of users as examples to learn from: their folds, and what stands for clean where only frauds are labelled."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet.errors import InputError
from graphdet.evaluation.calibration import best_bin_share
from graphdet.gnn.folds import user_folds
from graphdet.learn.train_settings import TrainSettings
from graphdet.learn.user_trees import UserColumns, fit_user_trees
from graphdet.words import plural

FEW = 50  # frauds: below, planted campaigns and the zero-shot score have a say
LEAST_FRAUDS = 5  # frauds: below, they are examples beside planted campaigns and nothing more
FINER = 3  # parts of each of the network's folds, in which trees are grown
MOST_UNLABELLED = 4_000  # that stand for clean when only frauds are known


@dataclass(frozen=True)
class UserLabels:
    """Labels by row of a log's users.

    Shapes: y int8[n_users], 1 fraud, 0 clean, −1 unknown; group int32[n_users], ≥ 0 for frauds that belong together.
    """

    y: NDArray[np.int8]
    group: NDArray[np.int32]

    @property
    def frauds_alone(self) -> bool:
        """Whether nobody is known to be clean."""
        return not bool((self.y == 0).any())

    @property
    def n_fraud(self) -> int:
        """How many frauds are known."""
        return int((self.y == 1).sum())


@dataclass(frozen=True)
class Unlabelled:
    """What labelled frauds alone say of the users without a label.

    share: of frauds among all users. Shapes: y int8[n_users], to learn from; left_out bool[n_users], users that look
    too much like the frauds to stand for clean.
    """

    y: NDArray[np.int8]
    share: float
    left_out: NDArray[np.bool_]


def hidden_frauds(columns: UserColumns, labels: UserLabels, settings: TrainSettings, seed: int) -> Unlabelled:
    """Estimate how many frauds are among the unlabelled, and leave out as many that look most like frauds.

    The first trees take the unlabelled for clean; what ranks highest among these, out of fold, is not learned from
    after that (as in the training of Garg et al. 2021, once).

    Raises:
        InputError: nobody is unlabelled, or there are too few frauds to learn from.
    """
    rows = np.flatnonzero(labels.y < 0)
    if not len(rows):
        raise InputError("every user of the log is labelled fraud (1), so there is nobody to tell them from")
    rng = np.random.default_rng([seed, 3])
    if len(rows) > MOST_UNLABELLED:
        rows = np.sort(rng.choice(rows, MOST_UNLABELLED, replace=False))
    y = labels.y.copy()
    y[rows] = 0
    fold = tree_folds(y, labels.group, settings.gnn.n_folds, seed)
    _, logits = fit_user_trees(columns, y, fold, labels.y, settings.trees, seed)
    share = best_bin_share(logits[labels.y == 1], logits[rows])
    # Never more than half: whoever is left stands for clean.
    n_out = min(round(share * len(rows)), len(rows) // 2)
    out = rows[np.argsort(-logits[rows], kind="stable")[:n_out]]
    y[out] = -1
    n_fraud = labels.n_fraud + share * (len(y) - labels.n_fraud)
    left_out = np.zeros(len(y), bool)
    left_out[out] = True
    return Unlabelled(y, float(np.clip(n_fraud / len(y), 1e-6, 1 - 1e-6)), left_out)


def tree_folds(
    y: NDArray[np.integer], group: NDArray[np.integer], n_folds: int, seed: int
) -> NDArray[np.int64]:
    """The folds of trees, int64[n], where networks are trained in n_folds of the same users; see `folds` and `finer`.

    Raises:
        InputError: nobody is clean, or there are fewer groups of frauds than folds.
    """
    return finer(user_folds(y, group, n_folds, seed), y, group, n_folds, seed)


def finer(
    fold: NDArray[np.integer],
    y: NDArray[np.integer],
    group: NDArray[np.integer],
    n_folds: int,
    seed: int,
) -> NDArray[np.int64]:
    """Cut each fold in FINER parts, int64[n]: the fold is the part modulo n_folds. Groups of frauds stay together."""
    rng = np.random.default_rng([seed, 4])
    part = rng.integers(0, FINER, len(fold))
    keys = rng.permutation(np.unique(group[y == 1]))
    # One count over all folds, so that no two frauds in a row are in one part.
    place = {int(key): number % FINER for number, key in enumerate(keys)}
    for row in np.flatnonzero(y == 1).tolist():
        part[row] = place[int(group[row])]
    return np.asarray(fold + n_folds * part, np.int64)


def facts_of(labels: UserLabels, unlabelled: Unlabelled | None, few: bool) -> dict[str, Any]:
    """Facts for people on what kind of labels these are; `label_warnings` are sentences."""
    warnings: list[str] = []
    facts: dict[str, Any] = {}
    if few and labels.n_fraud < LEAST_FRAUDS:
        warnings.append(
            f"only {plural(labels.n_fraud, 'user')} labelled fraud (1): below {LEAST_FRAUDS} they are examples beside "
            "the planted campaigns, and scores are weighed as without labels"
        )
    elif few:
        warnings.append(
            f"{labels.n_fraud} users labelled fraud (1) are few (below {FEW}): planted campaigns are learned beside "
            "them, and scores lean on what is found without labels"
        )
    if unlabelled is not None:
        facts |= {
            "fraud_share_estimated": round(unlabelled.share, 6),
            "not_learned_from": int(unlabelled.left_out.sum()),
        }
        warnings.append(
            "all labels say fraud (1): whoever has none is taken as unlabelled, not as clean. An estimated "
            f"{unlabelled.share:.2%} of all users are frauds, if the labelled ones were drawn at random from them; "
            "scores are probabilities under that share"
        )
    return facts | {"label_warnings": warnings}
