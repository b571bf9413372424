"""Item walks: sessions filled along the real item-to-item transitions of the hour.

A state is an item with an action (item · n_actions + action), so that a walk through a shop buys what it viewed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.simulate.profile import DAY_MS, HOUR_MS, Int, LogProfile

Bool = NDArray[np.bool_]
WALK_HALF_MS = HOUR_MS  # "the same hour": transitions at most this far away in time
TRIES = 6
PRIOR = 4.0  # a walk leaves an item whose few transitions would send every account to the same neighbour


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
        relative = np.clip(at_ms - self.base_ms, 0, self.span_ms - 1)
        low = np.searchsorted(self.key, state * self.span_ms + np.maximum(relative - half_ms, 0))
        high = np.searchsorted(
            self.key, state * self.span_ms + np.minimum(relative + half_ms + 1, self.span_ms)
        )
        m = high - low
        take = (m > 0) & (rng.random(len(m)) * (m + prior) < m)
        place = np.minimum(low + (rng.random(len(m)) * m).astype(np.int64), len(self.key) - 1)
        return np.where(take, self.to_edge[place], -1) if len(self.key) else np.full(len(m), -1, np.int64)


@dataclass(frozen=True)
class Walker:
    """The transition indexes of a log and what it takes to walk them.

    forward and backward are steps inside sessions; between goes from the last state of a session to the first of the
    user's next one; starts holds all session starts under state 0, and clicks all edges under state 0.
    """

    profile: LogProfile
    state_of_edge: Int
    forward: Transitions
    backward: Transitions
    between: Transitions
    starts: Transitions
    clicks: Transitions
    revisit_share: float

    @classmethod
    def of(cls, profile: LogProfile) -> "Walker":
        """Index a log's transitions."""
        graph = profile.graph
        state = graph.item_ix.astype(np.int64) * len(graph.actions) + graph.action_ix
        edge, first = profile.edge, profile.session_first
        inside = np.ones(len(edge), bool)
        inside[first[1:-1]] = False
        step = np.flatnonzero(inside[1:]) + 1 if len(edge) > 1 else np.zeros(0, np.int64)
        before, after = edge[step - 1], edge[step]
        at = graph.at_ms
        same_user = np.flatnonzero(profile.session_user[1:] == profile.session_user[:-1])
        last, following = edge[first[same_user + 1] - 1], edge[first[same_user + 1]]
        heads = edge[first[:-1]]
        none = np.zeros(len(heads), np.int64)
        seen = np.unique(graph.user_ix.astype(np.int64) * graph.n_items + graph.item_ix)
        visits = np.unique(graph.session_ix.astype(np.int64) * graph.n_items + graph.item_ix)
        return cls(
            profile=profile,
            state_of_edge=state,
            forward=Transitions.of(state[before], at[before], after, profile),
            backward=Transitions.of(state[after], at[after], before, profile),
            between=Transitions.of(state[last], at[following], following, profile),
            starts=Transitions.of(none, at[heads], heads, profile),
            clicks=Transitions(
                at[profile.time_edge] - profile.base_ms, profile.time_edge, profile.base_ms, profile.span_ms
            ),
            revisit_share=1.0 - len(seen) / max(len(visits), 1),
        )

    def living_clicks(self, at_ms: Int, rng: np.random.Generator) -> Int:
        """Draw a graph row of a uniformly drawn item that lives within a day of each time."""
        profile = self.profile
        row = np.full(len(at_ms), -1, np.int64)
        for _ in range(2 * TRIES):
            todo = np.flatnonzero(row < 0)
            item = rng.integers(0, profile.graph.n_items, len(todo))
            empty = profile.item_first[item + 1] == profile.item_first[item]
            low, high = profile.item_first[item], profile.item_first[item + 1]
            near = ~empty & (profile.rate(item, at_ms[todo], DAY_MS) > 0)
            place = np.minimum(
                low + (rng.random(len(todo)) * (high - low)).astype(np.int64), len(profile.edge) - 1
            )
            row[todo[near]] = profile.item_edge[place[near]]
        return row


@dataclass
class Sessions:
    """Sessions to fill: positions are padded to the longest, −1 in `state` where a walk has to choose.

    Shapes: account, rank int64[n] (rank: the session's number within its account); size int64[n]; at_ms and state
    int64[n, longest]; edge int64[n, longest], the graph row a state was taken from.
    """

    account: Int
    rank: Int
    size: Int
    at_ms: Int
    state: Int
    edge: Int


