"""What a model of accounts is asked with, whichever it is: a network, or a student of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from graphdet.clustering.normal_scores import NormalScores
from graphdet.serving.ties import Layer, Matrix


@dataclass(frozen=True)
class Scaling:
    """How features of users, items and sessions become inputs, as it was fitted in training."""

    user: NormalScores
    item: NormalScores
    session: NormalScores

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Scaling":
        """Read it from a network's document."""
        kinds = ("user_scores", "item_scores", "session_scores")
        return cls(*(NormalScores.from_json(document[name]) for name in kinds))


class AccountModel(Protocol):
    """Gives accounts a logit from their inputs and their ties, some rounds outwards."""

    @property
    def scaling(self) -> Scaling:
        """How its inputs are made."""

    @property
    def n_inputs(self) -> int:
        """How many they are."""

    @property
    def n_rounds(self) -> int:
        """How many ties away it looks."""

    def logits(self, x: Matrix, layers: Sequence[Layer], fold: int | None = None) -> NDArray[np.float64]:
        """The logits of the listeners of the last layer.

        fold: of an account that was learned from, to be judged by what has not seen it; None: by all there is.

        Shapes: x float32[n, n_inputs] of the first layer's nodes (without layers, of the accounts themselves);
        layers from the outermost inwards, one per round; returns float64[n_listeners of the last layer].
        """
