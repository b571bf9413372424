"""One calibrated score from the GNN, the two behaviour scorers and the rings.

Without labels the score is the probability that an account belongs to a coordinated campaign: as a member of a ring
that was found, of a burst on a single item or of a form of payments, or else by what it does alone,

    score = 1 − (1 − ring) (1 − burst) (1 − alone)        (a noisy-or, Pearl 1988, 4.3.2)

`ring` is the probability of membership (the ring's own, estimated in the user's log, times that of the membership), and
so is `burst` (see items.bursts and payments.forms).
`alone` is a logistic model with non-negative weights on the other parts, fitted on a planted log among the accounts
that no ring explains: those of campaigns that were missed against all others. It counts from one half on: below that it
was no probability in real logs, and ranked accounts worse than the parts do by themselves. Where rings are
found, the other parts add nothing to them that would hold on campaigns not seen in training, so they do not get to.

Nearly all users have no ring and do nothing that convicts them alone. What is left below ORDER_BELOW orders them:

    score = p + (ORDER_BELOW − p) strength

with p the probability and `strength` all evidence pooled (see rarity): the network, distance, rarity, the closest tie,
the crowd, coming again and, where the log has them, forms of payments and how far ratings lie from those of others,
each against all users of the log. It changes no score from ORDER_BELOW on, hence no flag,
and is no probability.

With labels all parts, and trees beside them, are weighed by the labels: see labelled_fusion.

One sentence per user.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from graphdet.arrays import Bool, Float
from graphdet.scores.rarity import Rarity

BASIC = ("gnn", "cluster_distance", "probability", "ring")
TREES_PART, ZERO_SHOT = "trees", "zero_shot"
PARTS = (*BASIC, TREES_PART, ZERO_SHOT)
RING_PART = PARTS.index("ring")
RIDGE = 1e-2
NO_RING_BELOW = 0.01  # below this probability of membership no ring explains an account
COUNTS_FROM = 0.5  # what an account does alone counts from this probability on
ORDER_BELOW = 0.01  # scores below this order accounts, and are no probabilities
# Of the network, distance, rarity, the closest tie, the crowd and coming again. That the tie counts twice is what was
# best on all but one of the real worlds, mostly whichever was left out; freer weights gained in one world of three
# frauds alone, and lost AUROC (docs/decisions/0016).
EVIDENCE_WEIGHTS = np.array([1.0, 1.0, 1.0, 2.0, 1.0, 1.0])
# In a log of payments their form and their size come after these; coming again is a form of theirs.
PAYMENT_WEIGHTS = np.array([1.0, 1.0, 1.0, 2.0, 1.0, 0.0, 2.0, 2.0])
OPINION_WEIGHT = 2.0  # as forms of payments: evidence that only such a log has
LEAST_SCORE_MARGIN = 1e-9  # scores stay this far from 0 and 1


@dataclass(frozen=True)
class ScoreParts:
    """What is fused, per user, all float64[n_users].

    gnn: logit, 0 for everybody where there is no network. cluster_distance, probability: scores in [0, 1]. ring:
    probability of being a member of the strongest ring, 0 for none. trees: logit, where trees learned from labels.
    company: float64[n_users, 4], see rings.company; None where nobody is to be ordered by it. burst: probability of
    being a member of the strongest burst on a single item or form of payments, 0 for none; None where nobody looked for
    them. payments: float64[n_users, 2], evidence in nats (see detect.payments), None where the log is not of payments.
    opinions: how far a user's ratings lie from those of others (see features.ratings), None in a log without ratings.
    """

    gnn: Float
    cluster_distance: Float
    probability: Float
    ring: Float
    trees: Float | None = None
    company: Float | None = None
    burst: Float | None = None
    payments: Float | None = None
    opinions: Float | None = None

    def columns(self) -> Float:
        """The basic parts on scales that add up: logits, tail shares as −ln(1 − score): float64[n, 4]."""
        surprise = [-np.log(np.maximum(1 - part, 1e-3)) for part in (self.cluster_distance, self.probability)]
        return np.column_stack(
            [np.clip(self.gnn, -15, 15), *surprise, logit(np.clip(self.ring, 1e-6, 1 - 1e-6))]
        )

    def evidence(self) -> tuple[Float, Bool]:
        """What orders users that no ring explains, float64[n_users, d], and of which they can show little, bool.

        An account with one item shares no two with anybody: of it the network, the tie and rarity say little.
        """
        beside = np.zeros((len(self.gnn), 4)) if self.company is None else self.company
        evidence = np.column_stack([self.gnn, self.cluster_distance, self.probability, beside[:, :3]])
        little = np.outer(beside[:, 3] == 1, [True, False, True, True, False, False])
        more = [kind for kind in (self.payments, self.opinions) if kind is not None]
        every = np.column_stack([evidence, *more])
        return every, np.pad(little, ((0, 0), (0, every.shape[1] - little.shape[1])))

    def evidence_weights(self) -> Float:
        """What each kind of evidence weighs, float64[d]."""
        basic = EVIDENCE_WEIGHTS if self.payments is None else PAYMENT_WEIGHTS
        return basic if self.opinions is None else np.append(basic, OPINION_WEIGHT)

    def some(self, rows: NDArray[np.integer]) -> "ScoreParts":
        """Those of some users."""
        basic = (self.gnn, self.cluster_distance, self.probability, self.ring)
        every = (*basic, self.trees, self.company, self.burst, self.payments, self.opinions)
        return ScoreParts(*(None if part is None else part[rows] for part in every))  # type: ignore[arg-type]


@dataclass(frozen=True)
class WholeLog:
    """What the score of one user needs of all others. ring_share: mean probability of membership."""

    ring_share: float
    rarity: Rarity

    @classmethod
    def of(cls, parts: ScoreParts) -> "WholeLog":
        """What the parts of all users of a log say."""
        return cls(float(parts.ring.mean()) if len(parts.ring) else 1.0, Rarity.fit(*parts.evidence()))


@dataclass(frozen=True)
class Fusion:
    """weights float64[d] ≥ 0 on standardised columns (0 for the ring without labels); bias; mean, scale float64[d].

    ring_share: mean probability of membership in the log of the fit. labelled: whether it was fitted on labels or on
    planted campaigns. names: of the columns, from PARTS. zero_shot: the fusion whose log odds are the part of that
    name, where there were too few labels to do without it.
    """

    weights: Float
    bias: float
    mean: Float
    scale: Float
    ring_share: float
    labelled: bool
    names: tuple[str, ...] = BASIC
    zero_shot: "Fusion | None" = None

    @classmethod
    def fit(cls, parts: ScoreParts, y: NDArray[np.integer]) -> "Fusion":
        """Fit without labels: y = 1 are accounts of planted campaigns, y = 0 the log's own (−1: left out)."""
        known = y >= 0
        x, target = parts.columns()[known], (y[known] == 1).astype(np.float64)
        mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
        ring = parts.ring[known]
        rows = ring < NO_RING_BELOW
        weights = np.zeros(len(BASIC))
        if 0 < target[rows].sum() < rows.sum():
            found = _logistic(((x - mean) / scale)[rows, :RING_PART], target[rows])
            weights[:RING_PART], bias = found[:-1], float(found[-1])
        else:  # nothing to tell apart: half an account of the other kind stands for what was not seen
            bias = float(logit((target[rows].sum() + 0.5) / (rows.sum() + 1)))
        return cls(weights, bias, mean, scale, float(ring.mean()), labelled=False)

    @classmethod
    def untrained(cls) -> "Fusion":
        """Of a log that nobody trained on: rings, bursts and payments alone convict, what is left only orders."""
        n = len(BASIC)
        return cls(
            np.zeros(n), float(logit(LEAST_SCORE_MARGIN)), np.zeros(n), np.ones(n), 1.0, labelled=False
        )

    def score(self, parts: ScoreParts, log: WholeLog | None = None) -> Float:
        """Probability per user, float64[n_users] in (0, 1); without labels below ORDER_BELOW an order, no probability.

        `log` is what the parts of the whole log say, for when `parts` are of a few of its users.
        Without labels `alone` is scaled down by how much less of the log its rings hold than in the fit: campaigns
        that were missed are taken to be as rare, beside those found, as they were among the planted.
        """
        alone = self._added(parts, log).sum(axis=1) + self.bias
        if self.labelled:
            return np.asarray(np.clip(expit(alone), LEAST_SCORE_MARGIN, 1 - LEAST_SCORE_MARGIN))
        log = log or WholeLog.of(parts)
        rarer = min((log.ring_share + LEAST_SCORE_MARGIN) / (self.ring_share + LEAST_SCORE_MARGIN), 1.0)
        sure = expit(alone + np.log(rarer))
        burst = 0.0 if parts.burst is None else parts.burst
        value = 1 - (1 - parts.ring) * (1 - burst) * (1 - np.where(sure >= COUNTS_FROM, sure, 0.0))
        evidence, little = parts.evidence()
        strength = log.rarity.strength(evidence, little, parts.evidence_weights())
        value += np.maximum(ORDER_BELOW - value, 0.0) * strength
        return np.asarray(np.clip(value, LEAST_SCORE_MARGIN, 1 - LEAST_SCORE_MARGIN))

    def strongest_part(self, parts: ScoreParts) -> NDArray[np.int64]:
        """Which of PARTS speaks most against each user, int64[n_users]; of the zero-shot score, which of its parts."""
        strongest = self._added(parts).argmax(axis=1)
        if not self.labelled:
            return np.where(parts.ring >= NO_RING_BELOW, RING_PART, strongest)
        place: NDArray[np.int64] = np.array([PARTS.index(name) for name in self.names])[strongest]
        if self.zero_shot is None:
            return place
        return np.where(place == PARTS.index(ZERO_SHOT), self.zero_shot.strongest_part(parts), place)

    def _added(self, parts: ScoreParts, log: WholeLog | None = None) -> Float:
        """What each part adds to the log-odds, float64[n_users, d]."""
        columns = fusion_columns(parts, self.names, self.zero_shot, log)
        return np.asarray((columns - self.mean) / self.scale * self.weights)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        document = {
            "weights": self.weights.tolist(),
            "bias": self.bias,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "ring_share": self.ring_share,
            "labelled": self.labelled,
        }
        if self.names != BASIC:
            document["names"] = list(self.names)
        if self.zero_shot is not None:
            document["zero_shot"] = self.zero_shot.to_json()
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Fusion":
        """Read what to_json gave."""
        found = dict(document)
        found |= {name: np.asarray(document[name], np.float64) for name in ("weights", "mean", "scale")}
        found["names"] = tuple(document.get("names", BASIC))
        if "zero_shot" in document:
            found["zero_shot"] = cls.from_json(document["zero_shot"])
        return cls(**found)


