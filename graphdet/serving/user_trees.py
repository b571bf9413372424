"""Trees that learned labels of users, for one account at a time.

What they see of an account is made as features.user_neighbours and learn.user_trees make it of a whole log; tests
hold the two together. With new acts the account's own behaviour, its place among its partners and what is known of
them are made anew; the partners' own columns and places, and texts, stand as they were when the log was read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.arrays import Float, Float32
from graphdet.features.neighbours import TOGETHER, around_one, mean_over_neighbours, messages_to_one, share_of
from graphdet.features.relations import PLACES, NamedColumns, Placing, Relations, neighbours_of
from graphdet.rings.own_time import ranges
from graphdet.scores.trees import Trees


@dataclass(frozen=True)
class AccountTrees:
    """A log as such trees see it.

    Shapes: logit float64[n_users], as the log stands; y int8[n_users] and fold int64[n_users] of labels learned from,
    −1 of everybody else; own float32[n_users, d], behaviour and places; text float32[n_users, t]; means
    float64[n_users, d] by relation, own columns over neighbours. prior: what is heard of neighbours where nothing is
    known of them, by fold, −1 first.
    """

    members: Sequence[Trees] = field(repr=False)
    logit: Float
    y: NDArray[np.int8]
    fold: NDArray[np.int64]
    own: Float32
    text: Float32
    relations: Relations
    placing: dict[str, Placing]
    means: dict[str, Float]
    prior: tuple[float, ...]

    @cached_property
    def heard(self) -> tuple[tuple[NDArray[np.bool_], NDArray[np.bool_]], ...]:
        """For each fold, −1 first: whose labels its accounts hear, and which of them are frauds, bool[n_users]."""
        known = [(self.y >= 0) & (self.fold != k) for k in range(-1, len(self.members))]
        return tuple((each, each & (self.y == 1)) for each in known)

    @classmethod
    def of(
        cls,
        members: Sequence[Trees],
        logit: Float,
        known: tuple[NDArray[np.int8], NDArray[np.int64]],
        columns: NamedColumns,
        relations: Relations,
        n_features: int,
        usual: float,
    ) -> "AccountTrees":
        """From what the whole log gave.

        columns: as user_columns makes them, of which the first n_features are behaviour. usual: the share of fraud
        among all labels learned from, for a log in which nobody is known.
        """
        y, fold = known
        d = n_features + len(PLACES) * len(relations.graphs)
        own, text = (
            columns.values[:, :d],
            columns.values[:, d * (1 + NEIGHBOUR_KINDS * len(relations.graphs)) :],
        )
        placing, means = {}, {}
        for number, (name, graph) in enumerate(relations.graphs.items()):
            first = n_features + number * len(PLACES)
            placing[name] = Placing.of(graph, own[:, first : first + len(PLACES)])
            means[name] = mean_over_neighbours(graph, own)
        prior = tuple(_prior(y[(y >= 0) & (fold != k)], usual) for k in range(-1, len(members)))
        return cls(members, logit, y, fold, own, text, relations, placing, means, prior)

    def logit_of(self, row: int, features: Float, partners: NDArray[np.int64]) -> float:
        """Log odds of fraud of an account that behaves and acts together with others like this.

        A labelled account is judged by the trees that have not seen its label.

        row: n_users for a stranger. Shapes: features float64[n_features]; partners int64[k], ascending.
        """
        fold = self.fold_of(row)
        chosen = self.members if fold < 0 else [self.members[fold % len(self.members)]]
        x = self.columns_of(row, features, partners, fold)[None]
        return float(np.mean([member.logits(x)[0] for member in chosen]))

    def columns_of(self, row: int, features: Float, partners: NDArray[np.int64], fold: int) -> Float32:
        """What the trees see of it, float32[n_columns]."""
        near = {name: self._neighbours(name, row, partners) for name in self.relations.graphs}
        beyond = {name: _beyond(self.relations.graphs[name], who) for name, who in near.items()}
        places = [self.placing[name].place(row, who, beyond[name][1]) for name, who in near.items()]
        own = np.concatenate([features.astype(np.float32), *places])
        around = [around_one(own, self.own[who], self.means[name][who]) for name, who in near.items()]
        unwritten = np.full(self.text.shape[1], np.nan, np.float32)
        text = self.text[row] if row < len(self.text) else unwritten
        heard, fraud = self.heard[fold + 1]
        label_columns = [
            messages_to_one(who, beyond[name], fraud, heard, self.prior[fold + 1])
            for name, who in near.items()
        ]
        return np.concatenate([own, *around, text, *label_columns])

    def fold_of(self, row: int) -> int:
        """The fold of an account whose label was learned; −1 of all others."""
        return int(self.fold[row]) if row < len(self.fold) else -1

    def _neighbours(self, name: str, row: int, partners: NDArray[np.int64]) -> NDArray[np.int64]:
        """Who an account meets in a relation: new acts change with whom it acts, not what it shares."""
        if name == TOGETHER:
            return partners
        return neighbours_of(self.relations.graphs[name], row).astype(np.int64)


NEIGHBOUR_KINDS = 6  # of columns over neighbours for each own one: see around_one


def _prior(y: NDArray[np.int8], usual: float) -> float:
    return share_of(int((y == 1).sum()), len(y)) if len(y) else usual


def _beyond(graph: sp.csr_matrix, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.integer]]:
    """All neighbours of some nodes: the place in `rows` of whose it is, int64[n], and the neighbour, int[n]."""
    begin, end = graph.indptr[rows].astype(np.int64), graph.indptr[rows + 1].astype(np.int64)
    return np.repeat(np.arange(len(rows)), end - begin), graph.indices[ranges(begin, end)]
