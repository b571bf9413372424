"""Campaigns planted into logs of days and into logs without times."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from graphdet.simulation import innocent_plan, organic, plant, training_plan
from graphdet.simulation.recode import edge_order, merge_repeats
from graphdet.tables import GraphArrays

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
