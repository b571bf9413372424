"""What each part of an account's score is worth: accounts of planted campaigns found when the part is left out.

    python -m benchmarks.rings.run_parts DATA [--logs trivago taobao …] [--seeds 1 2 …]

Each planted log is seen as a user's: judge, network and behaviour scorers learn from campaigns planted into a copy of
it. They are trained once; the fusion is fitted again without the part. One JSON line per log, seed and part, and a
table at the end.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from benchmarks.rings.as_trained import trained
from benchmarks.rings.left_out import Row, rows_without
from benchmarks.rings.planted import Truth
from graphdet.detect.score import likely, parts_of
from graphdet.evaluation.calibration import posterior_q_values
from graphdet.features.behaviour import behaviour
from graphdet.gnn.heterodata import graph_in_pyg
from graphdet.ports import Store
from graphdet.progress import Silent
from graphdet.rings.find import judge_rings, ring_candidates
from graphdet.scores.fused import BASIC, Fusion, ScoreParts
from graphdet.store import open_store
from graphdet.tables import GraphArrays

FDR = 0.05
ALONE = ("gnn", "cluster_distance", "probability")
LEFT_OUT: dict[str, Sequence[str]] = {
    "nothing": (),
    **{name: (name,) for name in BASIC},
    "all but the rings": ALONE,
    **{f"all but {name}": tuple(other for other in BASIC if other != name) for name in ALONE},
}


def without(parts: ScoreParts, left_out: Sequence[str]) -> ScoreParts:
    """Parts of which some say the same of everybody."""
    return replace(parts, **{name: np.zeros(len(parts.gnn)) for name in left_out})


def learned(graph: GraphArrays, store: Store, seed: int) -> tuple[ScoreParts, NDArray[np.int8], ScoreParts]:
    """What the parts say of the planted copy, out of fold, what is true there, and what they say of the log itself."""
    found = trained(graph, store, seed)
    windows, candidates = ring_candidates(graph, store.bench, seed, Silent())
    users, items = behaviour(graph, store.bench, Silent())
    data = graph_in_pyg(graph, users, items, windows, Silent())
    judged = judge_rings(candidates, found.models.judge.logits, FDR)
    return found.copy, found.y, parts_of(found.models, judged, candidates, users, data, None, "cpu")[0]


def outcome(
    copy: ScoreParts, y: NDArray[np.int8], seen: ScoreParts, truth: Truth, left_out: Sequence[str]
) -> dict[str, float]:
    """How planted accounts rank, and how many of those flagged by q-value and score are planted."""
    fusion = Fusion.fit(without(copy, left_out), y)
    score = fusion.score(without(seen, left_out))
    guilty = truth.campaign_of_user >= 0
    flagged = likely(score, posterior_q_values(score), FDR)
    return {
        "user_auprc": round(float(average_precision_score(guilty, score)), 4),
        "flagged": int(flagged.sum()),
        "right": int((flagged & guilty).sum()),
        "planted": int(guilty.sum()),
    }


def table(rows: list[Row]) -> None:
    """Print means and sums over logs and seeds, a line per part left out."""
    print(f"\n{'without':28}{'AUPRC':>7}{'flagged':>9}{'right':>7}{'planted':>9}")
    for name in LEFT_OUT:
        its = [row for row in rows if row["without"] == name]
        flagged, right, planted = (
            sum(int(row[key]) for row in its) for key in ("flagged", "right", "planted")
        )
        mean = np.mean([float(row["user_auprc"]) for row in its])
        print(f"{name:28}{mean:7.3f}{flagged:9}{right:7}{planted:9}")


def of_log(graph: GraphArrays, truth: Truth, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Figures of a planted log without each part."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_store(f"duckdb:///{folder}/bench.duckdb")) as store,
    ):
        said = learned(graph, store, seed)
    for part, left_out in LEFT_OUT.items():
        yield part, outcome(*said, truth, left_out)


if __name__ == "__main__":
    table(rows_without(__doc__, "parts", of_log))
