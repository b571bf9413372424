"""Accounts of a campaign: which targets each touches, when, and where in its natural sessions."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Bool, Float, Int, Rng
from graphdet.simulation.campaigns import Campaign
from graphdet.simulation.profile import MINUTE_MS, LogProfile
from graphdet.simulation.targets import Strike, interest
from graphdet.simulation.timetables import PlannedSession, Timetable, VisitCounts, hours_apart, make_timetable
from graphdet.units import DAY_MS

SCRIPT_GAP_MS = 4_000
PLAIN_GAP_MS = 20_000  # the mean between acts of one sitting of the pace "plain"
MOVING = 0.06  # interest of a target below which an account rather moves a session to it
MOVE_TRIES = 8
DEAD = 1e-3  # interest of a target that does not live at the time


@dataclass
class PlannedAccount:
    """One account's planned sessions, in time order.

    user: the row of the real user it is, or −1 for a fresh account. Per session: at_ms int64[size]; edge
    int64[size], the graph row of a fixed target or hot item, −1 where a walk chooses; known int8[size] as
    in Sitting; is_target bool[size]; of_limit float64[size], what a payment is of a round limit, NaN where its amount
    is that of the log's row. item: the row of the item that the account is as a recipient, −1 for none.
    """

    user: int
    item: int = -1
    at_ms: list[Int] = field(default_factory=list)
    edge: list[Int] = field(default_factory=list)
    known: list[NDArray[np.int8]] = field(default_factory=list)
    is_target: list[Bool] = field(default_factory=list)
    of_limit: list[Float] = field(default_factory=list)

    def add_session(
        self, at_ms: Int, edge: Int, known: NDArray[np.int8], is_target: Bool, of_limit: Float | None = None
    ) -> None:
        """Add a session after those that are there."""
        self.at_ms.append(at_ms)
        self.edge.append(edge)
        self.known.append(known)
        self.is_target.append(is_target)
        self.of_limit.append(np.full(len(at_ms), np.nan) if of_limit is None else of_limit)


def make_account(
    profile: LogProfile, campaign: Campaign, strike: Strike, user: int, rng: Rng
) -> PlannedAccount:
    """Plan one account: whom it resembles in time, which targets it touches, and when.

    user: row of the real user to hijack, −1 for a fresh account.
    """
    if campaign.pace == "plain" and not campaign.disposable:
        return _plain_account(profile, campaign, strike, user, rng)
    n_targets = len(strike.items)
    least = min(n_targets, 2 if n_targets * campaign.density >= 2 else 1)
    k = max(least, int(rng.binomial(n_targets, campaign.density)))
    visits_of = 1 + rng.poisson(campaign.repeats - 1.0, k)
    n_visits = int(visits_of.sum())
    n_clicks = n_visits * (1 + campaign.camouflage * float(rng.lognormal(-0.08, 0.4)) + campaign.coattail)
    per_visit = 2 if campaign.coattail else 1
    visits = VisitCounts(round(n_clicks), n_visits, per_visit, campaign.one_sitting)
    table = make_timetable(profile, strike, visits, user, rng)
    plan = _Plan(profile, campaign, strike, table, rng)
    plan.spread(np.repeat(plan.touched(k), visits_of))
    account = PlannedAccount(user)
    for sitting, items in plan.in_time_order():
        edge, is_target = _place(profile, campaign, sitting, strike.items[items], rng)
        at_ms = sitting.start_ms + sitting.offsets_ms
        if not campaign.disposable:
            account.add_session(at_ms, edge, sitting.known, is_target)
        elif is_target.any():
            account.add_session(
                at_ms[is_target], edge[is_target], np.zeros(len(items), np.int8), is_target[is_target]
            )
    return account


def _plain_account(
    profile: LogProfile, campaign: Campaign, strike: Strike, user: int, rng: Rng
) -> PlannedAccount:
    """Plan one account of the pace "plain"; what it does beside the targets are clicks of the log, drawn evenly."""
    n_targets = len(strike.items)
    k = max(min(n_targets, 2), int(rng.binomial(n_targets, campaign.density)))
    touched = rng.permutation(n_targets)[:k]
    visits = np.repeat(touched, 1 + rng.poisson(campaign.repeats - 1.0, k))
    n_beside = round(len(visits) * campaign.camouflage * float(rng.lognormal(-0.08, 0.4)))
    least, most = strike.start_ms, max(strike.end_ms, strike.start_ms + 1)
    at = np.sort(rng.integers(least, most, len(visits)))
    if campaign.one_sitting:
        at = np.minimum(at[:1] + np.cumsum(rng.exponential(PLAIN_GAP_MS, len(visits))).astype(np.int64), most)
    beside = rng.integers(least, most, n_beside)
    edge = np.concatenate(
        [profile.rows_near(strike.items[visits], at, rng), rng.integers(0, profile.graph.n_edges, n_beside)]
    )
    is_target = np.arange(len(edge)) < len(visits)
    times = np.concatenate([at, beside])
    session = np.where(is_target & campaign.one_sitting, 0, 1 + np.arange(len(edge)))
    account = PlannedAccount(user)
    for rows in sorted(
        (np.flatnonzero(session == one) for one in np.unique(session)), key=lambda its: times[its[0]]
    ):
        account.add_session(times[rows], edge[rows], np.zeros(len(rows), np.int8), is_target[rows])
    return account


class _Plan:
    """Which targets (rows of strike.items) an account visits in which of its sessions.

    interest float64[n_targets, n_sessions] is how much goes on around a target at the time of a session;
    room int64[n_sessions] how many visits a session still takes; chosen the visits of each session, visits
    bool[n_targets, n_sessions] the same.
    """

    def __init__(
        self, profile: LogProfile, campaign: Campaign, strike: Strike, table: Timetable, rng: Rng
    ) -> None:
        self.profile, self.campaign, self.strike, self.table, self.rng = profile, campaign, strike, table, rng
        sizes = np.array([len(s.known) for s in table.sittings], np.int64)
        self.room = np.where(table.inside(strike), sizes // (2 if campaign.coattail else 1), 0)
        if table.only is not None:
            self.room = np.array([len(s.known) if s is table.only else 0 for s in table.sittings])
        elif not self.room.any():
            self.room = np.where(np.arange(len(sizes)) == np.argmax(sizes), sizes, 0)
        self.interest = interest(profile, strike, np.array([s.start_ms for s in table.sittings]))
        self.chosen: list[list[int]] = [[] for _ in sizes]
        self.visits = np.zeros(self.interest.shape, bool)

    def touched(self, k: int) -> Int:
        """Choose k targets, those with an audience at the account's times before others: int64[k], sorted."""
        weight = self.interest @ (self.room > 0) + MOVING
        race = np.log(weight) + self.rng.gumbel(size=len(weight))
        return np.sort(np.argsort(-race, kind="stable")[:k])

    def spread(self, visits: Int) -> None:
        """Spread visits over sessions, each to where the target's real audience comes by.

        Where hardly anybody of it does, a session without any visit yet is moved to where it does.
        """
        fixed = self.campaign.one_sitting
        for target in visits if self.campaign.pace == "scripted" else self.rng.permutation(visits):
            free = (self.room > 0) & ~self.visits[target]
            if not free.any():
                continue
            weight = np.where(free, self.interest[target], 0.0)
            idle = np.flatnonzero(free & ~self.visits.any(axis=0))
            session = -1
            if not fixed and len(idle) and self.rng.random() * (weight.sum() + MOVING) < MOVING:
                session = self._move(idle, int(target))
            if session < 0 and weight.max() < DEAD and not fixed:
                target, weight = self._another(int(target), free)
            if session < 0:
                session = int(self.rng.choice(len(free), p=weight / weight.sum()))
            self.chosen[session].append(int(target))
            self.visits[target, session] = True
            self.room[session] -= 1

    def _another(self, target: int, free: Bool) -> tuple[int, Float]:
        """Choose an untouched target that lives at the account's times instead of one that does not."""
        interest = np.where(free, self.interest, 0.0)
        liveliest = np.where(self.visits.any(axis=1), 0.0, interest.max(axis=1))
        other = int(np.argmax(liveliest * self.rng.random(len(liveliest))))
        return (other, interest[other]) if liveliest[other] >= DEAD else (target, interest[target])

    def _move(self, idle: Int, target: int) -> int:
        """Move one of the idle sessions, not far and to a like hour, to a real click on the target.

        Gives the session, −1 when no time is free.
        """
        profile, strike, rng = self.profile, self.strike, self.rng
        item = strike.items[target]
        rows = profile.item_edge[profile.item_first[item] : profile.item_first[item + 1]]
        times = profile.graph.at_ms[rows]
        inside = times[(times >= strike.start_ms) & (times < strike.end_ms)]
        if len(inside) == 0:
            return -1
        clicks = rng.choice(inside, MOVE_TRIES) + rng.integers(-5 * MINUTE_MS, 5 * MINUTE_MS, MOVE_TRIES)
        clicks = np.maximum(clicks, times.min())
        starts = np.array([self.table.sittings[k].start_ms for k in idle], np.int64)
        cost = hours_apart(clicks[:, None], starts) / 2 + np.abs(clicks[:, None] - starts) / DAY_MS
        cost += rng.random(cost.shape)
        for pair in np.argsort(cost, axis=None)[:MOVE_TRIES]:
            click, session = int(clicks[pair // len(idle)]), int(idle[pair % len(idle)])
            sitting = self.table.sittings[session]
            start = min(click, profile.end_ms - 1 - int(sitting.offsets_ms[-1]))
            if not self.table.clashes(sitting, start, int(profile.random_pauses(1, rng)[0])):
                sitting.start_ms = start
                self.interest[:, session] = interest(profile, strike, np.array([start]))[:, 0]
                return session
        return -1

    def in_time_order(self) -> list[tuple[PlannedSession, list[int]]]:
        """Sessions with their visits, by time."""
        pairs = list(zip(self.table.sittings, self.chosen, strict=True))
        return sorted(pairs, key=lambda pair: pair[0].start_ms)


def _place(
    profile: LogProfile, campaign: Campaign, sitting: PlannedSession, items: Int, rng: Rng
) -> tuple[Int, Bool]:
    """Put targets at random positions of a session, after a hot item or by script when so asked."""
    size, k = len(sitting.known), len(items)
    edge, is_target = np.full(size, -1, np.int64), np.zeros(size, bool)
    if k == 0:
        return edge, is_target
    if campaign.pace == "scripted":
        positions = np.arange(k)
        gaps = SCRIPT_GAP_MS + rng.integers(-400, 401, k)
        script = np.cumsum(gaps) - gaps[0]
        sitting.offsets_ms[k:] += script[-1] - sitting.offsets_ms[k - 1]
        sitting.offsets_ms[:k] = script
    elif campaign.coattail and size >= 2 * k:
        positions = np.sort(rng.choice(size // 2, k, replace=False)) * 2 + 1
        hot = profile.hot_edges(sitting.start_ms, k, items, rng)
        edge[positions[: len(hot)] - 1] = hot
    else:
        positions = _like_positions(profile, sitting, items, rng)
    edge[positions] = profile.rows_near(items, sitting.start_ms + sitting.offsets_ms[positions], rng)
    is_target[positions] = True
    return edge, is_target


def _like_positions(profile: LogProfile, sitting: PlannedSession, items: Int, rng: Rng) -> Int:
    """Choose the clicks that become targets: where the donor's item was about as old, and new to the donor.

    Clicks on known items stay with the walk, so that an account returns to things as the log's users do.
    """
    at = sitting.start_ms + sitting.offsets_ms
    age = profile.ages(items[:, None], at[None, :])
    cost = np.nan_to_num(np.abs(age - sitting.age)) + 3.0 * (sitting.known > 0)
    cost += 0.5 * rng.random(cost.shape)
    positions = np.zeros(len(items), np.int64)
    for k in range(len(items)):
        positions[k] = np.argmin(cost[k])
        cost[:, positions[k]] = np.inf
    return positions
