"""What came before: counts, sums and gaps over everything strictly earlier, with one window pass a key.

An engine without time-range windows can still do this: what leaves a span is a row of its own that takes back
what it once added, so that a running sum over keys and times is the sum over the span. Events of the same
moment are added up first and do not see each other; so the order of the rows does not matter, and nothing
later can be seen.
"""

from collections.abc import Sequence

import narwhals as nw

from graphdet.tables import Frame


def history(rows: Frame, by: Sequence[str], totals: Sequence[str], spans_s: Sequence[int] = ()) -> Frame:
    """Sum up what came strictly before each moment of each key.

    Args:
        rows: the columns `by`, at_ms (int64) and `totals` (int64, never null).
        by: the key; rows where a part of it is null are left out.
        totals: columns to sum.
        spans_s: lengths in seconds of spans that end before the moment: start inclusive, end exclusive.

    Returns:
        One row per (by, at_ms) of `rows`: by, at_ms, first_ms and previous_ms (int64; the key's first moment,
        which may be this one, and its last one before, null for none), TOTAL_before and TOTAL_SPAN (int64).
    """
    key = list(by)
    rows = rows.filter(*(~nw.col(name).is_null() for name in key))
    now = rows.group_by(*key, "at_ms").agg(*(nw.col(name).sum().cast(nw.Int64) for name in totals))
    sums = [*totals, *(f"{name}_{span}" for span in spans_s for name in totals)]
    parts = [
        now.select(
            *key,
            "at_ms",
            nw.col("at_ms").alias("event_ms"),
            *totals,
            *(nw.col(name).alias(f"{name}_{span}") for span in spans_s for name in totals),
        )
    ]
    nothing = nw.lit(0).cast(nw.Int64)
    for span in spans_s:
        leaving = dict.fromkeys(sums, nothing) | {f"{name}_{span}": -nw.col(name) for name in totals}
        # A row at t takes back for moments after t, so what is exactly a span old still counts.
        moved = now.with_columns(left_ms=nw.col("at_ms") + span * 1000)
        parts.append(
            moved.select(
                *key,
                nw.col("left_ms").alias("at_ms"),
                nw.lit(None).cast(nw.Int64).alias("event_ms"),
                *(value.alias(name) for name, value in leaving.items()),
            )
        )
    line = nw.concat(parts, how="vertical") if len(parts) > 1 else parts[0]
    line = line.group_by(*key, "at_ms").agg(
        nw.col("event_ms").max(), *(nw.col(name).sum().cast(nw.Int64) for name in sums)
    )
    line = line.with_columns(
        nw.col("event_ms").min().over(*key).alias("first_ms"),
        nw.col("event_ms").fill_null(strategy="forward").over(*key, order_by="at_ms").alias("last_ms"),
        *(
            (nw.col(name).cum_sum().over(*key, order_by="at_ms") - nw.col(name))
            .cast(nw.Int64)
            .alias(_named(name, totals))
            for name in sums
        ),
    )
    line = line.with_columns(
        nw.col("last_ms").shift(1).over(*key, order_by="at_ms").alias("previous_ms"),
    )
    line = line.filter(~nw.col("event_ms").is_null())
    return line.select(*key, "at_ms", "first_ms", "previous_ms", *(_named(name, totals) for name in sums))


def _named(name: str, totals: Sequence[str]) -> str:
    return f"{name}_before" if name in totals else name
