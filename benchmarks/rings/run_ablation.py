"""What each part of the ring judge is worth: rings found in planted logs when the part is left out.

    python -m benchmarks.rings.run_ablation DATA [--logs trivago taobao …] [--seeds 1 2 …]

Candidates are made once per log; the shipped judge is trained again without some of its inputs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from benchmarks.rings.left_out import Row, rows_without
from benchmarks.rings.planted import Truth
from benchmarks.rings.scoring import matches
from graphdet.arrays import Float
from graphdet.judge.shipped import shipped_lessons
from graphdet.judge.training import train_ring_judge
from graphdet.progress import Silent
from graphdet.rings.evidence_table import INPUTS, JUDGE_DIRECTION
from graphdet.rings.find import Candidates, judge_rings, ring_candidates
from graphdet.tables import GraphArrays
from graphdet.workbench import Workbench

TIME = ("spread", "session_share", "recurrence")
TASTE = ("halo_lift",)
CROWD = ("sharpness", "exclusivity", "recurrence")
SIZE = ("n_users", "n_items")
LEFT_OUT: dict[str, Sequence[str]] = {
    "time": TIME,
    "recurrence": ("recurrence",),
    "taste": TASTE,
    "crowd": CROWD,
    "overdispersion": ("overdispersion",),
    "margin": ("margin_nats",),
    "sizes": SIZE,
    "focus": ("focus",),
    "fading": ("fading_nats",),
    "unlikeness": ("unlikeness",),
    "duration": ("duration_days",),
    "all but margin and density": tuple(name for name in INPUTS if name not in ("margin_nats", "density")),
}


Judge = Callable[[Float, NDArray[np.int64]], Float]


def trained(left_out: Sequence[str], seed: int) -> Judge:
    """A judge taught by the shipped lessons without some inputs."""
    lessons = shipped_lessons()
    kept = [place for place, name in enumerate(INPUTS) if name not in left_out]
    narrow = replace(lessons, inputs=lessons.inputs[:, kept])
    judge = train_ring_judge(narrow, [JUDGE_DIRECTION[place] for place in kept], seed)
    return lambda inputs, fold: judge.logits(inputs[:, kept], fold)


def outcome(candidates: Candidates, truth: Truth, judge: Judge) -> dict[str, float]:
    """Flagged, right, found and the average precision of the ranking, over the campaigns planted."""
    judged = judge_rings(candidates, judge, 0.05).standing
    rings = [judged.blocks.members(row).astype(np.int64) for row in range(len(judged.blocks))]
    match = matches(rings, truth)
    right = match[judged.flagged]
    listed = len(np.unique(match[match >= 0]))
    precision = float(average_precision_score(match >= 0, judged.logit)) if listed else 0.0
    return {
        "flagged": int(judged.flagged.sum()),
        "right": int((right >= 0).sum()),
        "found": len(np.unique(right[right >= 0])),
        "planted": len(truth.levels),
        "average_precision": precision * listed / len(truth.levels),
    }


def table(rows: list[Row]) -> None:
    """Print sums over logs and seeds, a line per part left out."""
    print(f"\n{'without':36}{'flagged':>9}{'right':>7}{'found':>9}{'F1':>6}{'AP':>7}")
    for name in dict.fromkeys(str(row["without"]) for row in rows):
        its = [row for row in rows if row["without"] == name]
        flagged, right, found, planted = (
            sum(float(r[key]) for r in its) for key in ("flagged", "right", "found", "planted")
        )
        precision, recall = right / max(flagged, 1), found / planted
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        mean = np.mean([float(row["average_precision"]) for row in its])
        print(f"{name:36}{flagged:9.0f}{right:7.0f}{f'{found:.0f}/{planted:.0f}':>9}{f1:6.2f}{mean:7.3f}")


def of_log(graph: GraphArrays, truth: Truth, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Figures of a planted log without each part."""
    with Workbench.in_memory() as bench:
        _, candidates = ring_candidates(graph, bench, seed, Silent())
    for without, names in {"nothing": (), **LEFT_OUT}.items():
        yield without, outcome(candidates, truth, trained(names, seed))


if __name__ == "__main__":
    table(rows_without(__doc__, "ring_ablation", of_log))
