"""Drift: what a log is like now, held against what it was like before.

The likeness of a look is counts: how many acts accounts and targets have, how long an account waits between two acts,
the values of columns that have few, how strong the groups are to the judge, and with a model the scores of accounts.
That of the first look whose window is full is the baseline. It stays until something has drifted and people were told;
then the present is the baseline. So nobody can walk it along slowly, and growth alone, which moves no share, is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.evaluation.columns import PSI_FAR, psi

BinCounts = dict[str, int]  # bin → how many
FEWEST_USERS = 100  # accounts that a shape needs to be compared
MOST_VALUES = 50  # of a column whose values are counted
CHANCE = 3.0  # how many times the index that chance alone makes is allowed on top
SCORE_BINS = 10


@dataclass(frozen=True)
class Likeness:
    """What a look's rows are like: how many accounts, and by a name in words the counts of its bins."""

    n_users: int
    counts: Mapping[str, BinCounts]


def shape_of(rows: pa.Table, strength: NDArray[np.float64], scores: pa.Table | None) -> Likeness:
    """The shape of open rows (user_id, item_id, at_ms and more); strength: scores of groups, float64[n]."""
    users, n_of_user = _ranks(rows["user_id"])
    _, n_of_item = _ranks(rows["item_id"])
    at = rows["at_ms"].to_numpy()
    order = np.lexsort((at, users))
    same = users[order][1:] == users[order][:-1]
    waits = np.diff(at[order])[same]
    counts = {
        "acts of an account": _doublings(n_of_user),
        "acts on a target": _doublings(n_of_item),
        "time between two acts of an account": _doublings(waits // 1000 + 1),
        "strength of the groups": _tenths(strength),
    }
    if scores is not None:
        counts["scores of the accounts"] = _tenths(scores["score"].to_numpy())
    for name in rows.column_names:
        if pa.types.is_string(rows.schema.field(name).type) and name not in (
            "user_id",
            "item_id",
            "session_id",
        ):
            values = pc.value_counts(rows[name].combine_chunks()).to_pylist()
            if 1 < len(values) <= MOST_VALUES:
                counts[f"values of {name}"] = {str(one["values"]): one["counts"] for one in values}
    return Likeness(len(n_of_user), counts)


def drifted(before: Likeness, now: Likeness) -> dict[str, float]:
    """What became another population, with its population stability index, the furthest first.

    The index has to exceed PSI_FAR by more than chance can make between so many accounts.
    """
    if min(before.n_users, now.n_users) < FEWEST_USERS:
        return {}
    found = {}
    for name in before.counts.keys() & now.counts.keys():
        bins = sorted(before.counts[name].keys() | now.counts[name].keys())
        was, has = (
            np.array([one.counts[name].get(each, 0) for each in bins], np.int64) for one in (before, now)
        )
        few = [min(int(one.sum()), side.n_users) for one, side in ((was, before), (has, now))]
        if min(few) < FEWEST_USERS:
            continue
        index = psi(was, has)
        if index > PSI_FAR + CHANCE * (len(bins) - 1) * (1 / few[0] + 1 / few[1]):
            found[name] = index
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def _ranks(ids: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The place of each id among the distinct ones, and how often each of these is there."""
    known = pc.dictionary_encode(ids.combine_chunks())
    places = known.indices.to_numpy().astype(np.int64)
    return places, np.bincount(places, minlength=len(known.dictionary))


def _doublings(values: NDArray[np.int64]) -> BinCounts:
    """How many values lie between two powers of two."""
    return _counted(np.floor(np.log2(np.maximum(values, 1))).astype(np.int64))


def _tenths(values: NDArray[np.float64]) -> BinCounts:
    return _counted(np.minimum((values * SCORE_BINS).astype(np.int64), SCORE_BINS - 1))


def _counted(bins: NDArray[np.int64]) -> BinCounts:
    return {str(each): int(n) for each, n in zip(*np.unique(bins, return_counts=True), strict=True)}
