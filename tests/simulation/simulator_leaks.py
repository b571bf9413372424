"""Does a planted log give itself away? What user-level features alone can tell."""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from graphdet.arrays import Int
from graphdet.simulation.assemble import Planted
from graphdet.simulation.profile import LogProfile, profile_log
from graphdet.simulation.world import FloatND
from graphdet.tables import GraphArrays
from graphdet.units import DAY_MS, HOUR_MS

PEERS = 4  # organic users of equal activity per planted account
FOLDS = 5


@dataclass(frozen=True)
class Leak:
    """How well user-level features tell planted accounts from organic users of equal activity.

    auroc: cross-validated over whole campaigns, .5 when nothing leaks; by_level: the same within each level;
    single: AUROC of each feature alone, the side that is larger, strongest first.
    """

    auroc: float
    by_level: dict[str, float]
    single: dict[str, float]
    n_planted: int


def user_features(graph: GraphArrays) -> tuple[tuple[str, ...], FloatND]:
    """Describe each user by sessions, sizes, gaps, hours, item ages and id shape.

    Returns (names, float64[n_users, n_features]); NaN where a user has too little behaviour. Item
    popularity is left out on purpose: what a campaign pushes is the campaign, not a leak.
    """
    profile = profile_log(graph)
    columns = {**_session_features(profile), **_age_features(profile), **_id_features(graph)}
    return tuple(columns), np.stack(list(columns.values()), axis=1)


def _spread(user: Int, values: FloatND, n_users: int, name: str) -> dict[str, FloatND]:
    """Mean, deviation, least and most of values per user; NaN for users without any."""
    count = np.bincount(user, minlength=n_users).astype(np.float64)
    count[count == 0] = np.nan
    mean = np.bincount(user, values, n_users) / count
    square = np.bincount(user, values**2, n_users) / count
    low, high = np.full(n_users, np.inf), np.full(n_users, -np.inf)
    np.minimum.at(low, user, values)
    np.maximum.at(high, user, values)
    deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
    return {
        f"{name}_mean": mean,
        f"{name}_sd": deviation,
        f"{name}_min": np.where(np.isfinite(low), low, np.nan),
        f"{name}_max": np.where(np.isfinite(high), high, np.nan),
    }


