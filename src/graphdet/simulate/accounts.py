"""Accounts of a campaign: timetables in the manner of the log's users, with targets put into natural sessions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from graphdet.simulate.campaigns import Campaign
from graphdet.simulate.profile import DAY_MS, HOUR_MS, MINUTE_MS, Int, LogProfile
from graphdet.simulate.targets import Strike
from graphdet.simulate.walks import Bool

DONOR_TRIES = 48
RATE_HALF_MS = 6 * HOUR_MS
START_JITTER_MS = 20 * MINUTE_MS
GAP_JITTER = 0.15
SCRIPT_GAP_MS = 4_000
ADDED_MOST = 8  # sessions tried per visit when a donor's own do not suffice

Rng = np.random.Generator


@dataclass
class Account:
    """One account's planned sessions: times of all clicks and, where a target or hot item is fixed, its graph row.

    user: the row of the real user it is, or −1 for a fresh account. Lists run over sessions in time order.
    """

    user: int
    at_ms: list[Int] = field(default_factory=list)
    edge: list[Int] = field(default_factory=list)  # −1 where a walk chooses
    is_target: list[Bool] = field(default_factory=list)


@dataclass
class Timetable:
    """Session starts and in-session offsets, in ms, in time order."""

    start_ms: Int
    offsets_ms: list[Int]

    def sizes(self) -> Int:
        """Clicks per session."""
        return np.array([len(o) for o in self.offsets_ms], np.int64)

    def inside(self, strike: Strike) -> Bool:
        """Say which sessions start in the campaign's window."""
        return (self.start_ms >= strike.start_ms) & (self.start_ms < strike.end_ms)

    def sort(self) -> None:
        """Put the sessions into time order."""
        order = np.argsort(self.start_ms, kind="stable")
        self.start_ms = self.start_ms[order]
        self.offsets_ms = [self.offsets_ms[k] for k in order]


def make_account(profile: LogProfile, campaign: Campaign, strike: Strike, user: int, rng: Rng) -> Account:
    """Plan one account: whom it resembles in time, which targets it touches, and when.

    user: row of the real user to hijack, −1 for a fresh account.
    """
    n_targets = len(strike.items)
    least = min(n_targets, 2 if n_targets * campaign.density >= 2 else 1)
    k = max(least, int(rng.binomial(n_targets, campaign.density)))
    touched = rng.choice(strike.items, k, replace=False)
    visits = np.concatenate([touched, _again(touched, campaign.repeats, rng)])
    total = len(visits) * (1 + campaign.camouflage * float(rng.lognormal(-0.08, 0.4)))
    total += len(visits) if campaign.coattail else 0
    table = _fit(profile, strike, max(round(total), len(visits)), len(visits), rng)
    _make_room(profile, campaign, strike, table, visits, rng)
    if user >= 0:
        _avoid(profile, strike, table, user, rng)
    _separate(profile, table)
    return _assign(profile, campaign, strike, table, visits, Account(user), rng)


def _again(touched: Int, repeats: float, rng: Rng) -> Int:
    """Draw which touched targets are visited more than once."""
    return np.repeat(touched, rng.poisson(repeats - 1.0, len(touched)))


def _donor_table(profile: LogProfile, donor: int, shift_ms: int, rng: Rng) -> Timetable:
    """Take over a user's sessions, moved by shift_ms, with starts and gaps jittered so that nothing ties the two."""
    first, last = profile.user_first[donor], profile.user_first[donor + 1]
    starts = profile.session_start[first:last] + shift_ms
    jittered = starts + rng.normal(0, START_JITTER_MS, len(starts)).astype(np.int64)
    return Timetable(jittered, [_offsets(profile, session, rng) for session in range(first, last)])


def _offsets(profile: LogProfile, session: int, rng: Rng) -> Int:
    """Take over a session's inter-click gaps, jittered but for the values a logger writes itself."""
    low, high = profile.session_first[session], profile.session_first[session + 1]
    gaps = np.diff(profile.graph.at_ms[profile.edge[low:high]])
    jittered = np.rint(gaps * rng.lognormal(0, GAP_JITTER, len(gaps))).astype(np.int64)
    kept = np.where(np.isin(gaps, profile.common_gaps), gaps, jittered)
    return np.concatenate([[0], np.cumsum(kept)])


