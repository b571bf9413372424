"""What rows of a log carry besides who, what and when: amounts of payments, ratings of reviews.

Planted rows have the values of the real rows they come from, but where the campaign is about the value: payments just
below a round limit, sums passed on, ratings that push an item up or down.
"""

from dataclasses import dataclass

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphdet import schema
from graphdet.arrays import Float, Int, Rng
from graphdet.errors import UsageError
from graphdet.ports import GraphStore
from graphdet.simulation.assemble import Planted
from graphdet.tables import GraphArrays

RATING = "stars"  # the rating column of generated reviews
LIMIT_AT = 0.95  # a limit is a round amount that about this share of a log's payments stays below
EXTREME = 0.12  # of a log's ratings, those that campaigns give
ROUND_SHARE = 0.25  # of generated payments, those of whole tens
STAR_SHARES = (0.08, 0.06, 0.11, 0.25, 0.5)


@dataclass(frozen=True)
class RowValues:
    """Values of each event of the edges of a graph.

    amount: float64[n_edges], NaN where a row has none; None in a log without amounts. rating: Arrow string[n_edges] of
    the column rating_name; None in a log without ratings. item_name: of each item, Arrow string[n_items]; None in a log
    without names.
    """

    amount: Float | None = None
    rating: pa.Array | None = None
    rating_name: str = RATING
    item_name: pa.Array | None = None


def organic_values(graph: GraphArrays, kind: str, seed: int) -> RowValues:
    """Make amounts for a generated log of payments, and ratings for one of reviews; nothing for others."""
    rng = np.random.default_rng((seed, 67_867_967))
    if kind == "payments":
        level = rng.lognormal(np.log(40.0), 0.9, graph.n_items)[graph.item_ix]
        amount = level * rng.lognormal(0.0, 0.3, graph.n_users)[graph.user_ix]
        amount *= rng.lognormal(0.0, 0.6, graph.n_edges)
        tens = np.maximum(np.round(amount, -1), 10.0)
        amount = np.where(
            rng.random(graph.n_edges) < ROUND_SHARE, tens, np.maximum(np.round(amount, 2), 0.01)
        )
        return RowValues(amount=amount)
    if kind == "reviews":
        quality = rng.normal(0.0, 0.25, graph.n_items)[graph.item_ix]
        mood = rng.normal(0.0, 0.2, graph.n_users)[graph.user_ix]
        place = np.clip(rng.random(graph.n_edges) + 0.4 * (quality + mood), 0.0, 1.0)
        stars = 1 + np.searchsorted(np.cumsum(STAR_SHARES)[:-1], place)
        return RowValues(rating=pa.array(stars).cast(pa.string()))
    return RowValues()


def round_limit(amount: Float) -> float:
    """Find the largest 1, 2 or 5 times a power of ten that is no more than the LIMIT_AT quantile; 1 without amounts.

    >>> round_limit(np.arange(1.0, 1301.0))
    1000.0
    """
    known = amount[amount > 0]
    if len(known) == 0:
        return 1.0
    most = float(np.quantile(known, LIMIT_AT))
    power = 10.0 ** np.floor(np.log10(most))
    return float(max(m * power for m in (1, 2, 5) if m * power <= most * (1 + 1e-9)))


def planted_values(values: RowValues, planted: Planted, seed: int) -> RowValues:
    """Give the rows of a planted log their values; `values` are those of the log planted into.

    Raises:
        UsageError: campaigns rate their targets, and the rating column holds fewer than two different numbers.
    """
    rng = np.random.default_rng((seed, 86_028_121))
    amount = rating = None
    if values.amount is not None:
        amount = values.amount[planted.source_edge]
        flows = np.isfinite(planted.of_limit)
        precise = np.round(planted.of_limit[flows] * round_limit(values.amount), _decimals(values.amount))
        amount[flows] = precise
    if values.rating is not None:
        rating = _rated(values, planted, rng)
    return RowValues(amount, rating, values.rating_name)


def _decimals(amount: Float) -> int:
    """Find how many decimals amounts are written with, at most two."""
    known = amount[np.isfinite(amount)]
    return next((d for d in (0, 1) if np.mean(np.isclose(known, np.round(known, d))) > 0.99), 2)


def _rated(values: RowValues, planted: Planted, rng: Rng) -> pa.Array:
    """Ratings of all rows; campaigns with a polarity give their targets the log's own highest or lowest ones."""
    source = planted.source_edge.copy()
    for polarity in ("promote", "demote"):
        rows = _target_rows(planted, polarity)
        if len(rows):
            source[rows] = rng.choice(_extreme(values, polarity), len(rows))
    return values.rating.take(pa.array(source))  # type: ignore[union-attr]


