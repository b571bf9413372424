"""Plant campaigns and hard innocents into a log, without leaving a trace but the acts themselves."""

from collections.abc import Sequence

import numpy as np

from graphdet.errors import UsageError
from graphdet.simulate.accounts import make_account
from graphdet.simulate.assemble import Bool, Group, Planted, assemble
from graphdet.simulate.campaigns import Campaign
from graphdet.simulate.profile import Int, LogProfile, profile_log
from graphdet.simulate.targets import Neighbours, Strike, choose_strike
from graphdet.simulate.walks import Sessions, Walker, fill
from graphdet.tables import GraphArrays

MOST_ACCOUNTS_SHARE = 0.2  # of the log's users, in one group
LEAST_ACCOUNTS = 3

Rng = np.random.Generator


def plant(
    graph: GraphArrays, campaigns: Sequence[Campaign], seed: int = 0, innocents: Sequence[Campaign] = ()
) -> Planted:
    """Plant campaigns, and groups of hard innocents, into a log.

    Every act sits in a natural session: timetables, session sizes and gaps are those of the log's users moved in time,
    targets are touched when real users touch them, and the rest of a session walks the log's own item-to-item
    transitions of the hour. All user, session and entity ids are dealt out anew, items keep theirs. Groups share
    neither targets nor users. A small log gets smaller groups.

    Raises:
        UsageError: the log is too small even for a small version of a group; says what it needs.
    """
    rng = np.random.default_rng((seed, 15_485_863))
    if not campaigns and not innocents:
        return assemble(graph, None, [], 0, 1, rng)
    profile = profile_log(graph)
    walker, neighbours = Walker.of(profile), Neighbours.of(profile)
    taken_items = np.zeros(graph.n_items, np.int64)
    taken_users = np.zeros(graph.n_users, bool)
    groups: list[Group] = []
    for campaign in (*campaigns, *innocents):
        strike = choose_strike(profile, campaign, taken_items, neighbours, rng)
        taken_items[strike.items] = 1
        users = _choose_users(profile, campaign, strike, taken_users, rng)
        accounts = [make_account(profile, campaign, strike, int(user), rng) for user in users]
        groups.append(Group(campaign, strike, accounts))
    sessions = _walk(walker, groups, rng)
    return assemble(graph, sessions, groups, len(campaigns), profile.resolution_ms, rng)


def _choose_users(profile: LogProfile, campaign: Campaign, strike: Strike, taken: Bool, rng: Rng) -> Int:
    """Choose the accounts of a group: rows of real users, −1 for fresh ones. Marks real users as taken."""
    n_users = profile.graph.n_users
    most = int(MOST_ACCOUNTS_SHARE * n_users)
    if most < LEAST_ACCOUNTS:
        raise UsageError(
            f"the log is too small for a {campaign.kind} campaign: it needs "
            f"{round(LEAST_ACCOUNTS / MOST_ACCOUNTS_SHARE)} users, the log has {n_users}; use a larger log"
        )
    n_accounts = min(campaign.n_accounts, most)
    n_real = min(n_accounts, round(n_accounts * campaign.hijacked_share))
    real = _real_users(profile, campaign, strike, taken, n_real, rng)
    taken[real] = True
    return np.concatenate([real, np.full(n_accounts - len(real), -1, np.int64)])


def _real_users(
    profile: LogProfile, campaign: Campaign, strike: Strike, taken: Bool, n: int, rng: Rng
) -> Int:
    """Choose n real users of ordinary activity who are around at the time of the campaign."""
    if n == 0:
        return np.zeros(0, np.int64)
    clicks = profile.n_clicks
    low, high = np.quantile(clicks[clicks > 0], [0.3, 0.98])
    ordinary = (clicks >= max(low, 2)) & (clicks <= max(high, 2)) & ~taken
    last_session = np.maximum(profile.user_first[1:] - 1, 0)
    first_session = np.minimum(profile.user_first[:-1], profile.n_sessions - 1)
    around = ordinary & (profile.session_start[first_session] < strike.end_ms)
    around &= profile.session_start[last_session] >= strike.start_ms
    if campaign.members_from_audience:
        rows = [profile.item_edge[profile.item_first[i] : profile.item_first[i + 1]] for i in strike.items]
        audience = np.zeros(profile.graph.n_users, bool)
        audience[profile.graph.user_ix[np.concatenate(rows)]] = True
        choices = (ordinary & audience, around, ordinary)
    else:
        choices = (around, ordinary)
    chosen = np.zeros(0, np.int64)
    for choice in choices:
        pool = np.setdiff1d(np.flatnonzero(choice), chosen)
        chosen = np.concatenate([chosen, rng.choice(pool, min(n - len(chosen), len(pool)), replace=False)])
    if len(chosen) < min(n, LEAST_ACCOUNTS):
        raise UsageError(
            f"the log is too small for a {campaign.kind} campaign: it needs {n} free users with at least two clicks, "
            f"the log has {len(chosen)}; plant fewer campaigns or use a larger log"
        )
    return chosen


def _walk(walker: Walker, groups: Sequence[Group], rng: Rng) -> Sessions:
    """Lay out all planned sessions of all groups and fill their free positions."""
    graph = walker.profile.graph
    accounts = [account for group in groups for account in group.accounts]
    account = np.repeat(np.arange(len(accounts)), [len(a.at_ms) for a in accounts])
    rank = np.concatenate([np.arange(len(a.at_ms)) for a in accounts])
    sizes = np.array([len(t) for a in accounts for t in a.at_ms], np.int64)
    at_ms = np.zeros((len(sizes), int(sizes.max())), np.int64)
    edge = np.full(at_ms.shape, -1, np.int64)
    filled = np.arange(at_ms.shape[1]) < sizes[:, None]
    at_ms[filled] = np.concatenate([t for a in accounts for t in a.at_ms])
    edge[filled] = np.concatenate([e for a in accounts for e in a.edge])
    state = np.where(edge >= 0, walker.state_of_edge[edge], -1)
    sessions = Sessions(account, rank, sizes, at_ms, state, edge)
    rows, _ = np.nonzero(edge >= 0)
    seen = [account[rows] * graph.n_items + graph.item_ix[edge[edge >= 0]]]
    first = np.searchsorted(graph.user_ix, [a.user for a in accounts], side="left")
    last = np.searchsorted(graph.user_ix, [a.user for a in accounts], side="right")
    for number, (low, high) in enumerate(zip(first, last, strict=True)):
        seen.append(number * graph.n_items + graph.item_ix[low:high].astype(np.int64))
    keys = np.unique(np.concatenate(seen))
    kinds = np.repeat([g.campaign.camouflage_kind for g in groups], [len(g.accounts) for g in groups])
    for kind in np.unique(kinds):
        which = np.flatnonzero(kinds[account] == kind)
        part = Sessions(account[which], rank[which], sizes[which], at_ms[which], state[which], edge[which])
        fill(walker, part, keys, str(kind), rng)
        sessions.state[which], sessions.edge[which] = part.state, part.edge
    return sessions
