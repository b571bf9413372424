"""Labels of items, sessions or events: checked against the log, learned, and scores for all of them.

The trees are fitted where they are used, in `run` and in `score --labels`: see docs/decisions/0005.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.errors import InputError
from graphdet.evaluation.fdr import benjamini_hochberg
from graphdet.features.behaviour import FEATURE_NAMES
from graphdet.features.events import attribute_columns, event_feature_names, event_features
from graphdet.features.groups import (
    ITEM_FEATURES,
    SESSION_FEATURES,
    amounts,
    group_item_features,
    session_features,
)
from graphdet.graph.encode import edges_frame
from graphdet.logs.labels import LABEL, Labels, check_labels
from graphdet.pipeline.rounding import six_digits
from graphdet.pipeline.users import behaviour
from graphdet.ports import Progress, Silent, Store
from graphdet.scores.labelled import score_by_labels
from graphdet.scores.labelled_reasons import labelled_reasons
from graphdet.tables import Frame, GraphArrays

LEAST = 10  # labels of a kind: fewer give no fold two, and no p-value below 1 / 11
AMOUNTS = ("amount_mean", "amount_max")


@dataclass(frozen=True)
class Sheet:
    """What is scored and by what. Shapes: ids[n]; x float32[n, d], NaN for nothing; names[d]; group int64[n]."""

    ids: pa.Array
    x: NDArray[np.float32]
    names: tuple[str, ...]
    group: NDArray[np.int64]


def kind_of(labels: Labels) -> str:
    """What the labels name: "user", "item", "session" or "event"."""
    return labels.key.removesuffix("_id")


def check_against(store: Store, labels: Labels) -> tuple[Labels, list[str]]:
    """Check labels of items, sessions or events against the log of a store.

    Returns the labels of known ids, and warnings.

    Raises:
        InputError: none is known, all are equal, or there are too few of a kind.
        UsageError: the labels are of events and the store keeps none.
    """
    kind = kind_of(labels)
    frame = {"item": store.items, "session": store.sessions, "event": store.events}[kind]()
    ids = frame.group_by(labels.key).agg(nw.len().alias("n")).collect("pyarrow").to_native()
    labels, warnings = check_labels(labels, ids[labels.key])
    twice = ids.filter(pc.greater(ids["n"], 1))[labels.key]
    ambiguous = pc.is_in(labels.table[labels.key], value_set=pa.chunked_array(twice).cast(pa.string()))
    n = int(pc.sum(ambiguous).as_py() or 0)
    if n:
        warnings.append(
            f"{labels.path}: {n} labels name a {labels.key} that several {kind}s of the log have and are left "
            f"out; map a column with one id per {kind}"
        )
        kept = labels.table.filter(pc.invert(ambiguous))
        labels = Labels(labels.key, kept, labels.unknown, labels.path)
    _check_enough(labels)
    return labels, warnings


def _check_enough(labels: Labels) -> None:
    for value, word in ((1, "fraud (1)"), (0, "clean (0)")):
        n = int(pc.sum(pc.equal(labels.table[LABEL], value)).as_py() or 0)
        if n < LEAST:
            raise InputError(
                f"{labels.path}: only {n} {kind_of(labels)}s of the log are labelled {word}; learning needs "
                f"{LEAST} of each. Label more, or run without labels"
            )


def score_labelled(
    store: Store,
    graph: GraphArrays,
    users: pa.Table,
    labels: Labels,
    *,
    fdr: float,
    review: int | None,
    seed: int,
    progress: Progress,
) -> pa.Table:
    """Learn from checked labels and score everything of their kind; nothing is written.

    `users` are the users' scores (schema.SCORE_COLUMNS), learned without these labels; they are features of
    items and sessions. Returns KIND_id, score, p_value, flagged, reason, most suspicious first.

    Raises:
        InputError: the labels of one kind are all of one user.
    """
    kind = kind_of(labels)
    progress.start(f"{kind} features")
    sheet = _event_sheet(store) if kind == "event" else _group_sheet(store, graph, users, kind)
    sheet = _varied(sheet)
    progress.done()
    progress.start(f"learn and score {kind}s")
    y = _aligned(sheet.ids, labels)
    try:
        found = score_by_labels(sheet.x, y, sheet.group, seed)
    except ValueError as error:
        raise InputError(
            f"{labels.path}: all {kind}s labelled alike are of one user, so nothing can be checked on another; "
            f"label {kind}s of more users"
        ) from error
    score, p_value = six_digits(found.score), six_digits(found.p_value)
    order = np.lexsort((np.arange(len(score)), p_value, -score))
    flagged = np.zeros(len(score), bool)
    if review is None:
        flagged[:] = benjamini_hochberg(p_value) <= fdr
    else:
        flagged[order[:review]] = True
    table = pa.table(
        {
            labels.key: sheet.ids,
            "score": score,
            "p_value": p_value,
            "flagged": flagged,
            "reason": labelled_reasons(found, sheet.names, flagged),
        }
    )
    progress.done()
    return table.take(pa.array(order))


def _aligned(ids: pa.Array, labels: Labels) -> NDArray[np.int8]:
    place = pc.index_in(ids, value_set=labels.table[labels.key].combine_chunks().cast(ids.type))
    known = pc.fill_null(place, -1).to_numpy(zero_copy_only=False)
    value = np.append(labels.table[LABEL].to_numpy(), -1)
    return np.asarray(value[known], np.int8)


def _event_sheet(store: Store) -> Sheet:
    events = store.events()
    attributes = attribute_columns(events)
    names = event_feature_names(attributes)
    table = event_features(events, store.entities(), attributes).collect("pyarrow").to_native()
    users = table["user_id"].combine_chunks().dictionary_encode()
    # Numbers of users by their ids' order, not by where they come first, so that folds do not depend on it.
    rank = np.empty(len(users.dictionary), np.int64)
    rank[pc.sort_indices(users.dictionary).to_numpy()] = np.arange(len(rank))
    group = rank[users.indices.to_numpy()]
    ids = table["event_id"].combine_chunks()
    return Sheet(ids, _numbers(table, names), names, group)


def _group_sheet(store: Store, graph: GraphArrays, users: pa.Table, kind: str) -> Sheet:
    """Items or sessions; an item is a group of its own, sessions belong to their user's."""
    own, _ = behaviour(graph, store.bench, Silent())
    logit = _user_logits(graph, users)
    edges = edges_frame(graph, store.bench)
    names: tuple[str, ...]
    if kind == "session":
        ids, n, names = graph.session_ids, graph.n_sessions, SESSION_FEATURES
        user_of = np.zeros(n, np.int64)
        user_of[graph.session_ix] = graph.user_ix
        x = _by_row(session_features(edges), "session_ix", names, n)
        x = np.column_stack([x, own[user_of], logit[user_of]])
        names = (*names, *(f"user_{name}" for name in FEATURE_NAMES), "user_score_logit")
        group = user_of
    else:
        ids, n, names = graph.item_ids, graph.n_items, ITEM_FEATURES
        frame: Frame = nw.from_native(
            store.bench.from_arrow(
                pa.table({"user_ix": np.arange(graph.n_users, dtype=np.int32)}
                | dict(zip(FEATURE_NAMES, own.T, strict=True)))
            )
        ).lazy()  # fmt: skip
        x = _by_row(group_item_features(edges, frame), "item_ix", names, n)
        pairs = np.unique(np.column_stack([graph.item_ix, graph.user_ix]), axis=0)
        size = np.bincount(pairs[:, 0], minlength=n)
        highest = np.full(n, -np.inf)
        np.maximum.at(highest, pairs[:, 0], logit[pairs[:, 1]])
        mean = np.bincount(pairs[:, 0], weights=logit[pairs[:, 1]], minlength=n) / size
        x = np.column_stack([x, mean, highest])
        names = (*names, "users_score_logit", "users_score_logit_max")
        group = np.arange(n, dtype=np.int64)
    table = amounts(store.interactions(), f"{kind}_id").collect("pyarrow").to_native()
    place = pc.index_in(ids, value_set=table[f"{kind}_id"].combine_chunks().cast(ids.type))
    money = np.vstack([_numbers(table, AMOUNTS), np.full((1, len(AMOUNTS)), np.nan, np.float32)])
    x = np.column_stack([x, money[pc.fill_null(place, -1).to_numpy(zero_copy_only=False)]])
    return Sheet(ids, x.round(6).astype(np.float32), (*names, *AMOUNTS), group)


