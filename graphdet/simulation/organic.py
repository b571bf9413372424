"""A believable click log without any campaign: tastes, authors with fans, breaking news, days and nights."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from graphdet.arrays import Bool, Int, Rng
from graphdet.errors import UsageError
from graphdet.simulation.entities import KindLinks, graph_fields
from graphdet.simulation.recode import decimal_ids, edge_order, merge_repeats
from graphdet.simulation.world import (
    HOURS_OF_DAY,
    FloatND,
    OrganicItems,
    OrganicUsers,
    make_items,
    make_users,
)
from graphdet.tables import GraphArrays
from graphdet.units import DAY_MS, HOUR_MS

ORGANIC_KINDS = ("news", "shop", "payments", "reviews")
START_MS = 1_767_571_200_000  # Monday 2026-01-05 00:00 UTC
LONGEST_SESSION = 60
NEAREST = 6  # "related items" reach this many places up and down within an author or topic
# How often a later look at a known item happens at all: a payee is paid again, a product is reviewed once.
READ_TWICE = {"news": 0.1, "shop": 0.7, "payments": 0.9, "reviews": 0.02}
SHOP_ACTIONS = ("buy", "cart", "view")
ACTIONS = {"news": ("view",), "shop": SHOP_ACTIONS, "payments": ("pay",), "reviews": ("review",)}
ACCOUNT_SHARE = 0.6  # of the recipients of payments are accounts that also pay
CART_SHARE, BUY_SHARE = 0.12, 0.35  # carts per view, buys per cart
FRONT, TOPIC, AUTHOR, RELATED, ARCHIVE = range(5)


def organic(
    n_users: int = 20_000, n_items: int = 2_000, days: int = 30, seed: int = 0, kind: str = "news"
) -> GraphArrays:
    """Make a click log of n_users over n_items and `days`, with devices and addresses.

    kind "news": items are born, are hot for hours and are forgotten; one action, view. kind "shop": a
    stable catalogue; view, cart and buy. kind "payments": users pay items, of which most are users, too, under the same
    id; one action, pay. kind "reviews": one action, review, mostly once per user and item. The log starts on Monday
    2026-01-05 UTC. Same arguments, same log.

    Raises:
        UsageError: a number below one, or an unknown kind.
    """
    if min(n_users, n_items, days) < 1:
        raise UsageError(f"n_users, n_items and days must be at least 1, not {n_users}, {n_items}, {days}")
    if kind not in ORGANIC_KINDS:
        raise UsageError(f"there is no kind of log {kind!r}; use one of {', '.join(ORGANIC_KINDS)}")
    rng = np.random.default_rng((seed, 32_452_843))
    items = make_items(n_items, days, kind, rng)
    users = make_users(n_users, items, days, kind, rng)
    clicks = _clicks(users, days, rng)
    item = _choose_items(items, users, clicks, days, rng)
    return _encode(items, users, clicks, item, kind, rng)


@dataclass(frozen=True)
class _Clicks:
    """All clicks in (session, step) order; at_ms counts from the log's start. All int64[n_clicks]."""

    user: Int
    session: Int
    step: Int
    at_ms: Int


def _clicks(users: OrganicUsers, days: int, rng: Rng) -> _Clicks:
    """Lay out all sessions in time: when they start, how long they are, the gaps inside."""
    owner = np.repeat(np.arange(len(users.n_sessions)), users.n_sessions)
    start = _session_starts(users, owner, days, rng)
    size = 1 + rng.lognormal(users.talk[owner], 0.7).astype(np.int64)
    size = np.minimum(size, LONGEST_SESSION)
    session = np.repeat(np.arange(len(owner)), size)
    first = np.cumsum(size) - size
    step = np.arange(len(session)) - first[session]
    gap_s = np.minimum(rng.lognormal(np.log(users.pace_s[owner][session]), 0.9), 1500.0) + 2.0
    gap_ms = np.where(step == 0, 0, (gap_s * 1000).astype(np.int64))
    run = np.cumsum(gap_ms)
    at = start[session] + run - run[first][session]
    keep = at < days * DAY_MS
    return _Clicks(owner[session][keep], session[keep], step[keep], at[keep])


