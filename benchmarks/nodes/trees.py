"""Gradient-boosted trees on the columns of nodes, kept as text.

The columns are a node's own and its neighbourhood's (features.neighbours), and what is known of its neighbours
(features.neighbour_labels) made out of fold; without these it is the flat learner that a graph has to beat.
LightGBM on one thread with fixed sums: the same rows and seed give the same text, on any number of cores.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from graphdet.errors import GraphdetError
from graphdet.scores.trees import FIXED, Trees, lightgbm_library

Float = NDArray[np.float64]
FORMAT = 1
FEWEST = 2  # of each label, to learn from


@dataclass(frozen=True)
class TreeSettings:
    """How the trees are grown.

    column_share: of the columns, drawn for every tree; low, as neighbourhood columns say much of the same
    thing. patience: rounds without a better average precision on the checked rows. n_members: models of
    different seeds whose logits are averaged.
    """

    n_rounds: int = 400
    learning_rate: float = 0.03
    n_leaves: int = 15
    fewest_in_leaf: int = 20
    column_share: float = 0.3
    row_share: float = 0.7
    l2: float = 5.0
    n_bins: int = 63
    patience: int = 80
    n_members: int = 1


@dataclass(frozen=True)
class NodeTrees:
    """Fitted trees: the columns' names, one LightGBM model text a member, and how many rounds each has."""

    names: tuple[str, ...]
    settings: TreeSettings
    members: tuple[str, ...]
    n_rounds: tuple[int, ...]

    def score(self, names: tuple[str, ...], x: NDArray[np.float32]) -> Float:
        """Give every row of float32[n, d] a score in (0, 1), float64[n].

        Raises:
            GraphdetError: the columns are not those the trees were grown on.
        """
        if names != self.names or x.shape[1] != len(names):
            odd = next((n for n in (*names, *self.names) if (n in names) != (n in self.names)), "their order")
            raise GraphdetError(
                f"the trees were grown on {len(self.names)} columns and {x.shape[1]} are given; they differ in "
                f"{odd}: make the columns as in training, or train again"
            )
        if not len(x):
            return np.zeros(0)
        logits = [Trees(text).logits(x) for text in self.members]
        return np.asarray(1.0 / (1.0 + np.exp(-np.mean(logits, axis=0))), np.float64)

    def importance(self) -> Float:
        """Share of the loss that each column took away, float64[d], sums to 1 (0 where no tree was grown)."""
        gain = np.sum([Trees(text).gains() for text in self.members], axis=0)
        return np.asarray(gain / max(float(gain.sum()), 1e-12), np.float64)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "format": FORMAT,
            "names": list(self.names),
            "settings": asdict(self.settings),
            "members": list(self.members),
            "n_rounds": list(self.n_rounds),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "NodeTrees":
        """Read what to_json gave.

        Raises:
            GraphdetError: it is of another format, or damaged.
        """
        lightgbm = lightgbm_library()
        try:
            if document["format"] != FORMAT:
                raise GraphdetError(
                    f"these trees have format {document['format']}, not {FORMAT}: train again"
                )
            members = tuple(str(text) for text in document["members"])
            for text in members:
                lightgbm.Booster(model_str=text)
            return cls(
                tuple(document["names"]),
                TreeSettings(**document["settings"]),
                members,
                tuple(document["n_rounds"]),
            )
        except (KeyError, TypeError, ValueError, lightgbm.basic.LightGBMError) as error:
            raise GraphdetError(f"these trees cannot be read ({error}): train again") from error


def fit_node_trees(
    names: tuple[str, ...],
    x: NDArray[np.float32],
    y: NDArray[np.integer],
    checked: NDArray[np.bool_] | None = None,
    settings: TreeSettings | None = None,
    seed: int = 0,
) -> NodeTrees:
    """Grow trees on the known rows (y ≥ 0) that are not checked.

    Shapes: x float32[n, d], NaN where nothing was measured; y int[n], 1 fraud, 0 clean, −1 unknown; checked
    bool[n], known rows that are kept from growing and say when to stop (None: all rounds are grown).

    Raises:
        GraphdetError: fewer than two rows of a label to learn from.
    """
    settings = settings or TreeSettings()
    y = np.asarray(y)
    held = np.zeros(len(y), bool) if checked is None else np.asarray(checked, bool)
    grown, held = np.flatnonzero((y >= 0) & ~held), np.flatnonzero((y >= 0) & held)
    n_fraud = int((y[grown] == 1).sum())
    if min(n_fraud, len(grown) - n_fraud) < FEWEST:
        raise GraphdetError(
            f"{n_fraud} fraudulent and {len(grown) - n_fraud} clean nodes to learn from: at least {FEWEST} of "
            "each label are needed"
        )
    stop = len(np.unique(y[held])) == 2 if len(held) else False
    made = [
        _grow(x, y, grown, held if stop else None, settings, seed + 1_000 * k)
        for k in range(settings.n_members)
    ]
    return NodeTrees(tuple(names), settings, tuple(m[0] for m in made), tuple(m[1] for m in made))


def _grow(
    x: NDArray[np.float32],
    y: NDArray[np.integer],
    grown: NDArray[np.int64],
    held: NDArray[np.int64] | None,
    settings: TreeSettings,
    seed: int,
) -> tuple[str, int]:
    leaf = int(np.clip(len(grown) // 50, 2, settings.fewest_in_leaf))
    lightgbm = lightgbm_library()
    parameters = FIXED | {
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.n_leaves,
        "min_data_in_leaf": leaf,
        "feature_fraction": settings.column_share,
        "bagging_fraction": settings.row_share,
        "bagging_freq": 1,
        "lambda_l2": settings.l2,
        "max_bin": settings.n_bins,
        "metric": "None",
        "seed": seed,
    }
    learned = lightgbm.Dataset(x[grown], y[grown].astype(np.float64))
    if held is None:
        model = lightgbm.train(parameters, learned, settings.n_rounds)
        return model.model_to_string(), settings.n_rounds
    model = lightgbm.train(
        parameters,
        learned,
        settings.n_rounds,
        valid_sets=[lightgbm.Dataset(x[held], y[held].astype(np.float64), reference=learned)],
        feval=_average_precision,
        callbacks=[lightgbm.early_stopping(settings.patience, verbose=False)],
    )
    best = int(model.best_iteration) or settings.n_rounds
    return model.model_to_string(num_iteration=best), best


def _average_precision(score: Float, data: Any) -> tuple[str, float, bool]:
    return "average_precision", float(average_precision_score(data.get_label(), score)), True
