"""Gradient-boosted trees that can be kept: LightGBM, whose own text format stands inside our JSON.

One thread and fixed orders of summing, so that the same rows and seed give the same bytes on every machine; on a
busy one it is also the faster way.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.errors import GraphdetError

ROWS_A_CALL = 50_000
FIXED = {
    "objective": "binary",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True)
class TreeSettings:
    """How trees are grown. The defaults were chosen on parts of two training parts (decisions/0010).

    `leaves` is the most: where there are few rows, trees are smaller (see for_rows). `l1` and `l2` are penalties on
    leaf values; `row_share` and `feature_share` are what each round sees. `bins` is how many values of a feature a
    split can tell apart: with LightGBM's own 255, amounts that only frauds reach share a bin with large honest ones.
    """

    rounds: int = 400
    learning_rate: float = 0.03
    leaves: int = 31
    min_rows_in_leaf: int = 40
    l1: float = 0.0
    l2: float = 1.0
    row_share: float = 0.8
    feature_share: float = 0.4
    bins: int = 1023

    def for_rows(self, n: int) -> "TreeSettings":
        """The same for n rows: a leaf for every thousand, but 15 at least, and leaves of few rows where there are few.

        >>> TreeSettings().for_rows(1_000).leaves
        15
        """
        return replace(
            self,
            leaves=min(self.leaves, max(n // 1_000, 15)),
            min_rows_in_leaf=int(np.clip(n // 50, 3, self.min_rows_in_leaf)),
        )


@dataclass(frozen=True)
class Trees:
    """A fitted model as its text; `logits` gives log odds at the training rows' share of fraud."""

    text: str = field(repr=False)

    @classmethod
    def fit(
        cls, x: NDArray[np.float32], y: NDArray[np.int8], seed: int, settings: TreeSettings | None = None
    ) -> "Trees":
        """Grow trees. Shapes: x float32[n, d], NaN where there is nothing to measure; y int8[n], 1 or 0."""
        return cls(_grown(x, y, seed, settings, "binary"))

    @classmethod
    def fit_values(
        cls, x: NDArray[np.float32], y: Float, seed: int, settings: TreeSettings | None = None
    ) -> "Trees":
        """Grow trees that give a value, by least squares; `logits` then gives it. Shapes: as fit, y float64[n]."""
        return cls(_grown(x, y, seed, settings, "regression"))

    @cached_property
    def _booster(self) -> Any:
        lightgbm = lightgbm_library()
        try:
            return lightgbm.Booster(model_str=self.text)
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(f"the text of the trees is damaged: {error}") from error

    @property
    def n_features(self) -> int:
        """How many columns the matrix must have."""
        return int(self._booster.num_feature())

    def gains(self) -> Float:
        """What splits on each feature gained in all, float64[d]."""
        return np.asarray(self._booster.feature_importance("gain"), np.float64)

    def logits(self, x: NDArray[np.float32]) -> Float:
        """Log odds of fraud, float64[n]."""
        out = np.zeros(len(x))
        for start in range(0, len(x), ROWS_A_CALL):
            part = x[start : start + ROWS_A_CALL]
            out[start : start + len(part)] = self._booster.predict(part, raw_score=True, num_threads=1)
        return out


def _grown(
    x: NDArray[np.float32], y: NDArray[Any], seed: int, settings: TreeSettings | None, objective: str
) -> str:
    """Train; the model as LightGBM's text."""
    chosen = (settings or TreeSettings()).for_rows(len(y))
    lightgbm = lightgbm_library()
    binning = {"verbosity": -1, "max_bin": chosen.bins, "bin_construct_sample_cnt": max(len(y), 1)}
    data = lightgbm.Dataset(x, label=y, params=binning, free_raw_data=True)
    parameters = FIXED | {
        "objective": objective,
        "seed": seed,
        "learning_rate": chosen.learning_rate,
        "num_leaves": chosen.leaves,
        "min_data_in_leaf": chosen.min_rows_in_leaf,
        "lambda_l1": chosen.l1,
        "lambda_l2": chosen.l2,
        "bagging_fraction": chosen.row_share,
        "bagging_freq": 1,
        "feature_fraction": chosen.feature_share,
    }
    booster = lightgbm.train(parameters, data, num_boost_round=chosen.rounds)
    text: str = booster.model_to_string(importance_type="gain")
    return text


def lightgbm_library() -> Any:
    """LightGBM, loaded where labels are learned: whoever has none can do without.

    Raises:
        GraphdetError: the library that it needs of the system is missing.
    """
    try:
        import lightgbm
    except OSError as error:
        raise GraphdetError(
            f"LightGBM, which learns from labels, cannot be loaded ({error}); it needs OpenMP's run-time library: "
            "install libgomp1 (Debian, Ubuntu), libgomp (Fedora) or libomp (macOS)"
        ) from error
    return lightgbm