def fusion_columns(
    parts: ScoreParts, names: Sequence[str], zero_shot: Fusion | None, log: WholeLog | None = None
) -> Float:
    """The columns that a fusion weighs, float64[n_users, d], in the order of its names: see names_of.

    log: as Fusion.score, for the zero-shot score.
    """
    more = []
    if TREES_PART in names:
        if parts.trees is None:
            raise ValueError("this fusion weighs trees, and there are none")
        more.append(np.clip(parts.trees, -15, 15))
    if ZERO_SHOT in names and zero_shot is not None:
        more.append(logit(zero_shot.score(parts, log)))
    return np.column_stack([parts.columns(), *more])


def names_of(parts: ScoreParts, zero_shot: Fusion | None) -> tuple[str, ...]:
    """The names of all columns that can be weighed, in the order of PARTS."""
    trees, zero = parts.trees is not None, zero_shot is not None
    return (*BASIC, *((TREES_PART,) if trees else ()), *((ZERO_SHOT,) if zero else ()))


def _logistic(x: Float, y: Float) -> Float:
    """Weights ≥ 0 and bias of a ridge logistic regression, float64[d + 1]; the ridge is that of an even share."""
    ridge = RIDGE * 4 * y.mean() * (1 - y.mean())

    def loss(w: Float) -> tuple[float, Float]:
        z = x @ w[:-1] + w[-1]
        gradient = (expit(z) - y) / len(y)
        value = float((np.logaddexp(0, z) - y * z).mean()) + 0.5 * ridge * float(w[:-1] @ w[:-1])
        return value, np.append(x.T @ gradient + ridge * w[:-1], gradient.sum())

    start = np.append(np.full(x.shape[1], 0.1), logit(y.mean()))
    bounds = [(0.0, None)] * x.shape[1] + [(None, None)]
    return np.asarray(minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x)


