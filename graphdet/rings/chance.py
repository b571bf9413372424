"""What chance makes of a log: in one that is too small to judge itself, a flag has to be above it."""

import math
from dataclasses import replace

import numpy as np

from graphdet.features.pairs import find_pairs
from graphdet.progress import Silent
from graphdet.rings.find import Judge, Judged, find_candidates, stands_out
from graphdet.tables import GraphArrays
from graphdet.workbench import Workbench

# Shuffling takes nineteen times as long as finding candidates once. In nine real logs, from 18,000 edges on, no group
# of a shuffled log stood out at all (docs/laboratory/rings.md, 50).
MOST_EDGES = 100_000


def beyond_chance(judged: Judged, graph: GraphArrays, bench: Workbench, judge: Judge, fdr: float) -> Judged:
    """Take the flag from groups that chance makes as strong in this log.

    In a log with many ordinary groups their own tail says what is natural here. In a smaller one the judge decides, who
    has learned from other logs. The margin of a group may not rule chance out (see margin.py), or most accounts may be
    in it, so that hardly anybody is left to compare it with. Where such a group is flagged, the log is shuffled
    ⌈1 / fdr⌉ − 1 times (see `shuffled`), and the group has to be stronger than the strongest of all shuffled logs. Then
    such a group is flagged in a log of pure chance with a probability of at most fdr (a permutation test by the
    maximum, Westfall and Young 1993). A log of more than `MOST_EDGES` is not shuffled.
    """
    nobody_left = judged.evidence["n_users"] > graph.n_users / 2
    explained = judged.apart & ((judged.evidence["margin_nats"] <= 0) | nobody_left)
    if judged.by_tail or graph.n_edges > MOST_EDGES or not (explained & judged.flagged).any():
        return judged
    strongest = float(judged.logit[explained & judged.flagged].max())
    by_chance = -math.inf
    for seed in range(math.ceil(1 / fdr - 1e-9) - 1):
        by_chance = max(by_chance, _strongest(shuffled(graph, seed), bench, judge))
        if by_chance >= strongest:
            break
    made_by_chance = explained & (judged.logit <= by_chance)
    return replace(
        judged,
        made_by_chance=made_by_chance,
        flagged=judged.flagged & ~made_by_chance,
        level=np.where(made_by_chance, math.inf, judged.level),
    )


def shuffled(graph: GraphArrays, seed: int) -> GraphArrays:
    """The same log with its items dealt out anew: every account keeps its acts and their times, every item its acts."""
    items = np.random.default_rng(seed).permutation(graph.item_ix)
    order = np.lexsort((graph.action_ix, graph.session_ix, items, graph.at_ms, graph.user_ix))
    return replace(
        graph,
        user_ix=graph.user_ix[order],
        item_ix=items[order],
        session_ix=graph.session_ix[order],
        action_ix=graph.action_ix[order],
        at_ms=graph.at_ms[order],
        n=graph.n[order],
        amount=graph.amount[order] if len(graph.amount) else graph.amount,
    )


def _strongest(graph: GraphArrays, bench: Workbench, judge: Judge) -> float:
    """The largest logit among the groups of a log that stand out; −∞ where none does."""
    candidates = find_candidates(graph, find_pairs(graph, bench, Silent()), 0)
    logits = judge(candidates.inputs, candidates.fold)
    return float(logits[stands_out(candidates.evidence)].max(initial=-math.inf))