def _fit(profile: LogProfile, strike: Strike, n_clicks: int, n_visits: int, rng: Rng) -> Timetable:
    """Find a user of about n_clicks whose timetable, moved by whole days, has room for the visits in the window."""
    counts = profile.n_clicks[profile.users_by_clicks]
    low, high = np.searchsorted(counts, [0.85 * n_clicks, 1.2 * n_clicks + 1])
    if high - low < 5:
        middle = int(np.searchsorted(counts, n_clicks))
        low, high = max(0, middle - 10), min(len(counts), middle + 10)
        low = min(low, high - 1)
        low = max(low, int(np.searchsorted(counts, 1)))
    donors = profile.users_by_clicks[rng.integers(low, high, DONOR_TRIES)]
    best: tuple[int, int, int] = (-1, int(donors[0]), 0)
    for donor in donors:
        starts = profile.session_start[profile.user_first[donor] : profile.user_first[donor + 1]]
        sizes = np.diff(profile.session_first[profile.user_first[donor] : profile.user_first[donor + 1] + 1])
        shift = _shift(profile, strike, starts, rng)
        inside = (starts + shift >= strike.start_ms) & (starts + shift < strike.end_ms)
        room = min(int(sizes[inside].sum()), n_visits)
        if room > best[0]:
            best = (room, int(donor), shift)
        if room == n_visits:
            break
    return _donor_table(profile, best[1], best[2], rng)


