"""train: learn from a log what coordination looks like in it."""

from pathlib import Path
from typing import Any

from graphdet.casework.labels import VerdictLabels
from graphdet.errors import NotEnoughData
from graphdet.evaluation.splits import SplitPlan
from graphdet.graph.encode import read_graph
from graphdet.judge.model import RingJudge
from graphdet.lab.models import write_card
from graphdet.learn.labelled import kind_of
from graphdet.learn.labelled_train import train_labelled
from graphdet.learn.models import Models
from graphdet.learn.ring_lessons import PlantedTask, plant_and_judge
from graphdet.learn.train_settings import TrainSettings, load_train_settings
from graphdet.learn.user_labels import given_labels, user_label_task, with_verdicts
from graphdet.learn.user_learning import learn_planted, learn_users
from graphdet.logs.labels import Labels, read_labels
from graphdet.ports import CaseworkStore
from graphdet.progress import Progress, Silent
from graphdet.scores.fused import Fusion


def train(
    store: CaseworkStore,
    model_dir: Path,
    *,
    labels: Path | None = None,
    plan: SplitPlan | None = None,
    settings: Path | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train the ring judge, the GNN, the behaviour scorers and their fusion, and save them.

    Campaigns are planted into a copy of the log, and the models learn to tell them from the rest. With
    labels of users, GNN, trees and fusion learn those instead, or both where labels are few (see user_learning); the
    ring judge always learns from planted campaigns, and where the log is too small for them, labels do without rings,
    with a warning.
    Labels of items, sessions or events train only a model of their own, which stands beside these in the folder (see
    labelled_train); `plan` says how those are split.
    Verdicts in the store are labels of users too (see casework.labels): beside those of a file, or beside the planted
    campaigns. What they contradict is left out of both, with a warning.

    settings: a file that says how, see train_settings; None for the defaults.

    Returns facts for people: how many of what, the weights of the fusion, and with labels of users which of fusion,
    trees and network was chosen, with the figures of each out of fold.

    Raises:
        NotEnoughData: the log is too small to learn from without labels.
        InputError: the labels cannot be used.
        ConfigError: the settings cannot be used.
    """
    progress = progress or Silent()
    how = load_train_settings(settings) if settings is not None else TrainSettings()
    if labels is not None and kind_of(named := read_labels(labels)) != "user":
        facts = train_labelled(
            store, named, model_dir, plan=plan, settings=how.trees, seed=seed, progress=progress
        )
        write_card(store, model_dir, labels, {"seed": seed, **how.changed("trees")}, facts)
        return facts
    read = given_labels(store, labels, frauds_alone=True)
    given, verdicts, warnings = read.labels, read.verdicts, read.warnings
    graph = read_graph(store, progress)
    planted: PlantedTask | None = None
    judge, facts = RingJudge.blind(), {"campaigns": 0, "campaigns_found_as_candidates": 0}
    try:
        planted = plant_and_judge(graph, store.bench, seed, progress)
        judge, facts = planted.judge, planted.facts
    except NotEnoughData as error:
        if given is None:
            raise
        warnings.append(f"rings are not judged, accounts only by their labels: {error}")
    if given is not None:
        task = user_label_task(graph, given, verdicts)
        models, learned = learn_users(
            store, graph, task, planted, judge, how,
            path=given.path, seed=seed, device=device, progress=progress,
        )  # fmt: skip
        warnings += learned.pop("label_warnings")
    else:
        assert planted is not None  # for the type checker: without labels the error went on
        task = with_verdicts(planted.task, planted.source_user, graph, verdicts)
        gnn, density, clusters, parts = learn_planted(store, task, planted, how, seed, device, progress)
        models, learned = Models(judge, gnn, density, clusters, Fusion.fit(parts, task.y)), {}
    progress.start("keep the models")
    models.save(model_dir)
    progress.done()
    told = {
        **facts,
        **read.facts,
        "learned_from": _learned_from(given, verdicts, models.fusion),
        "n_positive": int((task.y == 1).sum()),
        "n_negative": int((task.y == 0).sum()),
        "fusion_weights": [round(float(weight), 4) for weight in models.fusion.weights],
        **learned,
        "warnings": warnings,
    }
    of_trees = how.changed("trees") if models.trees is not None else {}
    write_card(store, model_dir, labels, {"seed": seed, **how.changed("gnn"), **of_trees}, told)
    return told


def _learned_from(given: Labels | None, verdicts: VerdictLabels, fusion: Fusion) -> str:
    words = ["planted campaigns"] if given is None or fusion.zero_shot or not fusion.labelled else []
    words += ["labels"] if given is not None else []
    words += ["verdicts"] if verdicts.label else []
    return " and ".join(words)
