"""What the network's explanations say, in words and rounded; a ring's short block is kept with its evidence."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtr

from graphdet import schema
from graphdet.arrays import Float
from graphdet.features.titles import OWN, PARTNERS, WHOSE, WHOSE_OF_MANY, gnn_inputs
from graphdet.gnn.explain import Attribution, GnnExplainer
from graphdet.tables import GraphArrays, RingTables

MOST_TOLD = 10  # inputs, ties and items that are told
TOLD_OF_RING = 5
HIGH = 0.4  # of a mean of normal scores
MOST_MEMBERS = 50  # of a ring, the surest, who stand for all
MOST_RINGS = 30  # explained where all are scored, the strongest: about a second of CPU each
GNN = "gnn"  # key of a ring's evidence


def features(
    explainer: GnnExplainer, made: Attribution, inputs: Sequence[tuple[str, str, str]]
) -> list[dict[str, Any]]:
    """The inputs that add or take most, strongest first, with how far from the middle of the log they are."""
    rows = []
    whom = WHOSE if len(made.users) == 1 else WHOSE_OF_MANY
    value = explainer.inputs[made.users].mean(axis=0).astype(np.float64)
    for place in largest_effects(made.own):
        whose, name, title = inputs[place]
        rows.append(
            {
                "whose": whose,
                "name": name,
                "text": f"{whom[whose]}: {title}, {input_in_words(whose, float(value[place]), len(made.users))}",
                "normal_score": three(value[place]),
                "effect": three(made.own[place]),
            }
        )
    return rows


def input_in_words(whose: str, value: float, n_users: int) -> str:
    """Where an input stands in the log.

    >>> input_in_words("own", 1.96, 1), input_in_words("items", -0.7, 1), input_in_words("partners", 0.462, 1)
    ('higher than 98 % of users', 'low', '3')
    """
    if whose == PARTNERS:
        return f"{np.expm1(3 * value):.0f}"  # see gnn.network.with_partner_counts
    if whose == OWN and n_users == 1:
        share = float(ndtr(abs(value)))
        return (
            f"{'higher' if value > 0 else 'lower'} than {100 * share:.0f} % of users"
            if abs(value) > 0.1
            else "as usual"
        )
    return "high" if value > HIGH else "low" if value < -HIGH else "as usual"


def largest_effects(effect: Float, most: int = MOST_TOLD) -> list[int]:
    """The places of the largest effects by size, those of no effect left out."""
    order = np.lexsort((np.arange(len(effect)), -np.abs(effect).round(9)))[:most]
    return [int(place) for place in order if abs(effect[place]) >= 5e-4]


def three(value: float) -> float:
    """Round to three digits after the point: what the quadrature can promise."""
    return round(float(value), 3) + 0.0


def sums(made: Attribution) -> dict[str, float]:
    """What logit − baseline is made of; see verbs.explain.told."""
    mine = made.reaching(made.users)
    found = {
        "inputs": made.own.sum(),
        "ties": made.pair_effect[mine].sum(),
        "ties_among_partners": made.pair_effect[~mine].sum(),
        "partners": made.partner_effect.sum(),
        "gap": made.gap,
    }
    if len(made.users) > 1:
        found["ties_inside"] = made.pair_effect[np.isin(made.pairs, made.users).all(axis=1)].sum()
    return {name: three(value) for name, value in found.items()}


def with_gnn(rings: RingTables, explainer: GnnExplainer, graph: GraphArrays) -> RingTables:
    """Add to the evidence of the strongest flagged rings, at most MOST_RINGS, under GNN what the network says of
    their members together.

    It names nobody: effects of inputs, and of ties by whether they are inside the ring.
    """
    row = {name: place for place, name in enumerate(graph.user_ids.to_pylist())}
    members: dict[str, list[int]] = {}
    for ring_id, user in zip(
        rings.members["ring_id"].to_pylist(), rings.members["user_id"].to_pylist(), strict=True
    ):
        members.setdefault(ring_id, []).append(row[user])  # the surest first
    evidence = rings.rings[schema.RING_EVIDENCE].to_pylist()
    ids, flagged = rings.rings["ring_id"].to_pylist(), rings.rings["flagged"].to_pylist()
    for place in [place for place in range(len(ids)) if flagged[place]][:MOST_RINGS]:  # the strongest first
        block = ring_block(explainer, members[ids[place]])
        evidence[place] = json.dumps({**json.loads(evidence[place]), GNN: block})
    return rings.with_evidence(evidence)


def ring_block(explainer: GnnExplainer, members: Sequence[int]) -> dict[str, Any]:
    """What the network says of a ring's members together."""
    users = np.asarray(members[:MOST_MEMBERS], np.int64)
    made = explainer.explain(users)
    inputs = gnn_inputs(*explainer.widths)
    return {
        "n_members": len(users),
        "logit": three(made.logit),
        "baseline": three(made.baseline),
        "sums": sums(made),
        "features": features(explainer, made, inputs)[:TOLD_OF_RING],
    }
