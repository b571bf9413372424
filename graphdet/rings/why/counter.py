"""What speaks against a ring and can be measured: innocent explanations, and how many nats each would take away.

The nats are those of the ring's reasons that the explanation would account for. What can only be said, from the
evidence numbers, is in doubts.py.
"""

from collections.abc import Mapping

import numpy as np

from graphdet import schema
from graphdet.rings.organic import surprise
from graphdet.rings.why.doubts import OPEN_TARGETS, SMALL_CODE, SMALL_RING
from graphdet.rings.why.measures import NONE, Measure, sharing
from graphdet.rings.why.measures_time import chance_in_step
from graphdet.rings.why.ring_view import RingView

LEAST_TASTE_LIFT = 2.0  # of what outsiders share, and of what members share elsewhere
# An account has a history of its own when it has at least LONG_ACTS acts outside the ring's own time, and at least
# LONG_SHARE of all its acts are not on the targets.
LONG_SHARE = 0.7
LONG_ACTS = 3
# A group may be a household when it has at most HOUSEHOLD members and MOST_OF_MEMBERS of them share one entity.
HOUSEHOLD = 8
MOST_OF_MEMBERS = 0.8


Doubt = tuple[float, Measure]  # nats that an explanation would take away, and what was counted


def innocent_explanations(
    ring: RingView, evidence: Mapping[str, float], strengths: Mapping[str, float], window_s: float | None
) -> list[Doubt]:
    """All innocent explanations that the ring's numbers leave open.

    evidence: numbers by the names of EVIDENCE. strengths: nats of the ring's reasons, by code. window_s: the
    window of its lockstep, None where it has none.
    """
    doubts = [*_tastes(ring, evidence), *_histories(ring), *_small(ring), *_open(ring)]
    if window_s is not None:
        doubts += _burst(ring, window_s)
    if "shared_entities" in strengths:
        doubts += _household(ring, strengths["shared_entities"])
    return doubts


def _nats(ring: RingView, lift: float = 1.0) -> float:
    """Nats of the shared targets when `lift` times as many acts are expected."""
    k, n = len(ring.targets), len(ring.act)
    expected = float(ring.expected.sum()) * lift
    return float(surprise(np.array(float(n - min(k, n))), np.array(expected)))


def _tastes(ring: RingView, evidence: Mapping[str, float]) -> list[Doubt]:
    """A taste that raises what outsiders, or members elsewhere, share would raise what is shared here as much."""
    out = []
    for code, name in (("common_taste", "halo_lift"), ("taste_elsewhere", "elsewhere_lift")):
        lift = float(evidence.get(name, 1.0))
        if lift >= LEAST_TASTE_LIFT:
            out.append((_nats(ring) - _nats(ring, lift), Measure(code, lift, 1.0, numbers={"lift": lift})))
    return out


def _burst(ring: RingView, window_s: float) -> list[Doubt]:
    """How much of the lockstep the targets' other visitors explain, as they came at that time too."""
    _, _, at_s = ring.audience
    first, last = ring.own_ms
    during = ring.outsider & (at_s >= first / 1000) & (at_s <= last / 1000)
    times = ring.log.model.act_times
    usual = (np.searchsorted(times, last, side="right") - np.searchsorted(times, first)) / max(len(times), 1)
    observed, expected = int(during.sum()), float(usual * ring.outsider.sum())
    if observed < max(2 * expected, 0.5 * len(ring.act)):
        return []
    n = float(len(ring.act))
    alone = float(chance_in_step(ring, window_s, evenly=True).sum())
    with_others = float(chance_in_step(ring, window_s).sum())
    taken = [
        Measure("lockstep", n, mu, trials=n, per_trial=2 * ring.per_sitting).strength()
        for mu in (alone, with_others)
    ]
    numbers = {"n_outsiders": len(np.unique(ring.audience[1][during]))}
    return [(taken[0] - taken[1], Measure("natural_burst", observed, expected, numbers=numbers))]


def _histories(ring: RingView) -> list[Doubt]:
    """The nats that are carried by accounts with ordinary histories: hijacked ones look so, and innocent ones."""
    model = ring.log.model
    first_ms, last_ms = ring.own_ms
    n = np.bincount(ring.user, minlength=len(ring.members))
    degree = model.degree[ring.members]
    ones = np.asarray(ring.members, np.int64)
    start, end = model.acts_by_user_time.between(
        ones, np.full(len(ones), first_ms), np.full(len(ones), last_ms)
    )
    outside_time = degree - (end - start)
    long = (n <= (1 - LONG_SHARE) * degree) & (outside_time >= LONG_ACTS)
    if long.sum() < max(2, 0.3 * len(long)):
        return []
    carried = _nats(ring) * float(n[long].sum() / max(n.sum(), 1))
    share = float(1 - n[long].sum() / degree[long].sum())
    numbers = {"n_members": len(long), "share_outside": share}
    return [(carried, Measure("long_histories", float(long.sum()), 0.0, numbers=numbers))]


def _small(ring: RingView) -> list[Doubt]:
    """In a small group two accounts carry much of what ties it together."""
    m = len(ring.members)
    if m >= SMALL_RING:
        return []
    n = np.sort(np.bincount(ring.user, minlength=m))[::-1]
    share = float(n[:2].sum() / max(n.sum(), 1))
    numbers = {"n_members": m, "share_of_two": share}
    return [(_nats(ring) * share, Measure(SMALL_CODE, float(m), float(SMALL_RING), numbers=numbers))]


def _household(ring: RingView, nats: float) -> list[Doubt]:
    """A small group whose members nearly all share one entity may live together; then sharing it says nothing."""
    m = len(ring.members)
    _, groups = sharing(ring)
    # People who live together share a device or an address, but not the wording of a text or what a picture shows.
    kinds = ring.log.graph.entity_kinds
    posted = (schema.TEMPLATE, schema.PICTURE)
    groups = {e: who for e, who in groups.items() if kinds[e].as_py() not in posted}
    entity = max(groups, key=lambda row: (len(groups[row]), -row), default=-1)
    if m > HOUSEHOLD or entity < 0 or len(groups[entity]) < MOST_OF_MEMBERS * m:
        return []
    kind = ring.log.graph.entity_kinds[entity].as_py()
    size = len(groups[entity])
    return [(nats, Measure("household", float(size), 0.0, numbers={"n_members": m, "kind": kind}))]


def _open(ring: RingView) -> list[Doubt]:
    """Most visitors of the targets at the time are outsiders: what drew them may have drawn the members too."""
    _, _, at_s = ring.audience
    first, last = ring.own_ms
    during = (at_s >= first / 1000) & (at_s <= last / 1000)
    n, outside = int(during.sum()), int((during & ring.outsider).sum())
    if n == 0 or 1 - outside / n >= OPEN_TARGETS:
        return []
    taken = _nats(ring) * (outside / n) if outside else 0.0
    numbers = {"n_audience_acts": n, **ring.log.without_times}
    return [(taken, Measure("open_targets", float(outside), 0.0, numbers=numbers, acts=NONE))]
