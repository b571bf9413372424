"""What is known about an event at its own moment: the past of its user, item, session and values, never its future.

Every feature is in natural units (counts, seconds, amounts, ratios): the learners of scores by label look at
order only, and a reason can quote the number as it is. The same code serves training and scoring.

What came before, over arrays: one sort per key, then counts and sums over any span by running totals.

Window functions of an engine were tried first: 420 s for one key with four spans over 1.75 million payments, where
this takes about two (docs/decisions/0010). Positions only ever point at rows strictly earlier than the moment asked
for, so events of the same moment do not see each other, the order of the rows does not matter, and nothing later can
be seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet import schema
from graphdet.arrays import Int
from graphdet.tables import Frame, require_columns
from graphdet.units import DAY_S, HOUR_S, WEEK_S

NO_KEY = -1


def codes(*columns: Int) -> Int:
    """Number the distinct combinations of key columns from 0; NO_KEY where any part is NO_KEY.

    Shapes: each int64[n]; returns int64[n].
    """
    out = columns[0].astype(np.int64)
    for other in columns[1:]:
        absent = (out < 0) | (other < 0)
        out = out * (int(other.max(initial=0)) + 1) + other
        out[absent] = NO_KEY
        out = _dense(out)
    return out


def _dense(code: Int) -> Int:
    values, place = np.unique(code, return_inverse=True)
    return np.asarray(place - int(len(values) > 0 and values[0] == NO_KEY), np.int64)


class Past:
    """Rows sorted by key and time, to be asked what came before a moment.

    Shapes: key int64[m] (NO_KEY: the row has none and is never seen), at_ms int64[m].
    """

    def __init__(self, key: Int, at_ms: Int) -> None:
        self.order = np.lexsort((at_ms, key))
        self.key = key[self.order]
        self.at_ms = at_ms[self.order]

    def first_at_or_after(self, key: Int, at_ms: Int) -> Int:
        """For each asked key and moment the first place of that key at that moment or later, int64[q]."""
        begun, span = int(self.at_ms.min(initial=0)), self._span()
        if (int(max(self.key.max(initial=0), key.max(initial=0))) + 2) * span < 1 << 62:
            line = self.key * span + (self.at_ms - begun)
            return np.searchsorted(line, key * span + np.clip(at_ms - begun, 0, span - 1)).astype(np.int64)
        return self._bisect(key, at_ms)

    def _span(self) -> int:
        return int(self.at_ms.max(initial=0)) - int(self.at_ms.min(initial=0)) + 2

    def _bisect(self, key: Int, at_ms: Int) -> Int:
        """The same where keys and times do not fit into one number."""
        low, high = self.start(key), np.searchsorted(self.key, key, side="right").astype(np.int64)
        while True:
            still = np.flatnonzero(low < high)
            if not len(still):
                return low
            middle = (low[still] + high[still]) // 2
            later = self.at_ms[middle] >= at_ms[still]
            high[still[later]] = middle[later]
            low[still[~later]] = middle[~later] + 1

    def start(self, key: Int) -> Int:
        """The first place of each asked key, int64[q]."""
        return np.searchsorted(self.key, key, side="left").astype(np.int64)

    def running(self, values: NDArray[np.int64]) -> Int:
        """Running totals of a column of whole numbers, int64[m + 1]: total[b] − total[a] sums places a to b."""
        return np.concatenate([[0], np.cumsum(values[self.order])]).astype(np.int64)

    def largest(self, values: NDArray[np.int64], most: int) -> Int:
        """Largest value of the key so far at every place, int64[m]; values are in 0..most."""
        new = np.append(True, self.key[1:] != self.key[:-1]) if len(self.key) else np.zeros(0, bool)
        floor = np.cumsum(new) * (most + 1)
        return np.asarray(np.maximum.accumulate(values[self.order] + floor) - floor, np.int64)


class PastSeen:
    """What each of some moments sees of a Past: everything strictly before it, or the spans that end there.

    A span of s seconds before t is [t − s, t): start inclusive, end exclusive. With `delay_ms` every row of the past
    is seen only after that much time. Places (`start`, `end`, `since`) are held in the order of key and time, which
    makes looking up several times faster; what is counted comes out in the order of the moments asked.
    """

    def __init__(
        self, past: Past, key: Int, at_ms: Int, delay_ms: int = 0, order: NDArray[np.int64] | None = None
    ) -> None:
        self.past, self.delay_ms = past, delay_ms
        self.order = np.lexsort((at_ms, key)) if order is None else order
        self.key, self.at_ms = key[self.order], at_ms[self.order]
        self.start = past.start(self.key)
        self.end = past.first_at_or_after(self.key, self.at_ms - delay_ms)
        self.absent = self.key < 0

    def since(self, span_s: int | None) -> Int:
        """The first place of the span; None: of all time."""
        if span_s is None:
            return self.start
        return self.past.first_at_or_after(self.key, self.at_ms - self.delay_ms - span_s * 1000)

    def count(self, since: Int) -> NDArray[np.float64]:
        """How many rows from `since`, float64[q]; NaN without a key."""
        return self._given((self.end - since).astype(np.float64), ~self.absent)

    def total(self, running: Int, since: Int) -> NDArray[np.float64]:
        """Sum of a running total from `since`, float64[q]; NaN without a key."""
        return self._given((running[self.end] - running[since]).astype(np.float64), ~self.absent)

    def gap_s(self) -> NDArray[np.float64]:
        """Seconds since the last row before, NaN for none."""
        return self._age(self.end - 1, self.end > self.start)

    def age_s(self, since: Int | None = None) -> NDArray[np.float64]:
        """Seconds since the first row before (from `since`), NaN for none."""
        since = self.start if since is None else since
        return self._age(since, self.end > since)

    def last(self, values: Int | NDArray[np.float64]) -> NDArray[np.float64]:
        """A column that is in the past's order, at the last place before; NaN for none."""
        have = (self.end > self.start) & ~self.absent
        found = np.full(len(self.key), np.nan)
        found[have] = values[self.end[have] - 1]
        return self._given(found, have)

    def _age(self, place: Int, have: NDArray[np.bool_]) -> NDArray[np.float64]:
        have = have & ~self.absent
        found = np.full(len(self.key), np.nan)
        found[have] = (self.at_ms[have] - self.past.at_ms[place[have]]) / 1000.0
        return self._given(found, have)

    def _given(self, values: NDArray[np.float64], have: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Values in the order of the moments asked, NaN where there is none."""
        out = np.empty(len(values))
        out[self.order] = np.where(have, values, np.nan)
        return out


def own_past(key: Int, at_ms: Int) -> PastSeen:
    """What each row sees of the rows of its own key."""
    past = Past(key, at_ms)
    return PastSeen(past, key, at_ms, order=past.order)


def ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """part ÷ whole, NaN where whole is 0 or NaN."""
    out = np.full(len(part), np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


MONTH_S = 30 * DAY_S
EVENT_SPANS = {"1h": HOUR_S, "1d": DAY_S, "7d": WEEK_S, "30d": MONTH_S}
OWN_COLUMNS = (
    "hour",  # of the day in UTC, 0 to 24
    "weekday",  # in UTC, 0 Monday
    "amount",
    "quantity",
    "text_length",  # characters
)
OF_USER_AND_ITEM = (
    "events",  # of this user (item) before
    *(f"events_{span}" for span in EVENT_SPANS),  # of those, in the span before
    "gap_s",  # since the previous event
    "age_s",  # since the first event
    "entropy",  # of the user's items (the item's users) before, nats
    "new_pairs_7d",  # events of the week before that were the first of their user on their item
    "hour_share",  # share of the events before that were in this hour of the day
    "amount_ratio",  # amount ÷ the usual one before (geometric means of 1 + amount)
    "week_ratio",  # the usual amount of the 7 days before ÷ that of all the time before
    "amount_z",  # how many standard deviations ln(1 + amount) lies above those before
    "amount_to_mean",  # amount ÷ mean amount before
    *(f"amount_to_mean_{span}" for span in ("1d", "7d", "30d")),
    "amount_to_old_mean",  # amount ÷ mean amount of what is two weeks old or older
    "amount_to_max",  # amount ÷ the largest before
    *(
        f"large_{span}" for span in ("1d", "7d", "30d")
    ),  # events before with an amount LARGE_FACTOR times their user's mean
)
COUNTS = (
    "user_items",  # distinct items of the user before
    "user_weekday_share",  # share of the user's events before that were on this day of the week
    "item_users",  # distinct users of the item before: how rare it is
    "pair_events",  # this user's events on this item before
    "pair_gap_s",
    "session_events",  # events of the session before
    "same_action",  # the user's events of this action before
    "same_text",  # events of anyone with this very text before
    "user_entities",  # shared entities (device, ip, …) of the user, up to this moment
    "new_entities",  # of those, first used at this moment
    "entity_users",  # other users that the most shared of them had when the user came to it
)
OF_ATTRIBUTE = (
    "seen",  # events with the same value before
    "seen in the hour before",
    "seen with user",
    "amount to mean",  # amount ÷ mean amount of the value before
)
EVENT_FEATURES = (
    *OWN_COLUMNS,
    *(f"{who}_{name}" for who in ("user", "item") for name in OF_USER_AND_ITEM),
    *COUNTS,
)
LARGE_FACTOR = 2.5
MOST_ATTRIBUTES = 8
KEY = ("event_id", "source_ix", "event_row")
_STEP, _MOST_LOG = 1 << 20, 40.0  # e⁴⁰: larger amounts count as that, so that sums stay in range
_CENT, _MOST_AMOUNT = 1 << 10, 1e9
_DAY_MS, _HOUR_MS = DAY_S * 1000, HOUR_S * 1000
_OLD_S = 14 * DAY_S
Column = NDArray[np.float64]


def event_attributes(events: Frame) -> tuple[str, ...]:
    """Names of the attributes that event features use: the first MOST_ATTRIBUTES in alphabetical order."""
    names = events.collect_schema().names()
    own = (*schema.EVENT_COLUMNS, "source_ix")
    return tuple(sorted(name for name in names if name not in own)[:MOST_ATTRIBUTES])


def event_feature_names(attributes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """EVENT_FEATURES, and per attribute A `A WHAT` for what OF_ATTRIBUTE names."""
    return (*EVENT_FEATURES, *(f"{a} {what}" for a in attributes for what in OF_ATTRIBUTE))


@dataclass(frozen=True)
class EventRows:
    """Events with their features, one row each, sorted by event_id, source_ix, event_row.

    Shapes: event_id[n]; at_ms int64[n]; keys: user, item, session and attributes, int64[n] each, equal where the
    value is (−1: none); user_ids[n_users], which keys["user"] counts in byte order; x float32[n, d], NaN where there
    is nothing to measure (no earlier event, no amount); names[d].
    """

    event_id: pa.Array
    at_ms: Int
    keys: dict[str, Int]
    user_ids: pa.Array
    x: NDArray[np.float32] = field(repr=False)
    names: tuple[str, ...]


def event_features(events: Frame, entities: Frame, attributes: tuple[str, ...] = ()) -> EventRows:
    """Compute the features of every event from what came strictly before it, and from itself.

    Args:
        events: schema.EVENT_COLUMNS, source_ix and the attributes.
        entities: schema.ENTITY_COLUMNS.
        attributes: columns of `events`, see attribute_columns.

    Raises:
        ValueError: a column of the contract is missing.
    """
    wanted = (*schema.EVENT_COLUMNS, "source_ix", *attributes)
    require_columns(events.collect_schema().names(), wanted, "events")
    require_columns(entities.collect_schema().names(), schema.ENTITY_COLUMNS, "entities")
    table = events.select(*wanted).sort(*KEY).collect("pyarrow").to_native()
    names = event_feature_names(attributes)
    user, user_ids = _numbered(table["user_id"])
    keys = {
        "user": user,
        "item": _numbered(table["item_id"])[0],
        "session": _numbered(table["session_id"])[0],
    }
    keys |= {name: _numbered(table[name])[0] for name in attributes}
    x = np.full((table.num_rows, len(names)), np.nan, np.float32)
    place = {name: column for column, name in enumerate(names)}
    for name, values in _columns(table, keys, user_ids, entities, attributes):
        x[:, place[name]] = np.clip(values, -3e38, 3e38)
    at_ms = table["at_ms"].to_numpy().astype(np.int64)
    return EventRows(table["event_id"].combine_chunks(), at_ms, keys, user_ids, x, names)


def _numbered(column: pa.ChunkedArray) -> tuple[Int, pa.Array]:
    """Values as numbers in byte order, −1 for none, and the values."""
    coded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    order = pc.sort_indices(coded.dictionary)
    rank = np.empty(len(order) + 1, np.int64)
    rank[order.to_numpy()] = np.arange(len(order))
    rank[-1] = NO_KEY
    return rank[pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)], coded.dictionary.take(order)


@dataclass(frozen=True)
class _Money:
    """Amounts as numbers whose sums do not depend on any order. Shapes [n]; whole numbers are 0 where none is."""

    amount: Column  # NaN for none
    size: Column  # ln(1 + |amount|), NaN for none
    n: Int
    sizes: Int
    squares: Int
    cents: Int

    @classmethod
    def of(cls, amount: Column) -> "_Money":
        with np.errstate(invalid="ignore"):
            size = np.minimum(np.log1p(np.abs(amount)), _MOST_LOG)
        have = np.isfinite(size)
        whole = np.where(have, size, 0.0)
        cents = np.where(have, np.clip(amount, -_MOST_AMOUNT, _MOST_AMOUNT), 0.0)
        return cls(
            amount,
            size,
            have.astype(np.int64),
            (whole * _STEP).round().astype(np.int64),
            (whole * whole * _STEP).round().astype(np.int64),
            (cents * _CENT).round().astype(np.int64),
        )


def _columns(
    table: pa.Table, keys: dict[str, Int], user_ids: pa.Array, entities: Frame, attributes: tuple[str, ...]
) -> Iterator[tuple[str, Column]]:
    at_ms = table["at_ms"].to_numpy().astype(np.int64)
    hour, weekday = at_ms % _DAY_MS // _HOUR_MS, (at_ms // _DAY_MS + 3) % 7  # 1970-01-01 was a Thursday
    money = _Money.of(_real(table["amount"]))
    yield "hour", at_ms % _DAY_MS / _HOUR_MS
    yield "weekday", weekday.astype(np.float64)
    yield "amount", money.amount
    yield "quantity", _real(table["quantity"])
    yield "text_length", _real(pc.utf8_length(table["text"].cast(pa.string())))
    user, item = keys["user"], keys["item"]
    pair = own_past(codes(user, item), at_ms)
    yield "pair_events", pair.count(pair.start)
    yield "pair_gap_s", pair.gap_s()
    rank = np.empty(len(at_ms), np.int64)  # of each event among those of its pair
    rank[pair.past.order] = np.arange(len(at_ms)) - pair.past.start(pair.past.key)
    users = own_past(user, at_ms)
    large = _large(users, money)
    for who, seen in (("user", users), ("item", own_past(item, at_ms))):
        traffic = _traffic(seen, keys[who], at_ms, rank, hour)
        yield from ((f"{who}_{name}", value) for name, value in traffic)
        yield from ((f"{who}_{name}", value) for name, value in _amounts(seen, money, large))
        news = seen.past.running((rank == 0).astype(np.int64))
        yield ("user_items" if who == "user" else "item_users"), seen.total(news, seen.start)
    days = own_past(codes(user, weekday), at_ms)
    yield "user_weekday_share", ratio(days.count(days.start), users.count(users.start))
    action, _ = _numbered(table["action"])
    text, _ = _numbered(table["text"])
    for name, key in (
        ("session_events", keys["session"]),
        ("same_action", codes(user, action)),
        ("same_text", text),
    ):
        seen = own_past(key, at_ms)
        yield name, seen.count(seen.start)
    yield from _entity_columns(user, at_ms, user_ids, entities)
    for a in attributes:
        seen = own_past(keys[a], at_ms)
        yield f"{a} seen", seen.count(seen.start)
        yield f"{a} seen in the hour before", seen.count(seen.since(HOUR_S))
        yield f"{a} amount to mean", ratio(money.amount, _mean(seen, money, None))
        seen = own_past(codes(user, keys[a]), at_ms)
        yield f"{a} seen with user", seen.count(seen.start)


def _real(column: pa.ChunkedArray) -> Column:
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)


def _traffic(seen: PastSeen, key: Int, at_ms: Int, rank: Int, hour: Int) -> Iterator[tuple[str, Column]]:
    """Counts, gaps and habits of the events' users or items."""
    count = seen.count(seen.start)
    yield "events", count
    for name, span in EVENT_SPANS.items():
        yield f"events_{name}", seen.count(seen.since(span))
    yield "gap_s", seen.gap_s()
    yield "age_s", seen.age_s()
    # Entropy of counts c: ln N − (Σ c ln c) ÷ N. Each event adds its own step of c ln c, so that it is a running total.
    grown = _steps_of_c_log_c(rank)
    steps = seen.total(seen.past.running(grown), seen.start) / _STEP
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = np.where(count > 0, np.log(count) - steps / count, np.nan)
    yield "entropy", np.maximum(entropy, 0.0)
    yield "new_pairs_7d", seen.total(seen.past.running((rank == 0).astype(np.int64)), seen.since(WEEK_S))
    hours = own_past(codes(key, hour), at_ms)
    yield "hour_share", ratio(hours.count(hours.start), count)


def _steps_of_c_log_c(rank: Int) -> Int:
    c = np.arange(int(rank.max(initial=0)) + 2, dtype=np.float64)
    whole = np.append([0, 0], (c[2:] * np.log(c[2:]) * _STEP).round()).astype(np.int64)
    return np.asarray(whole[rank + 1] - whole[rank], np.int64)


def _amounts(seen: PastSeen, money: _Money, large: Int) -> Iterator[tuple[str, Column]]:
    """The amount against those before, of the events' users or items."""
    n, sizes = seen.past.running(money.n), seen.past.running(money.sizes)
    counted = seen.total(n, seen.start)
    usual = ratio(seen.total(sizes, seen.start) / _STEP, counted)
    week = ratio(seen.total(sizes, seen.since(WEEK_S)) / _STEP, seen.total(n, seen.since(WEEK_S)))
    yield "amount_ratio", np.exp(money.size - usual)
    yield "week_ratio", np.exp(week - usual)
    squares = ratio(seen.total(seen.past.running(money.squares), seen.start) / _STEP, counted)
    spread = np.sqrt(np.maximum(squares - usual * usual, 0.0))
    yield "amount_z", ratio(money.size - usual, np.where(counted >= 3, np.maximum(spread, 0.05), np.nan))
    yield "amount_to_mean", ratio(money.amount, _mean(seen, money, None))
    for name in ("1d", "7d", "30d"):
        yield f"amount_to_mean_{name}", ratio(money.amount, _mean(seen, money, EVENT_SPANS[name]))
    # What is two weeks old: all before, less the last two weeks.
    cents, since = seen.past.running(money.cents), seen.since(_OLD_S)
    old = ratio(
        (seen.total(cents, seen.start) - seen.total(cents, since)) / _CENT, counted - seen.total(n, since)
    )
    yield "amount_to_old_mean", ratio(money.amount, old)
    highest = seen.last(seen.past.largest(money.sizes, int(_MOST_LOG * _STEP) + 1)) / _STEP
    yield "amount_to_max", ratio(np.abs(money.amount), np.expm1(highest))
    large_so_far = seen.past.running(large)
    for name in ("1d", "7d", "30d"):
        yield f"large_{name}", seen.total(large_so_far, seen.since(EVENT_SPANS[name]))


def _mean(seen: PastSeen, money: _Money, span_s: int | None) -> Column:
    """Mean amount before, of all time or a span; NaN where there was none."""
    since = seen.since(span_s)
    cents = seen.total(seen.past.running(money.cents), since) / _CENT
    return ratio(cents, seen.total(seen.past.running(money.n), since))


def _large(users: PastSeen, money: _Money) -> Int:
    """1 for an event whose amount is LARGE_FACTOR times its user's mean before, else 0."""
    times = ratio(money.amount, _mean(users, money, None))
    return (np.nan_to_num(times) >= LARGE_FACTOR).astype(np.int64)


def _entity_columns(
    user: Int, at_ms: Int, user_ids: pa.Array, entities: Frame
) -> Iterator[tuple[str, Column]]:
    """Shared entities of the event's user so far, those first used now, and how shared they were."""
    links = entities.select("user_id", "kind", "entity_id", "first_ms").collect("pyarrow").to_native()
    place = pc.index_in(links["user_id"].cast(pa.string()), value_set=user_ids.cast(pa.string()))
    who = pc.fill_null(place, NO_KEY).to_numpy().astype(np.int64)
    first = links["first_ms"].to_numpy().astype(np.int64)
    entity = codes(_numbered(links["kind"])[0], _numbered(links["entity_id"])[0])
    shared = own_past(entity, first)
    others = np.nan_to_num(shared.count(shared.start)).astype(np.int64)
    past = Past(who, first)
    before = PastSeen(past, user, at_ms)
    up_to_now = PastSeen(past, user, at_ms + 1)
    n_before, n_now = before.count(before.start), up_to_now.count(up_to_now.start)
    yield "user_entities", np.where(n_now > 0, n_now, np.nan)
    yield "new_entities", np.where(n_now > 0, n_now - n_before, np.nan)
    yield "entity_users", up_to_now.last(past.largest(others, int(others.max(initial=0))))
