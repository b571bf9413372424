"""Differential privacy: how much noise a budget asks for, and what was spent, as Opacus accounts for it.

Two things are released of a party's log: sums over the partners of each user, once, and gradients, one per round and
network. Both get Gaussian noise, so one accountant composes them. What is protected is one example: the row of a user
with what it says to its partners, and one group of users.
"""

import warnings
from dataclasses import dataclass

from graphdet.errors import UsageError

# Standard deviations ÷ sensitivity between which the noise is looked for.
LEAST_NOISE, MOST_NOISE = 0.3, 300.0
SUMS_NOISE = 0.4  # times the noise of a step: sums that are noise alone teach the network nothing
_CLOSE = 1.01  # the noise is found to a hundredth
ORDERS = [1.25, 1.5, 1.75, *range(2, 65), 80, 100, 150, 200, 300, 500, 1_000]  # of Rényi; whole ones are fast


@dataclass(frozen=True)
class Budget:
    """What a party allows to be told of one example: ε > 0, and δ in 0 … 1, the probability that more is told."""

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        """Check both.

        Raises:
            UsageError: one is out of range.
        """
        if not self.epsilon > 0:
            raise UsageError(f"epsilon is {self.epsilon}, but it has to be above 0; 1 to 8 are usual")
        if not 0 < self.delta < 1:
            raise UsageError(f"delta is {self.delta}, but it is a probability between 0 and 1; 1e-5 is usual")


@dataclass(frozen=True)
class NoisySteps:
    """Rounds of one network: how many, and which share of the examples each one draws (Poisson)."""

    n: int
    sample: float


def spent(noise: float, steps: list[NoisySteps], sums: bool, delta: float) -> float:
    """The ε of these steps of this noise, and of the sums.

    noise: the standard deviation of a step's noise ÷ the longest gradient of one example.
    """
    from opacus.accountants import RDPAccountant  # slow to import, and only who wants privacy needs it

    accountant = RDPAccountant()
    accountant.history = [(noise, each.sample, each.n) for each in steps if each.n]
    if sums:
        accountant.history.append((noise * SUMS_NOISE, 1.0, 1))
    with (
        warnings.catch_warnings()
    ):  # that an end of ORDERS is the best: the bound is a little looser, and holds
        warnings.simplefilter("ignore")
        return float(accountant.get_epsilon(delta, alphas=ORDERS)) if accountant.history else 0.0


def noise_for(budget: Budget, steps: list[NoisySteps], sums: bool) -> float:
    """The least noise whose steps, and sums, stay within the budget.

    Raises:
        UsageError: no noise that leaves anything to learn does.
    """
    low, high = LEAST_NOISE, MOST_NOISE
    if spent(high, steps, sums, budget.delta) > budget.epsilon:
        raise UsageError(
            f"an epsilon of {budget.epsilon} is spent before anything is learned; allow more, or agree on fewer rounds"
        )
    while high / low > _CLOSE:
        middle = (low * high) ** 0.5
        if spent(middle, steps, sums, budget.delta) > budget.epsilon:
            low = middle
        else:
            high = middle
    return high
