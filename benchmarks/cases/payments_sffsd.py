"""S-FFSD: labels of payments, random 60/40 as published, and in time.

    python -m benchmarks.cases.payments_sffsd [--seeds 5] [--peer-seeds 5] [--validate] [--figures DIR]

Two thirds of the payments have no label; they are events all the same, and count in every history. Time is a serial
number in this log, taken as seconds, so a delay means nothing in the random split (0); in
time it is a thousand payments.
Published graphs tie a payment to later ones too, and hear their labels. A row of its own, "both sides of time", sees
the log forwards and backwards in the random split: to be compared with those, of no use for a payment just come in.
`--validate` splits the training part of seed 0 once more and never looks at the test part.
"""

import argparse
import csv
from dataclasses import dataclass, replace
from pathlib import Path

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from benchmarks.cases.common import (
    DATA,
    SEEDS,
    graphdet_learner,
    labels_of,
    learned_outcome,
    run_peers,
    store_of,
    summary,
    tell,
)
from benchmarks.cases.node_figures import Table
from graphdet.evaluation.splits import TEST, SplitPlan
from graphdet.features.events import event_attributes, event_features
from graphdet.features.label_history import label_feature_names, label_history
from graphdet.learn.labelled_sheets import Sheet, event_sheet
from graphdet.learn.labelled_task import LabelTask, make_label_task
from graphdet.ports import Store

LOG = DATA / "sffsd" / "transactions.csv"
RANDOM = SplitPlan("random", delay_ms=0, test_share=0.4)
TEMPORAL = SplitPlan("temporal", delay_ms=1_000_000, test_share=0.4)
PAST = {"history + known labels": True, "history": False}
BOTH = "both sides of time"


@dataclass(frozen=True, kw_only=True)
class BothSides(LabelTask):
    """A task whose rows also see what comes after them: the history of the log read backwards."""

    back: Sheet

    @classmethod
    def of(cls, task: LabelTask, back: Sheet) -> "BothSides":
        """The same split with more features."""
        return cls(**{name: getattr(task, name) for name in LabelTask.__dataclass_fields__}, back=back)

    def _joined(self, rows: NDArray[np.int64], visible: NDArray[np.int8]) -> NDArray[np.float32]:
        back = self.back
        after = label_history(back.keys, back.at_ms, visible, self.delay_ms, rows, back.plain())
        return np.concatenate([super()._joined(rows, visible), back.x[rows], after], axis=1)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, those of the way back with a prefix."""
        later = (*self.back.names, *label_feature_names(list(self.back.keys)))
        return (*super().names, *(f"later {name}" for name in later))


def backwards(store: Store, sheet: Sheet) -> Sheet:
    """The sheet of the log read from its end."""
    events, last = store.events(), int(sheet.at_ms.max())
    turned = events.with_columns((last - nw.col("at_ms")).alias("at_ms"))
    found = event_features(turned, store.entities(), event_attributes(events))
    assert found.event_id.equals(sheet.ids)
    return replace(sheet, x=found.x, names=found.names, at_ms=found.at_ms, keys=found.keys)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seeds", type=int, default=len(SEEDS))
    words.add_argument("--peer-seeds", type=int, default=len(SEEDS))
    words.add_argument("--validate", action="store_true")
    words.add_argument("--figures", type=Path, help="folder for SVG pictures")
    given = words.parse_args()
    with LOG.open(encoding="utf-8", newline="") as file:
        label = {
            str(ix): int(row["Labels"]) for ix, row in enumerate(csv.DictReader(file)) if row["Labels"] != "2"
        }
    with store_of(LOG, "sffsd") as store:
        sheet = event_sheet(store)
        back = backwards(store, sheet)
    if given.validate:
        outer = make_label_task(sheet, labels_of("event_id", label), RANDOM, 0, False)
        held = {
            name
            for name, part in zip(sheet.ids.to_pylist(), outer.part.tolist(), strict=True)
            if part == TEST
        }
        label = {name: value for name, value in label.items() if name not in held}
    labels, drawn = labels_of("event_id", label), Table("payments-sffsd")
    for plan in (RANDOM, TEMPORAL):
        found: dict[str, list[dict[str, float]]] = {}
        about = {"case": "payments, S-FFSD", "split": plan.kind, "validation": given.validate}
        for seed in SEEDS[: given.seeds]:
            for features, with_labels in PAST.items():
                task, outcome = graphdet_learner(sheet, labels, plan, seed, with_labels)
                one = tell(task, outcome, drawn, method="graphdet", features=features, seed=seed, **about)
                found.setdefault(features, []).append(one)
            if plan is RANDOM:
                both = BothSides.of(make_label_task(sheet, labels, plan, seed, True), back)
                one = tell(
                    both,
                    learned_outcome(both, seed),
                    drawn,
                    method="graphdet",
                    features=BOTH,
                    seed=seed,
                    **about,
                )
                found.setdefault(BOTH, []).append(one)
            if seed < given.peer_seeds and not given.validate:
                run_peers(task, seed, drawn, **about)
            drawn.close(seed)
        for features, rows in found.items():
            summary(rows, method="graphdet", features=features, **about)
    if given.figures:
        drawn.draw(given.figures, {plan.kind: "auprc" for plan in (RANDOM, TEMPORAL)})


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
