"""A log and one of its rings, laid out for questions about single acts: who came when, after what, in which session.

The evidence that the judge sees is computed for thousands of blocks at once. Reasons are only worked out for the few
rings that are listed, so they may look at every act.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.arrays import Bool, Float, Int
from graphdet.rings.blocks import BlockActs, Blocks, block_acts, outside_appeal
from graphdet.rings.evidence import entity_links
from graphdet.rings.organic import Organic
from graphdet.rings.own_time import own_time, ranges
from graphdet.tables import GraphArrays

QUARTER_MS = 900_000
NEAR_ACTS = 400  # of the whole log, around an act, that say what is hot at that time


@dataclass(frozen=True)
class LogView:
    """What all rings of a log are asked against, computed when first wanted."""

    model: Organic
    graph: GraphArrays
    _hot: dict[tuple[int, int], Int] = field(default_factory=dict)  # what hot_items has worked out already

    @property
    def n_acts(self) -> int:
        """Distinct acts in the log."""
        return len(self.model.acts.at_ms)

    @cached_property
    def span_s(self) -> float:
        """Seconds from the first to the last act."""
        times = self.model.act_times
        return float(times[-1] - times[0]) / 1000 if len(times) else 0.0

    @cached_property
    def resolution_s(self) -> float:
        """The coarsest usual unit, in seconds, that all times are whole multiples of: 86400, 3600, 60, 1 or 0.001."""
        return self.graph.resolution_ms / 1000

    @property
    def without_times(self) -> dict[str, int]:
        """What the numbers of a reason say of a log without times: `timed` is 0; of other logs nothing."""
        return {} if self.graph.timed else {"timed": 0}

    @cached_property
    def before(self) -> Int:
        """The act just before each act in the same session, as a row of Organic.acts, −1 for none: int64[n_acts]."""
        acts = self.model.acts
        order = np.lexsort((acts.item_ix, acts.at_ms, acts.session_ix))
        same = np.diff(acts.session_ix[order]) == 0
        out = np.full(self.n_acts, -1, np.int64)
        out[order[1:][same]] = order[:-1][same]
        return out

    @cached_property
    def gaps_s(self) -> Float:
        """All times between an act and the one before it in its session, ascending, float64[n]."""
        at = self.model.acts.at_ms
        rows = np.flatnonzero(self.before >= 0)
        return np.sort((at[rows] - at[self.before[rows]]) / 1000.0)

    @cached_property
    def n_sessions(self) -> Int:
        """Sessions of each user, int64[n_users]."""
        acts = self.model.acts
        pairs = np.unique(acts.user_ix.astype(np.int64) * (self.graph.n_sessions + 1) + acts.session_ix)
        return np.bincount(pairs // (self.graph.n_sessions + 1), minlength=self.model.n_users)

    @cached_property
    def same_session(self) -> float:
        """How often two acts of one user are in one session, in [0, 1]."""
        acts = self.model.acts
        _, size = np.unique(acts.session_ix, return_counts=True)
        degree = self.model.degree
        return float((size * (size - 1.0)).sum() / max((degree * (degree - 1.0)).sum(), 1.0))

    @cached_property
    def life(self) -> tuple[Int, Int]:
        """First and last act of each user, int64[n_users] each, in ms; of a user without acts the log's last moment."""
        acts = self.model.acts
        first = np.full(self.model.n_users, self.model.act_times[-1] if self.n_acts else 0, np.int64)
        last = np.zeros(self.model.n_users, np.int64)
        np.minimum.at(first, acts.user_ix, acts.at_ms)
        np.maximum.at(last, acts.user_ix, acts.at_ms)
        return first, np.maximum(first, last)

    @cached_property
    def acts_up_to_audience(self) -> Float:
        """Share of all acts that are on items of at most so many users, float64[max(audience) + 1]."""
        audience = self.model.audience.astype(np.int64)
        weight = np.bincount(audience, self.model.audience)
        return np.cumsum(weight) / max(float(weight.sum()), 1.0)

    @cached_property
    def times_s(self) -> Float:
        """The times of all distinct acts, ascending, float64[n_acts], in s."""
        return np.asarray(self.model.act_times / 1000, np.float64)

    @cached_property
    def followers(self) -> Int:
        """Acts that have another one before them in their session, as rows of Organic.acts, ascending: int64[n]."""
        return np.flatnonzero(self.before >= 0)

    @cached_property
    def returners(self) -> tuple[int, int]:
        """How many users acted on two items or more, and how many of these in one session."""
        several = self.model.degree >= 2
        return int(several.sum()), int((self.n_sessions[several] == 1).sum())

    @cached_property
    def users_by_time(self) -> NDArray[np.int32]:
        """The users of all distinct acts in the order of their times, int32[n_acts]."""
        return self.model.acts.user_ix[self._order]

    @cached_property
    def _order(self) -> Int:
        return np.argsort(self.model.acts.at_ms, kind="stable")

    @cached_property
    def _by_time(self) -> tuple[NDArray[np.int32], Int]:
        return self.model.acts.item_ix[self._order], self.model.acts.at_ms[self._order]

    def hot_items(self, quarter: int, n: int) -> Int:
        """The n items with most acts among the NEAR_ACTS of the log around a quarter of an hour (number of it since
        1970), of those with at least two.
        """
        if (quarter, n) not in self._hot:
            items, times = self._by_time
            middle = int(np.searchsorted(times, (2 * quarter + 1) * QUARTER_MS // 2))
            near = items[max(0, middle - NEAR_ACTS // 2) : middle + NEAR_ACTS // 2]
            items, count = np.unique(near, return_counts=True)
            order = np.argsort(-count, kind="stable")[:n]
            self._hot[quarter, n] = items[order[count[order] >= 2]].astype(np.int64)
        return self._hot[quarter, n]

    @cached_property
    def entity_degree(self) -> Int:
        """Users of each shared entity, int64[n_entities]."""
        return np.bincount(self.graph.entity_ix, minlength=len(self.graph.entity_ids))

    @cached_property
    def links(self) -> sp.csr_matrix:
        """Users × entities, CSR float32 of ones."""
        return entity_links(self.graph)


@dataclass(frozen=True)
class RingView:
    """One ring in its log. Per act of a member on a target, all [n]: act int64 (row of Organic.acts), sorted; user,
    item int64, places in members and targets; at_s float64; session int64.
    """

    log: LogView
    blocks: Blocks  # of one row

    @cached_property
    def members(self) -> NDArray[np.int32]:
        """User rows, ascending."""
        return self.blocks.members(0)

    @cached_property
    def targets(self) -> NDArray[np.int32]:
        """Item rows, ascending."""
        return self.blocks.targets(0)

    @cached_property
    def _acts(self) -> BlockActs:
        return block_acts(self.blocks, self.log.model)

    @cached_property
    def act(self) -> Int:
        """Rows of the ring's acts."""
        return np.sort(self._acts.act)

    @cached_property
    def user(self) -> Int:
        """Place of each act's user among the members."""
        return np.searchsorted(self.members, self.log.model.acts.user_ix[self.act])

    @cached_property
    def item(self) -> Int:
        """Place of each act's item among the targets."""
        return np.searchsorted(self.targets, self.log.model.acts.item_ix[self.act])

    @cached_property
    def at_s(self) -> Float:
        """Time of each act in seconds."""
        return self.log.model.acts.at_ms[self.act] / 1000.0

    @cached_property
    def session(self) -> Int:
        """Session row of each act."""
        return self.log.model.acts.session_ix[self.act].astype(np.int64)

    @cached_property
    def own_ms(self) -> tuple[int, int]:
        """The ring's own time, first and last millisecond (see own_time.py)."""
        first, last = own_time(self._acts, self.log.model, 1)
        return int(first[0]), int(last[0])

    @cached_property
    def first_acts(self) -> float:
        """Share of the acts that are the first on their item, which an item that anybody sees has anyway."""
        return min(len(self.targets) / max(len(self.act), 1), 1.0)

    @cached_property
    def expected(self) -> Float:
        """Expected acts of each member on the targets, float64[m], by the organic model without the ring's own acts."""
        appeal = outside_appeal(self.blocks, self.log.model, self._acts, left_in=np.full(1, self.first_acts))[
            0
        ]
        return np.asarray(self.log.model.user_slices[self.members].astype(np.float64) @ appeal)

    @cached_property
    def audience(self) -> tuple[Int, Int, Float]:
        """Acts of everybody on the targets, by target then time: place of the target int64, user row int64, at_s."""
        times = self.log.model.acts_by_item_time
        first = np.full(len(self.targets), times.origin_ms, np.int64)
        start, end = times.between(self.targets, first, first + times.span_ms)
        place = np.repeat(np.arange(len(self.targets)), end - start)
        at = ranges(start, end)
        at_ms = times.key[at] - self.targets[place].astype(np.int64) * times.span_ms + times.origin_ms
        return place, times.other_ix[at].astype(np.int64), at_ms / 1000.0

    @cached_property
    def outsider(self) -> Bool:
        """Which rows of `audience` are of no member."""
        return ~np.isin(self.audience[1], self.members)

    @cached_property
    def per_sitting(self) -> float:
        """Acts per (member, session): what a member does in one sitting is one decision rather than many."""
        key = self.user * (self.log.graph.n_sessions + 1) + self.session
        return len(self.act) / max(len(np.unique(key)), 1)
