"""What the network's explanations say, in words and rounded; a ring's short block is kept with its explanation."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtr

from graphdet.arrays import Float
from graphdet.features.titles import OWN, PARTNERS, WHOSE, WHOSE_OF_MANY, gnn_inputs
from graphdet.gnn.explain import Attribution, GnnExplainer
from graphdet.rings.finding import RingFinding
from graphdet.tables import GraphArrays

MOST_TOLD = 10  # inputs, ties and items that are told
TOLD_OF_RING = 5
HIGH = 0.4  # of a mean of normal scores
MOST_MEMBERS = 50  # of a ring, the surest, who stand for all
MOST_RINGS = 30  # explained where all are scored, the strongest: about a second of CPU each


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


def with_gnn(
    findings: Sequence[RingFinding], explainer: GnnExplainer, graph: GraphArrays
) -> tuple[RingFinding, ...]:
    """Add what the network says of their members together to the strongest flagged rings, at most MOST_RINGS.

    findings: the strongest first. What is added names nobody: effects of inputs, and of ties by whether they are inside
    the ring.
    """
    row = {name: place for place, name in enumerate(graph.user_ids.to_pylist())}
    flagged = [place for place, finding in enumerate(findings) if finding.flagged]
    explained = list(findings)
    for place in flagged[:MOST_RINGS]:
        finding = findings[place]
        block = ring_block(explainer, [row[member.user_id] for member in finding.members])
        explained[place] = replace(finding, explanation=replace(finding.explanation, gnn=block))
    return tuple(explained)


def ring_block(explainer: GnnExplainer, members: Sequence[int]) -> dict[str, Any]:
    """What the network says of a ring's members (rows of users, the surest first) together."""
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
