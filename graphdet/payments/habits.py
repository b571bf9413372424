"""How often things of one account are alike, by its own past and by the habits of the log.

What an account receives (or pays, or whom it pays) is drawn from an urn: after n things the next is

    like one before, of which there are m alike,  with chance  (m + t f) / (n + t)

with f how common such a thing is in the rest of the log and t, the account's own, how little it repeats itself. Which
values of t there are is fitted over the accounts of the log, without the strongest group of each, which may be a
campaign's (a mixture over a grid, by EM; a made-up account with every value is added, so that no habit is ruled out).
In a group of k things alike among n, by k others, the first is given, and

    p = sum_t w(t) P(K >= k - 1),  K ~ BetaBinomial(n - 1, 1 + t f, t (1 - f))

with w(t) the mixture's weights once the things outside the group are seen. A person may yet have one such group beside
all that differs (a rent, a club's fees), and how many have is seen in the log alone: `tail_of_others` holds each
account's evidence against that of all others.
"""

import numpy as np

from graphdet.arrays import Bool, Float
from graphdet.evaluation.beta_binomial import upper_tail

HABITS = np.geomspace(0.1, 1e5, 13)  # values of t
EM_STEPS = 200
OTHERS_SHARE, LEAST_OTHERS = 0.2, 20  # of the accounts whose evidence makes the tail; fewer make none


def habit_likelihood(like: Bool, apart: Bool, common: Float) -> Float:
    """ln P of an account's things, in their order, at each of HABITS: float64[len(HABITS)].

    Shapes: like, apart bool[n, n]: whether two things are alike, and whether they may count as repetition at all (two
    payments of one amount from the same payer do not); common float64[n], how common each is in the rest of the log.

    >>> twice, never = np.ones((2, 2), bool), np.zeros((2, 2), bool)
    >>> bool(np.diff(habit_likelihood(twice, twice, np.full(2, 0.01)))[0] < 0)  # repetition speaks for a small t
    True
    >>> bool(np.diff(habit_likelihood(never, twice, np.full(2, 0.01)))[0] > 0)
    True
    """
    if len(common) < 2:
        return np.zeros(len(HABITS))
    before = np.tri(len(common), k=-1, dtype=bool)
    m = (like & apart & before).sum(axis=1)[1:, None]
    n = (apart & before).sum(axis=1)[1:, None]
    chance = (m + HABITS * common[1:, None]) / (n + HABITS)
    return np.asarray(np.log(np.minimum(chance, 1.0)).sum(axis=0))


def fit_habits(likelihood: Float) -> Float:
    """The weight of each of HABITS among the accounts of a log, float64[len(HABITS)], by EM.

    likelihood: float64[n_accounts, len(HABITS)], logarithms.
    """
    n_accounts, n_habits = likelihood.shape
    weight = np.full(n_habits, 1 / n_habits)
    relative = np.exp(likelihood - likelihood.max(axis=1, keepdims=True)) if n_accounts else likelihood
    for _ in range(EM_STEPS if n_accounts else 0):
        of_account = relative * weight
        of_account /= of_account.sum(axis=1, keepdims=True)
        weight = (of_account.sum(axis=0) + 1 / n_habits) / (n_accounts + 1)
    return weight


def group_p_value(k: int, n: int, common: float, weight: Float, rest: Float) -> tuple[float, float]:
    """P(k or more of n things alike, given one), and how many would be expected.

    weight: fit_habits of the log; rest: habit_likelihood of the account's things outside the group.
    """
    posterior = weight * np.exp(rest - rest.max())
    posterior /= posterior.sum()
    a, b = 1 + HABITS * common, HABITS * (1 - common)
    tail = upper_tail(np.full(len(HABITS), k - 1), np.full(len(HABITS), n - 1), a, b)
    return float(posterior @ tail), 1 + (n - 1) * float(posterior @ (a / (a + b)))


def tail_of_others(p: Float) -> Float:
    """p-value of each account's evidence among that of all other accounts of the log, float64[n], never below its own.

    The largest of −ln p make an exponential tail, of unknown scale, in which an account does not count itself (its
    predictive law is a Lomax). p: float64[n], of all accounts tested.

    >>> p = np.append(np.linspace(0.01, 1, 200), [1e-12] * 3)
    >>> bool(tail_of_others(p)[-1] < 1e-4), bool(tail_of_others(np.append(p, [1e-12] * 30))[-1] > 0.01)
    (True, True)
    """
    n = len(p)
    k = max(int(OTHERS_SHARE * n), LEAST_OTHERS)
    if n < 2 * k:
        return np.ones(n)
    strength = -np.log(np.maximum(p, 1e-300))
    ascending = np.sort(strength)
    start = ascending[n - k - 1]
    excess = np.maximum(strength - start, 0.0)
    others = np.maximum(excess[strength > start].sum() - excess, 1e-9)
    tail = k / n * (1 + excess / others) ** -(k - 1.0)
    return np.where(excess > 0, np.maximum(tail, p), 1.0)
