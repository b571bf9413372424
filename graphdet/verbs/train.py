"""train: learn from a log what coordination looks like in it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphdet.casework.labels import VerdictLabels
from graphdet.errors import NotEnoughData
from graphdet.evaluation.splits import SplitPlan
from graphdet.features.behaviour import user_behaviour
from graphdet.graph.encode import read_graph
from graphdet.judge.model import RingJudge
from graphdet.lab.models import write_card
from graphdet.learn.insufficient import size_of
from graphdet.learn.labelled import kind_of
from graphdet.learn.labelled_train import LabelledTraining, train_labelled
from graphdet.learn.models import Models
from graphdet.learn.train_settings import Training, TrainSettings
from graphdet.learn.user_labels import given_labels, user_label_task, with_verdicts
from graphdet.logs.labels import Labels
from graphdet.ports import CaseworkStore
from graphdet.progress import Progress, Silent
from graphdet.scores.fused import Fusion
from graphdet.tables import GraphArrays

LEAST_FOR_RARITY = 20  # from which ordinary users have a tail, see evaluation.tails


@dataclass(frozen=True)
class TrainRequest:
    """What to learn from, and how.

    labels: as read from a file; None learns planted campaigns alone. plan: how labels of items, sessions or events are
    split into what is learned from and what measures. settings: of networks and trees. device: "auto", "cpu" or "cuda".
    """

    labels: Labels | None = None
    plan: SplitPlan = field(default_factory=SplitPlan)
    settings: TrainSettings = field(default_factory=TrainSettings)
    seed: int = 0
    device: str = "auto"


def train(
    store: CaseworkStore,
    model_dir: Path,
    request: TrainRequest | None = None,
    progress: Progress | None = None,
    graph: GraphArrays | None = None,
) -> dict[str, Any]:
    """Train the ring judge, the GNN, the behaviour scorers and their fusion, and save them.

    Campaigns are planted into a copy of the log, and the models learn to tell them from the rest. With
    labels of users, GNN, trees and fusion learn those instead, or both where labels are few (see user_learning); the
    ring judge always learns from planted campaigns, and where the log is too small for them, labels do without rings,
    with a warning.
    Labels of items, sessions or events train only a model of their own, which stands beside these in the folder (see
    labelled_train).
    Verdicts in the store are labels of users too (see casework.labels): beside those of a file, or beside the planted
    campaigns. What they contradict is left out of both, with a warning.

    graph: that of the store, where it is read already.

    Returns facts for people: how many of what, the weights of the fusion, and with labels of users which of fusion,
    trees and network was chosen, with the figures of each out of fold.

    Raises:
        NotEnoughData: the log is too small to learn from without labels.
        InputError: the labels cannot be used.
    """
    request = request or TrainRequest()
    labels, settings, seed = request.labels, request.settings, request.seed
    training = Training(settings, seed, request.device, progress or Silent())
    if labels is not None and kind_of(labels) != "user":
        how = LabelledTraining(request.plan, settings=settings.trees, seed=seed)
        facts = train_labelled(store, labels, model_dir, how, training.progress)
        write_card(store, model_dir, labels, {"seed": seed, **settings.changed("trees")}, facts)
        return facts
    graph = graph if graph is not None else read_graph(store, training.progress)
    models, facts = _train_users(store, graph, labels, training)
    training.progress.start("keep the models")
    models.save(model_dir)
    training.progress.done()
    of_trees = settings.changed("trees") if models.trees is not None else {}
    write_card(store, model_dir, labels, {"seed": seed, **settings.changed("gnn"), **of_trees}, facts)
    return facts


def without_training(
    store: CaseworkStore,
    graph: GraphArrays,
    model_dir: Path,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Keep a model with which a log is scored untrained: nothing is planted, and there is no network.

    Rings are judged by the judge that comes with graphdet; bursts, payments, rarity, distance and company need no
    learning. graph: that of the store. Returns facts for people, as train does.

    Raises:
        NotEnoughData: among fewer than LEAST_FOR_RARITY users nobody can say what is rare.
        GraphdetError: the model cannot be written.
    """
    progress = progress or Silent()
    if graph.n_users < LEAST_FOR_RARITY:
        raise NotEnoughData(
            f"{size_of(graph)} are too little to tell what is rare (that takes {LEAST_FOR_RARITY} users); use a larger "
            "log"
        )
    users = user_behaviour(graph, store.bench, progress)
    Models.untrained(users, seed).save(model_dir)
    facts = {"learned_from": "nothing of this log", "warnings": []}
    write_card(store, model_dir, None, {"seed": seed}, facts)
    return facts


def _train_users(
    store: CaseworkStore, graph: GraphArrays, labels: Labels | None, training: Training
) -> tuple[Models, dict[str, Any]]:
    """The models of rings and users, and facts for people; labels: of users, None without."""
    from graphdet.learn.ring_lessons import PlantedTask, plant_and_judge  # with torch
    from graphdet.learn.user_learning import learn_planted, learn_users

    read = given_labels(store, labels, frauds_alone=True)
    given, verdicts, warnings = read.labels, read.verdicts, read.warnings
    planted: PlantedTask | None = None
    judge, facts = RingJudge.blind(), {"campaigns": 0, "campaigns_found_as_candidates": 0}
    try:
        planted = plant_and_judge(graph, store.bench, training.seed, training.progress)
        judge, facts = planted.judge, planted.facts
    except NotEnoughData as error:
        if given is None:
            raise
        warnings.append(f"rings are not judged, accounts only by their labels: {error}")
    if given is not None:
        task = user_label_task(graph, given, verdicts)
        models, learned = learn_users(store, graph, task, planted, judge, training, given.path)
        warnings += learned.pop("label_warnings")
    else:
        assert planted is not None  # for the type checker: without labels the error went on
        task = with_verdicts(planted.task, planted.source_user, graph, verdicts)
        gnn, density, clusters, parts = learn_planted(store, task, planted, training)
        models, learned = Models(judge, gnn, density, clusters, Fusion.fit(parts, task.y)), {}
    return models, {
        **facts,
        **read.facts,
        "learned_from": _learned_from(given, verdicts, models.fusion),
        "n_positive": int((task.y == 1).sum()),
        "n_negative": int((task.y == 0).sum()),
        "fusion_weights": [round(float(weight), 4) for weight in models.fusion.weights],
        **learned,
        "warnings": warnings,
    }


def _learned_from(given: Labels | None, verdicts: VerdictLabels, fusion: Fusion) -> str:
    words = ["planted campaigns"] if given is None or fusion.zero_shot or not fusion.labelled else []
    words += ["labels"] if given is not None else []
    words += ["verdicts"] if verdicts.label else []
    return " and ".join(words)
