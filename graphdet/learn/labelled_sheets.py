"""What labels are learned from and applied to: one row per item, session or event, with its features.

More features are joined to a sheet as FeatureBlocks; those that come with the package are in labelled_blocks.
A block gets the store and the sheet and returns names and a float32 matrix with one row per id of the sheet, in its
order, NaN where there is nothing to measure. It must not read a label, nor anything of the log that is not before
`sheet.until_ms`; the kept model remembers the names and refuses a sheet without them.

What was written in events, items and sessions, as it stands beside the rows of a sheet.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.arrays import Int
from graphdet.errors import UsageError
from graphdet.features.behaviour import FEATURE_NAMES, user_behaviour
from graphdet.features.events import KEY, event_attributes, event_features
from graphdet.features.groups import (
    ITEM_FEATURES,
    SESSION_FEATURES,
    amounts,
    group_item_features,
    session_features,
)
from graphdet.graph.encode import edges_frame, encode
from graphdet.ports import GraphStore
from graphdet.progress import Silent
from graphdet.tables import Frame, GraphArrays

MOST_OF_ONE = 200  # characters of one text in the document of an item or session …
MOST_OF_ALL = 2_000  # … and of all of them: what n-grams are made of


@dataclass(frozen=True)
class SheetTexts:
    """Texts of a sheet.

    Shapes: texts[m] of events, None for an event without one; user int64[m], numbers of their users; row int64[m], of
    the sheet; documents[n_rows], what the words of a row are: an event's text, or of an item or session its different
    texts, the most repeated first, each to MOST_OF_ONE characters.
    """

    texts: list[str | None] = field(repr=False)
    user: Int
    row: Int
    documents: list[str | None] = field(repr=False)


def read_texts(store: GraphStore, kind: str, ids: pa.Array, until_ms: int | None = None) -> SheetTexts | None:
    """Texts of the rows of a sheet, whose ids are these; None where the log maps none, or the store keeps no events.

    With `until_ms`, items and sessions have what was written in sessions that had ended before.
    """
    try:
        events = store.events()
    except UsageError:
        return None
    found = events.select(nw.col("text").count().alias("n")).collect("pyarrow").to_native()
    if not found["n"][0].as_py():
        return None
    if kind == "event":
        table = events.select("text", "user_id", *KEY).sort(*KEY).collect("pyarrow").to_native()
        texts = table["text"].cast(pa.string()).to_pylist()
        return SheetTexts(texts, _numbers(table["user_id"]), np.arange(len(texts)), texts)
    events = ended_before(store, events, until_ms).filter(~nw.col("text").is_null())
    table = events.select("text", "user_id", f"{kind}_id", *KEY).sort(*KEY).collect("pyarrow").to_native()
    place = pc.index_in(table[f"{kind}_id"].combine_chunks().cast(ids.type), value_set=ids)
    row = pc.fill_null(place, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    has = np.flatnonzero(row >= 0)
    if not len(has):
        return None
    texts = table["text"].cast(pa.string()).take(pa.array(has)).to_pylist()
    return SheetTexts(texts, _numbers(table["user_id"])[has], row[has], _documents(texts, row[has], len(ids)))


def ended_before(store: GraphStore, events: Frame, until_ms: int | None) -> Frame:
    """Events, or interactions, of the sessions that ended before a moment (None: all)."""
    if until_ms is None:
        return events
    ended = store.sessions().filter(nw.col("ended_ms") < until_ms).select("session_id")
    return events.filter(nw.col("at_ms") < until_ms).join(ended, on="session_id", how="semi")


def _documents(texts: list[str | None], row: Int, n: int) -> list[str | None]:
    counts: list[Counter[str]] = [Counter() for _ in range(n)]
    for text, at in zip(texts, row.tolist(), strict=True):
        if text is not None:
            counts[at][text[:MOST_OF_ONE]] += 1
    # Ties by the text itself, so that the order of the log does not matter.
    by_use = (sorted(count, key=lambda text: (-count[text], text)) for count in counts)
    return ["\n".join(found)[:MOST_OF_ALL] if found else None for found in by_use]


def _numbers(column: pa.ChunkedArray) -> Int:
    coded = column.combine_chunks().cast(pa.string()).dictionary_encode()
    return np.asarray(coded.indices.to_numpy(zero_copy_only=False), np.int64)


LARGEST_AMOUNT_FEATURES = ("amount_mean", "amount_max")
TO_MEAN = "user_amount_to_mean"
LARGE_OF_OWN_MEAN = 2.0  # times what the user paid on average so far


@dataclass(frozen=True)
class Sheet:
    """What is scored and by what.

    Shapes: ids[n]; x float32[n, d], NaN for nothing; names[d]; group int64[n], rows of one user are one group;
    at_ms int64[n], when the event, or the item's or session's first act, was; keys int64[n] by name, for events: who
    and what an event shares with others (see features.label_history), else empty.
    """

    ids: pa.Array
    x: NDArray[np.float32] = field(repr=False)
    names: tuple[str, ...]
    group: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    keys: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    texts: SheetTexts | None = field(default=None, repr=False)
    kind: str = "event"
    until_ms: int | None = None

    def plain(self) -> NDArray[np.bool_]:
        """Rows whose amount is ordinary for their user, or that have none to compare: bool[n]."""
        if TO_MEAN not in self.names:
            return np.ones(len(self.ids), bool)
        return ~(self.x[:, self.names.index(TO_MEAN)] >= LARGE_OF_OWN_MEAN)


class FeatureBlock(Protocol):
    """More features of a sheet's rows."""

    def matrix(self, store: GraphStore, sheet: Sheet) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Names[k] and float32[n, k], one row per id of the sheet, in its order; NaN for nothing."""


def with_blocks(store: GraphStore, sheet: Sheet, blocks: Sequence[FeatureBlock]) -> Sheet:
    """Join blocks to a sheet.

    Raises:
        ValueError: a block has another number of rows, or a name that is there already.
    """
    for block in blocks:
        names, more = block.matrix(store, sheet)
        if more.shape != (len(sheet.ids), len(names)):
            raise ValueError(
                f"a block of {len(names)} features for {len(sheet.ids)} rows has shape {more.shape}"
            )
        if set(names) & set(sheet.names):
            raise ValueError(f"features of the same name: {sorted(set(names) & set(sheet.names))}")
        joined = np.column_stack([sheet.x, more]).astype(np.float32, copy=False)
        sheet = replace(sheet, x=joined, names=(*sheet.names, *names))
    return sheet


def event_sheet(store: GraphStore) -> Sheet:
    """Every event of a store, sorted by its id.

    Raises:
        UsageError: the log has no times, or the store keeps no events.
    """
    events = store.events()
    if not events.select(nw.col("at_ms").max()).collect("pyarrow").to_native()["at_ms"][0].as_py():
        raise UsageError(
            f"{store.url}: its log has no times, and an event is judged by its past alone; label users, items or "
            "sessions instead"
        )
    found = event_features(events, store.entities(), event_attributes(events))
    texts = read_texts(store, "event", found.event_id)
    return Sheet(found.event_id, found.x, found.names, found.keys["user"], found.at_ms, found.keys, texts)


def kept_sheet(store: GraphStore, kind: str, until_ms: int | None = None) -> Sheet:
    """The sheet of a model that is kept: of the log alone, without users' scores.

    Users' scores come from models of their own log, and would have to be carried along. Items and sessions are judged
    in hindsight; with `until_ms` by the sessions that had ended before that moment.
    """
    if kind == "event":
        return event_sheet(store)
    graph = encode(interactions_before(store, until_ms))
    return group_sheet(store, graph, None, kind, until_ms)


def group_sheet(
    store: GraphStore, graph: GraphArrays, users: pa.Table | None, kind: str, until_ms: int | None = None
) -> Sheet:
    """Items or sessions; an item is a group of its own, sessions belong to their user's.

    `users` are the users' scores (schema.SCORE_COLUMNS), features too where they are given.
    """
    own = user_behaviour(graph, store.bench, Silent())
    logit = _user_logits(graph, users) if users is not None else None
    edges = edges_frame(graph, store.bench)
    if kind == "session":
        ids, ix = graph.session_ids, graph.session_ix
        x, names, group = _sessions(graph, edges, own, logit)
    else:
        ids, ix = graph.item_ids, graph.item_ix
        x, names, group = _items(store, graph, edges, own, logit)
    money = amounts(interactions_before(store, until_ms), f"{kind}_id").collect("pyarrow").to_native()
    place = pc.index_in(ids, value_set=money[f"{kind}_id"].combine_chunks().cast(ids.type))
    values = np.vstack(
        [
            numbers(money, LARGEST_AMOUNT_FEATURES),
            np.full((1, len(LARGEST_AMOUNT_FEATURES)), np.nan, np.float32),
        ]
    )
    x = np.column_stack([x, values[pc.fill_null(place, -1).to_numpy(zero_copy_only=False)]])
    at_ms = np.full(len(ids), np.iinfo(np.int64).max)
    np.minimum.at(at_ms, ix, graph.at_ms)
    texts, names = read_texts(store, kind, ids, until_ms), (*names, *LARGEST_AMOUNT_FEATURES)
    return Sheet(
        ids,
        x.round(6).astype(np.float32),
        names,
        group,
        at_ms,
        texts=texts,
        kind=kind,
        until_ms=until_ms,
    )


def interactions_before(store: GraphStore, until_ms: int | None) -> Frame:
    """Interactions of the sessions that ended before a moment: one that goes on counts what came after."""
    return ended_before(store, store.interactions(until_ms=until_ms), until_ms)


FeatureRows = tuple[NDArray[np.float64], tuple[str, ...], NDArray[np.int64]]


def _sessions(
    graph: GraphArrays, edges: Frame, own: NDArray[np.float64], logit: NDArray[np.float64] | None
) -> FeatureRows:
    names: tuple[str, ...] = SESSION_FEATURES
    user_of = np.zeros(graph.n_sessions, np.int64)
    user_of[graph.session_ix] = graph.user_ix
    x = _by_row(session_features(edges), "session_ix", names, graph.n_sessions)
    x = np.column_stack([x, own[user_of]])
    names = (*names, *(f"user_{name}" for name in FEATURE_NAMES))
    if logit is not None:
        x, names = np.column_stack([x, logit[user_of]]), (*names, "user_score_logit")
    return x, names, user_of


def _items(
    store: GraphStore,
    graph: GraphArrays,
    edges: Frame,
    own: NDArray[np.float64],
    logit: NDArray[np.float64] | None,
) -> FeatureRows:
    n = graph.n_items
    table = pa.table(
        {"user_ix": np.arange(graph.n_users, dtype=np.int32)} | dict(zip(FEATURE_NAMES, own.T, strict=True))
    )
    frame = store.bench.from_arrow(table)
    names: tuple[str, ...] = ITEM_FEATURES
    x = _by_row(group_item_features(edges, frame), "item_ix", names, n)
    if logit is not None:
        pairs = np.unique(np.column_stack([graph.item_ix, graph.user_ix]), axis=0)
        size = np.bincount(pairs[:, 0], minlength=n)
        highest = np.full(n, -np.inf)
        np.maximum.at(highest, pairs[:, 0], logit[pairs[:, 1]])
        mean = np.bincount(pairs[:, 0], weights=logit[pairs[:, 1]], minlength=n) / size
        x = np.column_stack([x, mean, highest])
        names = (*names, "users_score_logit", "users_score_logit_max")
    return x, names, np.arange(n, dtype=np.int64)


def _user_logits(graph: GraphArrays, users: pa.Table) -> NDArray[np.float64]:
    place = pc.index_in(graph.user_ids, value_set=users["user_id"].combine_chunks().cast(graph.user_ids.type))
    score = np.clip(users["score"].to_numpy()[place.to_numpy(zero_copy_only=False)], 1e-9, 1 - 1e-9)
    return np.asarray(np.log(score / (1 - score)))


def _by_row(frame: Frame, key: str, names: Sequence[str], n: int) -> NDArray[np.float64]:
    table = frame.select(key, *names).collect("pyarrow").to_native()
    out = np.zeros((n, len(names)))
    out[table[key].to_numpy()] = numbers(table, names)
    return out


def numbers(table: pa.Table, names: Sequence[str]) -> NDArray[np.float32]:
    """Columns as float32[n, d]; null is NaN, and what float32 cannot hold is its largest."""
    out = np.empty((table.num_rows, len(names)), np.float32)
    for column, name in enumerate(names):
        values = table[name].cast(pa.float64()).to_numpy()
        out[:, column] = np.clip(values, -3e38, 3e38)
    return out


def without_constant_features(sheet: Sheet) -> Sheet:
    """Leave out features that are the same everywhere: they say nothing, and cost a look each."""
    low, high = np.fmin.reduce(sheet.x, axis=0), np.fmax.reduce(sheet.x, axis=0)
    absent = np.isnan(sheet.x)
    kept = (low < high) | (absent.any(axis=0) & ~absent.all(axis=0))
    kept[0] |= not kept.any()
    names = tuple(name for name, keep in zip(sheet.names, kept.tolist(), strict=True) if keep)
    return replace(sheet, x=sheet.x[:, kept], names=names)
