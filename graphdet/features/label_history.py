"""Labels as features: how often an event's user, item, session and values were known as fraud, at its own moment.

A label is known only `delay_ms` after the event that it is of. An event at t therefore sees labels of events dated
before t − delay_ms and no others: not its own, not those of its moment, and none that is not handed in. Whoever
leaves out labels (those of a fold, those of a test part) hides them by giving −1.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Int
from graphdet.features.events import Past, PastSeen, ratio
from graphdet.units import DAY_S

LABEL_SPANS = {"1d": DAY_S, "7d": 7 * DAY_S, "30d": 30 * DAY_S}
_PRIOR = 10  # labels of an unknown value that count as clean: a rate from one label says little
LABEL_FEATURES = (
    *(f"{what}_{span}" for span in LABEL_SPANS for what in ("known", "frauds", "fraud_share")),
    "known",  # labels known by then, of all time
    "fraud_rate",  # frauds among them, of ten more that are clean
    "last_label",  # the latest label known
    "last_three",  # frauds among the three latest
    "fraud_gap_s",  # since the latest known fraud
    "fraud_age_s",  # since the first known fraud of the 30 days that end a delay ago
    "streak",  # frauds among the latest labels in a row: of what was taken over, everything comes back as fraud
    "streak_age_s",  # since the first of them
    *(
        f"plain_frauds_{span}" for span in LABEL_SPANS
    ),  # frauds that nothing but their label tells: see `plain`
    "plain_gap_s",
    "plain_age_s",
)


def label_feature_names(keys: Sequence[str]) -> tuple[str, ...]:
    """`KEY label WHAT` for each key and LABEL_FEATURES.

    >>> label_feature_names(["item"])[0]
    'item label known_1d'
    """
    return tuple(f"{key} label {what}" for key in keys for what in LABEL_FEATURES)


def label_history(
    keys: Mapping[str, Int],
    at_ms: Int,
    y: NDArray[np.int8],
    delay_ms: int,
    rows: NDArray[np.int64],
    plain: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """What is known of past labels at each of some rows.

    `plain` are events that look ordinary for their user (None: all). A fraud among them points at its item or device;
    one of an outrageous amount may have been a stolen card's, and says little of where it was used.

    Shapes: keys int64[n] each (−1: none), at_ms int64[n], y int8[n] 1 fraud, 0 clean, −1 hidden; plain bool[n]; rows
    int64[q]; returns float32[q, len(keys) · len(LABEL_FEATURES)], NaN where nothing is known.

    Raises:
        ValueError: the delay is negative.
    """
    if delay_ms < 0:
        raise ValueError(f"a label cannot be known {-delay_ms} ms before its event")
    known, frauds = np.flatnonzero(y >= 0), np.flatnonzero(y == 1)
    plain_frauds = frauds if plain is None else frauds[plain[frauds]]
    columns: list[NDArray[np.float64]] = []
    for key in keys.values():
        seen = PastSeen(Past(key[known], at_ms[known]), key[rows], at_ms[rows], delay_ms)
        bad = PastSeen(Past(key[frauds], at_ms[frauds]), key[rows], at_ms[rows], delay_ms, seen.order)
        for span in LABEL_SPANS.values():
            n, n_bad = seen.count(seen.since(span)), bad.count(bad.since(span))
            columns += [n, n_bad, ratio(n_bad, n)]
        n = seen.count(seen.start)
        columns += [n, bad.count(bad.start) / (n + _PRIOR)]
        label = y[known].astype(np.int64)
        columns.append(seen.last(label[seen.past.order]))
        latest = np.maximum(seen.start, seen.end - 3)
        columns.append(ratio(seen.total(seen.past.running(label), latest), seen.count(latest)))
        columns += [bad.gap_s(), bad.age_s(bad.since(LABEL_SPANS["30d"]))]
        streak, begun = _streaks(seen.past, label)
        columns += [seen.last(streak), (at_ms[rows] - seen.last(begun)) / 1000.0]
        ordinary = PastSeen(
            Past(key[plain_frauds], at_ms[plain_frauds]), key[rows], at_ms[rows], delay_ms, seen.order
        )
        columns += [ordinary.count(ordinary.since(span)) for span in LABEL_SPANS.values()]
        columns += [ordinary.gap_s(), ordinary.age_s(ordinary.since(LABEL_SPANS["30d"]))]
    out = np.empty((len(rows), len(columns)), np.float32)
    for place, column in enumerate(columns):
        out[:, place] = column
    return out


def _streaks(past: Past, label: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """At each place of a past of labels: how many frauds in a row end there, and when the first was (NaN: none).

    Shapes: label int64[m], in the order that the past was made of; returns int64[m] and float64[m], milliseconds.
    """
    y, place = label[past.order], np.arange(len(label))
    is_first = np.ones(len(label), bool)
    is_first[1:] = past.key[1:] != past.key[:-1]
    # The place of the last clean label; where the key has none yet, the one before its first.
    before = np.maximum.accumulate(np.where(y == 0, place, np.where(is_first, place - 1, -1)))
    length = place - before
    begun = np.where(
        length > 0, past.at_ms[np.minimum(before + 1, len(label) - 1)].astype(np.float64), np.nan
    )
    return length, begun
