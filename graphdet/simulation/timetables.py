"""Timetables in the manner of the log's users: a real user's sessions, moved in time and jittered."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Bool, Int, Rng
from graphdet.simulation.profile import MINUTE_MS, LogProfile
from graphdet.simulation.targets import Strike, interest
from graphdet.units import DAY_MS, HOUR_MS

DONOR_TRIES = 12
FAR_MORE = 10  # times the wanted clicks: nobody beyond is taken for a donor when there are few near
MET = 0.5  # how much one more target met counts, against likely days
MOVES = 8  # moves in time compared per donor
PLACE_TRIES = 12
ADDED_MOST = 8  # sessions tried per visit when a donor's own do not suffice
START_JITTER_MS = 20 * MINUTE_MS
ONE_VISIT_MS = 30 * MINUTE_MS
PAUSE_JITTER = 0.15
GAP_JITTER = 0.15


@dataclass
class PlannedSession:
    """One session.

    offsets_ms int64[size], from its start; known int8[size], whether a click is on an item new to the
    user (0), known from an earlier session (1) or from the same one (2); age float64[size], the item's log
    age, NaN for any.
    """

    start_ms: int
    offsets_ms: Int
    known: NDArray[np.int8]
    age: NDArray[np.float64]

    @property
    def end_ms(self) -> int:
        """When its last click is."""
        return self.start_ms + int(self.offsets_ms[-1])


@dataclass
class Timetable:
    """An account's sessions, and the times [start, end] at which the person it belongs to is busy anyway.

    only: the one session for all visits, where there is to be only one.
    """

    sittings: list[PlannedSession]
    busy: Sequence[tuple[int, int]] = field(default_factory=list)
    only: PlannedSession | None = None

    def inside(self, strike: Strike) -> Bool:
        """Say which sessions start in the campaign's window."""
        starts = np.array([s.start_ms for s in self.sittings], np.int64)
        return (starts >= strike.start_ms) & (starts < strike.end_ms)

    def room(self, strike: Strike, per_visit: int) -> int:
        """Count the visits that fit into the sessions of the window."""
        inside = self.inside(strike)
        return sum(len(s.known) // per_visit for s, ok in zip(self.sittings, inside, strict=True) if ok)

    def clashes(self, sitting: PlannedSession, start_ms: int, pause_ms: int) -> bool:
        """Say whether a session would be less than pause_ms from another one or from a busy time."""
        low, high = start_ms - pause_ms, start_ms + int(sitting.offsets_ms[-1]) + pause_ms
        others = [(s.start_ms, s.end_ms) for s in self.sittings if s is not sitting]
        return any(start < high and end > low for start, end in (*others, *self.busy))


@dataclass(frozen=True)
class VisitCounts:
    """What an account does: about n_clicks in all, and n_visits of per_visit clicks to a campaign's targets.

    With one_sitting one session, the longest, has room for all the visits.
    """

    n_clicks: int
    n_visits: int
    per_visit: int
    one_sitting: bool = False


def make_timetable(
    profile: LogProfile,
    strike: Strike,
    visits: VisitCounts,
    user: int,
    rng: Rng,
) -> Timetable:
    """Make a timetable with room for the visits in the campaign's window.

    user: the real user it belongs to, whose own sessions it keeps clear of, or −1.
    """
    table = _fit(profile, strike, visits.n_clicks, visits.n_visits, rng)
    table.busy = _own_times(profile, user) if user >= 0 else []
    if visits.one_sitting:
        _enlarge(profile, strike, table, visits.per_visit * visits.n_visits, rng)
    else:
        _make_room(profile, strike, table, visits.n_visits, visits.per_visit, rng)
    _keep_clear(profile, strike, table, rng)
    return table


def _own_times(profile: LogProfile, user: int) -> list[tuple[int, int]]:
    """List a user's own sessions as [start, end] in ms."""
    first, last = int(profile.user_first[user]), int(profile.user_first[user + 1])
    ends = profile.graph.at_ms[profile.edge[profile.session_first[first + 1 : last + 1] - 1]]
    return [(int(s), int(e)) for s, e in zip(profile.session_start[first:last], ends, strict=True)]


def _sitting(profile: LogProfile, session: int, start_ms: int, rng: Rng) -> PlannedSession:
    """Take over a session's gaps, jittered but for the values a logger writes itself."""
    low, high = profile.session_first[session], profile.session_first[session + 1]
    gaps = np.diff(profile.graph.at_ms[profile.edge[low:high]])
    jittered = np.rint(gaps * rng.lognormal(0, GAP_JITTER, len(gaps))).astype(np.int64)
    kept = jittered
    if len(profile.common_gaps):
        kept = np.where((gaps[:, None] == profile.common_gaps).any(axis=1), gaps, jittered)
    age = profile.age[profile.edge[low:high]].astype(np.float64)
    return PlannedSession(
        start_ms, np.concatenate([[0], np.cumsum(kept)]), profile.known[low:high].copy(), age
    )


def _donor_table(profile: LogProfile, donor: int, shift_ms: int, rng: Rng) -> Timetable:
    """Take over a user's sessions, moved by shift_ms; jitter unties the two, small pauses stay small."""
    times = _own_times(profile, donor)
    starts = np.array([start for start, _ in times], np.int64)
    pauses = np.maximum(starts[1:] - np.array([end for _, end in times[:-1]], np.int64), 0)
    around = np.minimum(np.append(pauses, 4 * START_JITTER_MS), np.insert(pauses, 0, 4 * START_JITTER_MS))
    own = rng.normal(0, np.minimum(PAUSE_JITTER * around, START_JITTER_MS))
    moved = (starts + shift_ms + rng.normal(0, START_JITTER_MS) + own).astype(np.int64)
    first = int(profile.user_first[donor])
    return Timetable([_sitting(profile, first + k, int(start), rng) for k, start in enumerate(moved)])


def _fit(profile: LogProfile, strike: Strike, n_clicks: int, n_visits: int, rng: Rng) -> Timetable:
    """Find a user of about n_clicks whose timetable, moved by days, has room for the visits in the window."""
    counts = profile.clicks_sorted
    # Whole numbers: a float would have the counts of all users converted for every account.
    near = (math.ceil(0.85 * n_clicks), math.ceil(1.2 * n_clicks + 1))
    low, high = (int(place) for place in np.searchsorted(counts, near))
    if high - low < 5:
        middle = min(int(np.searchsorted(counts, n_clicks)), len(counts) - 1)
        low = max(int(np.searchsorted(counts, 1)), middle - 10)
        high = min(len(counts), middle + 10)
        # Not a hub: thousands of sessions are nobody's timetable, and every pair of them would be compared.
        high = max(min(high, int(np.searchsorted(counts, FAR_MORE * n_clicks))), low + 1)
    best = _Moves.of(profile, strike, int(profile.users_by_clicks[rng.integers(low, high)]), n_visits)
    for donor in profile.users_by_clicks[rng.integers(low, high, DONOR_TRIES)]:
        if best.most_room >= n_visits:
            break
        moves = _Moves.of(profile, strike, int(donor), n_visits)
        best = moves if moves.most_room > best.most_room else best
    return _donor_table(profile, best.donor, best.choose(profile, strike, rng), rng)


@dataclass(frozen=True)
class _Moves:
    """A donor's sessions moved by whole days, as far as they stay in the log.

    by_ms int64[n_moves]; starts int64, inside bool[n_moves, n_sessions]; room int64[n_moves], clicks in the window.
    """

    donor: int
    by_ms: Int
    starts: Int
    inside: Bool
    room: Int

    @classmethod
    def of(cls, profile: LogProfile, strike: Strike, donor: int, n_visits: int) -> "_Moves":
        """List the moves of a donor; room counts up to n_visits."""
        first, last = int(profile.user_first[donor]), int(profile.user_first[donor + 1])
        starts = profile.session_start[first:last]
        sizes = profile.session_sizes[first:last]
        low = -((int(starts[0]) - profile.start_ms) // DAY_MS)
        high = (profile.end_ms - int(starts[-1])) // DAY_MS
        by_ms = (np.arange(low, high + 1) if low <= high else np.zeros(1, np.int64)) * DAY_MS
        moved = starts[None, :] + by_ms[:, None]
        inside = (moved >= strike.start_ms) & (moved < strike.end_ms)
        return cls(donor, by_ms, moved, inside, np.minimum(inside @ sizes, n_visits))

    @property
    def most_room(self) -> int:
        """The most clicks that any move brings into the window."""
        return int(self.room.max())

    def choose(self, profile: LogProfile, strike: Strike, rng: Rng) -> int:
        """Draw a move, in ms, among those with most room.

        Those that meet the targets' real audience and those to days as busy as the donor's come more often, so that
        weekends stay weekends.
        """
        keep = np.flatnonzero(self.room == self.most_room)
        keep = rng.choice(keep, min(len(keep), MOVES), replace=False)
        day = self.starts[keep] // DAY_MS - profile.base_ms // DAY_MS
        likely = profile.log_traffic[np.clip(day, 0, len(profile.log_traffic) - 1)].sum(axis=1)
        times = np.where(self.inside[keep], self.starts[keep], 0).ravel()
        met = interest(profile, strike, times).reshape(len(strike.items), len(keep), -1).sum(axis=2)
        met = np.minimum(met, 1.0).sum(axis=0)
        weight = np.exp(likely - likely.max() + MET * (met - met.max()))
        return int(self.by_ms[keep[int(rng.choice(len(keep), p=weight / weight.sum()))]])


def hours_apart(a_ms: Int, b_ms: Int | np.int64) -> NDArray[np.float64]:
    """Hours between two times of day, 0 … 12."""
    apart = np.abs(a_ms - b_ms) % DAY_MS
    hours: NDArray[np.float64] = np.minimum(apart, DAY_MS - apart) / HOUR_MS
    return hours


def _find_start(
    profile: LogProfile, strike: Strike, table: Timetable, sitting: PlannedSession, rng: Rng
) -> int:
    """Draw a start in the window, if possible a usual pause from all else and near the old time of day."""
    starts = profile.random_starts(strike.start_ms, strike.end_ms, PLACE_TRIES, rng)
    pauses = profile.random_pauses(PLACE_TRIES, rng)
    by_hour = np.argsort(hours_apart(starts, np.int64(sitting.start_ms)) // 2, kind="stable")
    for start, pause in zip(starts[by_hour], pauses, strict=True):
        if not table.clashes(sitting, int(start), int(pause)):
            return int(start)
    return int(starts[-1])


def _make_room(
    profile: LogProfile, strike: Strike, table: Timetable, n_visits: int, per_visit: int, rng: Rng
) -> None:
    """Move sessions into the window, and add natural ones, until it has room for every visit."""
    for k in rng.permutation(np.flatnonzero(~table.inside(strike))):
        if table.room(strike, per_visit) >= n_visits:
            break
        sitting = table.sittings[k]
        sitting.start_ms = _find_start(profile, strike, table, sitting, rng)
    for _ in range(ADDED_MOST * n_visits):
        if table.room(strike, per_visit) >= n_visits:
            break
        sitting = _sitting(profile, int(rng.integers(profile.n_sessions)), strike.start_ms, rng)
        sitting.start_ms = _find_start(profile, strike, table, sitting, rng)
        table.sittings.append(sitting)


def _enlarge(profile: LogProfile, strike: Strike, table: Timetable, need: int, rng: Rng) -> None:
    """Put a session of `need` clicks or more into the window, of gaps drawn anew if the log has none."""
    longest = max(table.sittings, key=lambda s: len(s.known))
    if len(longest.known) < need:
        long = np.flatnonzero(profile.session_sizes >= need)
        if len(long):
            other = _sitting(profile, int(rng.choice(long)), 0, rng)
            longest.offsets_ms, longest.known, longest.age = other.offsets_ms, other.known, other.age
        else:
            gaps = np.diff(longest.offsets_ms) if len(longest.known) > 1 else np.array([MINUTE_MS])
            longest.offsets_ms = np.concatenate([[0], np.cumsum(rng.choice(gaps, need - 1))])
            longest.known, longest.age = np.zeros(need, np.int8), np.full(need, np.nan)
    longest.start_ms = _find_start(profile, strike, table, longest, rng)
    table.only = longest
    for sitting in table.sittings:
        if sitting is not longest and table.clashes(sitting, sitting.start_ms, profile.least_pause_ms):
            sitting.start_ms += int(rng.choice([-1, 1])) * DAY_MS


def _keep_clear(profile: LogProfile, strike: Strike, table: Timetable, rng: Rng) -> None:
    """Keep every session inside the log and off every other one; sorts them by time."""
    for sitting in table.sittings:
        latest = max(profile.end_ms - 1 - int(sitting.offsets_ms[-1]), profile.start_ms)
        sitting.start_ms = min(max(sitting.start_ms, profile.start_ms), latest)
    inside = table.inside(strike)
    for sitting, within in zip(table.sittings, inside, strict=True):
        if table.clashes(sitting, sitting.start_ms, profile.least_pause_ms):
            moved = sitting.start_ms + int(rng.choice([-1, 1])) * DAY_MS
            fits = profile.start_ms <= moved < profile.end_ms - int(sitting.offsets_ms[-1])
            if within or not fits or table.clashes(sitting, moved, profile.least_pause_ms):
                moved = _find_start(profile, strike, table, sitting, rng)
            sitting.start_ms = moved
    table.sittings.sort(key=lambda s: s.start_ms)
    for before, sitting in zip(table.sittings, table.sittings[1:], strict=False):
        free = before.end_ms + max(profile.least_pause_ms, 1)
        if sitting.start_ms < free <= profile.end_ms:
            sitting.start_ms = free


def attend(
    profile: LogProfile, strike: Strike, table: Timetable, moments_ms: Int, rng: Rng
) -> list[tuple[PlannedSession, Int]]:
    """Let sessions of a timetable hold clicks at given moments.

    moments_ms int64[n], ascending. Each takes the place of a click of the nearest free session, which moves there with
    its other clicks; moments within ONE_VISIT_MS of each other share a session. Sessions in the way are moved.
    Returns the sessions by time, each with the moment that a click is, int64[size], −1 for none.
    """
    later = np.flatnonzero(np.diff(moments_ms) > ONE_VISIT_MS) + 1
    halfway = (moments_ms[later - 1] + moments_ms[later]) // 2
    bounds = np.concatenate([[profile.start_ms], halfway, [profile.end_ms]])
    idle = list(table.sittings)
    held: list[tuple[PlannedSession, Int]] = []
    for k, visit in enumerate(np.split(np.arange(len(moments_ms)), later)):
        moment = int(moments_ms[visit[0]])
        if idle:
            sitting = idle.pop(int(np.argmin([abs(s.start_ms - moment) for s in idle])))
        else:
            sitting = _sitting(profile, int(rng.integers(profile.n_sessions)), moment, rng)
        held.append(_held(sitting, moments_ms[visit], visit, (int(bounds[k]), int(bounds[k + 1])), rng))
    table.sittings = [sitting for sitting, _ in held]
    for sitting in idle:
        if table.clashes(sitting, sitting.start_ms, profile.least_pause_ms):
            sitting.start_ms = _find_start(profile, strike, table, sitting, rng)
            latest = max(profile.end_ms - 1 - int(sitting.offsets_ms[-1]), profile.start_ms)
            sitting.start_ms = min(sitting.start_ms, latest)
        table.sittings.append(sitting)
    held += [(sitting, np.full(len(sitting.known), -1, np.int64)) for sitting in idle]
    return sorted(held, key=lambda pair: pair[0].start_ms)


def _held(
    sitting: PlannedSession, moments_ms: Int, visit: Int, within: tuple[int, int], rng: Rng
) -> tuple[PlannedSession, Int]:
    """Put moments in the place of one click of a session; other clicks keep their distance to it, within bounds."""
    place = int(rng.integers(len(sitting.known)))
    others = np.delete(int(moments_ms[0]) + sitting.offsets_ms - sitting.offsets_ms[place], place)
    kept = (others >= within[0]) & (others < within[1])
    at = np.concatenate([moments_ms, others[kept]])
    known = np.concatenate([np.zeros(len(visit), np.int8), np.delete(sitting.known, place)[kept]])
    age = np.concatenate([np.full(len(visit), np.nan), np.delete(sitting.age, place)[kept]])
    moment = np.concatenate([visit, np.full(int(kept.sum()), -1, np.int64)])
    order = np.argsort(at, kind="stable")
    at = at[order]
    return PlannedSession(int(at[0]), at - at[0], known[order], age[order]), moment[order]
