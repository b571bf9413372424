"""Co-action pairs: users who act on the same items within a window, as one Narwhals expression.

The same expression runs on DuckDB today and on Spark when a log outgrows one machine; nothing is looped in
Python.
"""

from dataclasses import dataclass

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from graphdet.tables import Frame, PairArrays


@dataclass(frozen=True)
class Window:
    """How close in time two acts on an item must be, and which crowds are too large to say anything.

    span_s: two acts are together when at most this many seconds apart. min_items: common items that make a
    pair. budget: n users who meet on an item within a span give n² / 2 pairs, so a crowd ties nobody to
    anybody and costs the most; the largest crowds are left out until the rest gives at most `budget` ×
    n_acts ordered pairs. That keeps the work linear in the log. A crowd is counted per item *and* span, so a
    popular item counts in its quiet hours.
    """

    span_s: float
    min_items: int
    budget: float


# A sitting, two days, a month. Chosen on planted campaigns in a real news log: see
# docs/decisions/0003-rings.md.
WINDOWS = (
    Window(span_s=3_600, min_items=3, budget=10),
    Window(span_s=172_800, min_items=2, budget=20),
    Window(span_s=2_592_000, min_items=2, budget=2),
)
SECOND = 2**31  # rows of users are int32
MIN_PAIRS = 2_000_000  # a small log is joined whole: below this many ordered pairs no crowd is left out


def first_acts(edges: Frame) -> Frame:
    """One row per (user, item) with the first time: (user_ix, item_ix, at_ms)."""
    return edges.group_by("user_ix", "item_ix").agg(nw.col("at_ms").min())


def largest_crowd(acts: Frame, window: Window) -> int:
    """The largest number of users on an item in a span that the window's budget allows."""
    span_ms = int(window.span_s * 1000)
    crowds = acts.with_columns((nw.col("at_ms") // span_ms).alias("bucket")).group_by("item_ix", "bucket")
    sizes = crowds.agg(nw.len().alias("size")).group_by("size").agg(nw.len().alias("times"))
    table = sizes.sort("size").collect("pyarrow").to_native()
    size = table.column("size").to_numpy().astype(np.float64)
    times = table.column("times").to_numpy().astype(np.float64)
    return crowd_within(window, size, times)


def crowd_within(window: Window, size: NDArray[np.float64], times: NDArray[np.float64]) -> int:
    """The largest crowd within the budget, of crowds of `size`, ascending, each `times`; both float64[n]."""
    if not len(size):
        return 0
    allowed = max(window.budget * float((size * times).sum()), MIN_PAIRS)
    return int(size[np.cumsum(size**2 * times) <= allowed].max(initial=1))


def quiet_acts(acts: Frame, window: Window, crowd: int) -> Frame:
    """Acts outside crowds, with their time bucket and rarity: (user_ix, item_ix, at_ms, bucket, rarity).

    rarity = ln(n_users / audience of the item), in nats: what a common act on the item is worth as evidence.
    """
    span_ms = int(window.span_s * 1000)
    bucketed = acts.with_columns((nw.col("at_ms") // span_ms).alias("bucket"))
    audience = acts.group_by("item_ix").agg(nw.len().alias("audience"))
    local = bucketed.group_by("item_ix", "bucket").agg(nw.len().alias("n_local"))
    n_users = acts.select(nw.col("user_ix").max().alias("top")).with_columns(nw.col("top") + 1)
    return (
        bucketed.join(local.filter(nw.col("n_local") <= crowd), on=["item_ix", "bucket"], how="inner")
        .join(audience.filter(nw.col("audience") >= 2), on="item_ix", how="inner")
        .join(n_users, how="cross")
        .with_columns((nw.col("top") / nw.col("audience")).log().alias("rarity"))
        .select("user_ix", "item_ix", "at_ms", "bucket", "rarity")
    )


def co_action_pairs(acts: Frame, window: Window) -> Frame:
    """Pairs of users with at least `min_items` common items within the window.

    Args:
        acts: as `quiet_acts` gives them, best kept as a table, as they are read three times.
        window: how close in time.

    Returns:
        Frame: (pair, n_items, weight, gap_ms); pair = a × 2³¹ + b with a < b, as a single key is grouped much faster
        than two; weight is the sum of rarities, gap_ms that of the times between the two acts. The earlier act looks
        into its own time bucket and the next, so that no pair is missed at a boundary and an item's whole history is
        never joined with itself.
    """
    span_ms = int(window.span_s * 1000)
    later = acts.select(
        nw.col("item_ix"),
        nw.col("bucket"),
        nw.col("user_ix").alias("user_later"),
        nw.col("at_ms").alias("later_ms"),
        nw.col("rarity"),
    )
    here = acts.select("item_ix", "user_ix", "at_ms", "bucket")
    reach = nw.concat([here, here.with_columns(nw.col("bucket") + 1)], how="vertical")
    gap = nw.col("later_ms") - nw.col("at_ms")
    ordered = (gap > 0) | ((gap == 0) & (nw.col("user_ix") < nw.col("user_later")))
    first = nw.min_horizontal("user_ix", "user_later").cast(nw.Int64())
    return (
        reach.join(later, on=["item_ix", "bucket"], how="inner")
        .filter(ordered & (gap <= span_ms) & (nw.col("user_ix") != nw.col("user_later")))
        .select(
            (first * SECOND + nw.max_horizontal("user_ix", "user_later")).alias("pair"),
            nw.col("rarity"),
            gap.cast(nw.Float64()).alias("gap_ms"),
        )
        .group_by("pair")
        .agg(nw.len().alias("n_items"), nw.col("rarity").sum().alias("weight"), nw.col("gap_ms").sum())
        .filter(nw.col("n_items") >= window.min_items)
    )


def pair_arrays(pairs: Frame) -> PairArrays:
    """Collect pairs as arrays, sorted by (a, b)."""
    table = pairs.collect("pyarrow").to_native()
    pair = table.column("pair").to_numpy()
    order = np.argsort(pair)
    pair = pair[order]
    n_items = table.column("n_items").to_numpy()[order]
    gap_ms = table.column("gap_ms").to_numpy()[order]
    return PairArrays(
        a=(pair // SECOND).astype(np.int32),
        b=(pair % SECOND).astype(np.int32),
        n_items=n_items.astype(np.int32),
        # Sums run in whatever order the engine likes; rounding makes the bytes the same every time.
        weight=table.column("weight").to_numpy()[order].round(6),
        gap_s=(gap_ms / n_items / 1000).round(3),
    )
