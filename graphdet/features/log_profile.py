"""Counts over a whole log for looking at it: how many, how often, when, how large. Frames in, small frames out."""

import narwhals as nw

from graphdet import schema
from graphdet.features.behaviour import fixed_mean, fixed_sums
from graphdet.tables import Frame, require_columns
from graphdet.units import HOUR_MS

CODED_COLUMNS = (*schema.EDGE_COLUMNS, "event_id", "event_row", "amount", "quantity", "text_length")
BINS_A_DECADE = 5
_LEAST, _MOST = 1e-300, 1e300  # sizes beyond count as these


def number_distinct(frame: Frame, column: str, ix: str) -> Frame:
    """Number the distinct values of a column from 0, in their order: (column, ix INTEGER)."""
    distinct = frame.select(column).unique()
    return distinct.with_columns((nw.col(column).rank("dense") - 1).cast(nw.Int32).alias(ix))


def coded(events: Frame, users: Frame, items: Frame, sessions: Frame, actions: Frame) -> Frame:
    """Events with dense numbers instead of ids: schema.EDGE_COLUMNS with n = 1, and all else but the ids and text.

    Args:
        events: schema.EVENT_COLUMNS and attributes.
        users, items, sessions, actions: as `numbered` gives them.

    Returns:
        CODED_COLUMNS and the attributes; text_length in characters, null without a text.

    Raises:
        ValueError: a column of the contract is missing.
    """
    names = events.collect_schema().names()
    require_columns(names, schema.EVENT_COLUMNS, "events")
    rows = events.with_columns(
        nw.col("text").str.len_chars().cast(nw.Float64).alias("text_length"),
        nw.lit(1).cast(nw.Int64).alias("n"),
    )
    for column, table in (
        ("user_id", users),
        ("item_id", items),
        ("session_id", sessions),
        ("action", actions),
    ):
        rows = rows.join(table, on=column, how="inner")
    more = [name for name in names if name not in schema.EVENT_COLUMNS]
    return rows.select(*CODED_COLUMNS, *more)


def count_of_counts(events: Frame, key: str) -> Frame:
    """How many of `key` have so many events: (k, things), k ascending."""
    return _counts(events.group_by(key).agg(nw.len().alias("k")))


def _counts(things: Frame) -> Frame:
    return things.group_by("k").agg(nw.len().alias("things")).sort("k")


def items_per_user(events: Frame) -> Frame:
    """How many users touch so many distinct items: (k, things), k ascending."""
    pairs = events.select("user_ix", "item_ix").unique()
    return _counts(pairs.group_by("user_ix").agg(nw.len().alias("k")))