_STRONG = 0.99
# For a suspect without any one strong sign: what weighs most, in the order of fused.PARTS.
_MIXED = (
    "no single strong sign: leans to accounts that move in step, and the other scores add to it",
    "no single strong sign: the distance from normal clusters weighs most",
    "no single strong sign: how rare the behaviour is weighs most",
    "no single strong sign: shares targets with a group of accounts",
    "no single strong sign: what it does, and those it acts with, is like accounts labelled as fraud",
)


def user_reasons(
    parts: ScoreParts,
    strongest: NDArray[np.int64],
    ring_id: list[str | None],
    ring_size: NDArray[np.int64],
    flagged: NDArray[np.bool_],
    in_ring: Mapping[int, Sequence[str]] | None = None,
) -> list[str]:
    """Say what speaks most against each user.

    Shapes: strongest int64[n] into fused.PARTS; ring_id and ring_size (members) per user, None and 0 for no
    ring; flagged bool[n]; in_ring: user row → what the user did in that ring, in words, the strongest first.
    """
    out = []
    for user in range(len(ring_id)):
        said = []
        if ring_id[user] is not None:
            together = f"acts together with {ring_size[user] - 1} other accounts ({ring_id[user]})"
            did = (in_ring or {}).get(user, ())
            said.append(f"{together}: {', '.join(did)}" if did else together)
        if strongest[user] == 0 and parts.gnn[user] > 0:
            said.append("moves in step with accounts that look coordinated")
        if parts.cluster_distance[user] >= _STRONG:
            said.append("is farther from every normal cluster than 99 % of users")
        if parts.probability[user] >= _STRONG:
            said.append("behaves in a way that is rarer than that of 99 % of users")
        if not said:
            said.append(_MIXED[strongest[user]] if flagged[user] else "nothing stands out")
        sentence = "; ".join(said)
        out.append(f"{sentence[0].upper()}{sentence[1:]}.")
    return out
