"""What is known about an event at its own moment: the past of its user, item, session and values, never its future.

Every feature is in natural units (counts, seconds, amounts, ratios): the learners of scores by label look at
order only, and a reason can quote the number as it is.
"""

import narwhals as nw

from graphdet import schema
from graphdet.features.fixed import fixed, log1p, unfixed
from graphdet.features.history import history
from graphdet.tables import Frame, require_columns

HOUR_S, DAY_S, WEEK_S = 3_600, 86_400, 604_800
SPANS_S = (HOUR_S, DAY_S, WEEK_S)
EVENT_FEATURES = (
    "hour",  # of the day in UTC, 0 to 24
    "weekday",  # in UTC, 0 Monday
    "amount",
    "quantity",
    "text_length",  # characters
    "user_events",  # the user's events before
    "user_events_1h",  # of those, in the hour before
    "user_events_1d",
    "user_events_7d",
    "user_items",  # distinct items of the user before
    "user_gap_s",  # since the user's previous event
    "user_age_s",  # since the user's first event
    "user_amount_ratio",  # amount ÷ the user's usual one before (geometric means of 1 + amount)
    "user_week_ratio",  # the user's usual amount of the 7 days before ÷ that of all the time before
    "item_events",
    "item_events_1h",
    "item_events_1d",
    "item_events_7d",
    "item_users",  # distinct users of the item before: how rare it is
    "item_gap_s",
    "item_age_s",
    "item_amount_ratio",
    "item_week_ratio",
    "pair_events",  # this user's events on this item before
    "pair_gap_s",
    "session_events",  # events of the session before
    "same_action",  # the user's events of this action before
    "same_text",  # events of anyone with this very text before
    "user_entities",  # shared entities (device, ip, …) of the user, up to this moment
    "new_entities",  # of those, first used at this moment
    "entity_users",  # other users that the most shared of them had when the user came to it
)
MOST_ATTRIBUTES = 8
KEY = ("event_id", "source_ix", "event_row")
_IDENTITY = ("event_id", "event_row", "user_id", "source_ix")
_MOST_LOG = 40.0  # e⁴⁰: larger amounts count as that, so that sums stay in range
_DAY_MS = DAY_S * 1000


def attribute_columns(events: Frame) -> tuple[str, ...]:
    """Names of the attributes that event features use: the first MOST_ATTRIBUTES in alphabetical order."""
    names = events.collect_schema().names()
    own = (*schema.EVENT_COLUMNS, "source_ix")
    return tuple(sorted(name for name in names if name not in own)[:MOST_ATTRIBUTES])


