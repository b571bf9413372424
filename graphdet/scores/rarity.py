"""How few ordinary users of a log have as much of each kind of evidence, and all kinds pooled into one number.

Evidence of one kind is worth −ln of the share of ordinary users with at least as much of it. Pooled are the squares of
these, with equal weights: between a sum, in which much ordinary evidence drowns one strong piece, and a maximum, which
hears one piece only. Equal weights, because weights that were learned on all real worlds but one ranked worse in that
one than equal ones did (docs/decisions/0016-one-user-score.md).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphdet.arrays import Float

N_LEVELS = 256  # of a kind of evidence that are kept, evenly spaced in nats
USUAL = 2.0  # mean of the square of what one kind is worth to an ordinary user, were its values all different


@dataclass(frozen=True)
class Rarity:
    """What values are worth. levels: per kind, ascending values float64[k]; nats: what each is worth, float64[k]."""

    levels: tuple[Float, ...]
    nats: tuple[Float, ...]

    @classmethod
    def fit(cls, ordinary: Float) -> "Rarity":
        """Fit on the evidence of ordinary users, float64[n_users, n_kinds]."""
        found = [_levels(column) for column in ordinary.T]
        return cls(tuple(level for level, _ in found), tuple(nats for _, nats in found))

    def strength(self, evidence: Float) -> Float:
        """All kinds pooled, float64[n_users] in [0, 1): more of any kind never lowers it.

        evidence: float64[n_users, n_kinds], as in the fit.
        """
        kinds = zip(self.levels, self.nats, evidence.T, strict=True)
        pooled = np.sum([np.interp(x, level, nats) ** 2 for level, nats, x in kinds], axis=0)
        return np.asarray(pooled / (pooled + USUAL * len(self.levels)))

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values for JSON."""
        return [
            {"levels": x.tolist(), "nats": y.tolist()} for x, y in zip(self.levels, self.nats, strict=True)
        ]

    @classmethod
    def from_json(cls, document: list[dict[str, Any]]) -> "Rarity":
        """Read what to_json gave."""
        levels, nats = (
            tuple(np.asarray(kind[name], np.float64) for kind in document) for name in ("levels", "nats")
        )
        return cls(levels, nats)


def _levels(values: Float) -> tuple[Float, Float]:
    """Values of one kind, ascending and all different, and −ln of the share of users with at least as much."""
    ascending = np.sort(values)
    n = len(ascending)
    if not n:
        return np.zeros(1), np.zeros(1)
    at_least = np.unique(np.round(np.geomspace(1, n, N_LEVELS)).astype(np.int64))  # so many users
    level = np.unique(ascending[n - at_least])
    return level, -np.log((n - np.searchsorted(ascending, level)) / n)
