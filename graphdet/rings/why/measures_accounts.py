"""Measures about the accounts: shared devices and addresses, nothing else done, nothing before or after."""

import numpy as np
from numpy.typing import NDArray

from graphdet.rings.why.measures import Measure, acts_by
from graphdet.rings.why.ring_view import Bool, RingView

PRIOR_ACTS = 20.0  # by which USUAL_FOCUS counts beside others who share two targets
USUAL_FOCUS = 0.3
LEAST_SHARING = 3  # members on shared entities, and …
SHARING = 0.1  # … share of the members: two who share one are a couple
LEAST_FOCUS = 0.5  # of what the members do: else they do other things, too
MOST_OF_SPAN = 0.25  # of the log, beyond which "only active in that time" says nothing


def sharing(ring: RingView, kind: str | None = None) -> tuple[Bool, dict[int, list[int]]]:
    """Which members share an entity (of a kind) with another member, bool[m], and entity row → their places."""
    graph = ring.log.graph
    out: dict[int, list[int]] = {}
    if len(graph.entity_ix):
        rows = ring.log.links[ring.members].tocoo()
        order = np.lexsort((rows.row, rows.col))
        for entity, place in zip(rows.col[order].tolist(), rows.row[order].tolist(), strict=True):
            if kind is None or graph.entity_kinds[entity].as_py() == kind:
                out.setdefault(entity, []).append(place)
    out = {entity: places for entity, places in out.items() if len(places) >= 2}
    shares = np.zeros(len(ring.members), bool)
    for places in out.values():
        shares[places] = True
    return shares, out


def shared_entities(ring: RingView) -> list[Measure]:
    """Members share a device, an address … with each other more than the log's users do, by kind of entity."""
    graph, degree = ring.log.graph, ring.log.entity_degree
    if not len(graph.entity_ix):
        return []
    kinds = np.asarray(graph.entity_kinds.to_pylist(), dtype=object)
    m, n = len(ring.members), graph.n_users
    out = []
    for kind in sorted(set(kinds)):
        shares, groups = sharing(ring, str(kind))
        d = degree.astype(np.float64)
        for entity, places in groups.items():
            d[entity] -= len(places)
        pairs = float((d * (d - 1))[kinds == kind].sum())
        chance = max(pairs, 1.0) / max(n * (n - 1.0), 1.0)  # that two accounts share one of the kind
        # A group on one entity is as many coincidences as it has members after the first.
        n_sharing = int(shares.sum())
        largest = max((len(places) for places in groups.values()), default=0)
        out.append(
            Measure(
                "shared_entities",
                float(n_sharing - len(groups)) if n_sharing >= max(LEAST_SHARING, SHARING * m) else 0.0,
                m * (m - 1) / 2 * chance,
                variant=str(kind),
                numbers={
                    "kind": str(kind),
                    "n_sharing": n_sharing,
                    "n_members": m,
                    "n_entities": len(groups),
                    "largest_group": largest,
                },
                acts=acts_by(np.zeros(len(ring.act)), shares[ring.user], ring),
            )
        )
    return out


def focus(ring: RingView) -> list[Measure]:
    """Members do little else, compared with others who visit two of the targets or more."""
    degree = ring.log.model.degree
    _, user, _ = ring.audience
    others, count = np.unique(user[ring.outsider], return_counts=True)
    others, count = others[count >= 2], count[count >= 2]
    usual = (count.sum() + PRIOR_ACTS * USUAL_FOCUS) / (degree[others].sum() + PRIOR_ACTS)
    n = np.bincount(ring.user, minlength=len(ring.members))
    share = n / np.maximum(degree[ring.members], 1)
    m = len(ring.members)
    pooled = float(n.sum() / max(degree[ring.members].sum(), 1))
    return [
        Measure(
            "focus",
            float(share.sum()) if pooled >= LEAST_FOCUS else 0.0,
            float(usual * m),
            trials=m,
            numbers={
                "share": pooled,
                "usual_share": float(usual),
                "n_members": m,
            },
            acts=acts_by(share[ring.user], np.ones(len(ring.act), bool), ring),
        )
    ]


def throwaway(ring: RingView) -> list[Measure]:
    """Accounts that were used for one session and never again, more than the log's users are."""
    once = ring.log.n_sessions[ring.members] == 1
    several = ring.log.model.degree[ring.members] >= 2
    n_several, n_once = ring.log.returners  # of the log, less the members
    usual = (n_once - float((once & several).sum()) + 1) / (n_several - float(several.sum()) + 2)
    return [
        Measure(
            "throwaway",
            float(once.sum()),
            usual * len(once),
            trials=len(once),
            numbers={"n_members": len(once), "usual_share": usual},
            acts=acts_by(np.zeros(len(ring.act)), once[ring.user], ring),
        )
    ]


def new_accounts(ring: RingView) -> list[Measure]:
    """Accounts whose whole life falls into the ring's own time, more than that of others as active who were there."""
    first_ms, last_ms = ring.own_ms
    if (last_ms - first_ms) / 1000 > MOST_OF_SPAN * ring.log.span_s:
        return []
    model = ring.log.model
    # By time: of a long log most acts lie elsewhere, and there are many rings to ask about.
    times = model.act_times
    during = slice(np.searchsorted(times, first_ms), np.searchsorted(times, last_ms, side="right"))
    others = np.setdiff1d(ring.log.users_by_time[during], ring.members)
    others = others[model.degree[others] >= np.median(model.degree[ring.members]) / 2]
    first, last = ring.log.life

    def new(users: NDArray[np.int32]) -> Bool:
        return (first[users] >= first_ms) & (last[users] <= last_ms)

    usual = (float(new(others).sum()) + 1) / (float(len(others)) + 2)
    mine = new(ring.members)
    return [
        Measure(
            "new_accounts",
            float(mine.sum()),
            usual * len(mine),
            trials=len(mine),
            numbers={
                "n_members": len(mine),
                "usual_share": usual,
                "days": (last_ms - first_ms) / 86_400_000,
            },
            acts=acts_by(np.zeros(len(ring.act)), mine[ring.user], ring),
        )
    ]