def event_feature_names(attributes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """EVENT_FEATURES, and per attribute A: `A seen` and `A seen with user`, events with the same value before."""
    return (*EVENT_FEATURES, *(name for a in attributes for name in (f"{a} seen", f"{a} seen with user")))


def event_features(events: Frame, entities: Frame, attributes: tuple[str, ...] = ()) -> Frame:
    """Compute the features of every event from what came strictly before it, and from itself.

    Args:
        events: schema.EVENT_COLUMNS, source_ix and the attributes.
        entities: schema.ENTITY_COLUMNS.
        attributes: columns of `events`, see attribute_columns.

    Returns:
        event_id, event_row, user_id, source_ix and event_feature_names(attributes) as float64, null where
        there is nothing to measure (no earlier event, no amount); one row per event, sorted by event_id,
        source_ix, event_row.

    Raises:
        ValueError: a column of the contract is missing.
    """
    require_columns(
        events.collect_schema().names(), (*schema.EVENT_COLUMNS, "source_ix", *attributes), "events"
    )
    require_columns(entities.collect_schema().names(), schema.ENTITY_COLUMNS, "entities")
    # Histories are taken of `own`, never of what was joined before: a frame is a query, and a query that holds
    # itself twice at every join doubles with each.
    rows = own = _own(events)
    users = _with_news(own, "user_id", "item_id")
    items = _with_news(own, "item_id", "user_id")
    rows = _join(rows, history(users, ["user_id"], _TOTALS, SPANS_S), ["user_id"], "user", "user_items")
    rows = _join(rows, history(items, ["item_id"], _TOTALS, SPANS_S), ["item_id"], "item", "item_users")
    counts = [("pair_events", ["user_id", "item_id"]), ("session_events", ["session_id"])]
    counts += [("same_action", ["user_id", "action"]), ("same_text", ["text"])]
    counts += [(f"{a} seen", [a]) for a in attributes]
    counts += [(f"{a} seen with user", ["user_id", a]) for a in attributes]
    for name, by in counts:
        seen = history(own, by, ["n"])
        columns = [nw.col("n_before").alias(name)]
        if name == "pair_events":
            columns.append(nw.col("previous_ms").alias("pair_ms"))
        rows = rows.join(seen.select(*by, "at_ms", *columns), on=[*by, "at_ms"], how="left")
    rows = rows.with_columns(_seconds(nw.col("at_ms") - nw.col("pair_ms")).alias("pair_gap_s"))
    rows = rows.join(_entity_history(own, entities), on=["user_id", "at_ms"], how="left")
    wanted = event_feature_names(attributes)
    rows = rows.select(*_IDENTITY, *(nw.col(name).cast(nw.Float64).alias(name) for name in wanted))
    return rows.sort(*KEY)


_TOTALS = ("n", "new", "n_amounts", "log_amount")


def _own(events: Frame) -> Frame:
    """Add what an event says of itself, and the columns that histories sum up."""
    size = log1p(nw.col("amount").abs()).clip(upper_bound=_MOST_LOG)
    return events.with_columns(
        (nw.col("at_ms") % _DAY_MS / 3_600_000).alias("hour"),
        ((nw.col("at_ms") // _DAY_MS + 3) % 7).alias("weekday"),  # 1970-01-01 was a Thursday
        nw.col("text").str.len_chars().alias("text_length"),
        nw.lit(1).cast(nw.Int64).alias("n"),
        nw.lit(0).cast(nw.Int64).alias("new"),
        (~nw.col("amount").is_null()).cast(nw.Int64).alias("n_amounts"),
        size.alias("size"),
        fixed(size).fill_null(0).alias("log_amount"),
    )


def _with_news(rows: Frame, key: str, other: str) -> Frame:
    """Rows of a key's history, with one more for the first time that it meets each `other`."""
    own = rows.select(key, "at_ms", *_TOTALS)
    firsts = rows.group_by(key, other).agg(nw.col("at_ms").min())
    zero = {name: nw.lit(0).cast(nw.Int64) for name in _TOTALS} | {"new": nw.lit(1).cast(nw.Int64)}
    firsts = firsts.select(key, "at_ms", *(value.alias(name) for name, value in zero.items()))
    return nw.concat([own, firsts], how="vertical")


def _join(rows: Frame, seen: Frame, by: list[str], who: str, news: str) -> Frame:
    """Add a key's history to the events: counts, gap, age, and amounts compared to its usual ones."""
    usual = _mean_size(f"{who}_amounts", f"{who}_sizes")
    week = _mean_size(f"{who}_amounts_7d", f"{who}_sizes_7d")
    seen = seen.select(
        *by,
        "at_ms",
        nw.col("n_before").alias(f"{who}_events"),
        *(
            nw.col(f"n_{span}").alias(f"{who}_events_{name}")
            for span, name in zip(SPANS_S, ("1h", "1d", "7d"), strict=True)
        ),
        nw.col("new_before").alias(news),
        nw.col("previous_ms").alias(f"{who}_previous_ms"),
        nw.col("first_ms").alias(f"{who}_first_ms"),
        nw.col("n_amounts_before").alias(f"{who}_amounts"),
        nw.col("log_amount_before").alias(f"{who}_sizes"),
        nw.col(f"n_amounts_{WEEK_S}").alias(f"{who}_amounts_7d"),
        nw.col(f"log_amount_{WEEK_S}").alias(f"{who}_sizes_7d"),
    )
    rows = rows.join(seen, on=[*by, "at_ms"], how="left")
    return rows.with_columns(
        _seconds(nw.col("at_ms") - nw.col(f"{who}_previous_ms")).alias(f"{who}_gap_s"),
        _seconds(nw.col("at_ms") - nw.col(f"{who}_first_ms")).alias(f"{who}_age_s"),
        (nw.col("size") - usual).exp().alias(f"{who}_amount_ratio"),
        (week - usual).exp().alias(f"{who}_week_ratio"),
    )


def _mean_size(n: str, total: str) -> nw.Expr:
    """Mean of ln(1 + amount), null where there was no amount."""
    return nw.when(nw.col(n) > 0).then(unfixed(nw.col(total)) / nw.col(n).cast(nw.Float64))


def _entity_history(rows: Frame, entities: Frame) -> Frame:
    """Per (user, moment of an event): entities so far, those first used now, and how shared they were."""
    links = entities.select(
        "user_id",
        "kind",
        "entity_id",
        nw.col("first_ms").alias("at_ms"),
        nw.lit(1).cast(nw.Int64).alias("links"),
    )
    shared = history(links, ["kind", "entity_id"], ["links"])
    links = links.join(
        shared.select("kind", "entity_id", "at_ms", nw.col("links_before").alias("others")),
        on=["kind", "entity_id", "at_ms"],
        how="left",
    ).select("user_id", "at_ms", "links", "others", nw.lit(0).cast(nw.Int64).alias("is_event"))
    moments = rows.select(
        "user_id",
        "at_ms",
        nw.lit(0).cast(nw.Int64).alias("links"),
        nw.lit(0).cast(nw.Int64).alias("others"),
        nw.lit(1).cast(nw.Int64).alias("is_event"),
    )
    per_moment = nw.concat([moments, links], how="vertical").group_by("user_id", "at_ms")
    line = per_moment.agg(
        nw.col("links").sum().cast(nw.Int64), nw.col("others").max(), nw.col("is_event").max()
    ).with_columns(
        nw.col("links").cum_sum().over("user_id", order_by="at_ms").alias("user_entities"),
        nw.col("links").alias("new_entities"),
        nw.col("others").cum_max().over("user_id", order_by="at_ms").alias("entity_users"),
    )
    line = line.filter(nw.col("is_event") == 1)
    return line.select("user_id", "at_ms", "user_entities", "new_entities", "entity_users")


def _seconds(ms: nw.Expr) -> nw.Expr:
    return ms.cast(nw.Float64) / 1000.0
