"""What labelled texts say of others: linear models of n-grams, none of which scores a text whose label it has seen.

The margin of a text (a linear model, squared hinge) is one more feature for the trees of labelled things. Fold k's
trees must not hear a label of fold k in any way, so they learn from margins of models that saw neither fold k nor the
row's own fold: a model for each pair of folds, and one for each fold that scores. How rare a gram is, is learned from
all texts that are learned from, once: it holds no label.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from graphdet.arrays import Float, Int
from graphdet.evaluation.fold_models import own_fold_or_mean
from graphdet.text.ngrams import Ngrams, NgramSettings, count_ngrams

TEXT_SAYS = "text_says_fraud"
# Chosen on four fifths of the text messages (docs/cases/social-spam.md); strength is the inverse of the L2 penalty.
STRENGTH, GRAMS = 1.0, NgramSettings(over_words=False)
MOST_TEXTS = 50_000  # clean texts that are learned from, and different texts whose grams are held in memory
_CHUNK = 10_000


@dataclass(frozen=True)
class TextModels:
    """A linear model a fold. Shapes: weight float32[n_folds, n_columns of the n-grams]; bias float64[n_folds]."""

    ngrams: Ngrams
    weight: NDArray[np.float32] = field(repr=False)
    bias: Float

    def margins(self, texts: Sequence[str | None], fold: Int) -> Float:
        """How much they speak for fraud (margins, 0 undecided), float64[n], NaN without a text.

        Shapes: fold int64[n]: a text that was learned from is scored by its fold's model, a new one (−1) by the mean
        of all.
        """
        out = np.full(len(texts), np.nan)
        distinct, place = _distinct(texts)
        if not distinct:
            return out
        found = np.empty((len(distinct), len(self.bias)))
        for start in range(0, len(distinct), _CHUNK):
            x = self.ngrams.weigh(count_ngrams(distinct[start : start + _CHUNK], self.ngrams.settings))
            for k, weight in enumerate(
                self.weight
            ):  # one by one and in float64, as fit does: the same digits
                found[start : start + x.shape[0], k] = x @ weight.astype(np.float64) + self.bias[k]
        rows = np.flatnonzero(place >= 0)
        out[rows] = own_fold_or_mean(found[place[rows]].T, fold[rows])
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is kept as arrays: only columns that were seen in training."""
        usual = float(self.ngrams.rarity.max())  # that of a gram never seen
        seen = np.flatnonzero((self.ngrams.rarity < usual) | self.weight.any(axis=0))
        return {
            "text_columns": seen.astype(np.int64),
            "text_rarity": self.ngrams.rarity[seen],
            "text_unseen": np.array([usual], np.float32),
            "text_weight": np.ascontiguousarray(self.weight[:, seen]),
            "text_bias": self.bias,
        }

    def settings(self) -> dict[str, Any]:
        """What is kept as JSON."""
        return asdict(self.ngrams.settings)

    @classmethod
    def of(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> "TextModels":
        """Make them of what `settings` and `arrays` gave.

        Raises:
            KeyError, TypeError, ValueError: something is missing or does not fit.
        """
        how: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()
        }
        read = NgramSettings(**how)
        rarity = np.full(2 << read.n_bits, arrays["text_unseen"][0], np.float32)
        columns, weight = arrays["text_columns"], arrays["text_weight"]
        if weight.shape != (len(arrays["text_bias"]), len(columns)) or (
            len(columns) and not 0 <= columns.min() <= columns.max() < len(rarity)
        ):
            raise ValueError("the weights of texts do not fit their columns")
        rarity[columns] = arrays["text_rarity"]
        wide = np.zeros((len(weight), len(rarity)), np.float32)
        wide[:, columns] = weight
        return cls(Ngrams(read, rarity), wide, arrays["text_bias"])


