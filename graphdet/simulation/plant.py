"""Plant campaigns and hard innocents into a log, without leaving a trace but the acts themselves."""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphdet.arrays import Bool, Int, Rng
from graphdet.errors import NotEnoughData
from graphdet.simulation.accounts import PlannedAccount, make_account
from graphdet.simulation.assemble import Group, Planted, assemble
from graphdet.simulation.campaigns import Campaign
from graphdet.simulation.mules import behind, make_mules
from graphdet.simulation.profile import LogProfile, profile_log
from graphdet.simulation.targets import Neighbours, Strike, choose_strike
from graphdet.simulation.walks import Sessions, Steps, fill
from graphdet.tables import GraphArrays

MOST_ACCOUNTS_SHARE = 0.2  # of the log's users, in one group
LEAST_ACCOUNTS = 3


def plant(
    graph: GraphArrays,
    campaigns: Sequence[Campaign],
    seed: int = 0,
    innocents: Sequence[Campaign] = (),
    *,
    leave_out_unfit: bool = False,
    shared_ids: bool = False,
) -> Planted:
    """Plant campaigns, and groups of hard innocents, into a log.

    Every act sits in a natural session: timetables, session sizes and gaps are those of the log's users
    moved in time, targets are touched when real users touch them, and the rest of a session walks the log's
    own item-to-item transitions of the hour. All user, session and entity ids are dealt out anew, items
    keep theirs. Groups share neither targets nor users. A small log gets smaller groups. With `leave_out_unfit`, groups
    for which the log is too small are left out; the result's `campaigns` and `innocents` say which are there.
    With `shared_ids` an id means the same account as a user and as an item, as in a log of payments between accounts:
    users who also are items keep their ids, and a mule that is paid and pays has one id. Otherwise the two sides of a
    mule have ids of their own, as everybody's in the log, and only the result's `user_of_item` ties them together.

    Raises:
        NotEnoughData: the log is too small even for a small version of a group (with `leave_out_unfit`: of each);
            says what it needs.
    """
    rng = np.random.default_rng((seed, 15_485_863))
    if not campaigns and not innocents:
        return assemble(graph, None, [], 0, rng, shared_ids)
    profile = profile_log(graph)
    steps, neighbours = Steps.of(profile), Neighbours.of(profile)
    taken_items = np.zeros(graph.n_items, np.int64)
    taken_users = np.zeros(graph.n_users, bool)
    own_user = _users_of_items(graph) if shared_ids else None
    groups: list[Group] = []
    n_campaigns = 0
    unfit: NotEnoughData | None = None
    for place, campaign in enumerate((*campaigns, *innocents)):
        try:
            used = taken_items
            if campaign.flow and own_user is not None:
                used = taken_items | ((own_user >= 0) & taken_users[own_user])
            strike = choose_strike(profile, campaign, used, neighbours, rng)
            if campaign.flow:
                strike, users = _choose_mules(profile, campaign, strike, taken_users, own_user, rng)
            else:
                users = _choose_users(profile, campaign, strike, taken_users, rng)
        except NotEnoughData as error:
            if not leave_out_unfit:
                raise
            unfit = error
            continue
        taken_items[strike.items] = 1
        accounts = _make_accounts(profile, campaign, strike, users, rng)
        groups.append(Group(campaign, strike, accounts))
        n_campaigns += place < len(campaigns)
    if not groups and unfit is not None:
        raise unfit
    sessions = _walk(steps, groups, rng)
    return assemble(graph, sessions, groups, n_campaigns, rng, shared_ids)


def _make_accounts(
    profile: LogProfile, campaign: Campaign, strike: Strike, users: Int, rng: Rng
) -> list[PlannedAccount]:
    """Plan the accounts of a group."""
    if campaign.flow:
        return make_mules(profile, campaign, strike, users, rng)
    return [make_account(profile, campaign, strike, int(user), rng) for user in users]


def _users_of_items(graph: GraphArrays) -> Int:
    """Find the user that has an item's id: int64[n_items], −1 for none."""
    found = pc.index_in(pc.cast(graph.item_ids, pa.string()), value_set=pc.cast(graph.user_ids, pa.string()))
    return np.asarray(pc.fill_null(found, -1)).astype(np.int64)


def _choose_mules(
    profile: LogProfile, campaign: Campaign, strike: Strike, taken: Bool, own_user: Int | None, rng: Rng
) -> tuple[Strike, Int]:
    """Choose the accounts of a campaign whose money flows; in a cycle there are as many of them as targets.

    own_user: with shared ids the user that an item is, int64[n_items], −1 for none.

    Raises:
        NotEnoughData: the log is too small.
    """
    if own_user is not None:  # these users are the campaign's own recipients and nobody to choose from
        own = own_user[strike.items]
        before = taken[own[own >= 0]].copy()
        taken[own[own >= 0]] = True
    users = _choose_users(profile, campaign, strike, taken, rng)
    if campaign.flow == "cycle":
        n = min(len(users), len(strike.items))
        if n < LEAST_ACCOUNTS:
            raise NotEnoughData(
                f"the log is too small for a {campaign.kind} campaign: it needs {LEAST_ACCOUNTS} accounts, "
                f"the log has {n} to choose from; use a larger log"
            )
        chosen = np.sort(rng.choice(len(users), n, replace=False))
        taken[users[np.setdiff1d(np.flatnonzero(users >= 0), chosen)]] = False
        users, strike = users[chosen], replace(strike, items=strike.items[:n], usual=strike.usual[:n])
    if own_user is not None:
        taken[own[own >= 0]] = before
        place = behind(campaign.flow, len(users), len(strike.items))
        both = place >= 0
        taken[users[both & (users >= 0)]] = False
        users = np.where(both, own_user[strike.items[place]], users)
        taken[users[users >= 0]] = True
    return strike, users


