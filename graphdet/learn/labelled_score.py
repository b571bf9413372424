"""Everything of a kind, scored: by a kept model without learning, or by labels that are learned in the same go."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from graphdet.evaluation.flag_rule import FlagRule
from graphdet.evaluation.splits import SplitPlan
from graphdet.features.label_history import label_history
from graphdet.learn.labelled import aligned, kind_of, labelled_findings
from graphdet.learn.labelled_blocks import default_blocks, named_blocks
from graphdet.learn.labelled_model import KeptModel
from graphdet.learn.labelled_sheets import (
    FeatureBlock,
    event_sheet,
    group_sheet,
    kept_sheet,
    with_blocks,
    without_constant_features,
)
from graphdet.learn.labelled_task import fit_task, make_label_task
from graphdet.logs.labels import Labels
from graphdet.ports import GraphStore
from graphdet.progress import Progress
from graphdet.tables import GraphArrays


def score_kept(
    store: GraphStore,
    kept: KeptModel,
    known: Labels | None,
    *,
    rule: FlagRule,
    blocks: Sequence[FeatureBlock] | None = None,
    progress: Progress,
) -> tuple[pa.Table, list[str]]:
    """Score everything of the model's kind in a store; nothing is written.

    `known` are labels known by now: for label history only, each from a delay after its event on. A row that the model
    learned from is scored by the fold's model that has not seen it.

    Returns KIND_id, score, p_value, flagged, reason, most suspicious first; and warnings.

    Raises:
        InputError: the log has another schema than the one the model was trained on.
        UsageError: the model is of events and the store keeps none.
    """
    progress.start(f"{kept.kind} features")
    used = named_blocks(kept.blocks) if blocks is None else blocks
    sheet = with_blocks(store, kept_sheet(store, kept.kind), used)
    columns = kept.columns_of(sheet)
    warnings = []
    x = sheet.x[:, columns]
    if kept.label_keys:
        y = np.full(len(sheet.ids), -1, np.int8) if known is None else aligned(sheet.ids, known)
        if known is None:
            warnings.append(
                f"the {kept.kind} model looks at which earlier {kept.kind}s are known as fraud, and none are given: "
                "scores miss what labels would tell. Give what is known with --labels"
            )
        keys = {key: sheet.keys[key] for key in kept.label_keys}
        past = label_history(keys, sheet.at_ms, y, kept.delay_ms, np.arange(len(y)), sheet.plain())
        x = np.concatenate([x, past], axis=1)
    fold, is_clean = kept.learned_folds(sheet)
    if kept.texts is not None:
        documents: Sequence[str | None] = (
            [None] * len(sheet.ids) if sheet.texts is None else sheet.texts.documents
        )
        x = np.column_stack([x, kept.texts.margins(documents, fold)]).astype(np.float32)
    progress.done()
    progress.start(f"score {kept.kind}s")
    found = kept.model.score(x, fold, is_clean)
    table = labelled_findings(f"{kept.kind}_id", sheet.ids, found, kept.names, rule)
    progress.done()
    return table, warnings


def score_labelled(
    store: GraphStore,
    graph: GraphArrays,
    users: pa.Table,
    labels: Labels,
    *,
    rule: FlagRule,
    seed: int,
    progress: Progress,
) -> pa.Table:
    """Learn from checked labels and score everything of their kind; nothing is written.

    `users` are the users' scores (schema.SCORE_COLUMNS), learned without these labels; they are features of
    items and sessions. Returns KIND_id, score, p_value, flagged, reason, most suspicious first.

    Raises:
        InputError: the labels of one kind are all of one user.
    """
    kind = kind_of(labels)
    progress.start(f"{kind} features")
    sheet = event_sheet(store) if kind == "event" else group_sheet(store, graph, users, kind)
    sheet = without_constant_features(with_blocks(store, sheet, default_blocks(sheet)))
    progress.done()
    progress.start(f"learn and score {kind}s")
    task = make_label_task(sheet, labels, SplitPlan("none"), seed, False)
    fitted = fit_task(task, seed)
    x = task.scored(np.arange(len(sheet.ids)))
    found = fitted.model.score(x, task.fold, task.y == 0)
    table = labelled_findings(labels.key, sheet.ids, found, task.names, rule)
    progress.done()
    return table
