"""score: one calibrated score per user, written back to the store."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import logit

from graphdet.errors import UsageError
from graphdet.evaluation.log_tail import tail_p_values
from graphdet.evaluation.posterior import posterior_q_values
from graphdet.logs.labels import read_labels
from graphdet.pipeline.detect import read_graph, ring_candidates
from graphdet.pipeline.digests import MODEL_DIGEST, model_digest
from graphdet.pipeline.labelled import check_against, kind_of, score_labelled
from graphdet.pipeline.models import Models, load_models
from graphdet.pipeline.rounding import six_digits
from graphdet.pipeline.users import behaviour, graph_in_pyg
from graphdet.ports import Progress, Silent, Store
from graphdet.rings.find import Candidates, Judged, judge_rings
from graphdet.rings.ring_tables import listed, member_strength, ring_ids, tabulate, user_membership
from graphdet.scores.fused import Parts
from graphdet.scores.user_reasons import user_reasons
from graphdet.tables import GraphArrays, PairArrays, RingTables

SURE_MEMBER = 0.5  # membership from which a member of a flagged ring is a suspect


def score(
    store: Store,
    model_dir: Path,
    *,
    labels: Path | None = None,
    fdr: float = 0.05,
    review: int | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> pa.Table:
    """Score every user with a trained model; returns schema.SCORE_COLUMNS, most suspicious first.

    Labels of items, sessions or events are learned on top, and everything of their kind gets a score too, in
    the store. Without labels such scores of an earlier time are removed: they were of another state.

    Raises:
        GraphdetError: there is no trained model in `model_dir`.
        UsageError: the labels are of users, which `train` learns; or of events, and the store keeps none.
        InputError: the labels cannot be used.
    """
    progress = progress or Silent()
    given = read_labels(labels) if labels is not None else None
    if given is not None and kind_of(given) == "user":
        raise UsageError(
            f"{labels}: labels of users train the models; give them to `graphdet train --labels`"
        )
    models = load_models(model_dir)
    if given is not None:
        given, _ = check_against(store, given)
    graph = read_graph(store, progress)
    windows, candidates = ring_candidates(graph, store.bench, seed, progress)
    scores, _ = score_graph(store, graph, windows, candidates, models, fdr, review, device, progress)
    found: dict[str, pa.Table] = {}
    if given is not None:
        found[kind_of(given)] = score_labelled(
            store, graph, scores, given, fdr=fdr, review=review, seed=seed, progress=progress
        )
    progress.start("write scores")
    store.write_scores(scores)
    store.write_labelled(found)
    store.set_meta(MODEL_DIGEST, model_digest(model_dir) or "")
    progress.done()
    return scores


def score_graph(
    store: Store,
    graph: GraphArrays,
    windows: list[PairArrays],
    candidates: Candidates,
    models: Models,
    fdr: float,
    review: int | None,
    device: str,
    progress: Progress,
) -> tuple[pa.Table, RingTables]:
    """Score users and rings of an encoded graph; nothing is written.

    A user's score is a probability (see scores/fused.py), its q_value the expected share of ordinary users among all
    that score at least as high, its p_value how often an ordinary user of this log would. Flagged are users with
    q_value at most fdr and sure members of flagged rings; with `review`, the so many that score highest.
    """
    judged = judge_rings(candidates, models.judge.logits, fdr)
    users, items = behaviour(graph, store.bench, progress)
    data = graph_in_pyg(graph, users, items, windows, progress)
    progress.start("score users")
    ring, ring_row = user_membership(judged, candidates.model)
    parts = Parts(
        models.gnn.predict(data, device), models.clusters.score(users), models.density.score(users), ring
    )
    value = models.fusion.score(parts)
    logits = logit(value)
    p_value = tail_p_values(logits)
    q_value = posterior_q_values(value)
    rows = listed(judged)
    name = dict(zip(rows.tolist(), ring_ids(len(rows)), strict=True))
    ring_id = [name.get(row) for row in ring_row.tolist()]
    # One more for the users of no ring (row −1), who are all there is when no block was found.
    size = np.append(np.diff(judged.blocks.users.indptr), 0)[ring_row]
    sure = _sure_members(judged, candidates, graph.n_users)
    flagged = (q_value <= fdr) | sure if review is None else _top(value, review)
    reasons = user_reasons(parts, models.fusion.strongest_part(parts), ring_id, size, flagged)
    table = pa.table(
        {
            "user_id": graph.user_ids,
            "score": six_digits(value),
            "p_value": six_digits(p_value),
            "q_value": six_digits(q_value),
            "flagged": flagged,
            "ring_id": pa.array(ring_id, pa.string()),
            "gnn": six_digits(1 / (1 + np.exp(-np.clip(parts.gnn, -30, 30)))),
            "cluster_distance": six_digits(parts.cluster_distance),
            "probability": six_digits(parts.probability),
            "reason": reasons,
        }
    )
    progress.done()
    order = [("score", "descending"), ("p_value", "ascending"), ("user_id", "ascending")]
    return table.sort_by(order), tabulate(judged, candidates.model, graph)


def _sure_members(judged: Judged, candidates: Candidates, n_users: int) -> NDArray[np.bool_]:
    """Users who are surely members of a flagged ring, bool[n_users]."""
    users = judged.blocks.users
    at = np.repeat(np.arange(users.shape[0]), np.diff(users.indptr))
    strength = member_strength(judged, candidates.model)
    out = np.zeros(n_users, bool)
    out[users.indices[judged.flagged[at] & (strength >= SURE_MEMBER)]] = True
    return out


def _top(value: NDArray[np.float64], n: int) -> NDArray[np.bool_]:
    """The n most suspicious users, bool[n_users]."""
    out = np.zeros(len(value), bool)
    out[np.lexsort((np.arange(len(value)), -value))[:n]] = True
    return out
