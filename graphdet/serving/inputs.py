"""What a model of accounts is asked with, whichever it is: a network, or a student of it.

It needs to know whom each account listens to, and the few accounts that one account's logit depends on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float32
from graphdet.clustering.centres import NormalScores
from graphdet.rings.own_time import ranges

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Layer:
    """The ties that one round runs over; rows are positions in `nodes`, whose first n_listeners listen.

    Shapes: nodes int64[n_nodes] account rows; listener (ascending), speaker int64[n_ties]; attributes
    float32[n_ties, n_attributes].
    """

    nodes: Rows
    n_listeners: int
    listener: Rows
    speaker: Rows
    attributes: Float32

    def sums(self, values: Float32) -> Float32:
        """Add up float32[n_ties, d] over the ties of each listener: float32[n_listeners, d]; 0 without ties."""
        return self._reduced(np.add, values)

    def most(self, values: Float32) -> Float32:
        """The largest of float32[n_ties, d] over the ties of each listener: float32[n_listeners, d]; 0 without ties."""
        return self._reduced(np.maximum, values)

    def _reduced(self, how: np.ufunc, values: Float32) -> Float32:
        out = np.zeros((self.n_listeners, values.shape[1]), np.float32)
        if len(values):
            first = np.flatnonzero(np.diff(self.listener, prepend=-1))
            out[self.listener[first]] = how.reduceat(values, first, axis=0)
        return out


@dataclass(frozen=True)
class OwnTies:
    """The ties of one account that take the place of what the table has: speaker int64[k], attributes float32[k, …]."""

    speaker: Rows
    attributes: Float32


@dataclass(frozen=True)
class TieTable:
    """All ties of a log by listener.

    Shapes: start int64[n_users + 1]; src int64[n_ties]; attributes float32[n_ties, d].
    """

    start: Rows
    src: Rows
    attributes: Float32

    @classmethod
    def of(cls, src: Rows, dst: Rows, attributes: Float32, n_users: int) -> "TieTable":
        """From ties sorted by (dst, src), as gnn.pair_graph gives them."""
        start = np.zeros(n_users + 1, np.int64)
        np.cumsum(np.bincount(dst, minlength=n_users), out=start[1:])
        return cls(start, src, attributes)

    @property
    def n_users(self) -> int:
        """How many accounts."""
        return len(self.start) - 1

    def layer(self, listeners: Rows, own: OwnTies | None = None) -> Layer:
        """All ties of distinct listeners; `own` are those of the first of them."""
        known = np.where(listeners < self.n_users, listeners, 0)
        degree = np.where(listeners < self.n_users, self.start[known + 1] - self.start[known], 0)
        if own is not None:
            degree[0] = 0
        owner = np.repeat(np.arange(len(listeners)), degree)
        begin = self.start[known]
        ties = ranges(begin, begin + degree)
        speakers, attributes = self.src[ties], self.attributes[ties]
        if own is not None:
            owner = np.concatenate([np.zeros(len(own.speaker), np.int64), owner])
            speakers = np.concatenate([own.speaker, speakers])
            attributes = np.concatenate([own.attributes, attributes])
        seen = np.concatenate([listeners, speakers])
        rows, at = np.unique(seen, return_inverse=True)
        # The listeners come first, in their order; then the others, ascending.
        place = np.full(len(rows), -1, np.int64)
        place[at[: len(listeners)]] = np.arange(len(listeners))
        others = np.flatnonzero(place < 0)
        place[others] = len(listeners) + np.arange(len(others))
        nodes = np.concatenate([listeners, rows[others]])
        return Layer(nodes, len(listeners), owner, place[at[len(listeners) :]], attributes)

    def around(self, row: int, n_rounds: int, own: OwnTies | None = None) -> Sequence[Layer]:
        """All that reaches one account in some rounds, the outermost first.

        An account that is not of this log has a row from n_users on, and its ties are `own`.
        """
        taken: list[Layer] = []
        listeners = np.array([row], np.int64)
        for _ in range(n_rounds):
            taken.append(self.layer(listeners, own))
            listeners = taken[-1].nodes
        return taken[::-1]


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

    def logits(self, x: Float32, layers: Sequence[Layer], fold: int | None = None) -> NDArray[np.float64]:
        """The logits of the listeners of the last layer.

        fold: of an account that was learned from, to be judged by what has not seen it; None: by all there is.

        Shapes: x float32[n, n_inputs] of the first layer's nodes (without layers, of the accounts themselves);
        layers from the outermost inwards, one per round; returns float64[n_listeners of the last layer].
        """

    def logits_of_all(
        self, x: Float32, ties: TieTable, fold: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """The logit of every account of a log, float64[n_users].

        Shapes: x float32[n_users, n_inputs]; fold int64[n_users], as in `logits`, with −1 for those not learned from.
        """
