"""rings: find, judge and store the rings of a log."""

from pathlib import Path

from graphdet import __version__
from graphdet.models.judge import RingJudge
from graphdet.models.shipped import shipped_judge
from graphdet.pipeline.detect import judged_by, read_graph, ring_candidates
from graphdet.pipeline.digests import MODEL_DIGEST, model_digest
from graphdet.pipeline.held_back import held_back, with_counter_evidence, with_doubts
from graphdet.pipeline.memory import Remembered, remember
from graphdet.ports import Progress, Silent, Store
from graphdet.rings.find import Candidates, Judged
from graphdet.rings.ring_tables import tabulate
from graphdet.tables import GraphArrays

SHIPPED = f"of the judge shipped with graphdet {__version__}"


def find_rings(
    store: Store,
    *,
    model_dir: Path | None = None,
    fdr: float = 0.05,
    seed: int = 0,
    progress: Progress | None = None,
) -> Remembered:
    """Find the rings of the log in a store with a trained judge, or the one that is shipped, and write them back.

    Rings of earlier runs keep their ids, and decisions of analysts hold (see pipeline.memory).

    Raises:
        GraphdetError: there is no trained model in `model_dir`.
    """
    progress = progress or Silent()
    judge = RingJudge.load(model_dir) if model_dir is not None else shipped_judge()
    graph = read_graph(store, progress)
    _, candidates = ring_candidates(graph, store.bench, seed, progress)
    progress.start("judge and explain")
    _, known = judge_and_remember(store, graph, candidates, judge, fdr)
    progress.done()
    progress.start("write rings")
    store.write_rings(known.rings, known.history)
    store.set_meta(MODEL_DIGEST, (model_digest(model_dir) if model_dir is not None else None) or SHIPPED)
    progress.done()
    return known


def judge_and_remember(
    store: Store,
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