def _shift(profile: LogProfile, strike: Strike, starts: Int, rng: Rng) -> int:
    """Draw a move by whole days (ms) that keeps the sessions in the log and lets them meet the window if it can."""
    low = -((int(starts[0]) - profile.start_ms) // DAY_MS)
    high = (profile.end_ms - int(starts[-1])) // DAY_MS
    meet_low = -(-(strike.start_ms - int(starts[-1])) // DAY_MS)
    meet_high = (strike.end_ms - int(starts[0])) // DAY_MS
    if max(low, meet_low) <= min(high, meet_high):
        low, high = max(low, meet_low), min(high, meet_high)
    return int(rng.integers(low, high + 1)) * DAY_MS if low <= high else 0


def _make_room(
    profile: LogProfile, campaign: Campaign, strike: Strike, table: Timetable, visits: Int, rng: Rng
) -> None:
    """Move sessions into the window, and add natural ones, until it has room for every visit."""
    per_visit = 2 if campaign.coattail else 1
    if campaign.one_sitting:
        _one_sitting(profile, strike, table, per_visit * len(visits), rng)
        return
    inside = table.inside(strike)
    for session in rng.permutation(np.flatnonzero(~inside)):
        if (table.sizes() // per_visit)[inside].sum() >= len(visits):
            break
        table.start_ms[session] = profile.random_starts(strike.start_ms, strike.end_ms, 1, rng)[0]
        inside[session] = True
    for _ in range(ADDED_MOST * len(visits)):
        if int((table.sizes() // per_visit)[table.inside(strike)].sum()) >= len(visits):
            break
        table.offsets_ms.append(_offsets(profile, int(rng.integers(profile.n_sessions)), rng))
        start = profile.random_starts(strike.start_ms, strike.end_ms, 1, rng)
        table.start_ms = np.append(table.start_ms, start)
    table.sort()


def _one_sitting(profile: LogProfile, strike: Strike, table: Timetable, need: int, rng: Rng) -> None:
    """Put a session large enough for all visits into the window; the log's own gaps, drawn again if need be."""
    sizes = table.sizes()
    session = int(np.argmax(sizes))
    if sizes[session] < need:
        long = np.flatnonzero(np.diff(profile.session_first) >= need)
        if len(long):
            table.offsets_ms[session] = _offsets(profile, int(rng.choice(long)), rng)
        else:
            gaps = np.diff(table.offsets_ms[session])
            pool = gaps if len(gaps) else np.array([MINUTE_MS])
            table.offsets_ms[session] = np.concatenate([[0], np.cumsum(rng.choice(pool, need - 1))])
    table.start_ms[session] = profile.random_starts(strike.start_ms, strike.end_ms, 1, rng)[0]
    begin, end = table.start_ms[session] - HOUR_MS, table.start_ms[session] + table.offsets_ms[session][-1]
    for other, offsets in enumerate(table.offsets_ms):
        clash = table.start_ms[other] + offsets[-1] > begin and table.start_ms[other] < end + HOUR_MS
        if other != session and clash:
            table.start_ms[other] += int(rng.choice([-1, 1])) * DAY_MS
    table.sort()


def _avoid(profile: LogProfile, strike: Strike, table: Timetable, user: int, rng: Rng) -> None:
    """Move sessions that fall on one of the user's own: a person is in one place at a time."""
    first, last = profile.user_first[user], profile.user_first[user + 1]
    own_start = profile.session_start[first:last]
    own_end = profile.graph.at_ms[profile.edge[profile.session_first[first + 1 : last + 1] - 1]]
    inside = table.inside(strike)
    for k, offsets in enumerate(table.offsets_ms):
        for _ in range(10):
            begin, end = table.start_ms[k] - 30 * MINUTE_MS, table.start_ms[k] + offsets[-1] + 30 * MINUTE_MS
            if not np.any((own_start < end) & (own_end > begin)):
                break
            if inside[k]:
                table.start_ms[k] = profile.random_starts(strike.start_ms, strike.end_ms, 1, rng)[0]
            else:
                table.start_ms[k] += int(rng.choice([-1, 1])) * DAY_MS
    table.sort()


def _separate(profile: LogProfile, table: Timetable) -> None:
    """Keep every session inside the log, and after the end of the one before."""
    ends = np.array([offsets[-1] for offsets in table.offsets_ms])
    latest = np.maximum(profile.end_ms - 1 - ends, profile.start_ms)
    table.start_ms = np.clip(table.start_ms, profile.start_ms, latest)
    table.sort()
    for k in range(1, len(table.start_ms)):
        free = table.start_ms[k - 1] + table.offsets_ms[k - 1][-1] + 31 * MINUTE_MS
        if table.start_ms[k] < free <= profile.end_ms:
            table.start_ms[k] = free


def _assign(
    profile: LogProfile,
    campaign: Campaign,
    strike: Strike,
    table: Timetable,
    visits: Int,
    account: Account,
    rng: Rng,
) -> Account:
    """Fix the visits at times when real users visit the same targets; the rest is left to walks."""
    sizes = table.sizes()
    edges = [np.full(size, -1, np.int64) for size in sizes]
    target = [np.zeros(size, bool) for size in sizes]
    width = 2 if campaign.coattail else 1
    room = np.where(table.inside(strike), sizes // width, 0)
    if campaign.one_sitting or not room.any():
        room = np.where(np.arange(len(sizes)) == np.argmax(room if room.any() else sizes), sizes, 0)
    chosen: list[list[int]] = [[] for _ in sizes]
    script = np.argsort(
        np.argsort(strike.items)[np.searchsorted(np.sort(strike.items), visits)], kind="stable"
    )
    order = visits[script] if campaign.pace == "scripted" else rng.permutation(visits)
    for item in order:
        session = _session_for(profile, int(item), table, room, chosen, rng)
        if session >= 0:
            chosen[session].append(int(item))
            room[session] -= 1
    for session, items in enumerate(chosen):
        _place(profile, campaign, table, session, items, edges[session], target[session], rng)
    account.at_ms = [s + o for s, o in zip(table.start_ms, table.offsets_ms, strict=True)]
    account.edge, account.is_target = edges, target
    return account


def _session_for(
    profile: LogProfile, item: int, table: Timetable, room: Int, chosen: Sequence[list[int]], rng: Rng
) -> int:
    """Draw the session in which to touch an item, in proportion to its organic rate then; −1 when there is no room."""
    free = room * np.array([item not in items for items in chosen], np.int64)
    if not free.any():
        return -1
    rate = profile.rate(np.full(len(free), item), table.start_ms, RATE_HALF_MS).astype(np.float64)
    first, last = profile.item_span(np.array([item]))
    alive = (table.start_ms >= first[0] - HOUR_MS) & (table.start_ms <= last[0] + HOUR_MS)
    weight = np.where(free > 0, rate + 0.05 * alive + 1e-6, 0.0)
    return int(rng.choice(len(free), p=weight / weight.sum()))


def _place(
    profile: LogProfile,
    campaign: Campaign,
    table: Timetable,
    session: int,
    items: list[int],
    edge: Int,
    is_target: Bool,
    rng: Rng,
) -> None:
    """Put the chosen targets at random positions of a session, after a hot item or by script when so asked."""
    if not items:
        return
    size, k = len(edge), len(items)
    at = np.full(k, table.start_ms[session])
    rows = _rows_near(profile, np.array(items), at, rng)
    if campaign.pace == "scripted":
        positions = np.arange(k)
        gaps = SCRIPT_GAP_MS + rng.integers(-400, 401, k)
        script = np.cumsum(gaps) - gaps[0]
        offsets = table.offsets_ms[session]
        offsets[k:] += script[-1] - offsets[k - 1]
        offsets[:k] = script
    elif campaign.coattail and size >= 2 * k:
        positions = np.sort(rng.choice(size // 2, k, replace=False)) * 2 + 1
        hot = profile.hot_edges(int(at[0]), k, rng)
        edge[positions[: len(hot)] - 1] = hot
    else:
        positions = np.sort(rng.choice(size, k, replace=False))
    edge[positions] = rows
    is_target[positions] = True


def _rows_near(profile: LogProfile, items: Int, at_ms: Int, rng: Rng) -> Int:
    """Draw for each item one of its graph rows nearest in time (its action is then the one usual for the item)."""
    key = items * profile.span_ms + np.clip(at_ms - profile.base_ms, 0, profile.span_ms - 1)
    place = np.searchsorted(profile.item_key, key) + rng.integers(-3, 4, len(items))
    rows: Int = profile.item_edge[
        np.clip(place, profile.item_first[items], profile.item_first[items + 1] - 1)
    ]
    return rows