def _user_logits(graph: GraphArrays, users: pa.Table) -> NDArray[np.float64]:
    place = pc.index_in(graph.user_ids, value_set=users["user_id"].combine_chunks().cast(graph.user_ids.type))
    score = np.clip(users["score"].to_numpy()[place.to_numpy(zero_copy_only=False)], 1e-9, 1 - 1e-9)
    return np.asarray(np.log(score / (1 - score)))


def _by_row(frame: Frame, key: str, names: Sequence[str], n: int) -> NDArray[np.float64]:
    table = frame.select(key, *names).collect("pyarrow").to_native()
    out = np.zeros((n, len(names)))
    out[table[key].to_numpy()] = _numbers(table, names)
    return out


def _numbers(table: pa.Table, names: Sequence[str]) -> NDArray[np.float32]:
    """Columns as float32[n, d]; null is NaN, and what float32 cannot hold is its largest."""
    out = np.empty((table.num_rows, len(names)), np.float32)
    for column, name in enumerate(names):
        values = table[name].cast(pa.float64()).to_numpy()
        out[:, column] = np.clip(values, -3e38, 3e38)
    return out


def _varied(sheet: Sheet) -> Sheet:
    """Leave out features that are the same everywhere: they say nothing, and cost a look each."""
    low, high = np.fmin.reduce(sheet.x, axis=0), np.fmax.reduce(sheet.x, axis=0)
    absent = np.isnan(sheet.x)
    kept = (low < high) | (absent.any(axis=0) & ~absent.all(axis=0))
    kept[0] |= not kept.any()
    names = tuple(name for name, keep in zip(sheet.names, kept.tolist(), strict=True) if keep)
    return Sheet(sheet.ids, sheet.x[:, kept], names, sheet.group)
