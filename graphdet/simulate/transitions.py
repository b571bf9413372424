"""The real item-to-item steps of a log, by hour.

A state is an item with an action (item · n_actions + action), so that a walk through a shop buys what it
viewed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.simulate.profile import DAY_MS, MINUTE_MS, Int, LogProfile

Bool = NDArray[np.bool_]
LIVING_TRIES = 12
# Real steps at most this far away in time are of "the same hour".
LEAST_NEAR_MS = 30 * MINUTE_MS
# A quiet log has a handful of sessions in an hour. Walks along those would make all accounts of the hour copy the same
# few people, and so each other: there the hour is as long as this many sessions take.
NEAR_SESSIONS = 100
FAR = 12  # times as far, when the item stepped to was about as old as it is now


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
        return FAR * self.near_ms

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
