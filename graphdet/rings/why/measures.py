"""What a reason rests on: a count, what it would be by chance, and the acts that make it up; those about targets.

Every reason is put on one scale, nats: by how much the count is more likely as it is than as it would be among natural
groups of the same log (a weight of evidence, Good 1950). A count of a Poisson kind gains x ln(x / mu) − (x − mu), a
share of n trials n KL(x / n ‖ p). Acts of one sitting are one decision, so trials are counted in sittings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graphdet.rings.organic import surprise
from graphdet.rings.why.ring_view import Int, RingView

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
            numbers={"n_audience_acts": n, "n_by_members": inside},
            acts=acts_by(-outside[ring.item].astype(float), np.ones(len(ring.act), bool), ring),
        )
    ]


def acts_by(weight: NDArray[np.float64], which: NDArray[np.bool_], ring: RingView) -> Int:
    """Rows of the ring's acts where `which`: each member's act of most weight, then each one's next, and so on."""
    chosen = np.flatnonzero(which)
    chosen = chosen[np.lexsort((-weight[chosen], ring.user[chosen]))]
    turn = np.arange(len(chosen)) - np.searchsorted(ring.user[chosen], ring.user[chosen])
    return ring.act[chosen[np.lexsort((-weight[chosen], turn))]]
