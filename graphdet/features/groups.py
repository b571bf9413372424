"""Sessions and items as sums of what was done in them and of who did it."""

import narwhals as nw

from graphdet import schema
from graphdet.features.behaviour import (
    FEATURE_NAMES,
    ITEM_FEATURE_NAMES,
    fixed_mean,
    fixed_std,
    fixed_sums,
    item_features,
    user_features,
)
from graphdet.tables import Frame, require_columns
from graphdet.units import HOUR_MS

NIGHT_H = 6  # the night is from midnight to six, UTC
USER_SPREAD = ("n_events", "edges_per_active_hour", "gap_log_mean", "item_rarity_mean")
SESSION_FEATURES = (*FEATURE_NAMES, "night_share")
ITEM_FEATURES = (
    *ITEM_FEATURE_NAMES,
    "night_share",
    "most_by_one_user_in_an_hour",  # most events of one user in one clock hour
    "most_per_user_in_an_hour",  # highest ratio events ÷ users of one clock hour
    *(f"users_{name}" for name in FEATURE_NAMES),  # mean over the item's users
    *(f"users_{name}_std" for name in USER_SPREAD),
)


def session_features(edges: Frame) -> Frame:
    """What is done in a session: the behaviour of a user, as if each session were one.

    Args:
        edges: schema.EDGE_COLUMNS.

    Returns:
        session_ix and SESSION_FEATURES float64, one row per session, in no particular order. Never null.
    """
    as_users = edges.with_columns(nw.col("session_ix").alias("user_ix"))
    rows = user_features(as_users).join(_night(as_users, "user_ix"), on="user_ix", how="left")
    return rows.select(nw.col("user_ix").alias("session_ix"), *SESSION_FEATURES)


def group_item_features(edges: Frame, users: Frame) -> Frame:
    """What happens to an item and who does it.

    Args:
        edges: schema.EDGE_COLUMNS.
        users: user_ix and FEATURE_NAMES, one row per user.

    Returns:
        item_ix and ITEM_FEATURES float64, one row per item, in no particular order. Never null.

    Raises:
        ValueError: a column of the contract is missing.
    """
    require_columns(edges.collect_schema().names(), schema.EDGE_COLUMNS, "edges")
    require_columns(users.collect_schema().names(), ("user_ix", *FEATURE_NAMES), "user features")
    n = nw.col("n_pairs").cast(nw.Float64)
    pairs = edges.select("user_ix", "item_ix").unique().join(users, on="user_ix", how="inner")
    who = pairs.group_by("item_ix").agg(nw.len().alias("n_pairs"), *fixed_sums(*FEATURE_NAMES))
    who = who.select(
        "item_ix",
        *(fixed_mean(name, n).alias(f"users_{name}") for name in FEATURE_NAMES),
        *(fixed_std(name, n).alias(f"users_{name}_std") for name in USER_SPREAD),
    )
    rows = item_features(edges)
    for more in (_night(edges, "item_ix"), _bursts(edges), who):
        rows = rows.join(more, on="item_ix", how="left")
    return rows.select("item_ix", *(nw.col(name).cast(nw.Float64).fill_null(0.0) for name in ITEM_FEATURES))


def _night(edges: Frame, key: str) -> Frame:
    is_night = ((nw.col("at_ms") // HOUR_MS) % 24 < NIGHT_H).cast(nw.Int64)
    rows = edges.select(key, is_night.alias("night"))
    rows = rows.group_by(key).agg(nw.col("night").sum(), nw.len().alias("all"))
    return rows.select(key, (nw.col("night") / nw.col("all")).cast(nw.Float64).alias("night_share"))


def _bursts(edges: Frame) -> Frame:
    hourly = edges.with_columns((nw.col("at_ms") // HOUR_MS).alias("hour"))
    by_user = hourly.group_by("item_ix", "hour", "user_ix").agg(nw.col("n").sum().alias("acts"))
    by_hour = by_user.group_by("item_ix", "hour").agg(
        nw.col("acts").max().alias("most"), nw.col("acts").sum().alias("acts"), nw.len().alias("users")
    )
    by_hour = by_hour.with_columns((nw.col("acts") / nw.col("users")).alias("per_user"))
    return by_hour.group_by("item_ix").agg(
        nw.col("most").max().alias("most_by_one_user_in_an_hour"),
        nw.col("per_user").max().alias("most_per_user_in_an_hour"),
    )


def amounts(interactions: Frame, key: str) -> Frame:
    """Amounts per item or session: key, amount_mean and amount_max; null where there is none.

    Args:
        interactions: schema.INTERACTION_COLUMNS, amounts as sums over repeats.
        key: "item_id" or "session_id".
    """
    rows = interactions.filter(~nw.col("amount").is_null())
    rows = rows.with_columns(nw.col("amount").clip(-1e9, 1e9))
    sums = rows.group_by(key).agg(
        nw.col("n").sum().alias("acts"), nw.col("amount").max().alias("amount_max"), *fixed_sums("amount")[:1]
    )
    mean = fixed_mean("amount", nw.col("acts").cast(nw.Float64))
    return sums.select(key, mean.alias("amount_mean"), "amount_max")
