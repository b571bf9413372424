"""Campaigns planted into logs of days and into logs without times."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from graphdet.errors import NotEnoughData
from graphdet.simulation import innocent, innocent_plan, organic, plant, training_plan
from graphdet.simulation.recode import edge_order, merge_repeats
from graphdet.tables import GraphArrays
from graphdet.units import DAY_MS
from tests.helpers.small_graphs import graph_of

pytestmark = pytest.mark.slow


@cache
def without_times() -> GraphArrays:
    """An organic log whose every user has one session at the moment 0."""
    log = organic(3_000, 800, 14, seed=3, kind="news")
    keep, n = merge_repeats(log.user_ix, log.item_ix, log.action_ix, log.at_ms, log.n)
    user, item, action = (part[keep] for part in (log.user_ix, log.item_ix, log.action_ix))
    present, session = np.unique(user, return_inverse=True)
    at = np.zeros(len(user), np.int64)
    order = edge_order(user, at, item, session, action)
    return replace(
        log, session_ids=log.session_ids.take(present), user_ix=user[order], item_ix=item[order],
        session_ix=session[order].astype(np.int32), action_ix=action[order], at_ms=at, n=n[keep][order],
    )  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_planted_into_a_log_without_times_has_none(seed: int) -> None:
    log = without_times()
    planted = plant(log, training_plan(seed, 8), seed, innocent_plan(seed), leave_out_unfit=True)
    graph = planted.graph
    assert len(planted.campaigns) >= 4
    assert not graph.timed
    pairs = np.unique(np.stack([graph.user_ix, graph.session_ix]), axis=1)
    assert pairs.shape[1] == len(np.unique(graph.user_ix)) == len(np.unique(graph.session_ix))
    acts = np.stack([graph.user_ix, graph.item_ix, graph.action_ix])
    assert np.unique(acts, axis=1).shape == acts.shape
    assert graph.n.sum() >= log.n.sum() + sum(group.n_target_clicks for group in planted.campaigns) / 2


def log_of_days() -> GraphArrays:
    """Twenty users who all act on thirty items, over ten days."""
    draw = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"i{item}", DAY_MS * int(draw.integers(18_000, 18_010)))
        for user in range(20)
        for item in range(30)
    ]
    return graph_of(rows)


def test_a_group_for_which_nobody_is_left_is_left_out() -> None:
    draw = np.random.default_rng(1)
    club = replace(innocent("fan_club", draw), n_targets=4, n_accounts=4, related_targets=False)
    planted = plant(log_of_days(), [], 1, [club] * 6, leave_out_unfit=True)
    assert [group.n_accounts for group in planted.innocents] == [
        4
    ] * 5  # who has everybody has nobody for the sixth
    with pytest.raises(NotEnoughData, match="it needs 3 accounts, the log has 0 to choose from"):
        plant(log_of_days(), [], 1, [club] * 6)


def test_what_is_planted_into_a_log_of_days_is_on_days() -> None:
    log = organic(3_000, 800, 14, seed=3, kind="news")
    at = log.at_ms // DAY_MS * DAY_MS
    order = edge_order(log.user_ix, at, log.item_ix, log.session_ix, log.action_ix)
    parts = {
        name: getattr(log, name)[order] for name in ("user_ix", "item_ix", "session_ix", "action_ix", "n")
    }
    days = replace(log, at_ms=at[order], **parts)
    planted = plant(days, training_plan(1, 8), 1, innocent_plan(1), leave_out_unfit=True)
    assert planted.graph.resolution_ms == DAY_MS
    assert planted.planted_edge.any()
