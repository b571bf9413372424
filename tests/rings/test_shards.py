"""Where a log is cut, and how the groups of its shards are put together."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphdet.rings.blocks import Blocks, membership
from graphdet.rings.shards import (
    OVERLAP_SHARE,
    JoinedGroups,
    Shard,
    ShardGroups,
    cut,
)
from graphdet.units import HOUR_MS


@given(
    st.lists(st.tuples(st.integers(1, 500), st.integers(1, 200)), min_size=1, max_size=80),
    st.integers(20, 2_000),
)
def test_every_act_is_in_a_shard_and_neighbours_overlap(steps: list[tuple[int, int]], size: int) -> None:
    hour = np.cumsum([step for step, _ in steps])
    n_acts = np.array([n for _, n in steps])
    shards = cut(hour, n_acts, size, size)
    assert (shards[0].since_ms, shards[-1].until_ms) == (hour[0] * HOUR_MS, (hour[-1] + 1) * HOUR_MS)
    for shard in shards:
        inside = (hour * HOUR_MS >= shard.since_ms) & (hour * HOUR_MS < shard.until_ms)
        assert shard.n_acts == n_acts[inside].sum()
        assert shard.n_acts <= size + 2 * n_acts.max()
    for one, two in pairwise(shards):
        between = (hour * HOUR_MS >= one.until_ms) & (hour * HOUR_MS < two.since_ms)
        assert not between.any()
        assert one.until_ms < two.until_ms
        assert one.since_ms <= two.since_ms


def test_shards_of_an_even_log_have_as_many_acts_and_share_what_they_should() -> None:
    shards = cut(np.arange(1_000), np.full(1_000, 100), 30_000, 30_000)
    assert len(shards) == 4
    assert max(shard.n_acts for shard in shards) <= 30_000
    shared = [(one.until_ms - two.since_ms) / HOUR_MS * 100 for one, two in pairwise(shards)]
    assert shared == pytest.approx([OVERLAP_SHARE * shards[0].n_acts] * 3, abs=200)


def test_a_small_log_and_one_without_times_are_one_shard() -> None:
    assert cut(np.arange(5), np.full(5, 10)) == [Shard(0, 5 * HOUR_MS, 50)]
    assert cut(np.array([0]), np.array([10**9])) == [Shard(0, HOUR_MS, 10**9)]
    assert cut(np.zeros(0, np.int64), np.zeros(0, np.int64)) == [Shard(0, 0, 0)]


def groups(
    users: list[list[int]], items: list[list[int]], user_ids: list[str], item_ids: list[str]
) -> ShardGroups:
    blocks = Blocks(
        membership([np.array(each) for each in users], 50), membership([np.array(each) for each in items], 60)
    )
    used, named = (np.unique(one.indices).astype(np.int64) for one in (blocks.users, blocks.items))
    n = len(users)
    evidence = {"lift": np.arange(n, dtype=np.float64)}
    shard = Shard(0, HOUR_MS, 1)
    return ShardGroups(
        shard, blocks, evidence, np.zeros((n, 2)), used, named, pa.array(user_ids), pa.array(item_ids)
    )


def test_groups_of_two_shards_meet_by_their_ids() -> None:
    one = groups([[3, 7, 9], [9, 20]], [[1, 2], [2, 40]], ["d", "a", "c", "b"], ["x", "y", "z"])
    two = groups([[0, 1, 2]], [[5, 6]], ["a", "b", "e"], ["y", "w"])
    joined = JoinedGroups.of([one, two])
    ids = joined.user_ids.to_pylist()
    assert ids == ["a", "b", "c", "d", "e"]
    assert [[ids[user] for user in joined.blocks.members(row)] for row in range(3)] == [
        ["a", "c", "d"],
        ["b", "c"],
        ["a", "b", "e"],
    ]
    assert joined.blocks.targets(0).tolist() == [1, 2]  # of w, x, y, z
    assert joined.blocks.targets(2).tolist() == [0, 2]
    assert (joined.part.tolist(), joined.row.tolist()) == ([0, 0, 1], [0, 1, 0])
    assert joined.evidence["lift"].tolist() == [0.0, 1.0, 0.0]
