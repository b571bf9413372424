"""Joins a log with planted sessions: new ids dealt out, edges sorted, the truth written down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.arrays import Bool, Int, Rng
from graphdet.simulation.accounts import PlannedAccount
from graphdet.simulation.campaigns import Campaign
from graphdet.simulation.entities import graph_fields, plant_links, read_links
from graphdet.simulation.mules import possible_pairs
from graphdet.simulation.recode import deal_ids, deal_some_ids, decimal_ids, edge_order, merge_repeats
from graphdet.simulation.targets import Strike
from graphdet.simulation.walks import Sessions
from graphdet.tables import GraphArrays


@dataclass(frozen=True)
class PlantedGroup:
    """What became of one campaign or innocent group.

    asked: its knobs. The rest is as realised: n_hijacked real users among n_accounts; density is the share
    of the account × target pairs with an act (where money flows, of the pairs that the flow has); n_clicks counts all
    clicks added, n_target_clicks those on targets; [start_ms, end_ms) holds all planned target clicks.
    """

    kind: str
    level: str
    asked: Campaign
    n_accounts: int
    n_hijacked: int
    n_targets: int
    n_clicks: int
    n_target_clicks: int
    density: float
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Planted:
    """A log with planted groups, and the truth about it.

    Shapes: campaign_of_user, innocent_of_user int32[n_users], −1 for none; source_user int32[n_users], the
    user's row in the log planted into, −1 for fresh accounts; planted_edge bool[n_edges]; targets and
    innocent_targets hold int32 item rows per group. source_edge int64[n_edges], the row of the log planted into that an
    edge is, or that a planted edge has its item and action from; of_limit float64[n_edges], what a planted payment is
    of a round limit, NaN where its amount is that of the source row; user_of_item int32[n_items], the mule that a
    target is as a user, −1 for none.
    """

    graph: GraphArrays
    campaign_of_user: NDArray[np.int32]
    targets: list[NDArray[np.int32]]
    campaigns: list[PlantedGroup]
    innocent_of_user: NDArray[np.int32]
    innocent_targets: list[NDArray[np.int32]]
    innocents: list[PlantedGroup]
    source_user: NDArray[np.int32]
    planted_edge: Bool
    source_edge: Int
    of_limit: NDArray[np.float64]
    user_of_item: NDArray[np.int32]

    @property
    def hijacked(self) -> Bool:
        """Which users are real ones in the hands of a campaign: bool[n_users]."""
        return (self.campaign_of_user >= 0) & (self.source_user >= 0)


@dataclass
class Group:
    """A group while it is being built; account numbers run over all groups."""

    campaign: Campaign
    strike: Strike
    accounts: list[PlannedAccount] = field(default_factory=list)


@dataclass(frozen=True)
class _Clicks:
    """Planted clicks: account, session, time, the graph row that gives item, action and count, of_limit.

    Sessions of the log come first, then new ones.
    """

    account: Int
    session: Int
    at_ms: Int
    source: Int
    of_limit: NDArray[np.float64]

    @classmethod
    def of(cls, sessions: Sessions | None, graph: GraphArrays, user_of_account: Int) -> "_Clicks":
        """Read the filled positions; times are cut to the log's resolution, and are 0 where the log has none.

        user_of_account: the user's row in the log, −1 for a fresh account.
        """
        if sessions is None:
            none = np.zeros(0, np.int64)
            return cls(none, none, none, none, np.zeros(0))
        row, position = np.nonzero(sessions.edge >= 0)
        at = sessions.at_ms[row, position] // graph.resolution_ms * graph.resolution_ms
        account, of_limit = sessions.account[row], sessions.of_limit[row, position]
        session = graph.n_sessions + np.unique(row, return_inverse=True)[1]
        if not graph.timed:
            at = np.zeros_like(at)
            if _has_one_session_each(graph):
                session = _only_sessions(graph, user_of_account)[account]
        return cls(account, session, at, sessions.edge[row, position], of_limit)


def _has_one_session_each(graph: GraphArrays) -> bool:
    return len(np.unique(graph.session_ix)) == len(np.unique(graph.user_ix))


def _only_sessions(graph: GraphArrays, user_of_account: Int) -> Int:
    """The one session of every account: its user's, or a new one: int64[n_accounts]."""
    of_user = np.full(graph.n_users, -1, np.int64)
    of_user[graph.user_ix] = graph.session_ix
    session = np.where(user_of_account >= 0, of_user[user_of_account], -1)
    new = session < 0
    session[new] = graph.n_sessions + np.arange(int(new.sum()))
    return session


