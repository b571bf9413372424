"""Pairs and small groups in lockstep as findings, with their evidence in words."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Int
from graphdet.evaluation.rounding import six
from graphdet.rings.find import least_score
from graphdet.rings.finding import Explanation, Reason, RingFinding, RingItem, RingMember
from graphdet.rings.pairs import (
    ENOUGH_CLOSE,
    MOST_IN_GROUP,
    PairScan,
    followers_of,
    is_slice,
    scan_pairs,
    tied_groups,
)
from graphdet.rings.rules import HeldBackBy, rule_words
from graphdet.rings.why.reasons import two_digits
from graphdet.tables import GraphArrays
from graphdet.words import iso, plural

MOST_PAIR_LEADS = 50  # groups that are held back, the strongest
MOST_SURE_PAIR = 0.99  # no scan of times is surer than that
NEARLY = 0.5  # q-value up to which a pair is worth a look
# Scores of what is held back, below that of any flag; nothing was measured that could say how likely these are.
HELD_PAIR: dict[HeldBackBy, float] = {
    "larger_group": 0.45,
    "followers": 0.25,
    "few_sittings": 0.25,
    "q_value": 0.1,
}


@dataclass(frozen=True)
class Lockstep:
    """Accounts in lockstep. pairs: rows of the scan that tie them together, the strongest first; users: their rows.

    weakest: of each account's strongest pair the weakest, a row of the scan. items: on which two of them are close, and
    n_users, how many of them are; first_ms, last_ms: of the close acts. n_followers: see followers_of.
    """

    pairs: Int
    users: Int
    weakest: int
    items: Int
    n_users: Int
    first_ms: int
    last_ms: int
    n_followers: int


def pair_findings(graph: GraphArrays, accused: NDArray[np.bool_], fdr: float) -> tuple[RingFinding, ...]:
    """Pairs and small groups in lockstep, flagged ones first; none in a log without times, or of days.

    accused: bool[n_users], members of flagged rings: a pair of these is theirs already. Their ids are provisional.
    """
    scan = scan_pairs(graph)
    if scan is None:
        return ()
    q_value = scan.q_value
    new = ~(accused[scan.a] & accused[scan.b])
    sure = np.flatnonzero(new & (q_value <= fdr))
    told = [
        _lockstep(graph, scan, sure[rows]) for rows in tied_groups(scan.a[sure], scan.b[sure], graph.n_users)
    ]
    named = np.zeros(graph.n_users, bool)
    for group in told:
        named[group.users] = True
    close, common = scan.best("close"), np.bincount(scan.common.pair, minlength=len(scan.a))
    look = ((close >= ENOUGH_CLOSE) & (2 * close > common)) | (q_value <= NEARLY)
    look &= new & (q_value > fdr) & ~(named[scan.a] & named[scan.b])
    rest = np.flatnonzero(look)
    told += [
        _lockstep(graph, scan, rest[rows]) for rows in tied_groups(scan.a[rest], scan.b[rest], graph.n_users)
    ]
    found = [_finding(group, scan, q_value, graph, fdr) for group in told]
    found.sort(key=lambda one: (not one.flagged, -one.score, one.p_value or 0.0))
    n_flagged = sum(one.flagged for one in found)
    return tuple(found[: n_flagged + MOST_PAIR_LEADS])


def _lockstep(graph: GraphArrays, scan: PairScan, pairs: Int) -> Lockstep:
    pairs = pairs[np.argsort(scan.p_value[pairs], kind="stable")]
    users = np.unique(np.append(scan.a[pairs], scan.b[pairs]))
    strongest = [next(row for row in pairs if user in (scan.a[row], scan.b[row])) for user in users]
    rows = np.flatnonzero(np.isin(scan.common.pair, pairs) & scan.close)
    item, first = scan.common.item[rows], scan.common.first_ms[rows]
    who = np.concatenate([scan.a[scan.common.pair[rows]], scan.b[scan.common.pair[rows]]])
    acts = np.unique(np.column_stack([np.append(item, item), who]), axis=0)
    items, n_users = np.unique(acts[:, 0], return_counts=True)
    moment = np.full(graph.n_items, np.iinfo(np.int64).max)
    np.minimum.at(moment, item, first)
    return Lockstep(
        pairs,
        users,
        int(max(strongest, key=lambda row: (scan.p_value[row], row))),
        items,
        n_users,
        int(first.min()),
        int((first + scan.common.gap_ms[rows]).max()),
        followers_of(graph, items, moment[items], users),
    )


def _held_by(group: Lockstep, scan: PairScan, q_value: float, score: float, fdr: float) -> HeldBackBy | None:
    if len(group.users) > MOST_IN_GROUP:
        return "larger_group"
    if is_slice(len(group.users), group.n_followers):
        return "followers"
    if q_value > fdr:
        all_close = scan.best("sittings_close") == scan.best("sittings")
        return "few_sittings" if all_close[group.weakest] else "q_value"
    return "score" if score < least_score(fdr) else None


def _finding(
    group: Lockstep, scan: PairScan, q_values: NDArray[np.float64], graph: GraphArrays, fdr: float
) -> RingFinding:
    numbers = _numbers(group, scan)
    q_value = float(q_values[group.weakest])
    score = min(1 - q_value, MOST_SURE_PAIR)
    held = _held_by(group, scan, q_value, score, fdr)
    score = score if held in (None, "score") else HELD_PAIR[held]
    p_value = float(scan.p_value[group.weakest])
    said = numbers | {
        "score": score,
        "least_score": least_score(fdr),
        "q_value": q_value,
        "fdr": fdr,
        "accounts": float(len(group.users)),
        "most_accounts": float(MOST_IN_GROUP),
    }
    users = [graph.user_ids[int(user)].as_py() for user in group.users]
    first = Reason(
        "lockstep", _words(len(users), numbers), -float(np.log(max(p_value, 1e-300))), dict(numbers)
    )
    order = np.lexsort((group.items, -group.n_users))
    lift = six(numbers["close_items"] / max(numbers["close_items_expected"], 1e-9))
    return RingFinding(
        ring_id=f"pair{int(group.pairs[0])}",
        n_users=len(users),
        n_items=len(group.items),
        score=six(score),
        p_value=six(p_value),
        q_value=six(q_value),
        flagged=held is None,
        first_seen=iso(group.first_ms),
        last_seen=iso(group.last_ms),
        reason=first.text,
        explanation=Explanation(
            numbers,
            (first, _sittings(numbers)),
            _AGAINST,
            {
                user: (_did(graph, scan, group, int(row)),)
                for user, row in zip(users, group.users, strict=True)
            },
            held_back=() if held is None else (Reason(held, rule_words(held, said), numbers=said),),
        ),
        members=tuple(RingMember(user, six(score)) for user in users),
        items=tuple(
            RingItem(graph.item_ids[int(group.items[k])].as_py(), int(group.n_users[k]), lift) for k in order
        ),
        kind="pair",
    )


def _numbers(group: Lockstep, scan: PairScan) -> dict[str, float]:
    """The evidence by name, of the weakest tie; what each means is in rings.pairs.PAIR_NUMBERS."""
    at = group.weakest
    numbers = {
        "close_items": scan.best("close"),
        "close_items_expected": scan.best("expected"),
        "common_items": np.bincount(scan.common.pair, minlength=len(scan.a)),
        "close_sittings": scan.best("sittings_close"),
        "close_sittings_expected": scan.best("sittings_expected"),
        "sittings": scan.best("sittings"),
    }
    return {name: six(float(values[at])) for name, values in numbers.items()} | {
        "close_span_s": float(scan.span_ms[at]) / 1000,
        "followers": float(group.n_followers),
    }


def _words(n_users: int, numbers: Mapping[str, float]) -> str:
    span = f"{numbers['close_span_s']:.0f} seconds"
    items = plural(numbers["close_items"], "item")
    common = int(numbers["common_items"])
    of = "all that both act on" if common == numbers["close_items"] else f"of {common:,} that both act on"
    expected = two_digits(numbers["close_items_expected"])
    if n_users == 2:
        return (
            f"Two accounts act on the same {items} within {span} of each other, {of}, where {expected} would be "
            f"expected."
        )
    return (
        f"Each of {n_users} accounts acts on {items} or more within {span} of another of them, where {expected} would "
        f"be expected."
    )


def _sittings(numbers: Mapping[str, float]) -> Reason:
    close, sittings = int(numbers["close_sittings"]), plural(numbers["sittings"], "sitting")
    text = (
        f"They do so in {close} of the {sittings} that they have in common, where at most "
        f"{two_digits(numbers['close_sittings_expected'])} would be expected, however alike taste and hours."
    )
    return Reason("close_sittings", text, numbers={"close_sittings": close, "sittings": numbers["sittings"]})


def _did(graph: GraphArrays, scan: PairScan, group: Lockstep, user: int) -> Reason:
    row = next(int(row) for row in group.pairs if user in (scan.a[row], scan.b[row]))
    other = int(scan.b[row] if scan.a[row] == user else scan.a[row])
    n, span = int(scan.best("close")[row]), float(scan.span_ms[row]) / 1000
    text = f"acts on {plural(n, 'item')} within {span:.0f} seconds of another member"
    return Reason(
        "lockstep",
        text,
        numbers={"close_items": n, "close_span_s": span},
        more={"with": [graph.user_ids[other].as_py()]},
    )


_AGAINST = (
    Reason(
        "one_feed",
        "Two programs that repost one feed act in lockstep too, and so does one person who uses two accounts openly.",
    ),
)
