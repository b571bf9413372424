"""Measures about time: in step with each other, by script, in one sitting, in the wake of hot items."""

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Bool, Float, Int
from graphdet.rings.why.measures import Measure, acts_by
from graphdet.rings.why.ring_view import QUARTER_MS, RingView

LOCKSTEP_WINDOWS_S = (10.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0)
WIDEST = 1 / 20  # of the log: what comes together in a longer time is not in step
PRIOR_VISITS = 2.0  # by which the log's own hours count beside the visits of a target's outsiders
LEAST_LOCKSTEP_LIFT = 3.0  # visitors of an item come in bursts that hours do not show
PACE = 1.25  # gaps within this factor of the usual one keep the pace
SAMPLE = 400  # acts of the log that say how often an act follows on a hot item
HOT = 12


def windows(ring: RingView) -> list[float]:
    """The windows, in seconds, that the log's resolution and length allow."""
    log = ring.log
    return [
        w for w in LOCKSTEP_WINDOWS_S if log.resolution_s <= w <= max(log.span_s * WIDEST, log.resolution_s)
    ]


def nearest_member_s(ring: RingView) -> Float:
    """Time from each act to the nearest other member's act on the same target, float64[n]; inf where there is none."""
    order = np.lexsort((ring.at_s, ring.item))
    gap = np.where(np.diff(ring.item[order]) == 0, np.diff(ring.at_s[order]), np.inf)
    near = np.full(len(order), np.inf)
    near[order[1:]] = gap
    near[order[:-1]] = np.minimum(near[order[:-1]], gap)
    return near


def chance_in_step(ring: RingView, window_s: float, evenly: bool = False) -> Float:
    """How likely another member comes to the target within window_s of each act, float64[n].

    If members came when the target's other visitors do; PRIOR_VISITS of the log's own hours keep a target of few
    visitors from saying "never". With `evenly` the target's own visitors are not asked.
    """
    place, _, at_s = ring.audience
    place, at_s = place[ring.outsider], at_s[ring.outsider]
    origin = ring.log.model.acts_by_item_time.origin_ms / 1000
    stride = ring.log.span_s + 4 * LOCKSTEP_WINDOWS_S[-1]
    key = place * stride + (at_s - origin)
    at = ring.item * stride + (ring.at_s - origin)
    near = np.searchsorted(key, at + window_s, side="right") - np.searchsorted(key, at - window_s)
    total = np.bincount(place, minlength=len(ring.targets))[ring.item]
    if evenly:
        near, total = near * 0, total * 0
    times = ring.log.times_s
    log_near = np.searchsorted(times, ring.at_s + window_s, side="right") - np.searchsorted(
        times, ring.at_s - window_s
    )
    others = np.bincount(ring.item, minlength=len(ring.targets))[ring.item] - 1
    own = np.minimum(others + 1, log_near)  # a burst must not explain itself
    share = (log_near - own + 0.5) / max(len(times), 1)  # half an act, so that no expectation is 0
    chance = np.minimum((near + PRIOR_VISITS * share) / (total + PRIOR_VISITS), 1.0)
    return np.asarray(1 - (1 - chance) ** others)


def lockstep(ring: RingView) -> list[Measure]:
    """Members come to a target within a window of each other, more than its other visitors would."""
    near = nearest_member_s(ring)
    out = []
    for window in windows(ring):
        together = near <= window
        chance = chance_in_step(ring, window)
        targets = len(np.unique(ring.item[together]))
        numbers = {"window_s": window, "n_acts": len(ring.act), "n_targets": targets}
        out.append(
            Measure(
                "lockstep",
                float(together.sum()),
                float(chance.sum()),
                trials=len(ring.act),
                per_trial=2 * ring.per_sitting,  # of a pair that meets both are counted
                variant=f"{window:g}",
                least_lift=LEAST_LOCKSTEP_LIFT,
                numbers=numbers,
                acts=acts_by(-np.where(together, near, 0.0), together, ring),
            )
        )
    return out


def _steps(ring: RingView) -> tuple[Int, Int]:
    """Successive acts on targets within a session: places (in the ring's acts) of the earlier and the later one."""
    order = np.lexsort((ring.item, ring.at_s, ring.session, ring.user))
    same = (np.diff(ring.session[order]) == 0) & (np.diff(ring.user[order]) == 0)
    return order[:-1][same], order[1:][same]


