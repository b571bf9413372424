"""Scores of all users and rings of an encoded graph, by trained models."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import logit

from graphdet import schema
from graphdet.arrays import Float
from graphdet.casework.memory import Remembered, settle_scores
from graphdet.detect.bursts import burst_members
from graphdet.detect.payments import payment_evidence
from graphdet.detect.rings import judge_and_remember
from graphdet.evaluation.calibration import posterior_q_values
from graphdet.evaluation.flag_rule import FlagRule
from graphdet.evaluation.fold_models import coarser_folds
from graphdet.evaluation.rounding import six_digits
from graphdet.evaluation.tails import tail_p_values
from graphdet.features.behaviour import behaviour, user_behaviour
from graphdet.features.ratings import read_ratings
from graphdet.learn.models import Models
from graphdet.learn.user_trees import UserColumns, user_columns
from graphdet.ports import CaseworkStore, GraphStore
from graphdet.progress import Progress
from graphdet.rings.blocks import entry_rows
from graphdet.rings.company import company
from graphdet.rings.find import LEAST_SCORE, Candidates, Judged
from graphdet.rings.finding import RingFinding
from graphdet.rings.membership import SURE_MEMBER, listed_rings, member_strength, user_membership
from graphdet.rings.why.findings import member_texts
from graphdet.scores.fused import Fusion, ScoreParts, user_reasons
from graphdet.tables import GraphArrays, PairArrays

if TYPE_CHECKING:
    from graphdet.gnn.pyg import HeteroData

KEPT_QUIET = "Not flagged, though it would be: in {ring}, {why}."

MOST_SUSPICIOUS_FIRST = [("score", "descending"), ("p_value", "ascending"), ("user_id", "ascending")]


@dataclass(frozen=True)
class ScoringSettings:
    """How users are scored.

    rule: who is flagged. device: where the networks run, "auto", "cpu" or "cuda". explained: whether the evidence of
    flagged rings also says what the network sees in their members.
    """

    rule: FlagRule = field(default_factory=FlagRule)
    device: str = "auto"
    explained: bool = False


def score_graph(
    store: CaseworkStore,
    graph: GraphArrays,
    windows: list[PairArrays],
    candidates: Candidates,
    models: Models,
    settings: ScoringSettings,
    progress: Progress,
) -> tuple[pa.Table, Remembered]:
    """Score users and rings of an encoded graph; of the store only the audit log is written (see memory.remember).

    A user's score is a probability, and below .01 an order (see scores/fused.py). Its q_value is the expected share of
    ordinary users among all that score at least as high, its p_value how often an ordinary user of this log would.
    Flagged are users with q_value at most the rule's fdr and a score of at least one half, and sure members of flagged
    rings; with its `review`, the so many that score highest. Members of a ring that is kept quiet or, without labels,
    not flagged are flagged only for what is left without that ring; then lists and verdicts are applied.

    Returns the scores (schema.SCORE_COLUMNS, most suspicious first), and the rings with what is remembered of them.

    Raises:
        GraphdetError: the models are not of such a log.
    """
    every, known = judge_and_remember(store, graph, candidates, models.judge, settings.rule.fdr)
    judged = every.standing  # a lead that does not stand out vouches for nobody
    users = user_behaviour(graph, store.bench, progress)
    data = _seen_by_network(store, graph, windows, progress) if models.gnn is not None else None
    progress.start("score users")
    columns = user_columns(store, graph, windows, users) if models.trees is not None else None
    parts, ring_row = parts_of(models, judged, candidates, windows, users, data, columns, settings.device)
    burst, burst_at = burst_members(known.findings, graph)
    parts = with_evidence_of_log(replace(parts, burst=burst), store, graph, known.findings)
    if settings.explained and models.gnn is not None and not models.gnn.hears_partners and data is not None:
        progress.done()
        progress.start("explain rings")
        known = replace(known, findings=_told_by_network(known.findings, models, data, graph))
    value = models.fusion.score(parts)
    p_value = tail_p_values(logit(value))
    q_value = posterior_q_values(value)
    listed = listed_rings(every).tolist()
    # The listed rings come first, all others after them.
    ring_ids = {row: finding.ring_id for row, finding in zip(listed, known.findings, strict=False)}
    quiet = np.array([ring_ids.get(row) in known.quiet for row in range(len(judged.score))], bool)
    flagged, muted_by = Flags(settings.rule, judged, candidates).settled(
        models.fusion, parts, value, q_value, ring_row, quiet
    )
    if settings.rule.review is None:
        flagged |= burst >= SURE_MEMBER
    ring_of = [ring_ids.get(row) for row in ring_row.tolist()]
    for user in np.flatnonzero(burst > parts.ring).tolist():
        ring_of[user] = known.findings[burst_at[user]].ring_id
    reasons = _reasons(graph, known, models.fusion, parts, ring_of, flagged)
    muted = np.flatnonzero(muted_by >= 0).tolist()
    for user in muted:
        ring_id = ring_ids[int(muted_by[user])]
        reasons[user] = f"{KEPT_QUIET.format(ring=ring_id, why=known.quiet[ring_id])} {reasons[user]}"
    if muted:
        known = replace(known, counts=known.counts | {"members_of_quiet_rings": len(muted)})
    of_scores = {
        "user_id": graph.user_ids,
        "flagged": flagged,
        "ring_id": pa.array(ring_of, pa.string()),
        "reason": reasons,
        **_figures(parts, value, p_value, q_value),
    }
    if models.gnn is None:
        of_scores["gnn"] = pa.nulls(graph.n_users, pa.float64())
    table = pa.table({name: of_scores[name] for name in schema.SCORE_COLUMNS})
    progress.done()
    return settle_scores(table.sort_by(MOST_SUSPICIOUS_FIRST), known)


def _seen_by_network(
    store: GraphStore, graph: GraphArrays, windows: list[PairArrays], progress: Progress
) -> "HeteroData":
    """What the network sees; torch is loaded where there is a network and not before."""
    from graphdet.gnn.heterodata import graph_in_pyg

    users, items = behaviour(graph, store.bench, progress)
    return graph_in_pyg(graph, users, items, windows, progress)


def _told_by_network(
    findings: tuple[RingFinding, ...], models: Models, data: "HeteroData", graph: GraphArrays
) -> tuple[RingFinding, ...]:
    """The findings, with what the network sees in their members where there is one."""
    from graphdet.gnn.explain import GnnExplainer
    from graphdet.gnn.words import with_gnn

    return findings if models.gnn is None else with_gnn(findings, GnnExplainer(models.gnn, data), graph)


def with_evidence_of_log(
    parts: ScoreParts, store: GraphStore, graph: GraphArrays, findings: Sequence[RingFinding]
) -> ScoreParts:
    """The parts with those that only some logs have: payments and opinions."""
    ratings = read_ratings(store, graph)
    opinions = None if ratings is None else ratings.distance(graph.n_users)
    return replace(parts, payments=payment_evidence(store, graph, findings), opinions=opinions)


def _figures(parts: ScoreParts, value: Float, p_value: Float, q_value: Float) -> dict[str, Float]:
    """The columns of schema.SCORE_COLUMNS that are figures, with six digits; of the parts those that are shown."""
    figures = {
        "score": value,
        "p_value": p_value,
        "q_value": q_value,
        "gnn": 1 / (1 + np.exp(-np.clip(parts.gnn, -30, 30))),
        "cluster_distance": parts.cluster_distance,
        "probability": parts.probability,
    }
    return {name: six_digits(values) for name, values in figures.items()}


def _reasons(
    graph: GraphArrays,
    known: Remembered,
    fusion: Fusion,
    parts: ScoreParts,
    ring_id: list[str | None],
    flagged: NDArray[np.bool_],
) -> list[str]:
    """Why each user has its score, in words, with what a member of a listed ring did in it.

    ring_id: of each user's ring among those that are listed, None for no ring.
    """
    size_of = {finding.ring_id: finding.n_users for finding in known.findings}
    size = np.array([size_of.get(str(ring), 0) for ring in ring_id], np.int64)
    texts = member_texts(known.findings)
    of_members = {
        user: texts.get((ring, graph.user_ids[user].as_py()), [])
        for user, ring in enumerate(ring_id)
        if ring is not None
    }
    return user_reasons(parts, fusion.strongest_part(parts), ring_id, size, flagged, of_members)


def parts_of(
    models: Models,
    judged: Judged,
    candidates: Candidates,
    windows: list[PairArrays],
    users: Float,
    data: "HeteroData | None",
    columns: UserColumns | None,
    device: str,
) -> tuple[ScoreParts, NDArray[np.int64]]:
    """What is fused, and the row of each user's ring (−1: none), int64[n_users].

    users: behaviour features. data: None where there is no network. columns: what trees see, where the models have any;
    users whose labels were learned are then judged by the models that have not seen them.
    """
    ring, ring_row = user_membership(judged, candidates.model)
    fold: NDArray[np.int64] | None = None
    trees: Float | None = None
    if models.trees is not None and columns is not None and models.gnn is not None:
        # The folds of trees are parts of those of the networks.
        fold = coarser_folds(models.trees.fold_of(columns.ids), len(models.gnn.members))
        trees = models.trees.logits(columns)
    gnn = np.zeros(len(users))
    if models.gnn is not None and data is not None:
        gnn = models.gnn.predict(data, device, fold)
    beside = company(candidates.graph, windows)
    clusters, density = models.clusters.score(users), models.density.score(users)
    return ScoreParts(gnn, clusters, density, ring, trees, beside), ring_row


@dataclass(frozen=True)
class Flags:
    """How users are flagged: by q-value and score, and as sure members of flagged rings, or the `review` highest."""

    rule: FlagRule
    judged: Judged
    candidates: Candidates

    def of(
        self, value: NDArray[np.float64], q_value: NDArray[np.float64], rings: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Who is flagged, bool[n_users]; `rings`, bool[n_rings], are those whose sure members are."""
        if self.rule.review is not None:
            return _top(value, self.rule.review)
        return likely(value, q_value, self.rule.fdr) | self._sure_members(rings)

    def settled(
        self,
        fusion: Fusion,
        parts: ScoreParts,
        value: NDArray[np.float64],
        q_value: NDArray[np.float64],
        ring_row: NDArray[np.int64],
        quiet: NDArray[np.bool_],
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Who is flagged though some rings are kept quiet (bool[n_rings]) and others are not flagged themselves.

        Without labels a ring that is not flagged vouches for nobody: its members are flagged for what is left
        without it. What the network sees in members of a quiet ring is mostly that ring, so it does not count either.
        Returns bool[n_users], and for users who would be flagged but for a quiet ring that ring's row, else −1.
        """
        would = self.of(value, q_value, self.judged.flagged)
        by_rings = self.rule.review is None and not fusion.labelled
        held = quiet | ~self.judged.flagged if by_rings else quiet
        if not held.any():
            return would, np.full(len(value), -1, np.int64)
        without = np.where(np.append(held, False)[ring_row], 0.0, parts.ring)
        hushed = np.append(quiet, False)[ring_row] & (not fusion.labelled)
        gnn = np.where(hushed, np.minimum(parts.gnn, np.median(parts.gnn)), parts.gnn)
        rest = fusion.score(replace(parts, ring=without, gnn=gnn))
        left = self.of(rest, posterior_q_values(rest), self.judged.flagged & ~quiet)
        # Nobody else loses a flag because sure members of a quiet ring do not vouch for them any more.
        flagged = left if self.rule.review is not None else would & (left | (self._ring_among(held) < 0))
        return flagged, np.where(would & ~flagged, self._ring_among(quiet), -1)

    def _ring_among(self, rings: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Row of the strongest of these rings (bool[n_rings]) that each user is in, −1 for none: int64[n_users]."""
        users = self.judged.blocks.users
        at = entry_rows(users)
        mine = np.flatnonzero(rings[at])[::-1]  # of several the strongest
        out = np.full(self.candidates.model.n_users, -1, np.int64)
        out[users.indices[mine]] = at[mine]
        return out

    def _sure_members(self, rings: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Users who are surely members of one of these rings, bool[n_users]."""
        users = self.judged.blocks.users
        at = entry_rows(users)
        strength = member_strength(self.judged, self.candidates.model)
        out = np.zeros(self.candidates.model.n_users, bool)
        out[users.indices[rings[at] & (strength >= SURE_MEMBER)]] = True
        return out


def likely(value: NDArray[np.float64], q_value: NDArray[np.float64], fdr: float) -> NDArray[np.bool_]:
    """Users who are flagged for their own score, bool[n_users].

    A q-value is a mean: by it alone the sure ones would vouch for somebody who is more likely ordinary than not.
    """
    return np.asarray((q_value <= fdr) & (value >= LEAST_SCORE))


def _top(value: NDArray[np.float64], n: int) -> NDArray[np.bool_]:
    """The n most suspicious users, bool[n_users]."""
    out = np.zeros(len(value), bool)
    out[np.lexsort((np.arange(len(value)), -value))[:n]] = True
    return out
