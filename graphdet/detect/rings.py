"""Judge the candidates of a log and remember the rings of earlier runs."""

from graphdet.casework.memory import Remembered, remember
from graphdet.detect.held_back import held_back, with_doubts, with_rules
from graphdet.judge.model import RingJudge, judged_by
from graphdet.ports import CaseworkStore
from graphdet.rings.find import Candidates, Judged
from graphdet.rings.why.findings import ring_findings
from graphdet.tables import GraphArrays


def judge_and_remember(
    store: CaseworkStore,
    graph: GraphArrays,
    candidates: Candidates,
    judge: RingJudge,
    fdr: float,
) -> tuple[Judged, Remembered]:
    """Judge candidates; returns all judged rings, and the listed ones under their lasting ids, with all doubts."""
    judged = judged_by(judge, candidates, fdr)
    held = held_back(candidates, judged, judge, fdr)
    findings = ring_findings(judged, candidates.model, graph, judge.logits)
    findings = with_rules(findings, judged, held, fdr)
    return judged, with_doubts(remember(store, findings), judged, held, fdr)