def fill(
    walker: Walker, sessions: Sessions, seen: Int, camouflage_kind: str, rng: np.random.Generator
) -> None:
    """Fill every free position of the sessions in place.

    seen: sorted int64 keys account · n_items + item of what an account already visited. A position stays −1 only when
    the log has nothing new to offer at that time.
    """
    n_actions = len(walker.profile.graph.actions)
    n_items = walker.profile.graph.n_items
    last_state = np.full(int(sessions.account.max(initial=-1)) + 1, -1, np.int64)
    for rank in range(int(sessions.rank.max(initial=-1)) + 1):
        rows = np.flatnonzero(sessions.rank == rank)
        state = sessions.state[rows]
        fixed = state >= 0
        anchor = np.where(fixed.any(axis=1), fixed.argmax(axis=1), 0)
        visit = _Visit(walker, sessions, rows, seen, camouflage_kind, rng)
        no_anchor = np.flatnonzero(~fixed.any(axis=1))
        visit.place(no_anchor, np.zeros(len(no_anchor), np.int64), last_state[sessions.account[rows[no_anchor]]],
                    walker.between)  # fmt: skip
        for step in range(1, int(sessions.size[rows].max(initial=0))):
            back = np.flatnonzero(anchor >= step)
            visit.follow(back, anchor[back] - step, +1, walker.backward)
        for position in range(1, int(sessions.size[rows].max(initial=0))):
            on = np.flatnonzero((position > anchor) & (position < sessions.size[rows]))
            on = on[sessions.state[rows[on], position] < 0]
            visit.follow(on, np.full(len(on), position), -1, walker.forward)
        filled = sessions.state[rows]
        account = np.repeat(sessions.account[rows], filled.shape[1])[filled.ravel() >= 0]
        states = filled.ravel()[filled.ravel() >= 0]
        seen = np.union1d(seen, account * n_items + states // n_actions)
        tail = filled[np.arange(len(rows)), np.maximum(sessions.size[rows] - 1, 0)]
        last_state[sessions.account[rows]] = np.where(tail >= 0, tail, last_state[sessions.account[rows]])


@dataclass
class _Visit:
    """One round of sessions, at most one per account, being filled."""

    walker: Walker
    sessions: Sessions
    rows: Int
    seen: Int
    kind: str
    rng: np.random.Generator

    def follow(self, which: Int, position: Int, toward: int, steps: Transitions) -> None:
        """Fill positions from the neighbour position at `toward`."""
        self.place(which, position, self.sessions.state[self.rows[which], position + toward], steps)

    def place(self, which: Int, position: Int, origin: Int, steps: Transitions) -> None:
        """Fill one position of each session, along `steps` from the state `origin` (−1: from nowhere)."""
        rows = self.rows[which]
        todo = np.arange(len(rows))
        for attempt in range(2 * TRIES):
            if len(todo) == 0:
                return
            at = self.sessions.at_ms[rows[todo], position[todo]]
            edge = self._draw(origin[todo], at, steps, attempt)
            good = (edge >= 0) & self._is_new(rows[todo], edge)
            chosen = todo[good]
            self.sessions.edge[rows[chosen], position[chosen]] = edge[good]
            self.sessions.state[rows[chosen], position[chosen]] = self.walker.state_of_edge[edge[good]]
            todo = todo[~good]

    def _draw(self, origin: Int, at_ms: Int, steps: Transitions, attempt: int) -> Int:
        """Draw a graph row for each time: a step of the hour, then of the day, then any start of the hour."""
        walker, rng = self.walker, self.rng
        nowhere = np.zeros(len(at_ms), np.int64)
        if self.kind == "random":
            edge = walker.living_clicks(at_ms, rng)
        elif self.kind == "popular":
            edge = walker.clicks.draw(nowhere, at_ms, WALK_HALF_MS, 0.0, rng)
        else:
            edge = np.full(len(at_ms), -1, np.int64)
            for half_ms in (WALK_HALF_MS, 12 * WALK_HALF_MS):
                if attempt >= TRIES:
                    break
                todo = np.flatnonzero((edge < 0) & (origin >= 0))
                edge[todo] = steps.draw(origin[todo], at_ms[todo], half_ms, PRIOR, rng)
        for half_ms in (WALK_HALF_MS // 2, 6 * WALK_HALF_MS, 3 * DAY_MS, walker.profile.span_ms):
            todo = np.flatnonzero(edge < 0)
            if len(todo) == 0:
                break
            anywhere = walker.starts if attempt < TRIES else walker.clicks
            edge[todo] = anywhere.draw(nowhere[todo], at_ms[todo], half_ms, 0.0, rng)
        return edge

    def _is_new(self, rows: Int, edge: Int) -> Bool:
        """Say which drawn rows give a state that is new to the session and an item that is new to the account."""
        graph = self.walker.profile.graph
        state = self.walker.state_of_edge[edge]
        in_session = (self.sessions.state[rows] == state[:, None]).any(axis=1)
        key = self.sessions.account[rows] * graph.n_items + graph.item_ix[edge]
        place = np.minimum(np.searchsorted(self.seen, key), max(len(self.seen) - 1, 0))
        known = self.seen[place] == key if len(self.seen) else np.zeros(len(key), bool)
        allowed = self.rng.random(len(key)) < self.walker.revisit_share
        return ~in_session & (~known | allowed)