class ReadTexts:
    """Texts that are learned from, their grams counted; no label is in it.

    Shapes: texts[n], one per row, None for a row that has none or is not learned from.
    """

    def __init__(self, texts: Sequence[str | None], settings: NgramSettings | None = None) -> None:
        self.settings = settings or GRAMS
        self.distinct, self.place = _distinct(texts)
        self._counts: dict[int, sp.csr_matrix] = {}

    def counts(self) -> Iterator[tuple[int, sp.csr_matrix]]:
        """Counts of grams, a chunk of distinct texts at a time, with the place of the chunk's first."""
        for start in range(0, len(self.distinct), _CHUNK):
            counts = self._counts.get(start)
            if counts is None:
                counts = count_ngrams(self.distinct[start : start + _CHUNK], self.settings)
                if start < MOST_TEXTS:
                    self._counts[start] = counts
            yield start, counts

    def fit(self, y: NDArray[np.int8], fold: Int, seed: int) -> "FittedTexts":
        """Fit all models. Shapes: y int8[n], 1 fraud, 0 clean; fold int64[n], −1 for rows that are not learned from."""
        rows = np.flatnonzero((self.place >= 0) & (fold >= 0) & (y >= 0))
        lot = np.random.default_rng((seed, 43)).random(len(y))
        few = np.sort(rows[np.argsort(lot[rows], kind="stable")[:MOST_TEXTS]])
        # By lot alone: a row's own label must not move how rare its words are for the model that scores it.
        ngrams = self._rarities(few)
        taken = rows[np.isin(rows, few) | (y[rows] == 1)]
        x = self._weighed(taken, ngrams)
        n_folds = int(fold.max(initial=-1)) + 1
        of = fold[taken]
        models = {
            left_out: _fit(x, y[taken], ~np.isin(of, left_out), seed)
            for left_out in [*((k,) for k in range(n_folds)), *combinations(range(n_folds), 2)]
        }
        inner = np.full((len(y), n_folds), np.nan)
        at: Int = np.full(len(self.distinct), -1, np.int64)
        for start, counts in self.counts():
            grams = ngrams.weigh(counts)
            at[:] = -1
            at[start : start + grams.shape[0]] = np.arange(grams.shape[0])
            here = rows[at[self.place[rows]] >= 0]
            for j in range(n_folds):
                mine = here[fold[here] == j]
                for k in range(n_folds):
                    weight, bias = models[(j,) if j == k else (min(j, k), max(j, k))]
                    inner[mine, k] = grams[at[self.place[mine]]] @ weight.astype(np.float64) + bias
        weights = np.stack([models[(k,)][0] for k in range(n_folds)])
        biases = np.array([models[(k,)][1] for k in range(n_folds)], np.float64)
        return FittedTexts(TextModels(ngrams, weights, biases), inner)

    def _rarities(self, rows: Int) -> Ngrams:
        wanted = np.unique(self.place[rows])
        n_texts = np.zeros(2 << self.settings.n_bits, np.int64)
        for start, counts in self.counts():
            inside = wanted[(wanted >= start) & (wanted < start + counts.shape[0])] - start
            n_texts += np.bincount(counts[inside].indices, minlength=len(n_texts))
        rarity = np.log((1 + len(wanted)) / (1 + n_texts)) + 1
        return Ngrams(self.settings, rarity.astype(np.float32))

    def _weighed(self, rows: Int, ngrams: Ngrams) -> sp.csr_matrix:
        """TF-IDF of rows, in their order."""
        place = self.place[rows]
        wanted = np.unique(place)
        parts = []
        for start, counts in self.counts():
            inside = wanted[(wanted >= start) & (wanted < start + counts.shape[0])] - start
            parts.append(ngrams.weigh(counts[inside]))
        if not parts:
            return sp.csr_matrix((0, 2 << self.settings.n_bits), dtype=np.float32)
        return sp.vstack(parts, format="csr")[np.searchsorted(wanted, place)]


@dataclass(frozen=True)
class FittedTexts:
    """Models, and margins of the rows that were learned from.

    Shapes: inner float64[n, n_folds], NaN for others. inner[row, k] is by a model that saw neither the row's own fold
    nor fold k: what fold k's trees learn from; at k = its own fold, what the row is scored by.
    """

    models: TextModels
    inner: Float = field(repr=False)


def _fit(
    x: sp.csr_matrix, y: NDArray[np.int8], rows: NDArray[np.bool_], seed: int
) -> tuple[NDArray[np.float32], float]:
    """Weights float32[n_columns] and bias; all 0 where the rows are of one kind, which teach nothing."""
    if len(np.unique(y[rows])) < 2:
        return np.zeros(x.shape[1], np.float32), 0.0
    model = LinearSVC(C=STRENGTH, dual=True, max_iter=10_000, tol=1e-3, random_state=seed)
    return fit_filled(model, x[np.flatnonzero(rows)], y[rows])


def _distinct(texts: Sequence[str | None]) -> tuple[list[str], Int]:
    """Different texts, and the place of each row's: int64[n], −1 for none."""
    place: dict[str, int] = {}
    of = (-1 if text is None else place.setdefault(text, len(place)) for text in texts)
    found = np.fromiter(of, np.int64, len(texts))
    return list(place), found


Loss = Literal["logistic", "squared_hinge"]


def fit_filled(
    model: LinearSVC | LogisticRegression, x: sp.csr_matrix, y: NDArray[np.int8]
) -> tuple[NDArray[np.float32], float]:
    """Fit a linear model on the columns that hold anything; weights float32[n_columns], 0 elsewhere, and bias."""
    filled = np.unique(x.indices)  # of half a million buckets few are
    model.fit(x[:, filled], y)
    weight = np.zeros(x.shape[1], np.float32)
    weight[filled] = model.coef_[0]
    return weight, float(model.intercept_[0])
