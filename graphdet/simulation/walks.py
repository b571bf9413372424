"""Walks from item to item along the real steps of a log, by hour, and real users to imitate.

A state is an item with an action (item · n_actions + action), so that a walk through a shop buys what it viewed.
Camouflage can be copied from real users: each account imitates one who is around at the same time.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Bool, Int
from graphdet.simulation.profile import MINUTE_MS, LogProfile
from graphdet.units import DAY_MS

MOST_TRIED_MODELS = 64  # random users looked at per account
MOST = 4  # times the clicks to imitate: a hub's are nobody's way
FEWEST = 5  # users to choose from
NEAR_MS = DAY_MS // 2
STEPS_BY = 3  # clicks further from the moment, per failed attempt


@dataclass(frozen=True)
class ImitatedUsers:
    """Which real user each account imitates: of_account int64[n_accounts]; key int64[n_edges], user · span + time.

    The graph's edges are in (user, time) order, so key is sorted.
    """

    profile: LogProfile
    of_account: Int
    key: Int

    @classmethod
    def choose(
        cls, profile: LogProfile, account: Int, at_ms: Int, size: Int, rng: np.random.Generator
    ) -> "ImitatedUsers":
        """Choose for each account, of MOST_TRIED_MODELS users with clicks enough, who has most around its sessions.

        Shapes: account, size int64[n_sessions]; at_ms int64[n_sessions, longest], the first `size` of a row count.
        """
        graph = profile.graph
        key = graph.user_ix.astype(np.int64) * profile.span_ms + (graph.at_ms - profile.base_ms)
        n = int(account.max(initial=-1)) + 1
        wanted = np.bincount(account, size, minlength=n)
        low = np.searchsorted(profile.clicks_sorted, wanted)
        high = np.searchsorted(profile.clicks_sorted, MOST * wanted, side="right")
        low = np.minimum(low, graph.n_users - min(FEWEST, graph.n_users))
        high = np.maximum(high, low + min(FEWEST, graph.n_users))
        tried = profile.users_by_clicks[rng.integers(low[:, None], high[:, None], (n, MOST_TRIED_MODELS))]
        base = tried[account] * profile.span_ms
        last = at_ms[np.arange(len(size)), size - 1]
        start = np.clip(at_ms[:, 0] - NEAR_MS - profile.base_ms, 0, profile.span_ms - 1)[:, None]
        end = np.clip(last + NEAR_MS - profile.base_ms, 0, profile.span_ms - 1)[:, None]
        clicks = np.searchsorted(key, base + end, side="right") - np.searchsorted(key, base + start)
        met = np.zeros((n, MOST_TRIED_MODELS))
        np.add.at(met, account, np.minimum(clicks, size[:, None]))
        return cls(profile, tried[np.arange(n), np.argmax(met, axis=1)], key)

    def draw(self, account: Int, at_ms: Int, attempt: int, rng: np.random.Generator) -> Int:
        """Draw for each (account, time) a click of its model near that time; −1 where its item does not live then.

        Later attempts look further away, because near clicks may be taken.
        """
        profile, model = self.profile, self.of_account[account]
        low = np.searchsorted(self.key, model * profile.span_ms)
        high = np.searchsorted(self.key, (model + 1) * profile.span_ms)
        moment = np.clip(at_ms - profile.base_ms, 0, profile.span_ms - 1)
        near = np.searchsorted(self.key, model * profile.span_ms + moment)
        reach = 1 + STEPS_BY * attempt
        rows = np.clip(near + rng.integers(-reach, reach + 1, len(near)), low, np.maximum(high - 1, low))
        rows = np.minimum(rows, len(self.key) - 1)
        item = profile.graph.item_ix[rows].astype(np.int64)
        lives = (profile.rate(item, at_ms, DAY_MS) > 0) & (at_ms >= profile.born_ms[item])
        return np.where(lives, rows, -1)


LIVING_TRIES = 12
# Real steps at most this far away in time are of "the same hour".
LEAST_NEAR_MS = 30 * MINUTE_MS
# A quiet log has a handful of sessions in an hour. Walks along those would make all accounts of the hour copy the same
# few people, and so each other: there the hour is as long as this many sessions take.
NEAR_SESSIONS = 100
FAR_FACTOR = 12  # times as far, when the item stepped to was about as old as it is now


@dataclass(frozen=True)
class Transitions:
    """Observed steps, sorted by (from state, time): key int64[n_steps] and the graph row stepped to."""

    key: Int
    to_edge: Int
    base_ms: int
    span_ms: int

    @classmethod
    def of(cls, state: Int, at_ms: Int, to_edge: Int, profile: LogProfile) -> "Transitions":
        """Index steps from `state` at `at_ms` to the graph rows `to_edge`."""
        key = state * profile.span_ms + (at_ms - profile.base_ms)
        order = np.argsort(key, kind="stable")
        return cls(key[order], to_edge[order], profile.base_ms, profile.span_ms)

    def draw(self, state: Int, at_ms: Int, half_ms: int, prior: float, rng: np.random.Generator) -> Int:
        """Draw one step per (state, time) among those within half_ms; −1 where there is none.

        With m steps to choose from, none is drawn with probability prior / (m + prior).
        """
        if len(self.key) == 0 or len(state) == 0:
            return np.full(len(state), -1, np.int64)
        relative = np.minimum(np.maximum(at_ms - self.base_ms, 0), self.span_ms - 1)
        base = state * self.span_ms
        low = np.searchsorted(self.key, base + np.maximum(relative - half_ms, 0))
        high = np.searchsorted(self.key, base + np.minimum(relative + half_ms + 1, self.span_ms))
        m = high - low
        take = (m > 0) & (rng.random(len(m)) * (m + prior) < m)
        place = np.minimum(low + (rng.random(len(m)) * m).astype(np.int64), len(self.key) - 1)
        return np.where(take, self.to_edge[place], -1)


@dataclass(frozen=True)
class Steps:
    """All step indexes of a log.

    forward and backward are steps inside sessions, again and again_back those of them that stay on the
    item; between goes from the last state of a session to the first of the user's next one; starts holds
    all session starts under state 0, clicks all edges under state 0. state_of_edge int64[n_edges]. near_ms: how
    far away in time the steps of "the same hour" may be.
    """

    profile: LogProfile
    state_of_edge: Int
    forward: Transitions
    backward: Transitions
    again: Transitions
    again_back: Transitions
    between: Transitions
    starts: Transitions
    clicks: Transitions
    near_ms: int

    @property
    def far_ms(self) -> int:
        """How far away in time a step may be to an item that was about as old as it is now."""
        return FAR_FACTOR * self.near_ms

    @classmethod
    def of(cls, profile: LogProfile) -> "Steps":
        """Index a log's steps."""
        graph, edge, first, at = profile.graph, profile.edge, profile.session_first, profile.graph.at_ms
        state = graph.item_ix.astype(np.int64) * len(graph.actions) + graph.action_ix
        inside = np.ones(len(edge), bool)
        inside[first[:-1]] = False
        step = np.flatnonzero(inside)
        before, after = edge[step - 1], edge[step]
        stays = graph.item_ix[before] == graph.item_ix[after]
        same_user = np.flatnonzero(np.diff(profile.session_user) == 0)
        last, following = edge[first[same_user + 1] - 1], edge[first[same_user + 1]]
        heads = edge[first[:-1]]
        base, span = profile.base_ms, profile.span_ms
        return cls(
            profile=profile,
            state_of_edge=state,
            forward=Transitions.of(state[before], at[before], after, profile),
            backward=Transitions.of(state[after], at[after], before, profile),
            again=Transitions.of(state[before[stays]], at[before[stays]], after[stays], profile),
            again_back=Transitions.of(state[after[stays]], at[after[stays]], before[stays], profile),
            between=Transitions.of(state[last], at[following], following, profile),
            starts=Transitions.of(np.zeros(len(heads), np.int64), at[heads], heads, profile),
            clicks=Transitions(at[profile.time_edge] - base, profile.time_edge, base, span),
            near_ms=max(LEAST_NEAR_MS, span * NEAR_SESSIONS // max(2 * profile.n_sessions, 1)),
        )

    def living_clicks(self, at_ms: Int, rng: np.random.Generator) -> Int:
        """Draw a row of a uniformly drawn item that lives around each time; −1 where none was met."""
        profile = self.profile
        row = np.full(len(at_ms), -1, np.int64)
        for _ in range(LIVING_TRIES):
            todo = np.flatnonzero(row < 0)
            if len(todo) == 0:
                break
            item = rng.integers(0, profile.graph.n_items, len(todo))
            near = profile.rate(item, at_ms[todo], DAY_MS) > 0
            row[todo[near]] = profile.rows_near(item[near], at_ms[todo[near]], rng)
        return row


NEW, KNOWN_STEP, SAME_SESSION = 0, 1, 2  # as in LogProfile.known
SECOND_STEP = 3  # walking back: a click on an item that the click before it will be on, too
AGE_SLACK = 0.2
PRIOR = 4.0  # a walk leaves an item whose few steps would send every account to the same neighbour
WALK_TRIES = 8


@dataclass
class Sessions:
    """Sessions to fill: positions are padded to the longest; −1 in `edge` where a walk has to choose.

    Shapes: account, rank int64[n] (rank: the session's number within its account); size int64[n]; at_ms
    int64, known int8 (0 new to the account, 1 known from an earlier session, 2 from this one) and edge
    int64, the graph row a click is taken from, all [n, longest]; of_limit float64[n, longest], what a payment is of
    a round limit, NaN where it is an amount of the log.
    """

    account: Int
    rank: Int
    size: Int
    at_ms: Int
    known: NDArray[np.int8]
    edge: Int
    of_limit: NDArray[np.float64]


def fill(steps: Steps, sessions: Sessions, own: Int, camouflage_kind: str, rng: np.random.Generator) -> None:
    """Fill the free positions of sessions in place.

    own: sorted int64 keys account · n_items + item of what an account clicked before (a hijacked user's own
    log). A position stays −1 only when the log has nothing new to offer at that time.
    """
    graph = steps.profile.graph
    rows, positions = np.nonzero(sessions.edge >= 0)
    fixed_item = graph.item_ix[sessions.edge[rows, positions]]
    barred = np.unique(sessions.account[rows] * graph.n_items + fixed_item)
    last = np.full(int(sessions.account.max(initial=-1)) + 1, -1, np.int64)
    models = None
    if camouflage_kind == "copied":
        models = ImitatedUsers.choose(steps.profile, sessions.account, sessions.at_ms, sessions.size, rng)
    for rank in range(int(sessions.rank.max(initial=-1)) + 1):
        rows = np.flatnonzero(sessions.rank == rank)
        round_ = _Round(steps, sessions, rows, own, barred, camouflage_kind, models, rng)
        round_.fill(last[sessions.account[rows]])
        edge = sessions.edge[rows]
        done = edge >= 0
        account = np.repeat(sessions.account[rows], edge.shape[1]).reshape(edge.shape)
        own = _joined(own, account[done] * graph.n_items + graph.item_ix[edge[done]])
        tail = edge[np.arange(len(rows)), sessions.size[rows] - 1]
        last[sessions.account[rows]] = np.where(tail >= 0, tail, last[sessions.account[rows]])


@dataclass
class _Round:
    """Sessions being filled at once, at most one per account. own, barred: see `fill`."""

    steps: Steps
    sessions: Sessions
    rows: Int
    own: Int
    barred: Int
    kind: str
    models: ImitatedUsers | None
    rng: np.random.Generator

    def fill(self, last_edge: Int) -> None:
        """Walk back and forth from what is fixed, else on from the account's last click."""
        fixed = self.sessions.edge[self.rows] >= 0
        size = self.sessions.size[self.rows]
        anchor = np.where(fixed.any(axis=1), fixed.argmax(axis=1), 0)
        free = np.flatnonzero(~fixed.any(axis=1))
        first = np.zeros(len(free), np.int64)
        self._place(free, first, last_edge[free], self.steps.between, self.steps.again)
        for step in range(1, int(anchor.max(initial=0)) + 1):
            back = np.flatnonzero(anchor >= step)
            self._follow(back, anchor[back] - step, +1, self.steps.backward, self.steps.again_back)
        for position in range(1, int(size.max(initial=0))):
            on = np.flatnonzero((position > anchor) & (position < size))
            on = on[self.sessions.edge[self.rows[on], position] < 0]
            self._follow(on, np.full(len(on), position), -1, self.steps.forward, self.steps.again)

    def _follow(
        self, which: Int, position: Int, toward: int, transitions: Transitions, again: Transitions
    ) -> None:
        """Fill positions from the neighbour position at `toward`."""
        origin = self.sessions.edge[self.rows[which], position + toward]
        self._place(which, position, origin, transitions, again)

    def _place(
        self, which: Int, position: Int, origin: Int, transitions: Transitions, again: Transitions
    ) -> None:
        """Fill one position of each session by a step from the graph row `origin` (−1: from nowhere)."""
        rows = self.rows[which]
        later = np.minimum(position + 1, self.sessions.known.shape[1] - 1)
        # Walking back, it is the click after this one that says whether the two are on one item.
        asks = later if transitions is self.steps.backward else position
        stays = self.sessions.known[rows, asks] == SAME_SESSION
        known = self.sessions.known[rows, position]
        second = (known == SAME_SESSION) & (transitions is self.steps.backward)
        own = np.where(known == KNOWN_STEP, KNOWN_STEP, np.where(second, SECOND_STEP, NEW))
        wanted = np.where(stays & (origin >= 0), SAME_SESSION, own)
        todo = np.arange(len(rows))
        for attempt in range(2 * WALK_TRIES):
            if len(todo) == 0:
                return
            at = self.sessions.at_ms[rows[todo], position[todo]]
            wants = wanted[todo] if attempt < WALK_TRIES else np.full(len(todo), NEW)
            edge = self._draw(origin[todo], at, transitions, attempt)
            if self.models is not None and attempt < WALK_TRIES:
                copied = self.models.draw(self.sessions.account[rows[todo]], at, attempt, self.rng)
                edge = np.where(copied >= 0, copied, edge)
            returns = np.flatnonzero(wants == KNOWN_STEP)
            edge[returns] = self._return(self.sessions.account[rows[todo[returns]]], at[returns])
            same = np.flatnonzero(wants == SAME_SESSION)
            state = self.steps.state_of_edge[origin[todo[same]]]
            edge[same] = again.draw(state, at[same], self.steps.profile.span_ms, 0.0, self.rng)
            good = np.flatnonzero(edge >= 0)
            good = good[self._fits(rows[todo[good]], edge[good], wants[good])]
            self.sessions.edge[rows[todo[good]], position[todo[good]]] = edge[good]
            todo = np.delete(todo, good)

    def _draw(self, origin: Int, at_ms: Int, transitions: Transitions, attempt: int) -> Int:
        """Draw a row for each time: a real step of the hour, else any session start, at last any click."""
        steps, rng, near_ms, far_ms = self.steps, self.rng, self.steps.near_ms, self.steps.far_ms
        nowhere = np.zeros(len(at_ms), np.int64)
        edge = np.full(len(at_ms), -1, np.int64)
        if self.kind == "random":
            edge = steps.living_clicks(at_ms, rng)
        elif self.kind == "popular":
            edge = steps.clicks.draw(nowhere, at_ms, near_ms, 0.0, rng)
        elif attempt < WALK_TRIES:
            known = np.flatnonzero(origin >= 0)
            state = steps.state_of_edge[origin[known]]
            edge[known] = self._born(transitions.draw(state, at_ms[known], near_ms, PRIOR, rng), at_ms[known])
            for _ in range(WALK_TRIES):
                todo = np.flatnonzero((edge < 0) & (origin >= 0))
                if len(todo) == 0:
                    break
                state = steps.state_of_edge[origin[todo]]
                far = transitions.draw(state, at_ms[todo], far_ms, PRIOR, rng)
                edge[todo] = self._as_old(far, at_ms[todo])
        anywhere = steps.starts if attempt < WALK_TRIES else steps.clicks
        for half_ms in (near_ms // 2, near_ms, far_ms):
            todo = np.flatnonzero(edge < 0)
            if len(todo) == 0:
                return edge
            edge[todo] = self._born(anywhere.draw(nowhere[todo], at_ms[todo], half_ms, 0.0, rng), at_ms[todo])
        if attempt >= WALK_TRIES:
            for half_ms in (max(3 * DAY_MS, far_ms), steps.profile.span_ms):
                todo = np.flatnonzero(edge < 0)
                if len(todo) == 0:
                    return edge
                edge[todo] = anywhere.draw(nowhere[todo], at_ms[todo], half_ms, 0.0, rng)
        return edge

    def _born(self, edge: Int, at_ms: Int) -> Int:
        """Take back rows (to −1) whose items are not born yet."""
        graph = self.steps.profile.graph
        return np.where(at_ms >= self.steps.profile.born_ms[graph.item_ix[edge]], edge, -1)

    def _as_old(self, edge: Int, at_ms: Int) -> Int:
        """Take back rows of items much younger or older when clicked; old ones pass no more than new ones."""
        graph = self.steps.profile.graph
        age = at_ms - self.steps.profile.born_ms[graph.item_ix[edge]]
        near_ms = self.steps.near_ms
        width = np.clip(AGE_SLACK * age, near_ms, self.steps.far_ms)
        passes = (age >= 0) & (np.abs(graph.at_ms[edge] - at_ms) <= width)
        passes &= self.rng.random(len(edge)) < near_ms / width
        return np.where(passes, edge, -1)

    def _return(self, account: Int, at_ms: Int) -> Int:
        """Draw a row of an item the account clicked before and that still lives; −1 where there is none."""
        n_items = self.steps.profile.graph.n_items
        low, high = np.searchsorted(self.own, [account * n_items, (account + 1) * n_items])
        place = low + (self.rng.random(len(account)) * (high - low)).astype(np.int64)
        edge = np.full(len(account), -1, np.int64)
        some = np.flatnonzero(high > low)
        item = self.own[place[some]] - account[some] * n_items
        near = self.steps.profile.rate(item, at_ms[some], 2 * self.steps.near_ms) > 0
        edge[some[near]] = self.steps.profile.rows_near(item[near], at_ms[some[near]], self.rng)
        return edge

    def _fits(self, rows: Int, edge: Int, wanted: Int) -> Bool:
        """Say which rows are new to the session, on an item that is as new to the account as wanted."""
        graph = self.steps.profile.graph
        in_session = self.sessions.edge[rows]
        state = np.where(in_session >= 0, self.steps.state_of_edge[in_session], -1)
        items = np.where(in_session >= 0, graph.item_ix[in_session], -1)
        same_state = (state == self.steps.state_of_edge[edge][:, None]).any(axis=1)
        same_item = (items == graph.item_ix[edge][:, None]).any(axis=1)
        key = self.sessions.account[rows] * graph.n_items + graph.item_ix[edge]
        # Who sees an item for the first time does what people do at first sight: view, not buy.
        sight = self.steps.profile.known_row[edge] == np.where(wanted == SECOND_STEP, SAME_SESSION, NEW)
        fresh = sight & ~_member(key, self.own) & ~_member(key, self.barred) & ~same_item
        returns = np.where(wanted == SAME_SESSION, same_item, ~same_item)
        fits = np.where((wanted == NEW) | (wanted == SECOND_STEP), fresh, returns)
        ok: Bool = fits & ~same_state
        return ok


def _joined(keys: Int, more: Int) -> Int:
    """Add keys to sorted ones, each once: as `numpy.union1d`, which takes ten times as long to hash what is sorted."""
    both = np.sort(np.concatenate([keys, more]), kind="stable")
    return both[np.diff(both, prepend=-1) > 0]


def _member(keys: Int, among: Int) -> Bool:
    """Say which keys are in a sorted array."""
    if len(among) == 0:
        return np.zeros(len(keys), bool)
    place = np.minimum(np.searchsorted(among, keys), len(among) - 1)
    member: Bool = among[place] == keys
    return member
