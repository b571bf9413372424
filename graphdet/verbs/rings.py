"""rings: find, judge and store the rings of a log."""

from pathlib import Path

from graphdet import __version__
from graphdet.casework.memory import Remembered
from graphdet.detect.rings import judge_and_remember
from graphdet.detect.shards import judge_shards, shards_of
from graphdet.graph.encode import read_graph
from graphdet.judge.model import RingJudge
from graphdet.judge.shipped import shipped_judge
from graphdet.learn.digests import MODEL_DIGEST, model_digest
from graphdet.ports import Store
from graphdet.progress import Progress, Silent
from graphdet.rings.find import ring_candidates

SHIPPED_JUDGE = f"of the judge shipped with graphdet {__version__}"


def find_rings(
    store: Store,
    *,
    model_dir: Path | None = None,
    fdr: float = 0.05,
    seed: int = 0,
    shard_acts: int | None = None,
    progress: Progress | None = None,
) -> Remembered:
    """Find the rings of the log in a store with a trained judge, or the one that is shipped, and write them back.

    A log that is too large to be looked at whole is cut into shards in time (see rings.shards), or one of more than
    `shard_acts` acts into shards of so many.

    Rings of earlier runs keep their ids, and decisions of analysts hold (see casework.memory).

    Raises:
        GraphdetError: there is no trained model in `model_dir`.
    """
    progress = progress or Silent()
    judge = RingJudge.load(model_dir) if model_dir is not None else shipped_judge()
    sizes = {} if shard_acts is None else {"most_whole": shard_acts, "shard_acts": shard_acts}
    shards = shards_of(store, **sizes)
    if len(shards) > 1:
        known = judge_shards(store, shards, judge, fdr, seed, progress)
    else:
        graph = read_graph(store, progress)
        _, candidates = ring_candidates(graph, store.bench, seed, progress)
        progress.start("judge and explain")
        _, known = judge_and_remember(store, graph, candidates, judge, fdr)
        progress.done()
    progress.start("write rings")
    store.write_rings(known.rings, known.history)
    store.set_meta(
        MODEL_DIGEST, (model_digest(model_dir) if model_dir is not None else None) or SHIPPED_JUDGE
    )
    progress.done()
    return known
