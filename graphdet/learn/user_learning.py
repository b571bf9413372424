"""Learning from labels of users: networks, trees and their fusion, from many labels, few, or frauds alone.

* Many: the network and the trees learn the labels. What is used, fusion, trees or network, is what ranks best out of
  fold; the fusion, unless another one is better beyond doubt.
* Few (below FEW frauds): the network learns planted campaigns with the labelled users as further examples, the trees
  the labels, and the fusion starts from the zero-shot score and moves away from it as labels allow.
* Frauds alone: everybody else is unlabelled. How many frauds hide among them is estimated, as many that look most like
  the known ones are not learned from, the rest stands for clean, and the fusion is fitted for that share of frauds.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.errors import InputError
from graphdet.evaluation.compare import Costs, Resampling, ScoredRows, difference, measure_scores
from graphdet.evaluation.fold_models import coarser_folds
from graphdet.features.behaviour import behaviour
from graphdet.gnn.folds import user_folds
from graphdet.gnn.heterodata import graph_in_pyg
from graphdet.gnn.network import TrainedGnn
from graphdet.gnn.pyg import HeteroData
from graphdet.gnn.training import train_gnn
from graphdet.judge.model import RingJudge
from graphdet.learn.models import Models
from graphdet.learn.ring_lessons import PlantedTask
from graphdet.learn.train_settings import Training
from graphdet.learn.user_examples import (
    FEW,
    LEAST_FRAUDS,
    Unlabelled,
    UserLabels,
    facts_of,
    finer,
    hidden_frauds,
)
from graphdet.learn.user_labels import NOTHING, Task, with_examples
from graphdet.learn.user_trees import UserColumns, UserTrees, fit_user_trees, user_columns
from graphdet.ports import GraphStore
from graphdet.progress import Progress
from graphdet.rings.company import company
from graphdet.rings.find import Candidates, judge_rings, ring_candidates
from graphdet.rings.membership import user_membership
from graphdet.scores.fused import TREES_PART, ZERO_SHOT, Fusion, ScoreParts
from graphdet.scores.labelled_fusion import Evidence, cross_fitted, fit_labelled_fusion
from graphdet.scores.unsupervised import Clusters, Density
from graphdet.tables import GraphArrays
from graphdet.words import plural

N_COMPARISON_DRAWS = 300
LEARNERS_OF_USERS: dict[str, tuple[str, ...]] = {"fusion": (), "trees": (TREES_PART,), "gnn": ("gnn",)}


@dataclass(frozen=True)
class Log:
    """A log as all learners see it.

    Shapes: users float64[n_users, d], items float64[n_items, k]; company float64[n_users, 4], see rings.company.
    """

    graph: GraphArrays
    users: Float
    items: Float
    candidates: Candidates
    columns: UserColumns
    data: HeteroData
    company: Float


def read_training_log(store: GraphStore, graph: GraphArrays, seed: int, progress: Progress) -> Log:
    """Candidates, features, graph and columns of trees; of the store only texts are read."""
    windows, candidates = ring_candidates(graph, store.bench, seed, progress)
    users, items = behaviour(graph, store.bench, progress)
    data = graph_in_pyg(graph, users, items, windows, progress)
    progress.start("neighbours of users")
    columns = user_columns(store, graph, windows, users)
    progress.done()
    return Log(graph, users, items, candidates, columns, data, company(graph, windows))


def learn_users(
    store: GraphStore,
    graph: GraphArrays,
    task: Task,
    planted: PlantedTask | None,
    judge: RingJudge,
    training: Training,
    path: str,
) -> tuple[Models, dict[str, Any]]:
    """Learn from labels of users.

    Args:
        store: of it only texts are read.
        graph: of the log.
        task: the labels, on the log itself.
        planted: the log with planted campaigns; None where it is too small for them.
        judge: of rings.
        training: how.
        path: of the labels, for messages.

    Returns the models, and facts for people: what was chosen, figures out of fold, warnings.

    Raises:
        InputError: too few labels to learn from.
    """
    labels = UserLabels(task.y, task.campaign)
    few = planted is not None and labels.n_fraud < FEW
    if planted is None:
        _check_enough(labels, path)
    seed, progress, n_folds = training.seed, training.progress, training.settings.gnn.n_folds
    log = read_training_log(store, graph, seed, progress)
    unlabelled: Unlabelled | None = None
    y = labels.y
    if labels.frauds_alone:
        progress.start("frauds among the unlabelled")
        unlabelled = hidden_frauds(log.columns, labels, training.settings, seed)
        y = unlabelled.y
        progress.done()
    facts = facts_of(labels, unlabelled, few)
    if few:
        assert planted is not None  # for the type checker
        left_out = unlabelled.left_out if unlabelled is not None else np.zeros(len(y), bool)
        base = learn_beside_planted(store, log, planted, judge, labels, left_out, training)
    else:
        base = learn_labels(log, judge, replace(labels, y=y), training)
    if few and labels.n_fraud < LEAST_FRAUDS:
        return base.models(judge, None, base.zero_shot), facts | {"chosen": "zero-shot"}
    progress.start("trees and fusion")
    fold = finer(base.fold, y, labels.group, n_folds, seed)
    trees, out_of_fold = fit_user_trees(log.columns, y, fold, labels.y, training.settings.trees, seed)
    parts = replace(base.parts, trees=out_of_fold)
    evidence = _evidence(labels, unlabelled)
    fusion, measured = choose(
        parts, evidence, labels, coarser_folds(fold, n_folds), base.zero_shot, few, seed
    )
    progress.done()
    return base.models(judge, trees, fusion), facts | measured | {"trees_lean_on": trees.strongest()}


def _check_enough(labels: UserLabels, path: str) -> None:
    """Check that labels alone, without planted campaigns, are enough to learn from."""
    if labels.n_fraud < LEAST_FRAUDS:
        raise InputError(
            f"{path}: only {plural(labels.n_fraud, 'user')} of the log labelled fraud (1), and no campaigns can be "
            f"planted into so small a log: learning needs {LEAST_FRAUDS} frauds. Label more users"
        )


def _evidence(labels: UserLabels, unlabelled: Unlabelled | None) -> Evidence:
    """What the fusion is fitted to: the labels, or frauds among all users with the share that was estimated."""
    if unlabelled is None:
        return Evidence(labels.y)
    return Evidence((labels.y == 1).astype(np.int8), unlabelled.share)


@dataclass(frozen=True)
class Base:
    """What trees and fusion stand on. parts: of the log, labelled users out of fold; fold int64[n_users] likewise.

    zero_shot: the fusion without labels, where planted campaigns were learned.
    """

    gnn: TrainedGnn
    density: Density
    clusters: Clusters
    parts: ScoreParts
    fold: NDArray[np.int64]
    zero_shot: Fusion | None

    def models(self, judge: RingJudge, trees: UserTrees | None, fusion: Fusion | None) -> Models:
        """The models with a fusion."""
        assert fusion is not None  # for the type checker
        return Models(judge, self.gnn, self.density, self.clusters, fusion, trees)


def learn_examples(
    data: HeteroData, users: Float, ring: Float, labels: UserLabels, training: Training
) -> tuple[TrainedGnn, Density, Clusters, ScoreParts]:
    """Train the network on labels, fit what is normal among users not labelled fraud, and score all out of fold.

    Shapes: users float64[n_users, d], behaviour; ring float64[n_users], probability of being in a ring.

    Raises:
        InputError: there are too few labels for the folds.
    """
    training.progress.start("train the GNN")
    gnn = train_gnn(
        data, labels.y, labels.group, training.settings.gnn, seed=training.seed, device=training.device
    )
    training.progress.done()
    own = users[labels.y != 1] if (labels.y != 1).sum() > 1 else users
    density, clusters = Density.fit(own), Clusters.fit(own, training.seed)
    parts = ScoreParts(gnn.out_of_fold, clusters.score(users), density.score(users), ring)
    return gnn, density, clusters, parts


def learn_planted(
    store: GraphStore,
    task: Task,
    planted: PlantedTask,
    training: Training,
) -> tuple[TrainedGnn, Density, Clusters, ScoreParts]:
    """Learn planted campaigns, and examples of the log's own users among them (task); parts are of the planted log.

    Raises:
        InputError: there are too few examples for the folds.
    """
    users, items = behaviour(task.graph, store.bench, training.progress)
    data = graph_in_pyg(task.graph, users, items, planted.windows, training.progress)
    ring = _ring_membership(planted.candidates, planted.judge)
    gnn, density, clusters, parts = learn_examples(
        data, users, ring, UserLabels(task.y, task.campaign), training
    )
    return gnn, density, clusters, replace(parts, company=company(task.graph, planted.windows))


def learn_labels(log: Log, judge: RingJudge, labels: UserLabels, training: Training) -> Base:
    """Learn labels alone.

    Raises:
        InputError: there are too few for the folds.
    """
    ring = _ring_membership(log.candidates, judge)
    parts = learn_examples(log.data, log.users, ring, labels, training)
    fold = user_folds(labels.y, labels.group, training.settings.gnn.n_folds, training.seed)
    return Base(*parts, fold, None)


def learn_beside_planted(
    store: GraphStore,
    log: Log,
    planted: PlantedTask,
    judge: RingJudge,
    labels: UserLabels,
    left_out: NDArray[np.bool_],
    training: Training,
) -> Base:
    """Learn planted campaigns with the labels as further examples, and the fusion of planted campaigns alone.

    left_out: bool[n_users], users without a label that are not learned from.

    Raises:
        InputError: there are too few examples for the folds.
    """
    # Whoever is unlabelled is taken to be clean here, as all of the log is without labels.
    example = np.where(labels.y >= 0, labels.y, NOTHING).astype(np.int8)
    example[left_out] = -1
    task = with_examples(planted.task, planted.source_user, example, labels.group)
    gnn, density, clusters, copy = learn_planted(store, task, planted, training)
    source = planted.source_user
    labelled = np.append(labels.y >= 0, False)[source]  # row −1, the planted accounts, is not
    zero_shot = Fusion.fit(copy, np.where(labelled & (planted.task.campaign < 0), -1, task.y))
    held = user_folds(task.y, task.campaign, training.settings.gnn.n_folds, training.seed)
    fold = np.zeros(log.graph.n_users, np.int64)
    fold[source[source >= 0]] = held[source >= 0]
    parts = ScoreParts(
        gnn.predict(log.data, training.device, np.where(labels.y >= 0, fold, -1)),
        clusters.score(log.users),
        density.score(log.users),
        _ring_membership(log.candidates, judge),
        company=log.company,
    )
    return Base(gnn, density, clusters, parts, fold, zero_shot)


def choose(
    parts: ScoreParts,
    evidence: Evidence,
    labels: UserLabels,
    fold: NDArray[np.int64],
    zero_shot: Fusion | None,
    few: bool,
    seed: int,
) -> tuple[Fusion, dict[str, Any]]:
    """The fusion to use: of all parts, or of trees or network alone where that ranks better beyond doubt.

    Judged are users that evidence speaks of, by weights fitted without their fold, with intervals over whole groups. Of
    few labels the fusion is taken unasked: a choice among so few would be a draw.
    """
    rows = np.flatnonzero(evidence.y >= 0)
    target = (evidence.y[rows] == 1).astype(np.int8)
    group = np.where(labels.group[rows] >= 0, labels.group[rows], len(labels.y) + rows)
    learners = LEARNERS_OF_USERS | ({"fusion": (TREES_PART, ZERO_SHOT)} if few else {})
    scores = {
        name: cross_fitted(parts, evidence, fold, used, zero_shot if name == "fusion" else None)[rows]
        for name, used in learners.items()
    }
    if zero_shot is not None:
        scores["zero-shot"] = zero_shot.score(parts)[rows]
    found = measure_scores(
        [ScoredRows(score, np.zeros(len(score), bool)) for score in scores.values()],
        target, group, [], Costs(), Resampling(N_COMPARISON_DRAWS, seed),
    )  # fmt: skip
    measured = dict(zip(scores, found, strict=True))
    figures = {
        name: {"average_precision": _three(one, "auprc"), "auroc": _three(one, "auroc")}
        for name, one in measured.items()
    }
    chosen = "fusion"
    if not few:
        for name in ("trees", "gnn"):
            _, between, _ = difference(measured[chosen], measured[name], "auprc")
            if between is not None and between[0] > 0:
                chosen = name
    fusion = fit_labelled_fusion(parts, evidence, learners[chosen], zero_shot)
    return fusion, {"chosen": chosen, "out_of_fold": figures}


def _three(measured: Any, name: str) -> list[float | None]:
    """A figure and its interval, as JSON."""
    low, high = measured.interval[name] or (None, None)
    return [None if value is None else round(float(value), 4) for value in (measured.value[name], low, high)]


def _ring_membership(candidates: Candidates, judge: RingJudge) -> Float:
    """The probability of being in a ring, float64[n_users]."""
    ring, _ = user_membership(judge_rings(candidates, judge.logits, 0.05), candidates.model)
    return ring