def _session_features(profile: LogProfile) -> dict[str, FloatND]:
    """Sessions, sizes, gaps inside and between, hours of day, days, distinct items."""
    graph, n_users = profile.graph, profile.graph.n_users
    owner = profile.session_user
    sizes = profile.session_sizes.astype(np.float64)
    at = graph.at_ms[profile.edge]
    in_session = np.repeat(np.arange(profile.n_sessions), profile.session_sizes)
    inner = np.flatnonzero(np.diff(in_session) == 0)
    gap = np.log1p(np.diff(at)[inner] / 1000.0)
    ends = at[profile.session_first[1:] - 1]
    following = np.flatnonzero(np.diff(owner) == 0)
    pause = np.log1p(np.maximum(profile.session_start[following + 1] - ends[following], 0) / HOUR_MS)
    hour = profile.session_start % DAY_MS / DAY_MS * 2 * np.pi
    length = np.log1p((ends - profile.session_start) / 1000.0)
    seen = np.unique(graph.user_ix.astype(np.int64) * graph.n_items + graph.item_ix)
    columns = {
        "n_sessions": np.diff(profile.user_first).astype(np.float64),
        "n_clicks": profile.n_clicks.astype(np.float64),
        "distinct_share": np.bincount(seen // graph.n_items, minlength=n_users)
        / np.maximum(profile.n_clicks, 1),
        "n_days": np.bincount(
            np.unique(owner * 100_000 + profile.session_start // DAY_MS) // 100_000, minlength=n_users
        ).astype(np.float64),
    }
    for name, user, values in (
        ("size", owner, sizes),
        ("length", owner, length),
        ("gap", owner[in_session[inner]], gap),
        ("pause", owner[following], pause),
        ("hour_sin", owner, np.sin(hour)),
        ("hour_cos", owner, np.cos(hour)),
    ):
        columns.update(_spread(user, values, n_users, name))
    weekend = (profile.session_start // DAY_MS + 3) % 7 >= 5
    columns["weekend_share"] = np.bincount(owner, weekend, n_users) / np.maximum(columns["n_sessions"], 1)
    return columns


def _age_features(profile: LogProfile) -> dict[str, FloatND]:
    """Ages of items when clicked, in log hours since their first click."""
    graph = profile.graph
    first = graph.at_ms[profile.item_edge[np.minimum(profile.item_first[:-1], graph.n_edges - 1)]]
    age = np.log1p((graph.at_ms - first[graph.item_ix]) / HOUR_MS)
    return _spread(graph.user_ix.astype(np.int64), age, graph.n_users, "age")


def _id_features(graph: GraphArrays) -> dict[str, FloatND]:
    """Shape and rank of the user id, and of the ids of its sessions."""
    return {
        "id_length": np.asarray(pc.binary_length(graph.user_ids)).astype(np.float64),
        "id_rank": np.arange(graph.n_users, dtype=np.float64),
        **_spread(
            graph.user_ix.astype(np.int64), graph.session_ix.astype(np.float64), graph.n_users, "session_rank"
        ),
    }


def leak(planted: Planted, seed: int = 0, levels: tuple[str, ...] | None = None) -> Leak:
    """Measure what leaks: gradient-boosted trees on user features, judged on campaigns they have not seen.

    levels: only accounts of campaigns of these levels count as planted (None: all). Organic peers are users
    outside every campaign, drawn to have the planted accounts' numbers of clicks.
    """
    rng = np.random.default_rng(seed)
    names, features = user_features(planted.graph)
    wanted = [k for k, c in enumerate(planted.campaigns) if levels is None or c.level in levels]
    rows = np.flatnonzero(np.isin(planted.campaign_of_user, wanted))
    fold_of_campaign = np.zeros(len(planted.campaigns), np.int64)
    fold_of_campaign[wanted] = rng.permutation(len(wanted)) % FOLDS
    peers, peer_of = _peers(planted, rows, rng)
    x = features[np.concatenate([rows, peers])]
    y = np.concatenate([np.ones(len(rows)), np.zeros(len(peers))])
    campaign = planted.campaign_of_user[np.concatenate([rows, rows[peer_of]])]
    fold = fold_of_campaign[campaign]
    chance = np.zeros(len(y))
    for held_out in range(FOLDS):
        test = fold == held_out
        if test.any() and not test.all():
            with threadpool_limits(1):  # spinning threads are slow on a busy machine
                trees = HistGradientBoostingClassifier(max_iter=60, random_state=seed).fit(x[~test], y[~test])
            chance[test] = trees.predict_proba(x[test])[:, 1]
    level_of = np.array([c.level or c.kind for c in planted.campaigns])[campaign]
    by_level = {
        str(name): float(roc_auc_score(y[level_of == name], chance[level_of == name]))
        for name in np.unique(level_of)
    }
    alone = {name: _alone(y, x[:, k]) for k, name in enumerate(names)}
    ranked = dict(sorted(alone.items(), key=lambda pair: -pair[1]))
    return Leak(float(roc_auc_score(y, chance)), by_level, ranked, len(rows))


def _alone(y: FloatND, values: FloatND) -> float:
    """AUROC of one feature, whichever side is larger; missing values count as the median."""
    known = ~np.isnan(values)
    if not known.any():
        return 0.5
    auroc = float(roc_auc_score(y, np.where(known, values, np.median(values[known]))))
    return max(auroc, 1.0 - auroc)


def _peers(planted: Planted, rows: Int, rng: np.random.Generator) -> tuple[Int, Int]:
    """Draw organic users with about each planted account's clicks: their rows, and whose peers they are.

    No user is drawn twice: one in two folds would be known by heart.
    """
    clicks = np.bincount(planted.graph.user_ix, minlength=planted.graph.n_users)
    organic = np.flatnonzero((planted.campaign_of_user < 0) & (planted.innocent_of_user < 0) & (clicks > 0))
    organic = rng.permutation(organic)
    waiting: dict[int, list[int]] = {}
    for user in organic:
        waiting.setdefault(int(clicks[user]), []).append(int(user))
    peers, of = [], []
    for number in rng.permutation(len(rows)):
        have, target = 0, int(clicks[rows[number]])
        for count in sorted(
            range(max(1, round(0.85 * target)), round(1.15 * target) + 2), key=lambda c: abs(c - target)
        ):
            users = waiting.get(count, [])
            taken = [users.pop() for _ in range(min(PEERS - have, len(users)))]
            peers.extend(taken)
            of.extend([number] * len(taken))
            have += len(taken)
    return np.array(peers, np.int64), np.array(of, np.int64)
