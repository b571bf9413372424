"""A log that is too large to be looked at at once, cut into shards in time that overlap.

A shard is a log of its own: its users and items are numbered densely, pairs, candidates and evidence are found in it
alone, so memory is bounded by the shard and time grows as the log does. What is found in all shards is judged together,
as the groups of one log are, and of groups that share members the strongest is kept. So a ring whose acts lie within
the overlap of two shards is found whole, whatever it is that the cut falls on; one that goes on for longer than that is
found in that part of its time in which it is strongest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from graphdet.arrays import Float, Int
from graphdet.rings.blocks import Blocks
from graphdet.rings.find import N_JUDGE_FOLDS, Candidates, Judged, block_folds, id_keys
from graphdet.tables import numbered
from graphdet.units import HOUR_MS

MOST_WHOLE = 5_000_000  # acts of a log that is looked at whole; finding its rings takes some 3.5 GiB
# Acts of a shard. Larger ones take more memory, and more time for each act: what touches a target is looked at over
# the whole shard. Smaller ones have an overlap in which fewer rings are whole.
SHARD_ACTS = 2_500_000
OVERLAP_SHARE = 0.2  # of a shard, that it has in common with the one before


@dataclass(frozen=True)
class Shard:
    """The acts of a log with since_ms <= at_ms < until_ms, and how many there are."""

    since_ms: int
    until_ms: int
    n_acts: int


def cut(hour: Int, n_acts: Int, most_whole: int = MOST_WHOLE, shard_acts: int = SHARD_ACTS) -> list[Shard]:
    """Cut a log into shards of about as many acts each; one of at most `most_whole` acts, or of one hour, is not cut.

    Shapes: hour int64[n], hours since 1970 in which there are acts, ascending; n_acts int64[n], of them.

    >>> [(s.since_ms // HOUR_MS, s.until_ms // HOUR_MS, s.n_acts) for s in cut(np.arange(10), np.full(10, 10), 50, 50)]
    [(0, 4, 40), (3, 7, 40), (6, 10, 40)]
    """
    total = np.cumsum(n_acts)
    n = int(total[-1]) if len(total) else 0
    if n <= most_whole:
        return [_shard(hour, n_acts, 0, len(hour))]
    new = 1 - OVERLAP_SHARE  # of a shard, what the one before has not
    n_shards = int(np.ceil((n / shard_acts - OVERLAP_SHARE) / new))
    size = n / (n_shards * new + OVERLAP_SHARE)
    shards: list[Shard] = []
    until = 0
    for k in range(n_shards):
        since = int(np.searchsorted(total, k * new * size, side="right"))
        since = min(since, until)  # none is left out between
        end = min(int(np.searchsorted(total, (k * new + 1) * size, side="left")) + 1, len(hour))
        end = len(hour) if k == n_shards - 1 else end
        if end > until:  # an hour of more acts than a shard has is one shard
            shards.append(_shard(hour, n_acts, since, end))
            until = end
    return shards


def _shard(hour: Int, n_acts: Int, start: int, end: int) -> Shard:
    if end == start:
        return Shard(0, 0, 0)
    since, until = int(hour[start]) * HOUR_MS, (int(hour[end - 1]) + 1) * HOUR_MS
    return Shard(since, until, int(n_acts[start:end].sum()))


@dataclass(frozen=True)
class ShardGroups:
    """The candidates of one shard without the shard's log.

    Shapes: blocks by the shard's own rows; evidence name → float64[n]; inputs float64[n, n_inputs]. users, items int64,
    the rows that are in any block, ascending; user_ids, item_ids Arrow strings, their ids.
    """

    shard: Shard
    blocks: Blocks
    evidence: dict[str, Float]
    inputs: Float
    users: Int
    items: Int
    user_ids: pa.StringArray
    item_ids: pa.StringArray

    @classmethod
    def of(cls, shard: Shard, candidates: Candidates) -> "ShardGroups":
        """Keep of candidates what does not grow with the shard."""
        blocks, graph = candidates.blocks, candidates.graph
        users, items = (np.unique(one.indices).astype(np.int64) for one in (blocks.users, blocks.items))
        return cls(
            shard,
            blocks,
            candidates.evidence,
            candidates.inputs,
            users,
            items,
            graph.user_ids.take(pa.array(users)),
            graph.item_ids.take(pa.array(items)),
        )


@dataclass(frozen=True)
class JoinedGroups:
    """The candidates of all shards, to be judged together (see find.judge_rings).

    Shapes: blocks by rows of the users and items that are in any; evidence name → float64[n]; inputs float64[n,
    n_inputs]; fold, part, row int64[n]: which shard each is of, and its row there; user_ids Arrow strings, whose users
    the columns of blocks.users are.
    """

    blocks: Blocks
    evidence: dict[str, Float]
    inputs: Float
    fold: Int
    part: Int
    row: Int
    user_ids: pa.StringArray

    @classmethod
    def of(cls, parts: Sequence[ShardGroups]) -> "JoinedGroups":
        """Put the candidates of shards together; at least one shard."""
        users, user_ids = _stacked([(one.blocks.users, one.users, one.user_ids) for one in parts])
        items, item_ids = _stacked([(one.blocks.items, one.items, one.item_ids) for one in parts])
        blocks = Blocks(users, items)
        size = [len(one.blocks) for one in parts]
        return cls(
            blocks,
            {name: np.concatenate([one.evidence[name] for one in parts]) for name in parts[0].evidence},
            np.concatenate([one.inputs for one in parts]),
            block_folds(blocks, id_keys(item_ids), N_JUDGE_FOLDS),
            np.repeat(np.arange(len(parts)), size),
            np.concatenate([np.arange(n) for n in size]),
            user_ids,
        )

    def in_shard(self, judged: Judged, part: int, groups: ShardGroups) -> tuple[Judged, Int]:
        """What was judged of one shard, by the rows of its own users and items, and its rows in judged: int64[n]."""
        rows = np.flatnonzero(self.part[judged.candidate] == part)
        mine = judged.take(rows)
        return replace(mine, blocks=groups.blocks.take(self.row[mine.candidate])), rows


def _stacked(parts: Sequence[tuple[sp.csr_matrix, Int, pa.StringArray]]) -> tuple[sp.csr_matrix, pa.Array]:
    """Matrices whose columns are the rows of shards as one, whose columns are the distinct ids; and these.

    Of each part: the matrix, the columns that it uses, ascending, and their ids.
    """
    ids, place = numbered(pa.chunked_array([one[2] for one in parts], pa.string()))
    ends = np.cumsum([0, *(len(one[1]) for one in parts)])
    out = []
    for (matrix, columns, _), start in zip(parts, ends[:-1].tolist(), strict=True):
        column = place[start + np.searchsorted(columns, matrix.indices)]
        moved = sp.csr_matrix((matrix.data, column, matrix.indptr), shape=(matrix.shape[0], len(ids)))
        moved.sort_indices()
        out.append(moved)
    return sp.vstack(out, format="csr"), ids
