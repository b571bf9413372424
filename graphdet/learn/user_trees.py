"""Gradient-boosted trees for labels of users: what each does, its neighbourhood, its texts, and who is known around it.

The same code makes the columns for training and for scoring. No user's own label reaches its score: a model is grown
without one fold of labels, neither as labels nor through neighbours, and judges the users of that fold; users that
were not learned from get the mean of all models. The labels learned from are kept with the trees, under a hash of each
id.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from graphdet.arrays import Float
from graphdet.errors import GraphdetError, InputError, UsageError
from graphdet.evaluation.fold_models import NO_FOLD, own_fold_or_mean
from graphdet.features.behaviour import FEATURE_NAMES
from graphdet.features.neighbours import (
    TOGETHER,
    NeighbourSettings,
    label_messages,
    share_of,
    user_neighbour_features,
    user_relations,
)
from graphdet.features.relations import NamedColumns, Relations
from graphdet.features.text import user_text_features
from graphdet.files import write_tensors, write_text
from graphdet.learn.scorers import USER_TREES
from graphdet.ports import GraphStore
from graphdet.scores.trees import Trees, TreeSettings
from graphdet.tables import GraphArrays, PairArrays

ARRAYS = "user_trees.safetensors"  # beside USER_TREES
USER_TREES_FORMAT = 1
# Means, spread and extremes over neighbours, and means two steps away; bins and propagation say much of the same
# thing again and cost as much.
AROUND = NeighbourSettings(n_bins=0, propagation=False)


@dataclass(frozen=True)
class UserColumns:
    """What trees see of users before any label, row by row of `ids`, and who hears whom."""

    ids: pa.Array
    columns: NamedColumns
    relations: Relations


def user_columns(
    store: GraphStore, graph: GraphArrays, windows: list[PairArrays], users: Float
) -> UserColumns:
    """Make the columns of all users; users: behaviour features, float64[n_users, len(FEATURE_NAMES)].

    Partners in any of the co-action windows are neighbours, and so are users of one shared entity. Where the store's
    events have texts, those are columns too.
    """
    pairs = {name: np.concatenate([getattr(w, name) for w in windows]) for name in ("a", "b")}
    together = replace(windows[0], **pairs)
    relations = user_relations(graph, {TOGETHER: together})
    columns = user_neighbour_features(FEATURE_NAMES, users, relations, AROUND)
    text = text_columns(store, graph.user_ids)
    return UserColumns(graph.user_ids, columns if text is None else columns.beside(text), relations)


def text_columns(store: GraphStore, user_ids: pa.Array) -> NamedColumns | None:
    """What users wrote, as numbers; None where the log has no texts or the store keeps no events."""
    try:
        table = store.events().select("user_id", "text").collect("pyarrow").to_native()
    except UsageError:  # Neo4j keeps the graph only
        return None
    texts = table["text"].to_pylist()
    if not any(text is not None for text in texts):
        return None
    row = {name: place for place, name in enumerate(user_ids.to_pylist())}
    user = np.array([row[name] for name in table["user_id"].to_pylist()], np.int64)
    names, x = user_text_features(texts, user, len(user_ids))
    return NamedColumns(tuple(f"text: {name}" for name in names), x)


@dataclass(frozen=True)
class KnownUsers:
    """Labels learned from, under a hash of the user's id. Shapes: key uint64[n], sorted; y int8[n]; fold int64[n]."""

    key: NDArray[np.uint64]
    y: NDArray[np.int8]
    fold: NDArray[np.int64]

    @classmethod
    def of(cls, ids: pa.Array, y: NDArray[np.integer], fold: NDArray[np.integer]) -> "KnownUsers":
        """Those of users with y ≥ 0; ids[n], y and fold int[n]."""
        rows = np.flatnonzero(y >= 0)
        key = _keys(ids.take(pa.array(rows)))
        order = np.argsort(key, kind="stable")
        return cls(key[order], y[rows][order].astype(np.int8), fold[rows][order].astype(np.int64))

    @property
    def share(self) -> float:
        """The share of fraud among them."""
        return share_of(int((self.y == 1).sum()), len(self.y))

    def found_in(self, ids: pa.Array) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """Label int8[n] and fold int64[n] of each id, −1 where none was learned from."""
        key = _keys(ids)
        place = np.minimum(np.searchsorted(self.key, key), max(len(self.key) - 1, 0))
        same = self.key[place] == key if len(self.key) else np.zeros(len(key), bool)
        if not len(self.key):
            return np.full(len(key), -1, np.int8), np.full(len(key), -1, np.int64)
        return np.where(same, self.y[place], -1).astype(np.int8), np.where(same, self.fold[place], -1)