def _choose_users(profile: LogProfile, campaign: Campaign, strike: Strike, taken: Bool, rng: Rng) -> Int:
    """Choose the accounts of a group: rows of real users, −1 for fresh ones. Marks real users as taken."""
    n_users = profile.graph.n_users
    most = int(MOST_ACCOUNTS_SHARE * n_users)
    if most < LEAST_ACCOUNTS:
        raise NotEnoughData(
            f"the log is too small for a {campaign.kind} campaign: it needs "
            f"{round(LEAST_ACCOUNTS / MOST_ACCOUNTS_SHARE)} users, the log has {n_users}; use a larger log"
        )
    n_accounts = min(campaign.n_accounts, most)
    if campaign.members_from_audience:  # mostly: strangers to the targets are no fans of them
        n_accounts = min(n_accounts, 2 * int((_audience(profile, strike) & ~taken).sum()))
        if n_accounts < min(campaign.n_accounts, LEAST_ACCOUNTS):  # other groups have taken them
            raise NotEnoughData(
                f"the log is too small for a {campaign.kind} campaign: it needs {LEAST_ACCOUNTS} accounts, the log has "
                f"{n_accounts} to choose from; plant fewer groups or use a larger log"
            )
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
    low, high = profile.usual_clicks
    ordinary = (clicks >= max(low, 2)) & (clicks <= max(high, 2)) & ~taken
    last_session = np.maximum(profile.user_first[1:] - 1, 0)
    first_session = np.minimum(profile.user_first[:-1], profile.n_sessions - 1)
    around = ordinary & (profile.session_start[first_session] < strike.end_ms)
    around &= profile.session_start[last_session] >= strike.start_ms
    if campaign.members_from_audience:
        choices = [ordinary & _audience(profile, strike), around, ordinary]
    else:
        choices = [around, ordinary]
    chosen = np.zeros(0, np.int64)
    for choice in choices:
        choice[chosen] = False
        pool = np.flatnonzero(choice)
        chosen = np.concatenate([chosen, rng.choice(pool, min(n - len(chosen), len(pool)), replace=False)])
    if len(chosen) < min(n, LEAST_ACCOUNTS):
        raise NotEnoughData(
            f"the log is too small for a {campaign.kind} campaign: it needs {n} free users of two clicks "
            f"or more, the log has {len(chosen)}; plant fewer campaigns or use a larger log"
        )
    return chosen


def _audience(profile: LogProfile, strike: Strike) -> Bool:
    """Say who touched a target anyway, bool[n_users]."""
    rows = [profile.item_edge[profile.item_first[i] : profile.item_first[i + 1]] for i in strike.items]
    audience = np.zeros(profile.graph.n_users, bool)
    audience[profile.graph.user_ix[np.concatenate(rows)]] = True
    return audience


def _walk(steps: Steps, groups: Sequence[Group], rng: Rng) -> Sessions:
    """Lay out all planned sessions of all groups and fill their free positions."""
    graph = steps.profile.graph
    accounts = [account for group in groups for account in group.accounts]
    sizes = np.array([len(t) for a in accounts for t in a.at_ms], np.int64)
    filled = np.arange(int(sizes.max())) < sizes[:, None]
    at_ms, edge = np.zeros(filled.shape, np.int64), np.full(filled.shape, -1, np.int64)
    known, of_limit = np.zeros(filled.shape, np.int8), np.full(filled.shape, np.nan)
    at_ms[filled] = np.concatenate([t for a in accounts for t in a.at_ms])
    edge[filled] = np.concatenate([e for a in accounts for e in a.edge])
    known[filled] = np.concatenate([k for a in accounts for k in a.known])
    of_limit[filled] = np.concatenate([share for a in accounts for share in a.of_limit])
    sessions = Sessions(
        account=np.repeat(np.arange(len(accounts)), [len(a.at_ms) for a in accounts]),
        rank=np.concatenate([np.arange(len(a.at_ms)) for a in accounts]),
        size=sizes,
        at_ms=at_ms,
        known=known,
        edge=edge,
        of_limit=of_limit,
    )
    low = np.searchsorted(graph.user_ix, [a.user for a in accounts], side="left")
    high = np.searchsorted(graph.user_ix, [a.user for a in accounts], side="right")
    own = [
        k * graph.n_items + graph.item_ix[a:b].astype(np.int64)
        for k, (a, b) in enumerate(zip(low, high, strict=True))
    ]
    kinds = np.repeat([g.campaign.camouflage_kind for g in groups], [len(g.accounts) for g in groups])
    for kind in np.unique(kinds):
        which = np.flatnonzero(kinds[sessions.account] == kind)
        part = Sessions(*(getattr(sessions, f.name)[which] for f in fields(Sessions)))
        fill(steps, part, np.unique(np.concatenate(own)), str(kind), rng)
        sessions.edge[which] = part.edge
    return sessions
