"""Bursts of throwaway accounts on single items as findings, with their evidence in words."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.arrays import Float, Int
from graphdet.evaluation.rounding import six
from graphdet.features.ratings import read_ratings
from graphdet.items.acts import ItemActs
from graphdet.items.bursts import Burst, Faces, find_bursts
from graphdet.ports import EventStore
from graphdet.rings.find import least_score
from graphdet.rings.finding import Explanation, Reason, RingFinding, RingItem, RingMember
from graphdet.rings.rules import HeldBackBy, rule_words
from graphdet.rings.why.reasons import duration_in_words, inclusive_span_s, span_in_words, two_digits
from graphdet.schema import RingKind
from graphdet.tables import GraphArrays
from graphdet.units import DAY_MS
from graphdet.words import iso, percent, plural

JUDGED_KINDS: tuple[RingKind, ...] = ("ring",)  # whose members get their scores with the rings
MOST_LISTED = 100  # bursts that are held back, the strongest
MOST_SURE = 0.99  # no scan of times and counts is surer than that
# Scores of bursts that are held back, below that of any flag. Of accounts in bursts at openings .53 were spam in Yelp's
# log of New York, of all that wrote one review .22; of the others nothing was measured.
HELD_SCORE: dict[HeldBackBy, float] = {
    "opening": 0.45,
    "little_known": 0.25,
    "ordinary_bursts": 0.25,
    "company": 0.1,
}


def burst_findings(
    store: EventStore,
    graph: GraphArrays,
    explained: NDArray[np.bool_],
    fdr: float,
    elsewhere: NDArray[np.bool_] | None = None,
) -> tuple[RingFinding, ...]:
    """The bursts of a log, flagged ones first; none in a log without times.

    explained: bool[n_users], accounts that act together elsewhere. elsewhere: bool[n_users], accounts with acts that
    the graph, a part of a log, has not: none of them is a throwaway. Where the store keeps events with an attribute
    `rating`, acts of one rating are scanned apart (see items.bursts). Their ids are provisional.
    """
    if not graph.timed:
        return ()
    acts, faces = _rated_acts(store, graph) or (ItemActs.of_graph(graph), Faces.of_items(graph.n_items))
    acts = replace(acts, elsewhere=elsewhere)
    bursts = find_bursts(acts, faces, explained, fdr)
    held = [burst for burst in bursts if burst.held_back_by is not None][:MOST_LISTED]
    flagged = [burst for burst in bursts if burst.held_back_by is None]
    return tuple(
        _finding(burst, acts, faces, graph, f"burst{n}", fdr) for n, burst in enumerate([*flagged, *held])
    )


def burst_members(findings: Sequence[RingFinding], graph: GraphArrays) -> tuple[Float, Int]:
    """Of every user the surest membership in a flagged finding that is no ring, and its place: 0 and −1 for none.

    Shapes: float64[n_users] in [0, 1], int64[n_users].
    """
    sure, place = np.zeros(graph.n_users), np.full(graph.n_users, -1, np.int64)
    for at, finding in enumerate(findings):
        if finding.kind in JUDGED_KINDS or not finding.flagged:
            continue
        ids = pa.array([member.user_id for member in finding.members], pa.string())
        users = pc.index_in(ids, value_set=graph.user_ids).to_numpy(zero_copy_only=False).astype(np.int64)
        score = np.array([member.score for member in finding.members])
        better = score > sure[users]
        sure[users[better]], place[users[better]] = score[better], at
    return sure, place


def _rated_acts(store: EventStore, graph: GraphArrays) -> tuple[ItemActs, Faces] | None:
    """Acts by item and rating, by the rows of the graph; None in a log without ratings, or a store without events."""
    ratings = read_ratings(store, graph)
    if ratings is None:
        return None
    known, value = ratings.known, ratings.value
    rank = np.where(np.isfinite(value), np.searchsorted(known, value), len(known))
    key, face = np.unique(ratings.item * (len(known) + 1) + rank, return_inverse=True)
    of_face = np.append(known, np.nan)[key % (len(known) + 1)]
    tried = (of_face == known[0]) | (of_face == known[-1])
    acts = ItemActs.of(face, ratings.user, ratings.at_ms, len(key), graph.n_users)
    return acts, Faces(key // (len(known) + 1), of_face, tried)


def _finding(
    burst: Burst, acts: ItemActs, faces: Faces, graph: GraphArrays, ring_id: str, fdr: float
) -> RingFinding:
    held, rating = burst.held_back_by, float(faces.rating[burst.face])
    sure = (1 - burst.q_value) * (1 - min(burst.expected / max(burst.observed, 1), 1.0))
    score = min(sure, MOST_SURE) if held in (None, "score") else HELD_SCORE[held]
    users = [graph.user_ids[int(user)].as_py() for user in burst.behind.user]
    item = graph.item_ids[int(faces.item[burst.face])].as_py()
    numbers = _numbers_of(burst, rating, acts.unit_ms)
    reasons = _reasons(numbers, burst)
    said = numbers | {"score": score, "least_score": least_score(fdr)}
    rules = () if held is None else (Reason(held, rule_words(held, said), numbers=numbers),)
    did = {
        user: (Reason("burst", _what_it_did(int(n)), numbers={"n_acts": int(n)}),)
        for user, n in zip(users, burst.behind.n_acts, strict=True)
    }
    return RingFinding(
        ring_id=ring_id,
        n_users=len(users),
        n_items=1,
        score=six(score),
        p_value=six(burst.p_value),
        q_value=six(burst.q_value),
        flagged=held is None,
        first_seen=iso(acts.origin_ms + burst.behind.first_ms),
        last_seen=iso(acts.origin_ms + burst.behind.last_ms),
        reason=reasons[0].text,
        explanation=Explanation(numbers, reasons, _against(rating), did, held_back=rules),
        members=tuple(RingMember(user, six(score)) for user in users),
        items=(RingItem(item, len(users), six(burst.observed / max(burst.expected, 1e-9))),),
        kind="burst",
    )


def _what_it_did(n_acts: int) -> str:
    often = "once" if n_acts == 1 else f"{n_acts} times"
    return f"acts {often} on this item within the burst and on nothing else in the log"


def _numbers_of(burst: Burst, rating: float, unit_ms: int) -> dict[str, float]:
    """The evidence of a burst by name; what each means is in items.bursts.BURST_NUMBERS."""
    numbers = {
        "throwaway_accounts": float(burst.observed),
        "throwaways_expected": six(burst.expected),
        "throwaway_share": six(burst.observed / max(burst.n_users, 1)),
        "burst_span_s": inclusive_span_s((burst.behind.last_ms - burst.behind.first_ms) / 1000, unit_ms),
        "days_after_first_act": six(burst.age_ms / DAY_MS),
        "acts_outside_burst": float(burst.n_past),
        "company": six(max(burst.company, 0.0)),
    }
    return numbers if np.isnan(rating) else numbers | {"burst_rating": rating}


def _reasons(numbers: Mapping[str, float], burst: Burst) -> tuple[Reason, ...]:
    span = span_in_words(numbers["burst_span_s"])
    expected = two_digits(numbers["throwaways_expected"])
    rated = f", all with the rating {numbers['burst_rating']:g}" if "burst_rating" in numbers else ""
    count = plural(burst.observed, "account")
    first = f"{count} that did nothing else act on one item within {span}{rated}, where {expected} would be expected."
    nats = -float(np.log(max(burst.p_value, 1e-300)))
    out = [Reason("throwaway_burst", first, nats, dict(numbers))]
    if numbers["throwaway_share"] >= 0.9:
        share = percent(numbers["throwaway_share"])
        out.append(
            Reason(
                "throwaway_share",
                f"{share} of all who act on it in that time do nothing else.",
                numbers={"throwaway_share": numbers["throwaway_share"]},
            )
        )
    if burst.held_back_by not in ("opening", "little_known") and numbers["days_after_first_act"] >= 1:
        days = numbers["days_after_first_act"]
        out.append(
            Reason(
                "own_past",
                f"It came {duration_in_words(days * 86_400)} after the item's first act, so the item has a past that "
                f"it is held against.",
                numbers={"days_after_first_act": days},
            )
        )
    return tuple(out)


def _against(rating: float) -> tuple[Reason, ...]:
    """What speaks against a burst whatever it looks like."""
    out = [
        Reason(
            "real_newcomers",
            "Whoever acts once in a log is not false by that: some of these accounts may be real newcomers.",
        )
    ]
    if np.isnan(rating):
        out.append(
            Reason(
                "no_ratings",
                "The log has no ratings, so nobody can see whether these accounts say the same.",
            )
        )
    return tuple(out)
