"""The network's explanations: complete, faithful to its own logit, handed on to items without a remainder."""

import numpy as np
import pytest

from graphdet.features.behaviour import behaviour
from graphdet.features.pairs import find_pairs
from graphdet.features.titles import gnn_inputs
from graphdet.gnn.explain import Attribution, GnnExplainer
from graphdet.gnn.heterodata import graph_in_pyg
from graphdet.gnn.network import TrainedGnn
from graphdet.gnn.pyg import HeteroData
from graphdet.gnn.settings import GnnSettings
from graphdet.gnn.training import train_gnn
from graphdet.gnn.words import MOST_MEMBERS, ring_block
from graphdet.progress import Silent
from graphdet.simulation.assemble import Planted
from graphdet.simulation.campaigns import kind
from graphdet.simulation.organic import organic
from graphdet.simulation.plant import plant
from graphdet.verbs.explain import told
from graphdet.workbench import Workbench

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world() -> tuple[Planted, TrainedGnn, HeteroData, GnnExplainer]:
    """A small log with four bursts in it, and a network that has seen a little of it."""
    planted = plant(organic(1_200, 400, 10, seed=3), [kind("burst")] * 4, 5)
    with Workbench.in_memory() as bench:
        windows = find_pairs(planted.graph, bench, Silent())
        users, items = behaviour(planted.graph, bench, Silent())
    data = graph_in_pyg(planted.graph, users, items, windows, Silent())
    y = (planted.campaign_of_user >= 0).astype(np.int8)
    model = train_gnn(
        data, y, planted.campaign_of_user, GnnSettings(n_steps=60, batch_size=256), device="cpu"
    )
    return planted, model, data, GnnExplainer(model, data)


def members(planted: Planted, campaign: int = 0) -> np.ndarray:
    return np.flatnonzero(planted.campaign_of_user == campaign)


def test_the_subgraph_gives_the_logit_of_the_whole_graph(world) -> None:
    planted, model, data, explainer = world
    logits = model.predict(data, "cpu")
    for user in [*members(planted)[:3], *np.flatnonzero(planted.campaign_of_user < 0)[:3]]:
        assert explainer.logit([user]) == pytest.approx(logits[user], abs=1e-3)
    assert explainer.logit(members(planted)) == pytest.approx(logits[members(planted)].mean(), abs=1e-3)


def test_effects_sum_up_to_what_is_explained(world) -> None:
    planted, _, _, explainer = world
    for users in (
        members(planted)[:1],
        members(planted),
        [int(np.flatnonzero(planted.campaign_of_user < 0)[0])],
    ):
        made = explainer.explain(users)
        assert abs(made.gap) < 0.02 * abs(made.logit - made.baseline) + 0.005


def test_items_take_over_all_that_inputs_say_of_them(world) -> None:
    planted, _, _, explainer = world
    for user in members(planted)[:2]:
        made = explainer.explain([user])
        u, s, i, _ = explainer.widths
        rows, effect = explainer.by_item(made)
        mine = planted.graph.item_ix[planted.graph.user_ix == user]
        assert rows.tolist() == np.unique(mine).tolist()
        assert effect.sum() == pytest.approx(made.own[u + s : 2 * u + s + i].sum(), abs=1e-4)


def test_what_is_said_to_matter_matters_more_than_other_things(world) -> None:
    planted, _, _, explainer = world
    rng, more = np.random.default_rng(0), []
    for user in members(planted)[:5]:
        made = explainer.explain([user])
        top = np.argsort(-made.own)[:5]
        fall = made.logit - explainer.logit([user], columns=top)
        others = [
            made.logit - explainer.logit([user], columns=rng.choice(len(made.own), 5, replace=False))
            for _ in range(5)
        ]
        more.append(fall > np.mean(others))
    assert np.mean(more) >= 0.75


def test_taking_all_away_leaves_the_baseline_plus_what_partners_are_like(world) -> None:
    planted, _, _, explainer = world
    user = members(planted)[:1]
    made = explainer.explain(user)
    left = explainer.logit(user, columns=np.arange(len(made.own)), pairs=made.pairs)
    assert left == pytest.approx(made.baseline, abs=1e-6)


def test_the_document_names_members_and_adds_up(world) -> None:
    planted, _, _, explainer = world
    document = told(explainer, explainer.explain(members(planted)[:1]), planted.graph)
    total = sum(document["sums"].values())
    assert total == pytest.approx(document["logit"] - document["baseline"], abs=0.01)
    assert (
        document["users"][0] in {name for tie in document["ties"] for name in tie["between"]}
        or not document["ties"]
    )
    assert all(tie["n_items"] >= 1 for tie in document["ties"])
    assert [abs(f["effect"]) for f in document["features"]] == sorted(
        (abs(f["effect"]) for f in document["features"]), reverse=True
    )


def test_a_ring_hears_mostly_itself_and_names_nobody(world) -> None:
    planted, _, _, explainer = world
    block = ring_block(explainer, members(planted).tolist())
    assert block["n_members"] == min(len(members(planted)), MOST_MEMBERS)
    assert 1 <= len(block["features"]) <= 5
    assert not {"users", "ties", "items"} & set(block)
    again = ring_block(explainer, members(planted).tolist())
    assert again == block


def test_features_beyond_the_known_are_numbered() -> None:
    names = gnn_inputs(23, 4, 12, 2 * 23 + 4 + 12)
    assert names[22] == ("own", "feature_22", "feature 22")
    assert names[23][0] == "sessions"
    assert len(names) == 62


def test_an_explanation_is_of_somebody_whom_nobody_moves_with_too(world) -> None:
    _, _, data, explainer = world
    alone = np.flatnonzero(data["user"].n_partners.numpy() == 0)
    made: Attribution = explainer.explain(alone[:1])
    assert not len(made.pairs) and not len(made.partners)  # noqa: PT018
    assert abs(made.gap) < 0.01