@dataclass(frozen=True)
class UserTrees:
    """One model per fold, the names of its columns (those of known neighbours last), and the labels learned from."""

    names: tuple[str, ...]
    members: tuple[Trees, ...] = field(repr=False)
    known: KnownUsers = field(repr=False)

    def logits(self, given: UserColumns) -> Float:
        """Log odds of fraud by user, float64[n_users]: learned users by the model that has not seen their label.

        Raises:
            InputError: the log has other columns than the one learned from.
        """
        y, fold = self.known.found_in(given.ids)
        # In another log nobody is known: it is heard what users without known neighbours heard in training.
        x = given.columns.beside(label_messages(given.relations, y, fold, self.known.share))
        if x.names != self.names:
            odd = sorted(set(self.names).symmetric_difference(x.names))
            raise InputError(
                f"this model's trees were grown on {len(self.names)} columns of users and this log gives "
                f"{len(x.names)}; they differ in {', '.join(odd[:3])}{' …' if len(odd) > 3 else ''}. Map the same "
                "columns (text, entities) as then, or train on this log"
            )
        each = np.array([member.logits(x.values) for member in self.members])
        return own_fold_or_mean(each, fold)

    def fold_of(self, ids: pa.Array) -> NDArray[np.int64]:
        """The fold of each user whose label was learned, int64[n]; −1 of the others."""
        return self.known.found_in(ids)[1]

    def strongest(self, n: int = 10) -> list[str]:
        """The columns whose splits gained most, the first most."""
        gain = np.sum([member.gains() for member in self.members], axis=0)
        return [self.names[j] for j in np.argsort(-gain, kind="stable")[:n] if gain[j] > 0]

    def save(self, directory: Path) -> None:
        """Write user_trees.json and user_trees.safetensors. Raises OSError."""
        document: dict[str, Any] = {
            "format": USER_TREES_FORMAT,
            "names": list(self.names),
            "members": [member.text for member in self.members],
        }
        write_text(directory / USER_TREES, json.dumps(document) + "\n")
        arrays: dict[str, NDArray[Any]] = {"key": self.known.key, "y": self.known.y, "fold": self.known.fold}
        write_tensors(directory / ARRAYS, arrays)


def load_user_trees(directory: Path) -> UserTrees:
    """Read what UserTrees.save wrote.

    Raises:
        GraphdetError: a file is missing, damaged or of another format.
    """
    try:
        found = json.loads((directory / USER_TREES).read_text(encoding="utf-8"))
        if found["format"] != USER_TREES_FORMAT:
            raise GraphdetError(
                f"the trees of users in {directory} have another format than {USER_TREES_FORMAT}: train again"
            )
        arrays = load_file(directory / ARRAYS)
        members = tuple(Trees(str(text)) for text in found["members"])
        names = tuple(found["names"])
        if not members or any(member.n_features != len(names) for member in members):
            raise ValueError("the columns named are not those of the trees")
        if arrays["fold"].max(initial=NO_FOLD) >= len(members):
            raise ValueError("a label is of a fold without trees")
        return UserTrees(names, members, KnownUsers(arrays["key"], arrays["y"], arrays["fold"]))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise GraphdetError(
            f"the trees of users in {directory} cannot be read ({error}): train again"
        ) from error


