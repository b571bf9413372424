"""What a reason rests on: a count, what it would be by chance, and the acts that make it up; those about targets.

Every reason is put on one scale, nats: by how much the count is more likely as it is than as it would be among natural
groups of the same log (a weight of evidence, Good 1950). A count of a Poisson kind gains x ln(x / mu) − (x − mu), a
share of n trials n KL(x / n ‖ p). Acts of one sitting are one decision, so trials are counted in sittings.

Measures about the accounts: shared devices and addresses, nothing else done, nothing before or after.

A measure about money: members pay, order or claim the same amount, more than others do on the same targets.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Bool, Int
from graphdet.rings.organic import RowNumbers, surprise
from graphdet.rings.why.ring_view import RingView

RARE_SHARES = (0.02, 0.05, 0.1, 0.2)  # of all acts, on the rarest items
Number = float | int | str
NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Measure:
    """A count against its expectation.

    observed of `trials` (None: a count without a limit); expected by chance; per_trial: what one independent trial
    counts as, at least 1; acts: the rows of Organic.acts that make it up, those that carry it most first; variant tells
    measures of one code apart (a window, a threshold), of which only the strongest is told; least_lift: times that the
    count must beat its expectation to be told.
    """

    code: str
    observed: float
    expected: float
    trials: float | None = None
    per_trial: float = 1.0
    variant: str = ""
    least_lift: float = 1.0
    numbers: Mapping[str, Number] = field(default_factory=dict)
    acts: NDArray[np.int64] = field(default_factory=lambda: NONE)

    def strength(self, ratio: float = 1.0) -> float:
        """Nats by which the count beats `ratio` times its expectation; 0 where it does not."""
        expected = max(self.expected * ratio, 1e-9)
        if self.trials is None:
            return float(surprise(np.array(self.observed), np.array(expected))) / self.per_trial
        if self.trials <= 0:
            return 0.0
        p, x = min(expected / self.trials, 0.99), min(self.observed / self.trials, 1.0)
        if x <= p:
            return 0.0
        miss = (1 - x) * np.log((1 - x) / (1 - p)) if x < 1 else 0.0
        return float(self.trials * (x * np.log(x / p) + miss) / self.per_trial)

    def odds_ratio(self, ratio: float = 1.0) -> float:
        """Odds of the observed share over those of the expected one; the ratio of counts without a limit."""
        expected = max(self.expected * ratio, 1e-9)
        if self.trials is None:
            return self.observed / expected
        p, x = min(expected / self.trials, 0.99), min(self.observed / max(self.trials, 1e-9), 0.999)
        return (x / (1 - x)) / (p / (1 - p))


Measuring = Callable[[RingView], list[Measure]]


def shared_targets(ring: RingView) -> list[Measure]:
    """More acts on the same targets than accounts so active would make on items so popular at these times."""
    n, k, expected = len(ring.act), len(ring.targets), float(ring.expected.sum())
    rarity = -ring.log.model.audience[ring.targets].astype(np.float64)
    numbers = {
        "n_members": len(ring.members),
        "n_targets": k,
        "n_acts": n,
        "per_member": n / len(ring.members),
    }
    return [
        Measure(
            "shared_targets",
            n - min(k, n),
            expected,
            numbers=numbers,
            acts=acts_by(rarity[ring.item], np.ones(n, bool), ring),
        )
    ]


def rare_targets(ring: RingView) -> list[Measure]:
    """More of the targets are items that hardly anybody visits than if they were picked as the log picks items."""
    place = ring.audience[0]
    outside = np.bincount(place[ring.outsider], minlength=len(ring.targets))
    share = ring.log.acts_up_to_audience
    rank = share[np.minimum(outside + 1, len(share) - 1)]
    out = []
    for limit in RARE_SHARES:
        rare = rank <= limit
        top = int(outside[rare].max(initial=0))
        out.append(
            Measure(
                "rare_targets",
                float(rare.sum()),
                limit * len(ring.targets),
                trials=len(ring.targets),
                variant=f"{limit}",
                numbers={"rarest_share": limit, "n_targets": len(ring.targets), "most_outsiders": top},
                acts=acts_by(-outside[ring.item].astype(float), rare[ring.item], ring),
            )
        )
    return out


def exclusive_targets(ring: RingView) -> list[Measure]:
    """Members make up more of the targets' audience, while the ring is at work, than natural groups of theirs do.

    By chance: one half, before what natural groups of the log show is known.
    """
    _, _, at_s = ring.audience
    first, last = ring.own_ms
    during = (at_s >= first / 1000) & (at_s <= last / 1000)
    n, inside = int(during.sum()), int((during & ~ring.outsider).sum())
    outside = np.bincount(ring.audience[0][during & ring.outsider], minlength=len(ring.targets))
    return [
        Measure(
            "exclusive_targets",
            inside,
            0.5 * n,
            trials=n,
            per_trial=max(len(ring.act) / max(len(ring.members), 1), 1.0),
            numbers={"n_audience_acts": n, "n_by_members": inside, **ring.log.without_times},
            acts=acts_by(-outside[ring.item].astype(float), np.ones(len(ring.act), bool), ring),
        )
    ]


def acts_by(weight: NDArray[np.float64], which: NDArray[np.bool_], ring: RingView) -> Int:
    """Rows of the ring's acts where `which`: each member's act of most weight, then each one's next, and so on."""
    chosen = np.flatnonzero(which)
    chosen = chosen[np.lexsort((-weight[chosen], ring.user[chosen]))]
    turn = np.arange(len(chosen)) - np.searchsorted(ring.user[chosen], ring.user[chosen])
    return ring.act[chosen[np.lexsort((-weight[chosen], turn))]]


