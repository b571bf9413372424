"""The containers that stages hand to each other; each checks itself when made.

Whole-log tables travel as Narwhals LazyFrames over the workbench (a DuckDB connection), findings as Arrow
tables, and the encoded graph as dense NumPy arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet import schema
from graphdet.units import DAY_MS, HOUR_MS

Frame = nw.LazyFrame[Any]
USUAL_UNITS_MS = (DAY_MS, HOUR_MS, 60_000, 1000)  # in which times are written, the coarsest first


def require_columns(have: Sequence[str], want: Sequence[str], what: str) -> None:
    """Check that a table has the columns of its contract.

    Raises:
        ValueError: a column is missing; names the table and the column. A caller's mistake, never the user's.

    >>> require_columns(["a"], ["a", "b"], "pairs")
    Traceback (most recent call last):
    ValueError: table pairs lacks the column b (it has a)
    """
    missing = [name for name in want if name not in have]
    if missing:
        raise ValueError(f"table {what} lacks the column {', '.join(missing)} (it has {', '.join(have)})")


def usual_unit_ms(at_ms: NDArray[np.int64]) -> int:
    """The coarsest usual unit that all times are whole multiples of, in ms.

    >>> usual_unit_ms(np.array([86_400_000, 0])), usual_unit_ms(np.array([90_000, 1500]))
    (86400000, 1)
    """
    return next((unit for unit in USUAL_UNITS_MS if not np.any(at_ms % unit)), 1)


def numbered(column: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int32]]:
    """Number the distinct ids of a column in byte order.

    Shapes: column[n] of texts, or whole numbers that stand for their decimal text. Gives the ids, Arrow strings
    [n_distinct], and int32[n] into them.

    >>> ids, place = numbered(pa.chunked_array([["b", "a"], ["b"]]))
    >>> ids.to_pylist(), place.tolist()
    (['a', 'b'], [1, 0, 1])
    """
    joined = column.combine_chunks()
    if isinstance(joined, pa.ChunkedArray):  # no chunk, or more text than one array holds
        joined = pa.concat_arrays(joined.chunks) if joined.num_chunks else pa.array([], column.type)
    coded = pc.dictionary_encode(joined)
    ids = coded.dictionary.cast(pa.string())
    order = pc.sort_indices(ids).to_numpy()
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return ids.take(pa.array(order)), rank[coded.indices.to_numpy()]


@dataclass(frozen=True)
class LogTables:
    """A cleaned log, ready to be written to a store. All frames live on the same workbench.

    Shapes: events as schema.EVENT_COLUMNS plus one column per attribute, and schema.ROW_KEY where the log was read for
    a store; interactions, items, sessions and
    entities as the schema says. Ids are VARCHAR, but `events` may give user_id, item_id and session_id as
    integers where the log has whole numbers: they stand for their decimal text and are far cheaper to write.
    """

    interactions: Frame
    items: Frame
    sessions: Frame
    entities: Frame
    events: Frame


@dataclass(frozen=True, eq=False)  # one graph is another only if it is the same object
class GraphArrays:
    """The user–item–session graph as dense arrays; ids map back by position.

    Edges are sorted by (user_ix, at_ms, item_ix, session_ix, action_ix), so the same log in any order gives
    the same arrays. Shapes: user_ids[n_users], item_ids[n_items], session_ids[n_sessions] Arrow strings in
    byte order; user_ix, item_ix, session_ix int32[n_edges]; action_ix int16[n_edges] into `actions`; at_ms
    int64[n_edges]; n int64[n_edges]; amount float64[n_edges], the sum over the n events, NaN where there is none, and
    empty when the log has no amounts. Shared entities: entity_user_ix, entity_ix int32[n_links], entity_kinds
    and entity_ids per entity_ix.
    """

    user_ids: pa.Array
    item_ids: pa.Array
    session_ids: pa.Array
    actions: tuple[str, ...]
    user_ix: NDArray[np.int32]
    item_ix: NDArray[np.int32]
    session_ix: NDArray[np.int32]
    action_ix: NDArray[np.int16]
    at_ms: NDArray[np.int64]
    n: NDArray[np.int64]
    entity_ids: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    entity_kinds: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    entity_user_ix: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    entity_ix: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    amount: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        """Check lengths and ranges.

        Raises:
            ValueError: arrays of unequal length or an index out of range.
        """
        lengths = {
            len(a) for a in (self.user_ix, self.item_ix, self.session_ix, self.action_ix, self.at_ms, self.n)
        }
        if len(lengths) != 1:
            raise ValueError(f"edge arrays differ in length: {sorted(lengths)}")
        if len(self.amount) not in (0, len(self.user_ix)):
            raise ValueError(f"there are {len(self.amount)} amounts for {len(self.user_ix)} edges")
        for name, ix, size in (
            ("user_ix", self.user_ix, len(self.user_ids)),
            ("item_ix", self.item_ix, len(self.item_ids)),
            ("session_ix", self.session_ix, len(self.session_ids)),
            ("action_ix", self.action_ix, len(self.actions)),
            ("entity_user_ix", self.entity_user_ix, len(self.user_ids)),
            ("entity_ix", self.entity_ix, len(self.entity_ids)),
        ):
            if len(ix) and (ix.min() < 0 or ix.max() >= size):
                raise ValueError(f"{name} is out of range 0..{size - 1}")

    @property
    def n_users(self) -> int:
        """How many users."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """How many items."""
        return len(self.item_ids)

    @property
    def n_sessions(self) -> int:
        """How many sessions."""
        return len(self.session_ids)

    @cached_property
    def first_rows(self) -> NDArray[np.int64]:
        """The edge of every user's first act on every item, by user and item: int64[n_acts]."""
        # Edges are in (user, time, item, session) order, so a stable sort by user and item leaves the first in front.
        key = self.user_ix.astype(np.int64) * max(self.n_items, 1) + self.item_ix
        order = np.argsort(key, kind="stable")
        return np.asarray(order[np.diff(key[order], prepend=-1) > 0])

    @property
    def n_edges(self) -> int:
        """How many interactions."""
        return len(self.user_ix)

    @cached_property
    def timed(self) -> bool:
        """Whether the log says when things happened; the events of one that does not are all at the moment 0."""
        return bool(self.at_ms.any())

    @cached_property
    def resolution_ms(self) -> int:
        """The coarsest usual unit that all times are whole multiples of, in ms: DAY_MS in a log of days."""
        return usual_unit_ms(self.at_ms)