def _session_starts(users: OrganicUsers, owner: Int, days: int, rng: Rng) -> Int:
    """Draw session starts: days while a user is around, fewer at weekends, hours near the user's own."""
    n = len(owner)
    low, high = users.first_ms[owner], users.last_ms[owner]
    day = ((low + rng.random(n) * (high - low)) // DAY_MS).astype(np.int64)
    weekend = (day % 7 >= 5) & (rng.random(n) < 0.3)
    day = np.where(weekend, np.maximum(day - rng.integers(1, 6, n), 0), day)
    crowd_hour = rng.choice(24, n, p=HOURS_OF_DAY / HOURS_OF_DAY.sum()) + rng.random(n)
    own_hour = users.peak_h[owner] + rng.normal(0, 1.8, n)
    hour = np.where(rng.random(n) < 0.6, own_hour, crowd_hour) % 24
    at = day * DAY_MS + (hour * HOUR_MS).astype(np.int64)
    # Some sessions follow an earlier one of the same user within hours.
    back = (rng.random(n) < 0.25) & (np.diff(owner, prepend=-1) == 0)
    previous = np.where(back, np.arange(n) - 1, np.arange(n))
    at = np.where(back, at[previous] + (rng.uniform(0.7, 8.0, n) * HOUR_MS).astype(np.int64), at)
    return np.clip(at, 0, days * DAY_MS - 1)


def _choose_items(items: OrganicItems, users: OrganicUsers, clicks: _Clicks, days: int, rng: Rng) -> Int:
    """Choose each click's item: front page, topic of the session, followed author, related item, archive."""
    n = len(clicks.user)
    source, low, high = _ranges(items, users, clicks, rng)
    chosen = np.zeros(n, np.int64)
    hour = clicks.at_ms // HOUR_MS
    order = np.argsort(hour, kind="stable")
    bounds = np.searchsorted(hour[order], np.arange(days * 24 + 1))
    u = rng.random(n)
    front_boost = np.where(items.breaking, 6.0, 1.0)
    for h in range(days * 24):
        rows = order[bounds[h] : bounds[h + 1]]
        if len(rows) == 0:
            continue
        weight = items.weights(h * HOUR_MS + HOUR_MS // 2)
        by_topic = np.concatenate([[0.0], np.cumsum(weight)])
        front = np.concatenate([[0.0], np.cumsum(weight**1.25 * front_boost)])
        is_front = source[rows] == FRONT
        chosen[rows[is_front]] = _draw(front, low[rows[is_front]], high[rows[is_front]], u[rows[is_front]])
        chosen[rows[~is_front]] = _draw(
            by_topic, low[rows[~is_front]], high[rows[~is_front]], u[rows[~is_front]]
        )
    archive = np.flatnonzero(source == ARCHIVE)
    any_item = rng.integers(0, len(items.topic), len(archive))
    chosen[archive] = np.where(items.birth_ms[any_item] <= clicks.at_ms[archive], any_item, chosen[archive])
    _follow_related(items, clicks, source, chosen, rng)
    return chosen


def _ranges(items: OrganicItems, users: OrganicUsers, clicks: _Clicks, rng: Rng) -> tuple[Int, Int, Int]:
    """Draw where each click looks: its source and the range [low, high) of item rows there."""
    n = len(clicks.user)
    session_topic = np.zeros(int(clicks.session.max(initial=0)) + 1, np.int64)
    u = rng.random(n)
    cut = users.taste_cut[clicks.user]
    own = users.taste[clicks.user, (u > cut[:, 0]).astype(np.int64) + (u > cut[:, 1])]
    head = clicks.step == 0
    session_topic[clicks.session[head]] = own[head]
    topic = np.where(rng.random(n) < 0.8, session_topic[clicks.session], own)
    source = rng.choice(5, n, p=[0.37, 0.33, 0.0, 0.26, 0.04])
    source = np.where((source == RELATED) & head, TOPIC, source)
    author = users.author[clicks.user, rng.integers(0, 2, n)]
    source = np.where((rng.random(n) < users.loyalty[clicks.user]) & (author >= 0), AUTHOR, source)
    low, high = items.topic_first[topic], items.topic_first[topic + 1]
    followed = source == AUTHOR
    low = np.where(followed, items.author_first[author], low)
    high = np.where(followed, items.author_first[author + 1], high)
    low, high = np.where(source == FRONT, 0, low), np.where(source == FRONT, len(items.topic), high)
    return source, low, high


def _draw(cumulative: FloatND, low: Int, high: Int, u: FloatND) -> Int:
    """Draw a row of [low, high) by weight; of all rows where that range weighs next to nothing."""
    total = cumulative[-1]
    empty = cumulative[high] - cumulative[low] <= 1e-12 * total
    start = np.where(empty, 0.0, cumulative[low])
    end = np.where(empty, total, cumulative[high])
    place = np.searchsorted(cumulative, start + u * (end - start), side="right") - 1
    rows: Int = np.clip(place, 0, len(cumulative) - 2)
    return rows


def _follow_related(items: OrganicItems, clicks: _Clicks, source: Int, chosen: Int, rng: Rng) -> None:
    """Let clicks on "related items" go to a neighbour of the item before, where that is born already."""
    related = np.flatnonzero(source == RELATED)
    by_step = related[np.argsort(clicks.step[related], kind="stable")]
    steps = clicks.step[by_step]
    for step in range(1, int(steps.max(initial=0)) + 1):
        rows = by_step[np.searchsorted(steps, step) : np.searchsorted(steps, step + 1)]
        before = chosen[rows - 1]
        shift = rng.integers(1, NEAREST + 1, len(rows)) * rng.choice([-1, 1], len(rows))
        near = np.clip(before + shift, 0, len(items.topic) - 1)
        fits = (items.topic[near] == items.topic[before]) & (items.birth_ms[near] <= clicks.at_ms[rows])
        age_h = (clicks.at_ms[rows] - items.birth_ms[near]) / HOUR_MS
        fits &= rng.random(len(rows)) < np.exp2(-age_h / (3 * items.half_life_h[near])) + 0.02
        chosen[rows] = np.where(fits, near, chosen[rows])


def _encode(
    items: OrganicItems, users: OrganicUsers, clicks: _Clicks, item: Int, kind: str, rng: Rng
) -> GraphArrays:
    """Drop most repeated looks, add carts and buys, deal out ids and sort."""
    n_users, n_items = len(users.n_sessions), len(items.topic)
    visit = np.lexsort((clicks.at_ms, item, clicks.user))
    known = np.zeros(len(visit), bool)
    known[visit[1:]] = (np.diff(clicks.user[visit]) == 0) & (np.diff(item[visit]) == 0)
    keep = ~known | (rng.random(len(visit)) < READ_TWICE[kind])
    user, session, at, item = clicks.user[keep], clicks.session[keep], clicks.at_ms[keep], item[keep]
    action = np.zeros(len(user), np.int64)
    if kind == "shop":
        user, session, at, item, action = _shop_journeys(user, session, at, item, rng)
    n = np.ones(len(user), np.int64)
    merged, total = merge_repeats(session, item, action, at, n)
    user, session, at, item, action = (a[merged] for a in (user, session, at, item, action))
    present, user = np.unique(user, return_inverse=True)
    shown, item = np.unique(item, return_inverse=True)
    made, session = np.unique(session, return_inverse=True)
    user = rng.permutation(len(present))[user]
    item = rng.permutation(len(shown))[item]
    session = rng.permutation(len(made))[session]
    at = at + START_MS
    order = edge_order(user, at, item, session, action)
    if kind == "payments":
        user_ids, item_ids = _account_ids(len(present), len(shown), rng)
    else:
        user_ids = _sample_ids(n_users, len(present), rng)
        item_ids = _sample_ids(n_items, len(shown), rng)
    return GraphArrays(
        user_ids=user_ids,
        item_ids=item_ids,
        session_ids=decimal_ids(len(made)),
        actions=ACTIONS[kind],
        user_ix=user[order].astype(np.int32),
        item_ix=item[order].astype(np.int32),
        session_ix=session[order].astype(np.int32),
        action_ix=action[order].astype(np.int16),
        at_ms=at[order],
        n=total[merged][order],
        **graph_fields(_links(len(present), rng), rng),
    )


def _sample_ids(n: int, n_present: int, rng: Rng) -> pa.Array:
    """Take n_present of n decimal ids, in order."""
    return decimal_ids(n).take(pa.array(np.sort(rng.choice(n, n_present, replace=False))))


def _account_ids(n_users: int, n_items: int, rng: Rng) -> tuple[pa.Array, pa.Array]:
    """Make ids of one kind for payers and recipients; ACCOUNT_SHARE of the recipients have the id of a payer."""
    ids = decimal_ids(n_users + n_items)
    payers = np.sort(rng.choice(n_users + n_items, n_users, replace=False))
    n_both = min(round(ACCOUNT_SHARE * n_items), n_users)
    others = np.setdiff1d(np.arange(n_users + n_items), payers)
    recipients = np.concatenate(
        [rng.choice(payers, n_both, replace=False), rng.choice(others, n_items - n_both, replace=False)]
    )
    return ids.take(pa.array(payers)), ids.take(pa.array(np.sort(recipients)))


def _shop_journeys(
    user: Int, session: Int, at_ms: Int, item: Int, rng: Rng
) -> tuple[Int, Int, Int, Int, Int]:
    """Follow some views by a cart, and some carts by a buy, of the same item seconds later."""
    buys_often = rng.beta(1.2, 6.0, int(user.max(initial=0)) + 1) / 0.167
    carted: Bool = rng.random(len(user)) < np.minimum(CART_SHARE * buys_often[user], 0.9)
    bought = carted & (rng.random(len(user)) < BUY_SHARE)
    cart_at = at_ms + rng.integers(400, 1900, len(at_ms))
    buy_at = cart_at + rng.integers(20, 95, len(at_ms))
    rows = np.concatenate([np.arange(len(user)), np.flatnonzero(carted), np.flatnonzero(bought)])
    at = np.concatenate([at_ms, cart_at[carted], buy_at[bought]])
    action = np.repeat(
        [SHOP_ACTIONS.index("view"), SHOP_ACTIONS.index("cart"), SHOP_ACTIONS.index("buy")],
        [len(user), int(carted.sum()), int(bought.sum())],
    )
    return user[rows], session[rows], at, item[rows], action


def _links(n_users: int, rng: Rng) -> list[KindLinks]:
    """Give users devices (one or two) and addresses (a household's, sometimes an office's)."""
    everyone = np.arange(n_users)
    second = np.flatnonzero(rng.random(n_users) < 0.25)
    shared = np.flatnonzero(rng.random(n_users) < 0.03)
    device_user = np.concatenate([everyone, second, shared])
    device = np.concatenate(
        [everyone, n_users + np.arange(len(second)), rng.integers(0, n_users, len(shared))]
    )
    household = rng.integers(0, max(1, round(n_users / 1.3)), n_users)
    office = np.flatnonzero(rng.random(n_users) < 0.3)
    n_offices = max(1, n_users // 150)
    at_office = (rng.random(len(office)) ** 2 * n_offices).astype(np.int64)
    ip_user = np.concatenate([everyone, office])
    ip = np.concatenate([household, int(household.max()) + 1 + at_office])
    links = []
    for kind, user, entity in (("device", device_user, device), ("ip", ip_user, ip)):
        pairs = np.unique(np.stack([user, np.unique(entity, return_inverse=True)[1]]), axis=1)
        n_new = int(pairs[1].max()) + 1
        links.append(KindLinks(kind, pa.array([], pa.string()), n_new, pairs[0], pairs[1]))
    return links
