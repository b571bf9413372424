"""Behaviour features: what a user does, and what happens to an item, as one chain of whole-log expressions each.

Training, scoring and serving share them. All features are functions of the edges handed in. Cut the edges with
`since_ms` and `until_ms` and nothing outside the half-open span can touch a feature: features at a time are causal by
construction.

Sums of real numbers are taken in fixed point, in steps of 2⁻²⁰, because an engine that adds on several threads adds
in no fixed order, and floating-point sums would differ in their last bits from run to run.
"""

import math
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import narwhals as nw
import numpy as np
import pyarrow as pa

from graphdet import schema
from graphdet.arrays import Float
from graphdet.graph.encode import edges_frame
from graphdet.progress import Progress
from graphdet.tables import Frame, GraphArrays, require_columns
from graphdet.units import DAY_MS, HOUR_MS
from graphdet.workbench import Workbench

_FIXED = float(1 << 20)


def fixed(x: nw.Expr) -> nw.Expr:
    """A number as a whole number of steps."""
    return (x * _FIXED).round().cast(nw.Int64)


def unfixed(x: nw.Expr) -> nw.Expr:
    """Steps as a number again."""
    return x.cast(nw.Float64) / _FIXED


def fixed_sums(*names: str) -> list[nw.Expr]:
    """Sums and sums of squares of columns, as NAME_sum and NAME_sum2."""
    sums = [fixed(nw.col(c)).sum().alias(f"{c}_sum") for c in names]
    return sums + [fixed(nw.col(c) * nw.col(c)).sum().alias(f"{c}_sum2") for c in names]


def fixed_mean(name: str, n: nw.Expr) -> nw.Expr:
    """Mean of a column from its sum."""
    return unfixed(nw.col(f"{name}_sum")) / n


def fixed_std(name: str, n: nw.Expr) -> nw.Expr:
    """Standard deviation of a column from its sums."""
    mean = fixed_mean(name, n)
    square = unfixed(nw.col(f"{name}_sum2")) / n
    return (square - mean * mean).clip(lower_bound=0.0).sqrt()


def log1p(x: nw.Expr) -> nw.Expr:
    """ln(1 + x)."""
    return (x.cast(nw.Float64) + 1.0).log()


FEATURE_NAMES = (
    "n_events",  # events, repeats included
    "n_items",  # distinct items
    "n_sessions",  # distinct sessions
    "items_per_session",  # (session, item) pairs ÷ sessions
    "repeat_share",  # 1 − distinct items ÷ events
    "span_h",  # hours from the first to the last event
    "n_active_days",  # UTC days with an event
    "edges_per_active_hour",  # interactions ÷ clock hours with an event
    "gap_log_mean",  # mean of ln(1 + gap in s) between successive events; 0 with a single event
    "gap_log_std",  # its standard deviation
    "gap_log_min",  # ln(1 + the smallest gap in s)
    "hour_concentration",  # mean resultant length of the times of day: 0 spread, 1 always the same
    "item_rarity_mean",  # mean of ln(users of the log ÷ users of the item)
    "item_rarity_std",  # its standard deviation
    "rare_item_share",  # share of interactions on items seen by fewer than RARE_USERS users
    "item_age_log_mean",  # mean of ln(1 + hours since the item's first event)
    "busiest_hour_share",  # share of interactions that fall in the item's busiest clock hour
    "item_lift_mean",  # mean of ln(the item's interactions in that hour ÷ its mean per hour it was alive)
    "main_action_share",  # share of the user's commonest action
    "action_entropy",  # entropy of the action mix, nats
    "n_entities",  # shared entities (device, ip, …) the user is linked to
    "entity_users_log_max",  # ln of the number of users on the most shared of them; 0 without
)
ITEM_FEATURE_NAMES = (
    "n_events",
    "n_users",
    "n_sessions",
    "repeat_share",  # 1 − users ÷ events
    "span_h",
    "busiest_hour_share",  # share of the item's interactions in its busiest hour
    "hours_alive_share",  # clock hours with an event ÷ clock hours from first to last
    "hour_concentration",
    "user_activity_log_mean",  # mean of ln(1 + the acting user's interactions)
    "user_activity_log_std",
    "item_age_log_mean",
    "main_action_share",
)
RARE_USERS = 20


