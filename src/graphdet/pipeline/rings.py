"""rings: find, judge and store the rings of a log."""

from dataclasses import replace
from pathlib import Path

from graphdet import __version__
from graphdet.models.judge import RingJudge
from graphdet.models.shipped import shipped_judge
from graphdet.pipeline.detect import read_graph, ring_candidates
from graphdet.pipeline.digests import MODEL_DIGEST, model_digest
from graphdet.pipeline.memory import Remembered, remember
from graphdet.ports import Progress, Silent, Store
from graphdet.reports.words import plural
from graphdet.rings.evidence import judge_inputs
from graphdet.rings.find import Candidates, Judged, judge_rings
from graphdet.rings.ring_tables import tabulate
from graphdet.tables import GraphArrays, RingTables

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
    judged, tables = judge_and_tabulate(candidates, graph, judge, fdr)
    progress.done()
    strange = like_nothing_planted(candidates, judge, fdr)
    known = with_doubts(remember(store, tables), judged, strange, shipped=model_dir is None)
    progress.start("write rings")
    store.write_rings(known.rings, known.history)
    store.set_meta(MODEL_DIGEST, (model_digest(model_dir) if model_dir is not None else None) or SHIPPED)
    progress.done()
    return known


def with_doubts(known: Remembered, judged: Judged, strange: int, *, shipped: bool) -> Remembered:
    """Add what people should know of groups that a judge would flag, but does not know well enough.

    strange: how many of them are like nothing it learned from.
    """
    if strange:
        line = (
            f"{plural(strange, 'group')} would be flagged, but {'is' if strange == 1 else 'are'} like no campaign that "
            f"was planted into this log for the judge to learn from, so it has no opinion: read them before you "
            f"trust or dismiss them."
        )
        known = replace(known, said=(*known.said, line))
    if not judged.overruled:
        return known
    remedy = (
        "train one on this log: graphdet train --model DIR, then graphdet rings --model DIR"
        if shipped
        else "they are leads to look at, not findings, and vouch for none of their members"
    )
    line = (
        f"{plural(judged.overruled, 'group')} would be flagged, but to this judge too many ordinary groups of the log "
        f"look nearly as strong; {remedy}."
    )
    return replace(known, said=(*known.said, line))


def like_nothing_planted(candidates: Candidates, judge: RingJudge, fdr: float) -> int:
    """How many groups a judge would flag if it guessed where it has seen no campaign like them."""
    if judge.known is None:
        return 0
    guessed = judge_rings(candidates, replace(judge, known=None).logits, fdr)
    held_back = judge.logits(judge_inputs(guessed.evidence), guessed.fold) < guessed.logit
    return int((guessed.flagged & held_back).sum())


def judge_and_tabulate(
    candidates: Candidates, graph: GraphArrays, judge: RingJudge, fdr: float
) -> tuple[Judged, RingTables]:
    """Judge candidates; the judged rings and their tables."""
    judged = judge_rings(candidates, judge.logits, fdr)
    return judged, tabulate(judged, candidates.model, graph, judge.logits)
