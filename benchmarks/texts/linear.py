"""A linear model of texts by label: n-grams and, beside them, numbers such as features.text. JSON and safetensors."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from graphdet.errors import GraphdetError
from graphdet.scores.text_folds import Loss, fit_filled
from graphdet.text.ngrams import Ngrams, NgramSettings, count_ngrams, learn_from_counts

Float = NDArray[np.float64]
_DOCUMENT, _NUMBERS = "text_score.json", "text_score.safetensors"
FORMAT = 1


@dataclass(frozen=True)
class Texts:
    """Texts made ready, so that many models can be fitted on parts of them; nothing in it is learned.

    Shapes: counts csr[n, n_columns]; numbers float32[n, d], NaN for nothing, d may be 0.
    """

    settings: NgramSettings
    counts: sp.csr_matrix
    numbers: NDArray[np.float32]
    names: tuple[str, ...]

    def take(self, rows: NDArray[np.int64]) -> "Texts":
        """The texts of some rows."""
        return Texts(self.settings, self.counts[rows], self.numbers[rows], self.names)

    def __len__(self) -> int:
        return int(self.counts.shape[0])


def ready(
    texts: Sequence[str | None],
    numbers: NDArray[np.float32] | None = None,
    names: tuple[str, ...] = (),
    settings: NgramSettings | None = None,
) -> Texts:
    """Make texts ready, with numbers float32[n, d] and their names beside them."""
    settings = settings or NgramSettings()
    if numbers is None:
        numbers = np.zeros((len(texts), 0), np.float32)
    return Texts(settings, count_ngrams(texts, settings), numbers, names)


@dataclass(frozen=True)
class TextScore:
    """A linear model over n-grams and numbers.

    Shapes: weight float32[n_columns of the n-grams + d]; mean, scale float32[d] of ln(1 + |x|) with its sign.
    """

    ngrams: Ngrams
    names: tuple[str, ...]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weight: NDArray[np.float32] = field(repr=False)
    bias: float
    blend: float

    def logits(self, texts: Texts) -> Float:
        """Logits of being fraud, float64[n]; with the squared hinge they are margins, good for order and cuts only.

        Raises:
            ValueError: the texts were made ready with other settings or other numbers.
        """
        if texts.settings != self.ngrams.settings or texts.names != self.names:
            raise ValueError("the texts were made ready for another model")
        x = sp.hstack(
            [self.ngrams.weigh(texts.counts), _scaled(texts.numbers, self.mean, self.scale, self.blend)]
        )
        return np.asarray(x.tocsr() @ self.weight.astype(np.float64) + self.bias)

    def save(self, folder: Path) -> None:
        """Write text_score.json, text_score.safetensors and the n-grams' two files."""
        self.ngrams.save(folder)
        about = {"format": FORMAT, "names": self.names, "bias": self.bias, "blend": self.blend}
        (folder / _DOCUMENT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        numbers = {"mean": self.mean, "scale": self.scale, "weight": self.weight}
        save_file(numbers, folder / _NUMBERS)

    @classmethod
    def load(cls, folder: Path) -> "TextScore":
        """Read what `save` wrote.

        Raises:
            GraphdetError: a file is missing, damaged or of another format.
        """
        ngrams = Ngrams.load(folder)
        try:
            about = json.loads((folder / _DOCUMENT).read_text(encoding="utf-8"))
            numbers = load_file(folder / _NUMBERS)
            if about["format"] != FORMAT:
                raise ValueError("another format")
            names = tuple(about["names"])
            if numbers["weight"].shape != (ngrams.n_columns + len(names),):
                raise ValueError("its numbers do not fit its names")
            return cls(ngrams, names, bias=float(about["bias"]), blend=float(about["blend"]), **numbers)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise GraphdetError(f"text model {folder}: cannot be read ({error}); train it again") from error


def fit_text_score(
    texts: Texts,
    y: NDArray[np.int8],
    seed: int,
    *,
    strength: float = 10.0,
    blend: float = 0.1,
    loss: Loss = "logistic",
) -> TextScore:
    """Fit on labelled texts, y int8[n] of 1 fraud and 0 clean: everything learned is learned from these rows.

    `strength` is the inverse of the L2 penalty, `blend` the weight of the numbers beside the n-grams. The squared hinge
    leaves texts alone that are surely right, which pays where few words tell; it wants a strength of about 1.

    Raises:
        ValueError: one kind is missing.
    """
    ngrams = learn_from_counts(texts.counts, texts.settings)
    logs = _logs(texts.numbers)
    mean = logs.mean(axis=0) if len(logs) else np.zeros(logs.shape[1])
    scale = logs.std(axis=0)
    centre = np.asarray(mean, np.float32)
    spread = np.asarray(np.where(scale > 1e-6, scale, 1.0), np.float32)
    x = sp.hstack([ngrams.weigh(texts.counts), _scaled(texts.numbers, centre, spread, blend)], format="csr")
    how = {"C": strength, "dual": True, "max_iter": 10_000, "tol": 1e-3, "random_state": seed}
    model = LinearSVC(**how) if loss == "squared_hinge" else LogisticRegression(solver="liblinear", **how)
    weight, bias = fit_filled(model, x, y)
    return TextScore(ngrams, texts.names, centre, spread, weight, bias, blend)


def out_of_fold(
    texts: Texts,
    y: NDArray[np.int8],
    fold: NDArray[np.int64],
    seed: int,
    *,
    strength: float = 10.0,
    blend: float = 0.1,
    loss: Loss = "logistic",
) -> Float:
    """Logits of labelled texts, each by a model that saw nothing of its fold, float64[n].

    Shapes: y int8[n] of 1 and 0; fold int64[n], for example a grouped fold, a video, a month.

    Raises:
        ValueError: the rows outside some fold are of one kind.
    """
    out = np.zeros(len(y))
    for k in np.unique(fold):
        rest, own = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        model = fit_text_score(texts.take(rest), y[rest], seed, strength=strength, blend=blend, loss=loss)
        out[own] = model.logits(texts.take(own))
    return out


def _logs(numbers: NDArray[np.float32]) -> Float:
    x = np.nan_to_num(numbers.astype(np.float64))
    return np.asarray(np.sign(x) * np.log1p(np.abs(x)))


def _scaled(
    numbers: NDArray[np.float32], mean: NDArray[np.float32], scale: NDArray[np.float32], blend: float
) -> sp.csr_matrix:
    # A number that training never saw so large says no more than one of six deviations.
    z = np.clip((_logs(numbers) - mean) / scale, -6, 6)
    return sp.csr_matrix(blend * z)