def assemble(
    graph: GraphArrays,
    sessions: Sessions | None,
    groups: Sequence[Group],
    n_campaigns: int,
    rng: Rng,
    shared_ids: bool = False,
) -> Planted:
    """Join log and planted sessions; the first n_campaigns groups are campaigns, the rest innocents.

    shared_ids: as in `plant`.
    """
    source = np.array([a.user for g in groups for a in g.accounts], np.int64)
    clicks = _Clicks.of(sessions, graph, source)
    fresh = source < 0
    own_item = np.array([a.item for g in groups for a in g.accounts], np.int64)
    user_ids, user_place = _deal_user_ids(graph, own_item[fresh], shared_ids, rng)
    user_of_account = user_place[np.where(fresh, graph.n_users + np.cumsum(fresh) - 1, source)]
    n_sessions = max(graph.n_sessions, int(clicks.session.max(initial=-1)) + 1)
    session_place = rng.permutation(n_sessions)
    row = np.concatenate([np.arange(graph.n_edges), clicks.source])
    user = np.concatenate([user_place[graph.user_ix], user_of_account[clicks.account]])
    session = session_place[np.concatenate([graph.session_ix, clicks.session])]
    at_ms = np.concatenate([graph.at_ms, clicks.at_ms])
    of_limit = np.concatenate([np.full(graph.n_edges, np.nan), clicks.of_limit])
    n = np.where(np.isnan(of_limit), graph.n[row], 1)  # a payment of an amount of its own is one payment
    item, action = graph.item_ix[row], graph.action_ix[row]
    order = edge_order(user, at_ms, item, session, action)
    if not graph.timed:  # what an account does again is one interaction of its session, as in the log
        keep, n = merge_repeats(session, item, action, at_ms, n)
        order = order[keep[order]]
    row, of_limit = row[order], of_limit[order]
    members, newcomers = _by_group(user_of_account, groups), _by_group(fresh, groups)
    shares = [(g.campaign, m, m[f]) for g, m, f in zip(groups, members, newcomers, strict=True)]
    links = [plant_links(part, shares, graph.n_users, rng) for part in read_links(graph, user_place)]
    joined = GraphArrays(
        user_ids=user_ids,
        item_ids=graph.item_ids,
        session_ids=decimal_ids(n_sessions),
        actions=graph.actions,
        user_ix=user[order].astype(np.int32),
        item_ix=graph.item_ix[row],
        session_ix=session[order].astype(np.int32),
        action_ix=graph.action_ix[row],
        at_ms=at_ms[order],
        n=n[order],
        **graph_fields(links, rng),
    )
    found = [_group(group, clicks, graph, number, groups) for number, group in enumerate(groups)]
    targets = [group.strike.items.astype(np.int32) for group in groups]
    source_user = np.full(len(user_ids), -1, np.int32)
    source_user[user_place[: graph.n_users]] = np.arange(graph.n_users)
    return Planted(
        graph=joined,
        campaign_of_user=_owners(members[:n_campaigns], len(user_ids)),
        targets=targets[:n_campaigns],
        campaigns=found[:n_campaigns],
        innocent_of_user=_owners(members[n_campaigns:], len(user_ids)),
        innocent_targets=targets[n_campaigns:],
        innocents=found[n_campaigns:],
        source_user=source_user,
        planted_edge=order >= graph.n_edges,
        source_edge=row,
        of_limit=of_limit,
        user_of_item=_users_of_items(graph.n_items, own_item, user_of_account),
    )


def _users_of_items(n_items: int, own_item: Int, user_of_account: Int) -> NDArray[np.int32]:
    """The mule that an item is as a user, −1 for none: int32[n_items]."""
    user_of_item = np.full(n_items, -1, np.int32)
    user_of_item[own_item[own_item >= 0]] = user_of_account[own_item >= 0]
    return user_of_item


def _by_group(of_account: NDArray[Any], groups: Sequence[Group]) -> list[NDArray[Any]]:
    """Part an array over all accounts into one per group."""
    return np.split(of_account, np.cumsum([len(g.accounts) for g in groups])[:-1]) if groups else []


def _deal_user_ids(graph: GraphArrays, own_item: Int, shared: bool, rng: Rng) -> tuple[pa.Array, Int]:
    """Deal out ids to users and newcomers, as `deal_ids`; own_item: the item that a newcomer is, −1 for none.

    Where ids are shared, a user who also is an item keeps its id, and a newcomer who is one gets that one's.
    """
    if not shared:
        return deal_ids(graph.user_ids, len(own_item), rng)
    items = pc.cast(graph.item_ids, pa.string())
    both = np.asarray(pc.is_in(pc.cast(graph.user_ids, pa.string()), value_set=items))
    named = [items[int(item)].as_py() if item >= 0 else None for item in own_item]
    return deal_some_ids(graph.user_ids, named, both, items, rng)


def _owners(members: Sequence[Int], n_users: int) -> NDArray[np.int32]:
    """Write down whose group each user is in: int32[n_users], −1 for none."""
    owner = np.full(n_users, -1, np.int32)
    for number, users in enumerate(members):
        owner[users] = number
    return owner


def _group(
    group: Group, clicks: _Clicks, graph: GraphArrays, number: int, groups: Sequence[Group]
) -> PlantedGroup:
    """Measure what became of one group."""
    first = sum(len(g.accounts) for g in groups[:number])
    n_accounts = len(group.accounts)
    mine = (clicks.account >= first) & (clicks.account < first + n_accounts)
    item = graph.item_ix[clicks.source[mine]]
    on_target = np.isin(item, group.strike.items)
    touched = np.unique(clicks.account[mine][on_target] * graph.n_items + item[on_target])
    planned = [t[hit] for a in group.accounts for t, hit in zip(a.at_ms, a.is_target, strict=True)]
    at = np.concatenate(planned)
    return PlantedGroup(
        kind=group.campaign.kind,
        level=group.campaign.level,
        asked=group.campaign,
        n_accounts=n_accounts,
        n_hijacked=sum(account.user >= 0 for account in group.accounts),
        n_targets=len(group.strike.items),
        n_clicks=int(mine.sum()),
        n_target_clicks=int(on_target.sum()),
        density=len(touched) / possible_pairs(group.campaign.flow, n_accounts, len(group.strike.items)),
        start_ms=int(at.min()),
        end_ms=int(at.max()) + 1,
    )
