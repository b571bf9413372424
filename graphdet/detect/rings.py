"""Judge the candidates of a log and remember the rings of earlier runs."""

from graphdet.casework.memory import Remembered, remember
from graphdet.detect.held_back import held_back, with_counter_evidence, with_doubts
from graphdet.judge.model import RingJudge, judged_by
from graphdet.ports import CaseworkStore
from graphdet.rings.find import Candidates, Judged
from graphdet.rings.why.tables import tabulate
from graphdet.tables import GraphArrays


def judge_and_remember(
    store: CaseworkStore,
    graph: GraphArrays,
    candidates: Candidates,
    judge: RingJudge,
    fdr: float,
) -> tuple[Judged, Remembered]:
    """Judge candidates; the judged rings, and those to be told of under their ids of earlier runs, with all doubts."""
    judged = judged_by(judge, candidates, fdr)
    held = held_back(candidates, judged, judge, fdr)
    tables = with_counter_evidence(tabulate(judged, candidates.model, graph, judge.logits), judged, held)
    return judged, with_doubts(remember(store, tables), judged, held, fdr)