@dataclass(frozen=True)
class Lesson:
    """What the trees of fold k learn from and whom they judge, made without a label of that fold; settings have no say.

    Shapes: x float32[2 m, d] and y int8[2 m], the m users learned from, each twice; judged float32[q, d]; d names.
    """

    k: int
    names: tuple[str, ...]
    x: NDArray[np.float32] = field(repr=False)
    y: NDArray[np.int8] = field(repr=False)
    judged: NDArray[np.float32] = field(repr=False)

    @property
    def n_bytes(self) -> int:
        """What it takes to keep."""
        return self.x.nbytes + self.y.nbytes + self.judged.nbytes

    def learn(self, settings: TreeSettings | None, seed: int) -> tuple[Trees, Float]:
        """The trees, and their logits of those judged, float64[q]."""
        trees = Trees.fit(self.x, self.y, seed + self.k, settings)
        return trees, trees.logits(self.judged)


def lesson_of(
    given: UserColumns,
    y: NDArray[np.integer],
    fold: NDArray[np.integer],
    shared: NDArray[np.integer],
    k: int,
    judged: NDArray[np.int64] | None = None,
) -> Lesson:
    """What fold k's trees learn from: y, fold and shared as for fit_user_trees. judged: rows int64[q]; None, all users.

    Raises:
        InputError: the rest of the fold has labels of one kind only.
    """
    rows = np.flatnonzero((y >= 0) & (fold != k))
    if len(np.unique(y[rows])) < 2:
        raise InputError(
            "trees need users labelled fraud (1) and clean (0) outside each fold; give more labels"
        )
    outside = np.where(fold != k, shared, -1)
    heard = np.where(outside >= 0, fold, -1)
    x = given.columns.beside(label_messages(given.relations, outside, heard))
    # Every user is learned twice, once as if none of its neighbours were known: so it is for most users where few
    # are labelled, and for all of another log. Trees that know only the one kind lean on known neighbours alone.
    nobody = np.full(len(y), -1)
    usual = share_of(int((outside == 1).sum()), int((outside >= 0).sum()))
    silent = given.columns.beside(label_messages(given.relations, nobody, nobody, usual))
    both = np.concatenate([x.values[rows], silent.values[rows]])
    seen = x.values if judged is None else x.values[judged]
    return Lesson(k, x.names, both, np.tile(y[rows].astype(np.int8), 2), seen)


def fit_user_trees(
    given: UserColumns,
    y: NDArray[np.integer],
    fold: NDArray[np.integer],
    shared: NDArray[np.integer],
    settings: TreeSettings | None = None,
    seed: int = 0,
) -> tuple[UserTrees, Float]:
    """Grow one model per fold without its labels; the trees, and out-of-fold logits float64[n_users].

    Shapes: y int[n_users], 1 fraud, 0 clean, −1 not learned from; fold int[n_users], from 0; shared int[n_users],
    the labels that reach neighbours (those that were given; y may hold guesses beside them). Users with
    y = −1 get the mean of all models in the second result.

    Raises:
        InputError: the rest of a fold has labels of one kind only.
    """
    y, shared = np.asarray(y), np.asarray(shared)
    fold = np.asarray(fold, np.int64)
    n_folds = int(fold.max(initial=0)) + 1
    members, each = [], np.zeros((n_folds, len(y)))
    names: tuple[str, ...] = ()
    for k in range(n_folds):
        lesson = lesson_of(given, y, fold, shared, k)
        names = lesson.names
        trees, each[k] = lesson.learn(settings, seed)
        members.append(trees)
    known = KnownUsers.of(given.ids, shared, fold)
    out_of_fold = own_fold_or_mean(each, np.where(y >= 0, fold, NO_FOLD))
    return UserTrees(names, tuple(members), known), out_of_fold


def _keys(ids: pa.Array) -> NDArray[np.uint64]:
    digests = (hashlib.blake2b(name.encode(), digest_size=8).digest() for name in ids.to_pylist())
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