@dataclass(frozen=True)
class PairArrays:
    """Co-action pairs of users: a < b, each pair once, sorted by (a, b).

    Shapes, all [n_pairs]: a, b int32 user rows; n_items int32, common items within the window; weight float64
    ≥ 0, rarity-weighted; gap_s float64, mean time between the two acts on a common item, in seconds.
    """

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    n_items: NDArray[np.int32]
    weight: NDArray[np.float64]
    gap_s: NDArray[np.float64]


@dataclass(frozen=True)
class RingTables:
    """Rings as a store keeps them: Arrow tables of schema.RING_COLUMNS and RING_EVIDENCE, of members, and of items.

    rings.finding makes them of RingFinding, and reads them back.
    """

    rings: pa.Table
    members: pa.Table
    items: pa.Table

    def __post_init__(self) -> None:
        """Check the columns.

        Raises:
            ValueError: a column of the contract is missing.
        """
        require_columns(self.rings.column_names, (*schema.RING_COLUMNS, schema.RING_EVIDENCE), "rings")
        require_columns(self.members.column_names, schema.RING_MEMBER_COLUMNS, "ring_members")
        require_columns(self.items.column_names, schema.RING_ITEM_COLUMNS, "ring_items")

    def with_evidence(self, evidence: Sequence[str | None]) -> "RingTables":
        """The same rings with other evidence: JSON, one per ring, None where it is left out."""
        place = self.rings.column_names.index(schema.RING_EVIDENCE)
        rings = self.rings.set_column(place, schema.RING_EVIDENCE, pa.array(evidence, pa.string()))
        return RingTables(rings, self.members, self.items)


def typed_table(columns: dict[str, list[object]], types: tuple[pa.DataType, ...]) -> pa.Table:
    """A table of columns by name, each of its type."""
    arrays = [pa.array(values, kind) for values, kind in zip(columns.values(), types, strict=True)]
    return pa.table(arrays, names=list(columns))
