"""How few users of a log have as much of each kind of evidence, and all kinds pooled into one number.

Evidence of one kind is worth −ln of the share of users with at least as much of it, and all kinds the weighted sum
(Fisher 1925).

Of some kinds a user can show little whatever it is, as an account with a single item shares no two with anybody. To
have little of these is no sign of innocence: they count as much as they do on average at least.
"""

from dataclasses import dataclass

import numpy as np

from graphdet.arrays import Bool, Float

LEVELS_OF_A_KIND = 256  # of a kind of evidence that are kept, evenly spaced in nats
USUAL = 1.0  # nats that one kind is worth on average, were its values all different
SLIGHT = 0.1  # nats from the least to the most of a kind among all users, so that nobody ties who need not


@dataclass(frozen=True)
class Rarity:
    """What values are worth. levels: per kind, ascending values float64[k]; nats: what each is worth, float64[k]."""

    levels: tuple[Float, ...]
    nats: tuple[Float, ...]

    @classmethod
    def fit(cls, evidence: Float, unheard: Bool) -> "Rarity":
        """Fit on the evidence of all users of a log, float64[n_users, n_kinds]: nearly all of them are ordinary.

        unheard: bool, same shape, kinds of which a user can show little; where all can, nobody is left out.
        """
        heard = ~unheard | unheard.all(axis=0)
        found = [_levels(column, judged) for column, judged in zip(evidence.T, heard.T, strict=True)]
        return cls(tuple(level for level, _ in found), tuple(nats for _, nats in found))

    def strength(self, evidence: Float, unheard: Bool, weight: Float) -> Float:
        """All kinds pooled, float64[n_users] in [0, 1): more of any kind never lowers it.

        Shapes as in the fit; weight float64[n_kinds] ≥ 0.
        """
        kinds = zip(self.levels, self.nats, evidence.T, strict=True)
        nats = np.column_stack([np.interp(x, level, worth) for level, worth, x in kinds])
        pooled = np.where(unheard, np.maximum(nats, USUAL + SLIGHT * nats), nats) @ weight
        return np.asarray(pooled / (pooled + USUAL * weight.sum()))


def _levels(values: Float, heard: Bool) -> tuple[Float, Float]:
    """Values of one kind, ascending and all different, and what each is worth: −ln of the share of users with as much.

    heard: bool[n_users], among whom the share is taken. Their values are kept evenly spaced in nats, those of all users
    evenly spaced in users.
    """
    everybody, ascending = np.sort(values), np.sort(values[heard])
    n = len(ascending)
    if not n:
        return np.zeros(1), np.zeros(1)
    at_least = np.unique(np.round(np.geomspace(1, n, LEVELS_OF_A_KIND)).astype(np.int64))  # so many users
    evenly = np.linspace(0, len(everybody) - 1, LEVELS_OF_A_KIND).astype(np.int64)
    level = np.unique(np.concatenate([ascending[n - at_least], everybody[evenly]]))
    as_much = np.maximum(n - np.searchsorted(ascending, level), 1)
    return level, SLIGHT * np.searchsorted(everybody, level) / len(everybody) - np.log(as_much / n)
