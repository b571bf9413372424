"""score with a kept model: everything of a kind in this log or a new one, without learning anything."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from graphdet.features.label_history import label_history
from graphdet.logs.labels import Labels
from graphdet.pipeline.labelled import aligned, findings
from graphdet.pipeline.labelled_model import KeptModel
from graphdet.pipeline.labelled_sheets import FeatureBlock, kept_sheet, with_blocks
from graphdet.ports import Progress, Store


def score_kept(
    store: Store,
    kept: KeptModel,
    known: Labels | None,
    *,
    fdr: float,
    review: int | None,
    blocks: Sequence[FeatureBlock] = (),
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
    sheet = with_blocks(store, kept_sheet(store, kept.kind), blocks)
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
    progress.done()
    progress.start(f"score {kept.kind}s")
    fold, is_clean = kept.learned_folds(sheet)
    found = kept.model.score(x, fold, is_clean)
    table = findings(f"{kept.kind}_id", sheet.ids, found, kept.names, fdr, review)
    progress.done()
    return table, warnings
