"""Labels of items, sessions or events: checked against the log, and findings from what they teach.

`run` and `score --labels` learn and score in one go (learn/labelled_score.py); `train --labels` keeps what it
learned: see learn/labelled_train.py and docs/decisions/0010.
"""

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.errors import InputError
from graphdet.evaluation.rounding import six_digits
from graphdet.evaluation.tails import benjamini_hochberg
from graphdet.logs.labels import LABEL, Labels, check_labels
from graphdet.ports import GraphStore
from graphdet.scores.labelled import LabelledScores, labelled_reasons

LEAST_LABELS = 10  # labels of a kind: fewer give no fold two, and no p-value below 1 / 11


def kind_of(labels: Labels) -> str:
    """What the labels name: "user", "item", "session" or "event"."""
    return labels.key.removesuffix("_id")


def check_against(store: GraphStore, labels: Labels) -> tuple[Labels, list[str]]:
    """Check labels of items, sessions or events against the log of a store.

    Returns the labels of known ids, and warnings.

    Raises:
        InputError: none is known, all are equal, or there are too few of a kind.
        UsageError: the labels are of events and the store keeps none.
    """
    kind = kind_of(labels)
    frame = {"item": store.items, "session": store.sessions, "event": store.events}[kind]()
    ids = frame.group_by(labels.key).agg(nw.len().alias("n")).collect("pyarrow").to_native()
    labels, warnings = check_labels(labels, ids[labels.key])
    twice = ids.filter(pc.greater(ids["n"], 1))[labels.key]
    ambiguous = pc.is_in(labels.table[labels.key], value_set=pa.chunked_array(twice).cast(pa.string()))
    n = int(pc.sum(ambiguous).as_py() or 0)
    if n:
        warnings.append(
            f"{labels.path}: {n} labels name a {labels.key} that several {kind}s of the log have and are left "
            f"out; map a column with one id per {kind}"
        )
        kept = labels.table.filter(pc.invert(ambiguous))
        labels = Labels(labels.key, kept, labels.unknown, labels.path)
    _check_enough(labels)
    return labels, warnings


def _check_enough(labels: Labels) -> None:
    for value, word in ((1, "fraud (1)"), (0, "clean (0)")):
        n = int(pc.sum(pc.equal(labels.table[LABEL], value)).as_py() or 0)
        if n < LEAST_LABELS:
            raise InputError(
                f"{labels.path}: only {n} {kind_of(labels)}s of the log are labelled {word}; learning needs "
                f"{LEAST_LABELS} of each. Label more, or run without labels"
            )


def labelled_findings(
    key: str, ids: pa.Array, found: LabelledScores, names: tuple[str, ...], fdr: float, review: int | None
) -> pa.Table:
    """KIND_id, score, p_value, flagged, reason, most suspicious first; flagged at a rate, or the `review` highest."""
    score, p_value = six_digits(found.score), six_digits(found.p_value)
    order = np.lexsort((np.arange(len(score)), p_value, -score))
    flagged = np.zeros(len(score), bool)
    if review is None:
        flagged[:] = benjamini_hochberg(p_value) <= fdr
    else:
        flagged[order[:review]] = True
    table = pa.table(
        {
            key: ids,
            "score": score,
            "p_value": p_value,
            "flagged": flagged,
            "reason": labelled_reasons(found, names, flagged),
        }
    )
    return table.take(pa.array(order))


def aligned(ids: pa.Array, labels: Labels) -> NDArray[np.int8]:
    """The label of each id, int8[n]; −1 where there is none."""
    place = pc.index_in(ids, value_set=labels.table[labels.key].combine_chunks().cast(ids.type))
    known = pc.fill_null(place, -1).to_numpy(zero_copy_only=False)
    value = np.append(labels.table[LABEL].to_numpy(), -1)
    return np.asarray(value[known], np.int8)
