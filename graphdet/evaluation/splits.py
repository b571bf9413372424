"""Which labels are learned from and which only measure: in time, at random, or by group.

Days are 86,400 s; times are ms since 1970 UTC; spans are half open.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRAIN, DELAY, TEST, LATER = 0, 1, 2, 3
DAY_MS = 86_400_000
KINDS = ("temporal", "random", "group", "none")


@dataclass(frozen=True)
class SplitPlan:
    """How to split; None means: choose from the labels.

    `delay_ms` is how long a label takes to come back: a label dated at t is known after t + delay_ms.
    """

    kind: str = "temporal"
    train_until_ms: int | None = None
    delay_ms: int | None = None
    test_from_ms: int | None = None
    test_until_ms: int | None = None
    test_share: float = 0.3

    def to_json(self) -> dict[str, Any]:
        """For a model's JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Split:
    """Which part each labelled thing is in: int8[n] of TRAIN, DELAY, TEST, LATER (after the test part).

    `plan` is the plan with nothing left open.
    """

    part: NDArray[np.int8]
    plan: SplitPlan

    def counts(self, y: NDArray[np.integer]) -> dict[str, list[int]]:
        """Per part: [fraud, clean]."""
        return {
            name: [int(((self.part == part) & (y == value)).sum()) for value in (1, 0)]
            for part, name in ((TRAIN, "train"), (DELAY, "delay"), (TEST, "test"), (LATER, "later"))
        }


def split(at_ms: NDArray[np.int64], group: NDArray[np.integer], plan: SplitPlan, seed: int) -> Split:
    """Deal labelled things into parts.

    temporal: train is what is dated before train_until, test what is dated from test_from (until test_until);
    between them lies at least the delay, whose labels are not known when the test begins. random: a share of the
    things; group: a share of the groups. none: everything trains.

    Shapes: at_ms, group [n].

    Raises:
        ValueError: the plan contradicts itself; says how.
    """
    n = len(at_ms)
    draw = np.random.default_rng((seed, 11))
    delay = plan.delay_ms if plan.delay_ms is not None else usual_delay(at_ms)
    if plan.kind == "temporal":
        return _temporal(at_ms, plan, delay)
    done = SplitPlan(plan.kind, None, delay, None, None, plan.test_share)
    if plan.kind == "none":
        return Split(np.full(n, TRAIN, np.int8), done)
    if plan.kind == "random":
        is_test = np.zeros(n, bool)
        is_test[draw.permutation(n)[: round(n * plan.test_share)]] = True
    else:
        groups, row = np.unique(group, return_inverse=True)
        drawn = np.zeros(len(groups), bool)
        drawn[draw.permutation(len(groups))[: round(len(groups) * plan.test_share)]] = True
        is_test = drawn[row]
    return Split(np.where(is_test, TEST, TRAIN).astype(np.int8), done)


def usual_delay(at_ms: NDArray[np.int64]) -> int:
    """Seven days, or a tenth of the time that the labels span where that is less."""
    return int(min(7 * DAY_MS, (at_ms.max(initial=0) - at_ms.min(initial=at_ms.max(initial=0))) // 10))


def _temporal(at_ms: NDArray[np.int64], plan: SplitPlan, delay: int) -> Split:
    train_until, test_from = plan.train_until_ms, plan.test_from_ms
    if train_until is None and test_from is None:
        train_until = int(np.quantile(at_ms, 1 - plan.test_share, method="higher")) - delay // 2
    if train_until is None:
        assert test_from is not None  # for the type checker: the case before
        train_until = test_from - delay
    if test_from is None:
        test_from = train_until + delay
    if test_from - train_until < delay:
        raise ValueError(
            f"between the end of training and the test lie {(test_from - train_until) / DAY_MS:g} days, less than "
            f"the delay of {delay / DAY_MS:g} days after which a label is known"
        )
    until = plan.test_until_ms if plan.test_until_ms is not None else int(at_ms.max(initial=0)) + 1
    if until <= test_from:
        raise ValueError("the test ends before it begins")
    part = np.full(len(at_ms), DELAY, np.int8)
    part[at_ms < train_until] = TRAIN
    part[at_ms >= test_from] = TEST
    part[at_ms >= until] = LATER
    return Split(part, SplitPlan("temporal", train_until, delay, test_from, until, plan.test_share))
