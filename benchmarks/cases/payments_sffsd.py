"""S-FFSD: labels of payments, random 60/40 as published, and in time.

    python benchmarks/cases/payments_sffsd.py [--seeds 5] [--peer-seeds 5] [--validate]

Two thirds of the payments have no label; they are events all the same, and count in every history. Time is a serial
number in this log, taken as seconds, so a delay means nothing in the random split (0); in
time it is a thousand payments.
`--validate` splits the training part of seed 0 once more and never looks at the test part.
"""

import argparse
import csv

import numpy as np

from common import DATA, SEEDS, graphdet_learner, labels_of, run_peers, store_of, summary, tell
from graphdet.evaluation.splits import TEST, SplitPlan
from graphdet.pipeline.labelled_sheets import event_sheet
from graphdet.pipeline.labelled_train import label_task

LOG = DATA / "sffsd" / "transactions.csv"
RANDOM = SplitPlan("random", delay_ms=0, test_share=0.4)
TEMPORAL = SplitPlan("temporal", delay_ms=1_000_000, test_share=0.4)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seeds", type=int, default=len(SEEDS))
    words.add_argument("--peer-seeds", type=int, default=len(SEEDS))
    words.add_argument("--validate", action="store_true")
    given = words.parse_args()
    with LOG.open(encoding="utf-8", newline="") as file:
        label = {
            str(ix): int(row["Labels"]) for ix, row in enumerate(csv.DictReader(file)) if row["Labels"] != "2"
        }
    with store_of(LOG, "sffsd") as store:
        sheet = event_sheet(store)
    if given.validate:
        outer = label_task(sheet, labels_of("event_id", label), RANDOM, 0, False)
        held = {
            name
            for name, part in zip(sheet.ids.to_pylist(), outer.part.tolist(), strict=True)
            if part == TEST
        }
        label = {name: value for name, value in label.items() if name not in held}
    labels = labels_of("event_id", label)
    for plan in (RANDOM, TEMPORAL):
        found: dict[bool, list[dict[str, float]]] = {True: [], False: []}
        about = {"case": "payments, S-FFSD", "split": plan.kind, "validation": given.validate}
        for seed in SEEDS[: given.seeds]:
            for with_labels, past in found.items():
                task, outcome = graphdet_learner(sheet, labels, plan, seed, with_labels)
                features = "history + known labels" if with_labels else "history"
                past.append(tell(task, outcome, method="graphdet", features=features, seed=seed, **about))
            if seed < given.peer_seeds and not given.validate:
                run_peers(task, seed, **about)
        for with_labels, past in found.items():
            features = "history + known labels" if with_labels else "history"
            summary(past, method="graphdet", features=features, **about)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