def user_features(
    edges: Frame, entities: Frame | None = None, *, since_ms: int | None = None, until_ms: int | None = None
) -> Frame:
    """Compute the behaviour of every user who has an event in the span.

    Args:
        edges: schema.EDGE_COLUMNS.
        entities: links of users to shared entities, columns user_ix and entity_ix; None for none.
        since_ms: the span's start, inclusive; None for no bound.
        until_ms: the span's end, exclusive; None for no bound.

    Returns:
        user_ix int32 and FEATURE_NAMES float64, one row per user, in no particular order. Never null.

    Raises:
        ValueError: a column of the contract is missing.
    """
    edges = _in_span(edges, since_ms, until_ms)
    rows = _with_item_context(edges)
    users = (
        _user_sums(rows)
        .join(_gaps(edges), on="user_ix", how="left")
        .join(_action_mix(edges, "user_ix"), on="user_ix", how="left")
    )
    users = users.join(_entity_sums(entities, edges), on="user_ix", how="left")
    return users.select("user_ix", *(nw.col(c).cast(nw.Float64).fill_null(0.0) for c in FEATURE_NAMES))


def item_features(edges: Frame, *, since_ms: int | None = None, until_ms: int | None = None) -> Frame:
    """Compute what happens to every item that has an event in the span.

    Returns:
        item_ix int32 and ITEM_FEATURE_NAMES float64, one row per item, in no particular order. Never null.

    Raises:
        ValueError: a column of the contract is missing.
    """
    edges = _in_span(edges, since_ms, until_ms)
    activity = edges.group_by("user_ix").agg(nw.len().alias("user_edges"))
    rows = _with_item_context(edges).join(activity, on="user_ix", how="left")
    rows = rows.with_columns(log1p(nw.col("user_edges")).alias("x"))
    n = nw.col("n_edges").cast(nw.Float64)
    alive_h = (nw.col("last_ms") // HOUR_MS - nw.col("first_ms") // HOUR_MS + 1).cast(nw.Float64)
    items = rows.group_by("item_ix").agg(
        nw.len().alias("n_edges"),
        nw.col("n").sum().alias("n_events"),
        nw.col("user_ix").n_unique().alias("n_users"),
        nw.col("session_ix").n_unique().alias("n_sessions"),
        nw.col("hour").n_unique().alias("n_hours"),
        nw.col("at_ms").min().alias("first_ms"),
        nw.col("at_ms").max().alias("last_ms"),
        nw.col("hour_edges").max().alias("busiest"),
        *fixed_sums("x", "age", "cos", "sin"),
    )
    items = items.with_columns(
        (1.0 - nw.col("n_users") / nw.col("n_events")).alias("repeat_share"),
        ((nw.col("last_ms") - nw.col("first_ms")) / HOUR_MS).alias("span_h"),
        (nw.col("busiest") / n).alias("busiest_hour_share"),
        (nw.col("n_hours") / alive_h).alias("hours_alive_share"),
        _resultant(n).alias("hour_concentration"),
        fixed_mean("x", n).alias("user_activity_log_mean"),
        fixed_std("x", n).alias("user_activity_log_std"),
        fixed_mean("age", n).alias("item_age_log_mean"),
    ).join(_action_mix(edges, "item_ix"), on="item_ix", how="left")
    return items.select("item_ix", *(nw.col(c).cast(nw.Float64).fill_null(0.0) for c in ITEM_FEATURE_NAMES))


def _in_span(edges: Frame, since_ms: int | None, until_ms: int | None) -> Frame:
    require_columns(edges.collect_schema().names(), schema.EDGE_COLUMNS, "edges")
    if since_ms is not None:
        edges = edges.filter(nw.col("at_ms") >= since_ms)
    if until_ms is not None:
        edges = edges.filter(nw.col("at_ms") < until_ms)
    return edges.with_columns((nw.col("at_ms") // HOUR_MS).alias("hour"))


def _with_item_context(edges: Frame) -> Frame:
    """Add to each edge how popular, how old and how busy its item is at that hour."""
    per_hour = edges.group_by("item_ix", "hour").agg(nw.len().alias("hour_edges"))
    items = edges.group_by("item_ix").agg(
        nw.col("user_ix").n_unique().alias("item_users"),
        nw.col("at_ms").min().alias("item_first_ms"),
        nw.col("hour").max().alias("item_last_hour"),
        nw.len().alias("item_edges"),
    )
    peaks = per_hour.group_by("item_ix").agg(nw.col("hour_edges").max().alias("peak_edges"))
    total = edges.select(nw.col("user_ix").n_unique().alias("log_users"))
    rows = (
        edges.join(items, on="item_ix", how="inner")
        .join(peaks, on="item_ix", how="inner")
        .join(per_hour, on=["item_ix", "hour"], how="inner")
        .join(total, how="cross")
    )
    day_angle = (nw.col("at_ms") % DAY_MS) * (2.0 * math.pi / DAY_MS)
    alive_h = nw.col("item_last_hour") - nw.col("item_first_ms") // HOUR_MS + 1
    return rows.with_columns(
        (nw.col("log_users") / nw.col("item_users")).log().alias("rarity"),
        log1p((nw.col("at_ms") - nw.col("item_first_ms")) / HOUR_MS).alias("age"),
        (nw.col("hour_edges") * alive_h / nw.col("item_edges")).log().alias("lift"),
        (nw.col("hour_edges") == nw.col("peak_edges")).cast(nw.Int64).alias("at_peak"),
        (nw.col("item_users") < RARE_USERS).cast(nw.Int64).alias("is_rare"),
        day_angle.cos().alias("cos"),
        day_angle.sin().alias("sin"),
    )


def _user_sums(rows: Frame) -> Frame:
    n = nw.col("n_edges").cast(nw.Float64)
    users = rows.group_by("user_ix").agg(
        nw.len().alias("n_edges"),
        nw.col("n").sum().alias("n_events"),
        nw.col("item_ix").n_unique().alias("n_items"),
        nw.col("session_ix").n_unique().alias("n_sessions"),
        nw.col("hour").n_unique().alias("n_hours"),
        (nw.col("at_ms") // DAY_MS).n_unique().alias("n_active_days"),
        nw.col("at_ms").min().alias("first_ms"),
        nw.col("at_ms").max().alias("last_ms"),
        nw.col("at_peak").sum().alias("n_at_peak"),
        nw.col("is_rare").sum().alias("n_rare"),
        *fixed_sums("rarity", "age", "lift", "cos", "sin"),
    )
    return users.with_columns(
        (n / nw.col("n_sessions")).alias("items_per_session"),
        (1.0 - nw.col("n_items") / nw.col("n_events")).alias("repeat_share"),
        ((nw.col("last_ms") - nw.col("first_ms")) / HOUR_MS).alias("span_h"),
        (n / nw.col("n_hours")).alias("edges_per_active_hour"),
        _resultant(n).alias("hour_concentration"),
        fixed_mean("rarity", n).alias("item_rarity_mean"),
        fixed_std("rarity", n).alias("item_rarity_std"),
        (nw.col("n_rare") / n).alias("rare_item_share"),
        fixed_mean("age", n).alias("item_age_log_mean"),
        (nw.col("n_at_peak") / n).alias("busiest_hour_share"),
        fixed_mean("lift", n).alias("item_lift_mean"),
    )


def _gaps(edges: Frame) -> Frame:
    """Sum up the times between a user's successive interactions."""
    before = nw.col("at_ms").shift(1).over("user_ix", order_by="at_ms")
    gaps = edges.select("user_ix", (nw.col("at_ms") - before).alias("gap_ms"))
    gaps = gaps.filter(~nw.col("gap_ms").is_null()).with_columns(
        log1p(nw.col("gap_ms") / 1000.0).alias("gap")
    )
    n = nw.col("n_gaps").cast(nw.Float64)
    return (
        gaps.group_by("user_ix")
        .agg(nw.len().alias("n_gaps"), nw.col("gap").min().alias("gap_log_min"), *fixed_sums("gap"))
        .with_columns(fixed_mean("gap", n).alias("gap_log_mean"), fixed_std("gap", n).alias("gap_log_std"))
        .select("user_ix", "gap_log_min", "gap_log_mean", "gap_log_std")
    )


def _action_mix(edges: Frame, key: str) -> Frame:
    counts = edges.group_by(key, "action_ix").agg(nw.col("n").sum().cast(nw.Float64).alias("k"))
    counts = counts.with_columns(fixed(nw.col("k") * nw.col("k").log()).alias("k_ln_k"))
    total = nw.col("total")
    return (
        counts.group_by(key)
        .agg(nw.col("k").sum().alias("total"), nw.col("k").max().alias("top"), nw.col("k_ln_k").sum())
        .with_columns(
            (nw.col("top") / total).alias("main_action_share"),
            (total.log() - unfixed(nw.col("k_ln_k")) / total).clip(lower_bound=0.0).alias("action_entropy"),
        )
        .select(key, "main_action_share", "action_entropy")
    )


def _entity_sums(entities: Frame | None, edges: Frame) -> Frame:
    if entities is None:
        none = edges.select("user_ix").unique()
        return none.with_columns(nw.lit(0).alias("n_entities"), nw.lit(0.0).alias("entity_users_log_max"))
    require_columns(entities.collect_schema().names(), ("user_ix", "entity_ix"), "entity links")
    links = entities.select("user_ix", "entity_ix").unique()
    sizes = links.group_by("entity_ix").agg(nw.len().alias("entity_users"))
    return (
        links.join(sizes, on="entity_ix", how="inner")
        .group_by("user_ix")
        .agg(nw.len().alias("n_entities"), nw.col("entity_users").max().alias("most"))
        .with_columns(nw.col("most").cast(nw.Float64).log().alias("entity_users_log_max"))
        .select("user_ix", "n_entities", "entity_users_log_max")
    )


def _resultant(n: nw.Expr) -> nw.Expr:
    c, s = fixed_mean("cos", n), fixed_mean("sin", n)
    return (c * c + s * s).sqrt().clip(upper_bound=1.0)


def entities_frame(graph: GraphArrays, bench: Workbench) -> Frame | None:
    """Links of users to shared entities by row, or None where the log has none: (user_ix, entity_ix)."""
    if not len(graph.entity_ix):
        return None
    table = pa.table({"user_ix": graph.entity_user_ix, "entity_ix": graph.entity_ix})
    return bench.from_arrow(table)


def _matrix(frame: Frame, key: str, names: Sequence[str], n: int) -> Float:
    """Collect a frame of features as float64[n, n_names], row by key; rows without any are 0."""
    table = frame.select(key, *names).collect("pyarrow").to_native()
    out = np.zeros((n, len(names)))
    rows = table.column(key).to_numpy()
    for column, name in enumerate(names):
        out[rows, column] = table.column(name).to_numpy()
    # Sums run in whatever order the engine likes; rounding makes the bytes the same every time.
    return out.round(9)


_OF_USERS: WeakKeyDictionary[GraphArrays, Float] = WeakKeyDictionary()  # of graphs that are in use


def user_behaviour(graph: GraphArrays, bench: Workbench, progress: Progress) -> Float:
    """Behaviour features of users, float64[n_users, len(FEATURE_NAMES)]; worked out once for a graph."""
    if graph not in _OF_USERS:
        progress.start("behaviour features")
        users = user_features(edges_frame(graph, bench), entities_frame(graph, bench))
        _OF_USERS[graph] = _matrix(users, "user_ix", FEATURE_NAMES, graph.n_users)
        progress.done()
    return _OF_USERS[graph]


def behaviour(graph: GraphArrays, bench: Workbench, progress: Progress) -> tuple[Float, Float]:
    """Behaviour features: float64[n_users, len(FEATURE_NAMES)] and float64[n_items, len(ITEM_FEATURE_NAMES)]."""
    users = user_behaviour(graph, bench, progress)
    progress.start("behaviour of items")
    items = _matrix(item_features(edges_frame(graph, bench)), "item_ix", ITEM_FEATURE_NAMES, graph.n_items)
    progress.done()
    return users, items
