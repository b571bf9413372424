"""The reasons of single members: what each did with the others, against expectation; the ring without it."""

from dataclasses import replace

import numpy as np

from graphdet.arrays import Float, Int
from graphdet.rings.finding import Reason, four_digits
from graphdet.rings.membership import margins_without
from graphdet.rings.organic import surprise
from graphdet.rings.why.measures import Number, sharing
from graphdet.rings.why.measures_time import chance_in_step, nearest_member_s
from graphdet.rings.why.reasons import member_words
from graphdet.rings.why.ring_view import RingView

LEAST_MEMBER_NATS = 1.0  # nats, below which a reason of a member is left out
MOST_WITHOUT = 300  # members of a ring, beyond which the margin without each is not computed
MOST_SHARERS_NAMED = 5  # members that an entity is shared with


def member_nats(ring: RingView) -> Float:
    """Nats by which each member's acts on the targets beat chance, float64[m]."""
    n = np.bincount(ring.user, minlength=len(ring.members)).astype(np.float64)
    return surprise(n, ring.expected)


def member_reasons(
    ring: RingView, margin_nats: float, window_s: float | None, usual_focus: float
) -> list[tuple[Reason, ...]]:
    """The reasons of each member, in the order of ring.members: strongest first, last how sure its membership is.

    margin_nats: the ring's margin among touched items. window_s: the window of the ring's lockstep, None where lockstep
    is none of its reasons. usual_focus: the share of one's acts on targets that is usual.

    An entity's `with` lists user ids; it is the only place of a reason that names users.
    """
    out: list[list[Reason]] = [[] for _ in ring.members]
    _add_shared_targets(out, ring)
    if window_s is not None:
        _add_lockstep(out, ring, window_s)
    _add_shared_entities(out, ring)
    _add_focus(out, ring, usual_focus)
    if len(ring.members) <= MOST_WITHOUT:
        _add_membership(out, ring, margin_nats)
    return [tuple(sorted(reasons, key=_rank)) for reasons in out]


def _rank(reason: Reason) -> tuple[bool, float, str]:
    return reason.code == "membership", -reason.nats, reason.code


def _member_reason(code: str, strength: float, numbers: dict[str, Number]) -> Reason:
    shown = {name: four_digits(value) for name, value in numbers.items()}
    return Reason(code, member_words(code, shown), float(strength), numbers).rounded()


def _acts_of_members(ring: RingView) -> Int:
    """How many acts on the targets each member has, int64[m]."""
    return np.bincount(ring.user, minlength=len(ring.members))


def _add_shared_targets(out: list[list[Reason]], ring: RingView) -> None:
    n, nats = _acts_of_members(ring), member_nats(ring)
    for place, reasons in enumerate(out):
        numbers: dict[str, Number] = {
            "observed": int(n[place]),
            "expected": ring.expected[place],
            "n_targets": len(ring.targets),
        }
        reasons.append(_member_reason("shared_targets", nats[place], numbers))


def _add_lockstep(out: list[list[Reason]], ring: RingView, window_s: float) -> None:
    m, n = len(ring.members), _acts_of_members(ring)
    together = np.bincount(ring.user, nearest_member_s(ring) <= window_s, minlength=m)
    chance = np.bincount(ring.user, chance_in_step(ring, window_s), minlength=m).astype(np.float64)
    for place, strength in enumerate(surprise(together.astype(np.float64), chance)):
        if strength >= LEAST_MEMBER_NATS:
            numbers: dict[str, Number] = {
                "observed": int(together[place]),
                "expected": chance[place],
                "n_acts": int(n[place]),
                "window_s": window_s,
            }
            out[place].append(_member_reason("lockstep", strength, numbers))


def _add_focus(out: list[list[Reason]], ring: RingView, usual_focus: float) -> None:
    n, degree = _acts_of_members(ring), ring.log.model.degree[ring.members]
    for place, strength in enumerate(surprise(n.astype(float), usual_focus * degree)):
        if strength >= LEAST_MEMBER_NATS:
            numbers: dict[str, Number] = {
                "observed": int(n[place]),
                "expected": usual_focus * degree[place],
                "n_acts": int(degree[place]),
            }
            out[place].append(_member_reason("focus", strength, numbers))


def _add_membership(out: list[list[Reason]], ring: RingView, margin_nats: float) -> None:
    rows = np.zeros(len(ring.members), np.int64)
    for reasons, left in zip(
        out, margins_without(ring.blocks, ring.log.model, rows, ring.members), strict=True
    ):
        drop = max(margin_nats - float(left), 0.0)
        numbers: dict[str, Number] = {"margin_nats": margin_nats, "margin_without_nats": float(left)}
        reasons.append(_member_reason("membership", drop, numbers))


def _add_shared_entities(out: list[list[Reason]], ring: RingView) -> None:
    """Add, per member, the entity that it shares with most others."""
    graph = ring.log.graph
    _, groups = sharing(ring)
    degree = ring.log.entity_degree
    best: dict[int, int] = {}
    for entity, places in sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        for place in places:
            best.setdefault(place, entity)
    for place, entity in sorted(best.items()):
        others = [other for other in groups[entity] if other != place]
        usual = (
            (len(ring.members) - 1)
            * max(float(degree[entity]) - 1 - len(others), 0.0)
            / max(graph.n_users - 1, 1)
        )
        usual += (len(ring.members) - 1) / max(graph.n_users - 1, 1)
        strength = float(surprise(np.array(float(len(others))), np.array(usual)))
        kind = graph.entity_kinds[entity].as_py()
        numbers: dict[str, Number] = {"observed": len(others), "expected": usual, "kind": kind}
        named = [graph.user_ids[int(ring.members[other])].as_py() for other in others[:MOST_SHARERS_NAMED]]
        more = {"with": named, "entity_id": graph.entity_ids[entity].as_py()}
        out[place].append(replace(_member_reason("shared_entities", strength, numbers), more=more))
