"""Which labels are learned from and which only measure: in time, at random, or by group; and folds.

Days are 86,400 s; times are ms since 1970 UTC; spans are half open. Folds keep groups together; p-values rank a score
among those of what is known to be clean.
"""

from dataclasses import asdict, dataclass
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.units import DAY_MS

TRAIN, DELAY, TEST, LATER = 0, 1, 2, 3
SPLIT_KINDS = ("temporal", "random", "group", "none")


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


def split_rows(at_ms: NDArray[np.int64], group: NDArray[np.integer], plan: SplitPlan, seed: int) -> Split:
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
    if len(at_ms) and not at_ms.any():
        raise ValueError("the log has no times to split by; choose --split group, random or none")
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


N_EVALUATION_FOLDS = 5


def folds_by_id(user_ids: pa.Array, n_folds: int) -> NDArray[np.int64]:
    """Give each user a fold by a checksum of the id, the same in every run: int64[n_users]."""
    ids = user_ids.to_pylist()
    return np.fromiter((crc32(name.encode()) % n_folds for name in ids), np.int64, len(ids))


def grouped_folds(y: NDArray[np.integer], group: NDArray[np.integer], seed: int) -> NDArray[np.int64]:
    """Deal groups into folds so that the rest of each fold has rows of both labels.

    Shapes: y, 1 or 0, and group int[n]; returns int64[n], folds from 0. There are as many as N_EVALUATION_FOLDS, or
    as the scarcer label has groups. A group with both labels counts for both.

    Raises:
        ValueError: a label is found in fewer than two groups.
    """
    groups, row = np.unique(group, return_inverse=True)
    has = [np.bincount(row[y == value], minlength=len(groups)) > 0 for value in (0, 1)]
    n_folds = min(N_EVALUATION_FOLDS, int(has[0].sum()), int(has[1].sum()))
    if n_folds < 2:
        raise ValueError("each label needs two groups or more")
    order = np.random.default_rng(seed).permutation(len(groups))
    both, fraud, clean = has[0] & has[1], has[1] & ~has[0], has[0] & ~has[1]
    fold = np.zeros(len(groups), np.int64)
    # Each label's groups are dealt in one round, so that no fold has all of a label.
    mixed = order[both[order]]
    fold[mixed] = np.arange(len(mixed))
    for part in (fraud, clean):
        rest = order[part[order]]
        fold[rest] = len(mixed) + np.arange(len(rest))
    return (fold % n_folds)[row]


def conformal_p_values(values: Float, clean: Float) -> Float:
    """Share of clean values that are at least as high, the value itself counted among them (add one).

    Shapes: values float64[n], clean float64[m]; returns float64[n] in (0, 1].

    >>> conformal_p_values(np.array([9.0, 1.5]), np.array([1.0, 2.0, 3.0])).tolist()
    [0.25, 0.75]
    """
    return (1 + _as_high(values, clean)) / (1 + len(clean))


def cross_conformal_p_values(values: Float, clean: Float, clean_fold: NDArray[np.int64]) -> Float:
    """The same over the models of several folds: each value is ranked by a model among what that has not seen.

    Vovk 2015 (cross-conformal predictors). Shapes: values float64[n_folds, n], clean float64[m] by the model
    of its own fold, clean_fold int64[m]; returns float64[n] in (0, 1].
    """
    above = np.zeros(values.shape[1])
    for fold in range(len(values)):
        above += _as_high(values[fold], clean[clean_fold == fold])
    return (1 + above) / (1 + len(clean))


def _as_high(values: Float, others: Float) -> Float:
    return (len(others) - np.searchsorted(np.sort(others), values, side="left")).astype(np.float64)
