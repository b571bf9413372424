"""What the judge would say of rings if some of their acts had not happened.

The log is written again without those acts, the evidence gathered anew and judged. As rings share few members, one
such log serves all rings at once, each without acts of its own.
"""

from collections.abc import Callable, Sequence

import numpy as np

from graphdet.arrays import Float, Int
from graphdet.rings.blocks import MIN_ITEMS, MIN_USERS, Blocks, block_acts, membership
from graphdet.rings.evidence import gather_evidence
from graphdet.rings.evidence_table import judge_inputs
from graphdet.rings.find import Judge, Judged, stands_out
from graphdet.rings.margin import naming_margins
from graphdet.rings.organic import Acts, Organic, organic_of
from graphdet.tables import GraphArrays

NO_RING_LOGIT = -np.inf  # the logit of what is left of a ring that is too small, or too blurred, to be one
MOST_ACTS = 10_000_000  # in a log, beyond which it is not written again
FEW_ACTS = 2_000_000  # up to which a log is written again for each of its rings, all together: seconds


def without_acts(model: Organic, gone: Int) -> Organic:
    """The organic model of a log without the acts of these rows; time slices stay as they were."""
    kept = np.ones(len(model.acts.at_ms), bool)
    kept[gone] = False
    acts = model.acts
    left = Acts(
        acts.user_ix[kept], acts.item_ix[kept], acts.session_ix[kept], acts.at_ms[kept], acts.slice_ix[kept]
    )
    there = organic_of(left, model.n_users, model.n_items)
    _update_grams(there, model, gone)
    return there


def _update_grams(there: Organic, model: Organic, gone: Int) -> None:
    """Put the Gram matrices of `there` in place from those of `model`: only the rows of who lost an act differ."""
    users, items = np.unique(model.acts.user_ix[gone]), np.unique(model.acts.item_ix[gone])
    before, after = (each.user_slices[users].astype(np.float64) for each in (model, there))
    totals = [np.maximum(each.slice_acts.astype(np.float64), 1.0) for each in (model, there)]
    had, has = (
        each.item_slices[items].astype(np.float64) * total
        for each, total in zip((model, there), totals, strict=True)
    )
    counts = model.item_gram * np.outer(totals[0], totals[0]) - had.T @ had + has.T @ has
    # Where a cached property keeps its value.
    there.__dict__["user_gram"] = model.user_gram - before.T @ before + after.T @ after
    there.__dict__["item_gram"] = counts / np.outer(totals[1], totals[1])


def logits_without(
    judged: Judged, rows: Sequence[int], gone: Sequence[Int], model: Organic, graph: GraphArrays, judge: Judge
) -> Float:
    """The logits of rings (rows of judged), each without acts of its own (rows of Organic.acts): float64[len(rows)].

    Members and targets that are left without an act leave the ring; NO_RING_LOGIT where too few are left.
    """
    out = np.full(len(rows), NO_RING_LOGIT)
    everything = np.concatenate([*gone, np.zeros(0, np.int64)]).astype(np.int64)
    there = without_acts(model, everything)
    blocks = judged.blocks.take(np.asarray(rows, np.int64))
    acts = block_acts(blocks, there)
    users, items, kept = [], [], []
    for place in range(len(rows)):
        mine = acts.act[slice(*np.searchsorted(acts.block, [place, place + 1]))]
        its_users, its_items = np.unique(there.acts.user_ix[mine]), np.unique(there.acts.item_ix[mine])
        if len(its_users) >= MIN_USERS and len(its_items) >= MIN_ITEMS:
            users.append(its_users.astype(np.int64))
            items.append(its_items.astype(np.int64))
            kept.append(place)
    if kept:
        left = Blocks(membership(users, model.n_users), membership(items, model.n_items))
        evidence = gather_evidence(left, there, graph, naming_margins(left, there))
        logits = judge(judge_inputs(evidence), judged.fold[np.asarray(rows, np.int64)[kept]])
        out[kept] = np.where(stands_out(evidence), logits, NO_RING_LOGIT)
    return out


def logit_drops(
    judged: Judged, row: int, natural: dict[str, float], groups: Sequence[Sequence[str]], judge: Judge
) -> Float:
    """How much the logit of a ring falls when the evidence of each group is set to `natural`: float64[len(groups)]."""
    mine = {name: float(values[row]) for name, values in judged.evidence.items()}
    worlds = [mine, *(mine | {name: natural[name] for name in group} for group in groups)]
    columns = {name: np.array([world[name] for world in worlds]) for name in mine}
    logits = judge(judge_inputs(columns), np.full(len(worlds), judged.fold[row]))
    return np.asarray(logits[0] - logits[1:])


def fewest_members(
    judged: Judged,
    rows: Sequence[int],
    order: Sequence[Sequence[Int]],
    model: Organic,
    graph: GraphArrays,
    judge: Judge,
) -> tuple[Int, Float]:
    """How many members, taken in this order, must not have acted on the targets for a ring not to be flagged any more.

    order: per ring, per member, the rows of its acts. Found by halving, for all rings at once, as if each further
    member brought the logit down; int64[len(rows)] in 1 … members, and the logit that is left, float64[len(rows)].
    What is taken from one ring is gone for the others too: that is one log to make instead of many. In a large log it
    moves a logit by hundredths; in a small one by more, so there each ring's number is set right by itself
    (FEW_ACTS).
    """
    low = np.zeros(len(rows), np.int64)
    high = np.array([len(members) for members in order], np.int64)
    left = np.full(len(rows), NO_RING_LOGIT)
    while (high - low > 1).any():
        middle = (low + high) // 2
        gone = [
            np.concatenate([*members[:n], np.zeros(0, np.int64)])
            for members, n in zip(order, middle, strict=True)
        ]
        logits = logits_without(judged, rows, gone, model, graph, judge)
        below = (logits < judged.threshold) & (middle > low)
        left = np.where(below, logits, left)
        high = np.where(below, middle, high)
        low = np.where(below, low, middle)
    if len(model.acts.at_ms) * len(rows) <= FEW_ACTS:
        for place, (row, members) in enumerate(zip(rows, order, strict=True)):

            def alone(n: int, row: int = row, members: Sequence[Int] = members) -> float:
                gone = [np.concatenate(members[:n])]
                return float(logits_without(judged, [row], gone, model, graph, judge)[0])

            high[place], left[place] = _set_right(int(high[place]), len(members), alone, judged.threshold)
    return high, left


def _set_right(n: int, most: int, logit: Callable[[int], float], threshold: float) -> tuple[int, float]:
    """The number next to n from which on the logit is below the threshold, at most `most`; and the logit there."""
    left = logit(n)
    while left >= threshold and n < most:
        n += 1
        left = logit(n)
    while n > 1 and (fewer := logit(n - 1)) < threshold:
        n, left = n - 1, fewer
    return n, left