def scripted(ring: RingView) -> list[Measure]:
    """Sessions visit the targets in one order and at one pace.

    A step keeps to the script when it goes the way that most other members go between the two targets and takes the
    usual time between two targets, within a factor PACE. Both at once is held against a coin and the log's own gaps.
    """
    earlier, later = _steps(ring)
    gap = ring.at_s[later] - ring.at_s[earlier]
    known = gap > 0
    earlier, later, gap = earlier[known], later[known], gap[known]
    if len(gap) < 3:
        return []
    k = len(ring.targets)
    way = np.zeros((k, k))
    np.add.at(way, (ring.item[earlier], ring.item[later]), 1)
    # Steps that others make too, either way; one's own step says nothing.
    along = way[ring.item[earlier], ring.item[later]] - 1
    back = way[ring.item[later], ring.item[earlier]]
    ordered = along > back
    usual = float(np.median(gap))
    slack = ring.log.resolution_s
    low, high = usual / PACE - slack, usual * PACE + slack
    gaps = ring.log.gaps_s
    ours = np.searchsorted(np.sort(gap), [low, high], side="left")
    log_near = int(np.searchsorted(gaps, high, side="right") - np.searchsorted(gaps, low)) - int(
        ours[1] - ours[0]
    )
    chance = (max(log_near, 0) + 1) / (max(len(gaps) - len(gap), 0) + 2)
    paced = (gap >= low) & (gap <= high)
    kept = ordered & paced
    sessions = np.unique(ring.session[later[kept]])
    which = np.isin(ring.session, sessions)
    return [
        Measure(
            "scripted",
            float(kept.sum()),
            0.5 * chance * len(gap),
            trials=len(gap),
            per_trial=1.5,
            numbers={
                "pace_s": usual,
                "n_steps": len(gap),
                "same_order_share": float(ordered.mean()),
                "same_pace_share": float(paced.mean()),
                "n_sessions": len(sessions),
            },
            acts=acts_by(np.isin(np.arange(len(which)), later[kept]).astype(float), which, ring),
        )
    ]


def one_sitting(ring: RingView) -> list[Measure]:
    """Members do all targets in one session, where the log's users spread what they do over several."""
    n = np.bincount(ring.user, minlength=len(ring.members))
    key = np.unique(ring.user * (ring.log.graph.n_sessions + 1) + ring.session)
    sittings = np.bincount(key // (ring.log.graph.n_sessions + 1), minlength=len(ring.members))
    asked = n >= 3
    if not asked.any():
        return []
    single = asked & (sittings == 1)
    return [
        Measure(
            "one_sitting",
            float(single.sum()),
            ring.log.same_session * float(asked.sum()),
            trials=float(asked.sum()),
            numbers={"n_members": int(asked.sum()), "usual_share": ring.log.same_session},
            acts=acts_by(n[ring.user].astype(float), single[ring.user], ring),
        )
    ]


def _after_hot(ring: RingView, rows: Int, not_items: NDArray[np.int32]) -> Bool:
    """Which acts (rows of Organic.acts) follow, in their session, on an item that is hot at that time."""
    acts, before = ring.log.model.acts, ring.log.before[rows]
    asked = np.flatnonzero((before >= 0) & ~np.isin(acts.item_ix[before], not_items))
    out = np.zeros(len(rows), bool)
    for place in asked:
        hot = ring.log.hot_items(int(acts.at_ms[rows[place]]) // QUARTER_MS, HOT)
        out[place] = acts.item_ix[before[place]] in hot
    return out


def coattail(ring: RingView) -> list[Measure]:
    """Targets are visited right after an item that is hot at the time, more than items are otherwise."""
    followers = ring.log.followers
    if not len(followers):
        return []
    hits = _after_hot(ring, ring.act, ring.targets)
    own = np.searchsorted(followers, np.unique(ring.act[ring.log.before[ring.act] >= 0]))
    n_others = len(followers) - len(own)
    if not n_others:
        return []
    asked = np.linspace(0, n_others - 1, min(SAMPLE, n_others)).astype(np.int64)
    # Places among all followers of places among those that are not the ring's, without making that list for each ring.
    sample = followers[asked + np.searchsorted(own - np.arange(len(own)), asked, side="right")]
    usual = (_after_hot(ring, sample, ring.targets).sum() + 1) / (len(sample) + 2)
    return [
        Measure(
            "coattail",
            float(hits.sum()),
            float(usual * len(ring.act)),
            trials=len(ring.act),
            numbers={"n_acts": len(ring.act), "usual_share": float(usual)},
            acts=acts_by(np.zeros(len(hits)), hits, ring),
        )
    ]