def _target_rows(planted: Planted, polarity: str) -> Int:
    """Find the planted rows on targets of the campaigns of a polarity."""
    graph = planted.graph
    of_item = np.full(graph.n_items, -1, np.int64)
    for number, (group, items) in enumerate(zip(planted.campaigns, planted.targets, strict=True)):
        if group.asked.polarity == polarity:
            of_item[items] = number
    on_target = of_item[graph.item_ix] >= 0
    on_target &= of_item[graph.item_ix] == planted.campaign_of_user[graph.user_ix]
    return np.flatnonzero(planted.planted_edge & on_target)


def _extreme(values: RowValues, polarity: str) -> Int:
    """Find the rows with a log's highest (promote) or lowest ratings: about EXTREME of all, ties included.

    Raises:
        UsageError: the ratings are not numbers, or all the same.
    """
    texts = values.rating.to_pylist()  # type: ignore[union-attr]
    number = np.array([_number(text) for text in texts])
    known = np.flatnonzero(np.isfinite(number))
    if len(np.unique(number[known])) < 2:
        raise UsageError(
            f"the column {values.rating_name} holds no ratings: fewer than two different numbers; "
            "name the column of ratings"
        )
    number = number[known]
    if polarity == "promote":
        far = number >= np.quantile(number, 1 - EXTREME, method="lower")
    else:
        far = number <= np.quantile(number, EXTREME, method="higher")
    rows: Int = known[far]
    return rows


def _number(text: str | None) -> float:
    """Read a rating; NaN for anything but a finite number."""
    try:
        value = float(text) if text else np.nan
    except ValueError:
        return float("nan")
    return value if np.isfinite(value) else float("nan")


def read_values(store: GraphStore, graph: GraphArrays, rating: str | None = None) -> RowValues:
    """Read what the rows of a store's log carry: amounts, names of items, ratings from the attribute of that name.

    graph: the store's, as `encode` gives it. Where several events make an edge, each has an even share of their
    sum as its amount, and the rating is the first in byte order.

    Raises:
        UsageError: the log has no such attribute, or the store keeps no events.
    """
    named = store.items().collect("pyarrow").to_native()
    names = named["name"].take(pc.index_in(graph.item_ids, value_set=named["item_id"].combine_chunks()))
    item_name = None if names.null_count == len(names) else names.combine_chunks()
    key = ["user_id", "session_id", "item_id", "action"]
    sums = store.interactions().select(*key, "amount", "n").collect("pyarrow").to_native()
    amount = None
    if sums["amount"].null_count < len(sums):
        sums = sums.take(_in_edge_order(sums, graph))
        share = pc.divide(sums["amount"], pc.cast(sums["n"], pa.float64()))
        amount = np.array(pc.fill_null(share, np.nan).to_numpy(), np.float64)
    if rating is None:
        return RowValues(amount, item_name=item_name)
    events = store.events()
    attributes = [
        name for name in events.collect_schema().names() if name not in (*schema.EVENT_COLUMNS, "source_ix")
    ]
    if rating not in attributes:
        raise UsageError(
            f"the log has no attribute {rating!r} to take ratings from; it has {', '.join(attributes) or 'none'}; "
            "name columns to keep in [attributes] of its config"
        )
    first = events.group_by(*key).agg(nw.col(rating).min()).collect("pyarrow").to_native()
    texts = first.take(_in_edge_order(first, graph))[rating].combine_chunks()
    return RowValues(amount, pc.cast(texts, pa.string()), rating, item_name)


def _in_edge_order(table: pa.Table, graph: GraphArrays) -> pa.Array:
    """Find for each edge of a graph its row in a table keyed by user, session, item and action: int64[n_edges]."""
    sets = {
        "action": pa.array(graph.actions, pa.string()),
        "item_id": graph.item_ids,
        "session_id": graph.session_ids,
        "user_id": graph.user_ids,
    }
    places = [
        np.asarray(pc.index_in(pc.cast(table[name].combine_chunks(), pa.string()), value_set=ids))
        for name, ids in sets.items()
    ]
    rows = np.lexsort(places)
    edges = np.lexsort((graph.action_ix, graph.item_ix, graph.session_ix, graph.user_ix))
    order = np.empty(len(edges), np.int64)
    order[edges] = rows
    return pa.array(order)
