"""The reasons of single members: what each did with the others, against expectation; the ring without it."""

from typing import Any

import numpy as np

from graphdet.arrays import Float
from graphdet.rings.blocks import Blocks, membership
from graphdet.rings.margin import naming_margins
from graphdet.rings.organic import Organic, surprise
from graphdet.rings.why.measures import Number, sharing
from graphdet.rings.why.measures_time import chance_in_step, nearest_member_s
from graphdet.rings.why.reasons import member_words
from graphdet.rings.why.ring_view import RingView

LEAST_MEMBER_NATS = 1.0  # nats, for a reason of a member to be told
MOST_WITHOUT = 300  # members of a ring, beyond which the margin without each is not computed
MOST_SHARERS_NAMED = 5  # members that an entity is shared with


def rounded(value: Number) -> Number:
    """A number that reads and repeats alike."""
    if isinstance(value, str):
        return value
    short = float(f"{float(value):.4g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short


def as_reason(code: str, strength: float, numbers: dict[str, Number], text: str) -> dict[str, Any]:
    """A reason as plain data."""
    return {
        "code": code,
        "strength": float(f"{strength:.4g}"),
        "text": text,
        "numbers": {name: rounded(value) for name, value in numbers.items()},
    }


def member_nats(ring: RingView) -> Float:
    """Nats by which each member's acts on the targets beat chance, float64[m]."""
    n = np.bincount(ring.user, minlength=len(ring.members)).astype(np.float64)
    return surprise(n, ring.expected)


def margins_without(blocks: Blocks, model: Organic) -> Float:
    """The margin among touched items of one block (a single row) without each member in turn: float64[m]."""
    members, targets = blocks.members(0).astype(np.int64), blocks.targets(0).astype(np.int64)
    fewer = Blocks(
        membership([np.delete(members, place) for place in range(len(members))], model.n_users),
        membership([targets] * len(members), model.n_items),
    )
    return naming_margins(fewer, model).among_touched


def member_reasons(
    ring: RingView, margin_nats: float, window_s: float | None, usual_focus: float
) -> list[list[dict[str, Any]]]:
    """The reasons of each member as plain data, in the order of ring.members: strongest first, last how sure it is.

    window_s: that of the ring's lockstep (None: none was told); usual_focus: the share of one's acts on targets that is
    usual. An entity's `with` lists user ids; it is the only place of a reason that names users.
    """
    m = len(ring.members)
    n = np.bincount(ring.user, minlength=m)
    nats = member_nats(ring)
    out: list[list[dict[str, Any]]] = [[] for _ in range(m)]

    def add(place: int, code: str, strength: float, numbers: dict[str, Number]) -> dict[str, Any]:
        shown = {name: rounded(value) for name, value in numbers.items()}
        reason = as_reason(code, strength, numbers, member_words(code, shown))
        out[place].append(reason)
        return reason

    for place in range(m):
        add(
            place,
            "shared_targets",
            nats[place],
            {"observed": int(n[place]), "expected": ring.expected[place], "n_targets": len(ring.targets)},
        )
    if window_s is not None:
        together = np.bincount(ring.user, nearest_member_s(ring) <= window_s, minlength=m)
        chance = np.bincount(ring.user, chance_in_step(ring, window_s), minlength=m).astype(np.float64)
        for place, strength in enumerate(surprise(together.astype(np.float64), chance)):
            if strength >= LEAST_MEMBER_NATS:
                add(
                    place,
                    "lockstep",
                    strength,
                    {
                        "observed": int(together[place]),
                        "expected": chance[place],
                        "n_acts": int(n[place]),
                        "window_s": window_s,
                    },
                )
    _add_shared(ring, add)
    degree = ring.log.model.degree[ring.members]
    for place, strength in enumerate(surprise(n.astype(float), usual_focus * degree)):
        if strength >= LEAST_MEMBER_NATS:
            add(
                place,
                "focus",
                strength,
                {
                    "observed": int(n[place]),
                    "expected": usual_focus * degree[place],
                    "n_acts": int(degree[place]),
                },
            )
    if m <= MOST_WITHOUT:
        for place, left in enumerate(margins_without(ring.blocks, ring.log.model)):
            drop = max(margin_nats - float(left), 0.0)
            add(place, "membership", drop, {"margin_nats": margin_nats, "margin_without_nats": float(left)})
    for reasons in out:
        reasons.sort(key=lambda reason: (reason["code"] == "membership", -reason["strength"], reason["code"]))
    return out


def _add_shared(ring: RingView, add: Any) -> None:
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
        reason = add(
            place, "shared_entities", strength, {"observed": len(others), "expected": usual, "kind": kind}
        )
        reason["with"] = [
            graph.user_ids[int(ring.members[other])].as_py() for other in others[:MOST_SHARERS_NAMED]
        ]
        reason["entity_id"] = graph.entity_ids[entity].as_py()
