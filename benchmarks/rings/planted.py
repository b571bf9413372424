"""Logs with planted campaigns of every level and hard innocents, and what is known about them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.rings.margin import margin_nats
from graphdet.rings.organic import distinct_acts
from graphdet.simulation.assemble import Planted
from graphdet.simulation.campaigns import LEVELS, campaign_of_level
from graphdet.simulation.innocents import innocent_plan
from graphdet.simulation.plant import plant
from graphdet.tables import GraphArrays


@dataclass(frozen=True)
class Truth:
    """What was planted. Shapes: campaign_of_user, innocent_of_user int32[n_users], −1 for none; per campaign its
    level and the margin of its block in nats; per innocent group its kind.
    """

    campaign_of_user: NDArray[np.int32]
    innocent_of_user: NDArray[np.int32]
    levels: list[str]
    margins: list[float]
    innocents: list[str]


def planted_log(graph: GraphArrays, per_level: int, seed: int) -> tuple[GraphArrays, Truth]:
    """Plant `per_level` campaigns of each level and one group of each kind of hard innocents."""
    rng = np.random.default_rng((seed, 32_452_843))
    plan = [campaign_of_level(name, rng) for name in LEVELS for _ in range(per_level)]
    planted = plant(graph, plan, seed, innocent_plan(seed), leave_out_unfit=True)
    return planted.graph, truth_of(planted)


def truth_of(planted: Planted) -> Truth:
    """What is known about a planted log."""
    return Truth(
        planted.campaign_of_user,
        planted.innocent_of_user,
        [group.asked.level for group in planted.campaigns],
        margins(planted),
        [group.asked.kind for group in planted.innocents],
    )


def margins(planted: Planted) -> list[float]:
    """Nats by which each planted block beats chance: e ln(e/mu) - (e - mu) - ln C(N, m) - ln C(I, k).

    For a block of m of N accounts on k of I items with e distinct acts, against mu expected from the degrees alone.
    Above zero some method could tell it from chance (two-part description length, Rissanen 1978).
    """
    graph = planted.graph
    acts = distinct_acts(graph)
    user, item = acts.user_ix, acts.item_ix
    degree, audience = np.bincount(user, minlength=graph.n_users), np.bincount(item, minlength=graph.n_items)
    out = []
    for number, targets in enumerate(planted.targets):
        members = planted.campaign_of_user == number
        inside = np.zeros(graph.n_items, bool)
        inside[targets] = True
        e = float((members[user] & inside[item]).sum())
        mu = float(degree[members].sum()) * float(audience[targets].sum()) / len(user)
        size = np.array(members.sum()), np.array(len(targets))
        out.append(float(margin_nats(np.array(e), np.array(mu), *size, graph.n_users, graph.n_items)))
    return out
