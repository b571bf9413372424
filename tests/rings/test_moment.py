"""A day's campaign in years of reviews of few items: seen in its moment, and only if it is one."""

import numpy as np
import pytest

from graphdet.rings.blocks import Blocks, block_acts, membership
from graphdet.rings.margin import Margins, moment_margins, naming_margins, worth_naming
from graphdet.rings.organic import Organic, organic_model
from graphdet.rings.own_time import moments, visitors
from graphdet.rings.refine import refine
from graphdet.tables import GraphArrays
from tests.helpers.small_graphs import graph_of

DAY_MS = 86_400_000
N_RING, N_TARGETS = 14, 6


def _reviews(ring: bool) -> GraphArrays:
    """12,000 reviewers of 40 hotels over 3,000 days, two reviews each; on day 1,500 the ring, or as many strangers."""
    rng = np.random.default_rng(0)
    rows = [
        (f"v{k:05}", f"i{rng.integers(40):02}", int(rng.integers(3_000)) * DAY_MS)
        for k in range(12_000)
        for _ in range(2)
    ]
    for u in range(N_RING):
        # A stranger takes any of the hotels that the ring's accounts share.
        items = range(N_TARGETS) if ring else rng.choice(40, N_TARGETS, replace=False)
        rows += [(f"u{u:02}", f"i{i:02}", 1_500 * DAY_MS + u) for i in items if rng.random() < 0.85]
    return graph_of(rows)


def _named(graph: GraphArrays) -> tuple[Organic, Blocks, list[int]]:
    model = organic_model(graph)
    who = [k for k, name in enumerate(graph.user_ids.to_pylist()) if name.startswith("u")]
    users = membership([np.array(who)], graph.n_users)
    return model, Blocks(users, membership([np.arange(N_TARGETS)], graph.n_items)), who


def test_a_day_among_years_is_a_moment() -> None:
    model, block, _ = _named(_reviews(ring=True))
    at = moments(block, block_acts(block, model), model)
    assert at.row.tolist() == [0]
    assert at.first_ms[0] <= 1_500 * DAY_MS <= at.last_ms[0]
    assert at.n_acts[0] == np.sum((model.acts.at_ms >= at.first_ms[0]) & (model.acts.at_ms <= at.last_ms[0]))


def test_refinement_finds_the_members_that_are_missing() -> None:
    model, _, who = _named(_reviews(ring=True))
    blocks = refine(membership([np.array(who[3:])], model.n_users), model)
    assert [blocks.members(row).tolist() for row in range(len(blocks))] == [who]


@pytest.mark.parametrize("ring", [True, False])
def test_only_a_ring_pays_for_its_naming(ring: bool) -> None:
    model, block, _ = _named(_reviews(ring))
    margins = naming_margins(block, model)
    assert (margins.among_all > 0).tolist() == [ring]
    assert (margins.among_touched > 0).tolist() == [ring]
    assert (margins.among_touched >= margins.among_all).all()
    assert worth_naming(margins).all() or not ring
    at = moments(block, block_acts(block, model), model)
    assert (moment_margins(block, at, model).among_all > 0).all() == ring


@pytest.mark.parametrize("scattered", [False, True])
def test_first_act_on_an_item_is_nobodys_evidence(scattered: bool) -> None:
    """Four accounts who meet by twos on eight things that nobody else visits: there are thousands of such fours.

    At any time and among much else, they do not stand out with the things named among what they touched, either.
    """
    rng = np.random.default_rng(1)
    rows = [(f"v{k:04}", f"i{rng.integers(900):03}", int(rng.integers(10**9))) for k in range(3_000)]
    rows += [
        (f"u{u}", f"t{i}", int(rng.integers(10**9)) if scattered else 5 * 10**8 + 10**6 * u)
        for i in range(8)
        for u in (0, 1 + i % 3)
    ]  # fmt: skip
    if scattered:
        rows += [(f"u{u}", f"i{k:03}", 10**9 - k) for u in range(4) for k in range(200 * u, 200 * u + 10)]
    margins = _margins_of_u_on_t(graph_of(rows))
    assert margins.among_all[0] < 0
    assert not scattered or margins.among_touched[0] < 0
    # Sixteen accounts who visit nearly all of them are another matter.
    more = rows + [
        (f"u{u}", f"t{i}", 5 * 10**8 + 10**6 * u + i) for u in range(16) for i in range(8) if u != i
    ]
    margins = _margins_of_u_on_t(graph_of(more))
    assert margins.among_all[0] > 0
    assert margins.among_touched[0] > 0


def _margins_of_u_on_t(graph: GraphArrays) -> Margins:
    """The margins of the block of all users u… and all items t…."""
    who = [k for k, name in enumerate(graph.user_ids.to_pylist()) if name.startswith("u")]
    what = [k for k, name in enumerate(graph.item_ids.to_pylist()) if name.startswith("t")]
    block = Blocks(membership([np.array(who)], graph.n_users), membership([np.array(what)], graph.n_items))
    return naming_margins(block, organic_model(graph))


def test_members_are_expected_by_what_others_did_there() -> None:
    """By hand: the targets' share of the reviews, for the acts of each member in the moment."""
    model, block, who = _named(_reviews(ring=True))
    at = moments(block, block_acts(block, model), model)
    found = visitors(block, at, model)
    acts = model.acts
    there = (acts.at_ms >= at.first_ms[0]) & (acts.at_ms <= at.last_ms[0])
    others = there & ~np.isin(acts.user_ix, who)
    usual = model.audience[:N_TARGETS].sum() / len(acts.at_ms)
    share = (np.sum(others & (acts.item_ix < N_TARGETS)) + 50 * usual) / (others.sum() + 50)
    mine = np.bincount(acts.user_ix[there], minlength=model.n_users)[found.user[found.inside]]
    assert found.expected[found.inside] == pytest.approx(mine * share)


def test_blocks_without_acts_are_no_trouble() -> None:
    model, _, who = _named(_reviews(ring=True))
    nothing = Blocks(
        membership([np.array(who[:5])], model.n_users), membership([np.array([39])], model.n_items)
    )
    assert (nothing.users @ model.by_user)[0, 39] == 0
    margins = naming_margins(nothing, model)
    assert (margins.among_all < 0).tolist() == [True]
    assert (margins.among_touched < 0).tolist() == [True]
