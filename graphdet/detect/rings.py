"""Judge the candidates of a log and remember the rings of earlier runs."""

import numpy as np
from numpy.typing import NDArray

from graphdet.casework.memory import Remembered, remember
from graphdet.detect.bursts import burst_findings
from graphdet.detect.held_back import with_doubts, with_rules
from graphdet.detect.pairs import pair_findings
from graphdet.detect.payments import payment_findings
from graphdet.judge.model import RingJudge
from graphdet.ports import CaseworkStore
from graphdet.rings.chance import beyond_chance
from graphdet.rings.find import LEAST_SCORE, Candidates, Judged, judge_rings, stands_out
from graphdet.rings.why.findings import ring_findings
from graphdet.tables import GraphArrays


def judge_and_remember(
    store: CaseworkStore,
    graph: GraphArrays,
    candidates: Candidates,
    judge: RingJudge,
    fdr: float,
) -> tuple[Judged, Remembered]:
    """Judge candidates and find bursts on single items, pairs in lockstep and forms of payments; with
    all doubts.

    Returns all judged rings, and the findings under their lasting ids: the listed rings, then all others.
    """
    judged = judge_rings(candidates, judge.logits, fdr)
    judged = beyond_chance(judged, graph, store.bench, judge.logits, fdr)
    findings = ring_findings(judged, candidates.model, graph, judge.logits)
    findings = with_rules(findings, judged, fdr)
    bursts = burst_findings(store, graph, coordinated(judged, candidates), fdr)
    payments = payment_findings(store, graph, fdr)
    accused = np.zeros(graph.n_users, bool)
    accused[judged.flagged_users.indices] = True
    pairs = pair_findings(graph, accused, fdr)
    found = (*findings, *bursts, *pairs, *payments)
    return judged, with_doubts(remember(store, found), judged, fdr)


def coordinated(judged: Judged, candidates: Candidates) -> NDArray[np.bool_]:
    """Accounts that are no part of an ordinary crowd, bool[n_users].

    They are in a likely ring, or in a candidate that stands out from the crowd, whatever the judge says of it.
    """
    out = np.zeros(candidates.model.n_users, bool)
    out[judged.blocks.users[judged.score >= LEAST_SCORE].indices] = True
    out[candidates.blocks.users[stands_out(candidates.evidence)].indices] = True
    return out
