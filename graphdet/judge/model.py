"""A trained judge of rings: small networks in NumPy, so that judging needs no torch (see training.py for training)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from graphdet.arrays import Float
from graphdet.errors import GraphdetError
from graphdet.files import write_tensors, write_text

N_FOLDS = 2
N_SEEDS = 3  # networks per fold, averaged
BLIND = -30.0  # logit of a judge that learned nothing
JUDGE_FORMAT = 8
MOST_APART = 5.0  # standard deviations from the mean that an input counts for


@dataclass(frozen=True)
class RingJudge:
    """A trained judge.

    weights: per fold and seed, the arrays of a network (monotone_nets.py); mean, scale float64[n_inputs]
    standardise the inputs. A positive logit means: more like the planted campaigns than like the log's own
    groups.
    """

    weights: dict[str, NDArray[np.float32]]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def blind(cls) -> "RingJudge":
        """The judge of a log that nothing could be learned from: nothing looks like a ring to it."""
        return cls({}, np.zeros(0), np.ones(0))

    def logits(self, inputs: NDArray[np.float64], fold: NDArray[np.int64]) -> NDArray[np.float64]:
        """Judge blocks, each by the networks that did not see its fold.

        An unknown input, NaN, counts as one at its mean.

        Shapes: inputs float64[n, n_inputs]; fold int64[n] in 0 … N_FOLDS − 1; returns float64[n].
        """
        if not self.weights:
            return np.full(len(inputs), BLIND)
        x = standardised(inputs, self.mean, self.scale)
        out = np.zeros(len(x))
        for held_out in range(N_FOLDS):
            rows = np.flatnonzero(fold == held_out)
            for seed in range(N_SEEDS):
                h = x[rows]
                for layer in range(3):
                    name = f"{held_out}.{seed}.{layer}"
                    h = h @ self.weights[f"{name}.weight"].T.astype(np.float64)
                    h = h + self.weights[f"{name}.bias"]
                    h = np.tanh(h) if layer < 2 else h
                out[rows] += h[:, 0] / N_SEEDS
        return out

    def save(self, directory: Path) -> None:
        """Write ring_judge.safetensors and ring_judge.json."""
        directory.mkdir(parents=True, exist_ok=True)
        weights: dict[str, NDArray[Any]] = dict(self.weights)
        about: dict[str, Any] = {
            "format": JUDGE_FORMAT,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
        }
        write_tensors(directory / "ring_judge.safetensors", weights)
        write_text(directory / "ring_judge.json", json.dumps(about, indent=1) + "\n")

    @classmethod
    def load(cls, directory: Path) -> "RingJudge":
        """Read a judge.

        Raises:
            GraphdetError: there is none in this folder, or it is of another format.
        """
        try:
            about = json.loads((directory / "ring_judge.json").read_text(encoding="utf-8"))
            weights = load_file(directory / "ring_judge.safetensors")
        except (OSError, ValueError) as error:
            raise GraphdetError(
                f"no ring judge in {directory}: {error}. Run `graphdet train --model {directory}` first"
            ) from error
        if about.get("format") != JUDGE_FORMAT:
            raise GraphdetError(
                f"the ring judge in {directory} has format {about.get('format')}, this version reads "
                f"{JUDGE_FORMAT}; "
                "train it again"
            )
        return cls(weights, np.asarray(about["mean"]), np.asarray(about["scale"]))


def standardised(inputs: Float, mean: Float, scale: Float) -> Float:
    """Inputs as the networks take them, at most MOST_APART from 0; an unknown one is at its mean, 0."""
    return np.nan_to_num(np.clip((inputs - mean) / scale, -MOST_APART, MOST_APART))