PRIOR_FOCUS_ACTS = 20.0  # by which USUAL_FOCUS counts beside others who share two targets
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
    usual = (count.sum() + PRIOR_FOCUS_ACTS * USUAL_FOCUS) / (degree[others].sum() + PRIOR_FOCUS_ACTS)
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
    there = np.zeros(model.n_users, bool)  # faster than to sort half of a log for its distinct users
    there[ring.log.users_by_time[during]] = True
    there[ring.members] = False
    others = np.flatnonzero(there & (model.degree >= np.median(model.degree[ring.members]) / 2))
    first, last = ring.log.life

    def new(users: RowNumbers) -> Bool:
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


PRIOR_EDGES = 2.0  # by which the log's own amounts count beside those of a target's outsiders
DIGITS = 4  # significant digits in which amounts are the same


def same_amounts(ring: RingView) -> list[Measure]:
    """Most of the members' events on targets are of one amount.

    By chance as often as it is among outsiders on the same target: what an item costs is no pattern. That there is
    such an amount at all is worth one event.
    """
    graph = ring.log.graph
    if not len(graph.amount):
        return []
    on_target = np.flatnonzero(np.isin(graph.item_ix, ring.targets) & ~np.isnan(graph.amount))
    amount = _rounded(graph.amount[on_target] / np.maximum(graph.n[on_target], 1))
    target = np.searchsorted(ring.targets, graph.item_ix[on_target])
    inside = np.isin(graph.user_ix[on_target], ring.members)
    n = int(inside.sum())
    if n < 3:
        return []
    values, count = np.unique(amount[inside], return_counts=True)
    usual = float(values[np.argmax(count)])
    same = amount == usual
    k = len(ring.targets)
    outside = np.bincount(target[~inside], minlength=k)
    alike = np.bincount(target[~inside & same], minlength=k)
    everywhere = ~np.isnan(graph.amount)
    everywhere[on_target[inside]] = False
    of_log = _rounded(graph.amount[everywhere] / np.maximum(graph.n[everywhere], 1))
    share = (float((of_log == usual).sum()) + 0.5) / (len(of_log) + 1)
    chance = (alike + PRIOR_EDGES * share) / (outside + PRIOR_EDGES)
    key = np.unique(
        graph.user_ix[on_target[inside & same]].astype(np.int64) * graph.n_items
        + graph.item_ix[on_target[inside & same]]
    )
    acts = ring.log.model.acts
    mine = np.isin(acts.user_ix[ring.act].astype(np.int64) * graph.n_items + acts.item_ix[ring.act], key)
    return [
        Measure(
            "same_amounts",
            float((inside & same).sum() - 1),
            float(chance[target[inside]].sum()),
            trials=float(n - 1),
            per_trial=max(ring.per_sitting, 1.0),
            numbers={"amount": usual, "n_events": n, "n_same": int((inside & same).sum())},
            acts=acts_by(np.zeros(len(mine)), mine, ring),
        )
    ]


def _rounded(amount: np.ndarray) -> np.ndarray:
    """Amounts with DIGITS significant digits."""
    size = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.maximum(np.abs(amount), 1e-12))))
    return np.asarray(np.round(np.round(amount * size) / size, 9))