def per_hour(events: Frame) -> Frame:
    """Events in each clock hour (UTC) that has any: (hour since 1970, events), ascending."""
    hours = events.select((nw.col("at_ms") // HOUR_MS).alias("hour"))
    return hours.group_by("hour").agg(nw.len().alias("events")).sort("hour")


def per_span(events: Frame, origin_ms: int, width_ms: int) -> Frame:
    """Events and users in each span of time from `origin_ms` on: (span, events, users), ascending."""
    rows = events.select("user_ix", ((nw.col("at_ms") - origin_ms) // width_ms).alias("span"))
    return (
        rows.group_by("span")
        .agg(nw.len().alias("events"), nw.col("user_ix").n_unique().alias("users"))
        .sort("span")
    )


def session_sizes(events: Frame) -> Frame:
    """Seconds from the first to the last event of each session with two or more: (value)."""
    ends = events.group_by("session_ix").agg(
        nw.len().alias("events"), nw.col("at_ms").min().alias("first"), nw.col("at_ms").max().alias("last")
    )
    ends = ends.filter(nw.col("events") > 1)
    return ends.select(((nw.col("last") - nw.col("first")).cast(nw.Float64) / 1000.0).alias("value"))


def user_gaps(events: Frame) -> Frame:
    """Seconds between each user's successive events: (value)."""
    before = nw.col("at_ms").shift(1).over("user_ix", order_by=("at_ms", "event_row"))
    gaps = events.select(((nw.col("at_ms") - before).cast(nw.Float64) / 1000.0).alias("value"))
    return gaps.filter(~nw.col("value").is_null())


def summary(values: Frame, quantiles: tuple[float, ...]) -> Frame:
    """One row on a column `value`: n, n_zero, n_negative, low, high, and q0, q1 … for the quantiles; nulls left out."""
    value = nw.col("value")
    known = values.filter(~value.is_null())
    return known.select(
        nw.len().alias("n"),
        (value == 0).cast(nw.Int64).sum().alias("n_zero"),
        (value < 0).cast(nw.Int64).sum().alias("n_negative"),
        value.min().alias("low"),
        value.max().alias("high"),
        *(value.quantile(q, interpolation="linear").alias(f"q{k}") for k, q in enumerate(quantiles)),
    )


def log_bins(values: Frame) -> Frame:
    """Positive values by size, BINS_A_DECADE bins to each power of ten: (bin, things), ascending.

    Bin b holds 10^(b / BINS_A_DECADE) ≤ value < 10^((b + 1) / BINS_A_DECADE).
    """
    size = nw.col("value").clip(_LEAST, _MOST)
    # The small addition keeps whole powers of ten in the bin that they begin, whatever the last bit of the logarithm.
    place = (size.log(10) * BINS_A_DECADE + 1e-9).floor().cast(nw.Int64)
    return (
        values.filter(nw.col("value") > 0)
        .group_by(place.alias("bin"))
        .agg(nw.len().alias("things"))
        .sort("bin")
    )


def value_counts(events: Frame, column: str) -> Frame:
    """How often each value of a column is there: (value, events), the commonest first, equal ones in their order."""
    counts = events.filter(~nw.col(column).is_null()).group_by(nw.col(column).alias("value"))
    return counts.agg(nw.len().alias("events")).sort("events", "value", descending=[True, False])


def mix(events: Frame, what: nw.Expr, origin_ms: int, width_ms: int) -> Frame:
    """How often each kind of event is there in each span of time: (span, kind, events); kinds of null are left out."""
    rows = events.select(what.alias("kind"), ((nw.col("at_ms") - origin_ms) // width_ms).alias("span"))
    rows = rows.filter(~nw.col("kind").is_null())
    return rows.group_by("span", "kind").agg(nw.len().alias("events")).sort("span", "kind")


def hour_of_day() -> nw.Expr:
    """The hour of the day, in UTC, 0 to 23."""
    return (nw.col("at_ms") // HOUR_MS) % 24


def size_class(column: str) -> nw.Expr:
    """A number's sign and power of two: apart by a factor of two, apart in class."""
    size = nw.col(column).abs().clip(_LEAST, _MOST)
    place = size.log(2).floor().cast(nw.Int64) + 1001
    return nw.when(nw.col(column) == 0).then(0).when(nw.col(column) > 0).then(place).otherwise(-place)


def repeats(events: Frame) -> Frame:
    """One row: events, and distinct (user, item), (user, item, moment) and (session, item) among them."""
    parts = {
        "user_item": ("user_ix", "item_ix"),
        "user_item_moment": ("user_ix", "item_ix", "at_ms"),
        "session_item": ("session_ix", "item_ix"),
    }
    out = events.select(nw.len().alias("events"))
    for name, columns in parts.items():
        out = out.join(events.select(*columns).unique().select(nw.len().alias(name)), how="cross")
    return out


def shared_texts(events: Frame) -> Frame:
    """Texts that several events have word for word: (text, events, users), the commonest first."""
    known = events.filter(~nw.col("text").is_null() & (nw.col("text") != ""))
    texts = known.group_by("text").agg(nw.len().alias("events"), nw.col("user_id").n_unique().alias("users"))
    return texts.filter(nw.col("events") > 1).sort("events", "text", descending=[True, False])


AMOUNT_FEATURES = ("amount_mean", "amount_max")


def amounts_of(events: Frame, key: str) -> Frame:
    """Mean and largest amount of each `key` that has any: (key, *AMOUNT_FEATURES); sizes are cut at 10⁹."""
    known = events.filter(~nw.col("amount").is_null()).with_columns(nw.col("amount").clip(-1e9, 1e9))
    sums = known.group_by(key).agg(
        nw.len().alias("n_amounts"), nw.col("amount").max().alias("amount_max"), *fixed_sums("amount")[:1]
    )
    mean = fixed_mean("amount", nw.col("n_amounts").cast(nw.Float64))
    return sums.select(key, mean.alias("amount_mean"), "amount_max")
