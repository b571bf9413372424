"""A student of the network: trees that give its logit from an account and its partners, one round outwards.

The network hears partners of partners; the student only sums up what the closest partners are like (Hinton, Vinyals
and Dean, "Distilling the Knowledge in a Neural Network", 2015, learn the teacher's logits in the same way).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float32
from graphdet.errors import GraphdetError
from graphdet.files import write_text
from graphdet.scores.trees import Trees
from graphdet.serving.inputs import AccountModel, Layer, Scaling, TieTable
from graphdet.serving.network import load_network

STUDENT = "student.json"
STUDENT_FORMAT = "student-1"
_CHUNK = 16_384  # accounts at once, to bound memory


@dataclass(frozen=True)
class Student:
    """Trees and what their inputs are scaled by; `about`: what is known of the teacher and the loss."""

    trees: Trees
    scaling: Scaling
    n_inputs: int
    about: Mapping[str, Any]
    n_rounds: int = 1

    def logits(self, x: Float32, layers: Sequence[Layer], fold: int | None = None) -> NDArray[np.float64]:
        """The teacher's logit, as far as it was learned; see inputs.AccountModel. There are no folds of it."""
        return self.trees.logits(student_inputs(x, layers[-1]))

    def logits_of_all(
        self, x: Float32, ties: TieTable, fold: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """The logit of every account of a log, in chunks; see inputs.AccountModel. There are no folds of it."""
        layers = (ties.layer(np.arange(k, min(k + _CHUNK, len(x)))) for k in range(0, len(x), _CHUNK))
        return np.concatenate([np.zeros(0), *(self.logits(x[layer.nodes], [layer]) for layer in layers)])

    def save(self, directory: Path, scaling: Mapping[str, Any]) -> None:
        """Write student.json; `scaling` are the keys of the network's document that it is read from."""
        document = {
            "format": STUDENT_FORMAT,
            "n_inputs": self.n_inputs,
            **scaling,
            "about": dict(self.about),
            "trees": self.trees.text,
        }
        write_text(directory / STUDENT, json.dumps(document) + "\n")


def student_inputs(x: Float32, layer: Layer) -> Float32:
    """What the student sees of a layer's listeners: float32[n_listeners, 3 n_inputs + 1 + 2 n_attributes].

    Their own inputs, how many they listen to, mean and largest of these ties' attributes and of those partners' inputs;
    zeros for who listens to nobody. Shapes: x float32[n, n_inputs] of the layer's nodes.
    """
    n = np.bincount(layer.listener, minlength=layer.n_listeners).astype(np.float32)[:, None]
    own = x[: layer.n_listeners]
    heard = np.hstack([layer.attributes, x[layer.speaker]])
    return np.hstack([own, n, layer.sums(heard) / np.maximum(n, 1), layer.most(heard)]).astype(
        np.float32, copy=False
    )


def load_account_model(directory: Path) -> AccountModel:
    """Read the model of accounts in a folder of train or export: the student where there is one, else the network.

    Raises:
        GraphdetError: there is none, or it is damaged or of another format.
    """
    path = directory / STUDENT
    if not path.exists():
        return load_network(directory)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != STUDENT_FORMAT:
            raise GraphdetError(f"{path} has another format than {STUDENT_FORMAT}: export again")
        student = Student(
            Trees(document["trees"]),
            Scaling.from_json(document),
            int(document["n_inputs"]),
            document["about"],
        )
        if student.trees.n_features < 3 * student.n_inputs + 1:
            raise ValueError("the inputs named are not those of the trees")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GraphdetError(f"the student {path} is damaged ({error}): export again") from error
    return student
