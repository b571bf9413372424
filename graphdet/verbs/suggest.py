"""suggest: the accounts whose verdict would teach most, from the scores and rings that a store holds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphdet.casework.decisions import standing_of
from graphdet.casework.labels import verdict_labels
from graphdet.errors import GraphdetError, UsageError
from graphdet.features.behaviour import user_behaviour
from graphdet.graph.encode import read_graph
from graphdet.lab.suggest import suggestions_of
from graphdet.logs.score_files import read_label_rows
from graphdet.ports import CaseworkStore
from graphdet.progress import Progress, Silent
from graphdet.reports.csv_tables import CsvForm, write_csv

SUGGESTION_COLUMNS = ("user_id", "label", "score", "ring_id", "doubt", "stands_for", "reason")


@dataclass(frozen=True)
class Suggestions:
    """Who to ask about, the most telling first (SUGGESTION_COLUMNS, `label` to be filled in), and facts for people."""

    table: pa.Table
    threshold: float
    n_known: int
    n_users: int


def suggest_users(
    store: CaseworkStore,
    n: int,
    *,
    labels: Path | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> Suggestions:
    """Choose up to n users whose verdict would teach most; writes them to `out`, a labels file to be filled in.

    Users with a verdict, and those that `labels` names, are known: they are not asked about, and speak for users like
    them. The store must hold scores.

    Raises:
        UsageError: n is below 1, or the store has no scores.
        InputError: the labels cannot be used.
        GraphdetError: `out` cannot be written.
    """
    if n < 1:
        raise UsageError(f"--n must be at least 1, not {n}")
    progress = progress or Silent()
    scores = store.scores()
    if not scores.num_rows:
        raise UsageError(f"{store.url} holds no scores; run graphdet score or graphdet run first")
    known_ids = set(verdict_labels(standing_of(store)).label)
    if labels is not None:
        known_ids |= set(read_label_rows(labels, "user_id").table["user_id"].to_pylist())
    graph = read_graph(store, progress)
    own = user_behaviour(graph, store.bench, progress)
    place = pc.index_in(
        graph.user_ids, value_set=scores["user_id"].combine_chunks().cast(graph.user_ids.type)
    )
    if place.null_count:
        raise GraphdetError(
            f"{store.url} has {place.null_count} users without a score: the log grew since; run graphdet score again"
        )
    scores = scores.take(place)
    progress.start("choose whom to ask about")
    ids = graph.user_ids.to_pylist()
    known = np.fromiter((name in known_ids for name in ids), bool, len(ids))
    table, threshold = suggestions_of(scores, own, known, n)
    progress.done()
    if out is not None:
        write_csv(out, table, SUGGESTION_COLUMNS, form=CsvForm.to_fill_in)
    return Suggestions(table, threshold, int(known.sum()), len(ids))
