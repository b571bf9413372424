"""train: learn from a log what coordination looks like in it."""

from pathlib import Path
from typing import Any

import numpy as np

from graphdet.errors import NotEnoughData
from graphdet.logs.labels import Labels, check_labels, read_labels
from graphdet.models.ring_judge import RingJudge
from graphdet.models.training import train_gnn
from graphdet.pipeline.detect import read_graph, ring_candidates
from graphdet.pipeline.labelled import check_against, kind_of
from graphdet.pipeline.models import Models
from graphdet.pipeline.ring_lessons import PlantedTask, Task, plant_and_judge
from graphdet.pipeline.users import behaviour, graph_in_pyg
from graphdet.ports import Progress, Silent, Store
from graphdet.rings.find import judge_rings
from graphdet.rings.ring_tables import user_membership
from graphdet.scores.clusters import Clusters
from graphdet.scores.density import Density
from graphdet.scores.fused import Fusion, Parts
from graphdet.tables import GraphArrays


def train(
    store: Store,
    model_dir: Path,
    *,
    labels: Path | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train the ring judge, the GNN, the behaviour scorers and their fusion, and save them.

    Campaigns are planted into a copy of the log, and the models learn to tell them from the rest. With
    labels of users, GNN and fusion learn those instead; the ring judge always learns from planted campaigns, and where
    the log is too small for them, labels do without rings, with a warning.
    Labels of items, sessions or events are only checked, with a warning: `score` learns those.

    Returns facts for people: how many of what, and the weights of the fusion.

    Raises:
        NotEnoughData: the log is too small to learn from without labels.
        InputError: the labels cannot be used.
    """
    progress = progress or Silent()
    given, warnings = _given(store, labels)
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
    if planted and given is None:
        task, windows, candidates = planted.task, planted.windows, planted.candidates
    else:
        assert given is not None  # for the type checker: without labels the error went on
        planted = None  # as large as the log
        task = _label_task(graph, given)
        windows, candidates = ring_candidates(graph, store.bench, seed, progress)
    users, items = behaviour(task.graph, store.bench, progress)
    data = graph_in_pyg(task.graph, users, items, windows, progress)
    progress.start("train the GNN")
    gnn = train_gnn(data, task.y, task.campaign, seed=seed, device=device)
    progress.done()
    progress.start("fit the scorers")
    own = users[task.y != 1] if (task.y != 1).sum() > 1 else users
    density, clusters = Density.fit(own), Clusters.fit(own, seed)
    ring, _ = user_membership(judge_rings(candidates, judge.logits, 0.05), candidates.model)
    parts = Parts(gnn.out_of_fold, clusters.score(users), density.score(users), ring)
    fusion = Fusion.fit(parts, task.y, labelled=given is not None)
    Models(judge, gnn, density, clusters, fusion).save(model_dir)
    progress.done()
    return {
        **facts,
        "learned_from": "labels" if given is not None else "planted campaigns",
        "n_positive": int((task.y == 1).sum()),
        "n_negative": int((task.y == 0).sum()),
        "fusion_weights": [round(float(weight), 4) for weight in fusion.weights],
        "warnings": warnings,
    }


def _given(store: Store, path: Path | None) -> tuple[Labels | None, list[str]]:
    """Labels of users, checked before anything long begins; None when there are none to train on."""
    if path is None:
        return None, []
    labels = read_labels(path)
    if labels.key == "user_id":
        known = store.interactions().select("user_id").unique().collect("pyarrow").to_native()
        return check_labels(labels, known["user_id"])
    _, warnings = check_against(store, labels)
    kind = kind_of(labels)
    warnings.append(
        f"{path}: labels of {kind}s do not train these models, which learn from planted campaigns; "
        f"`graphdet score --labels` learns them and scores {kind}s"
    )
    return None, warnings


def _label_task(graph: GraphArrays, labels: Labels) -> Task:
    """Labels of users as a task on the user's own graph."""
    y = np.full(graph.n_users, -1, np.int8)
    row = {name: place for place, name in enumerate(graph.user_ids.to_pylist())}
    rows = [row[name] for name in labels.table["user_id"].to_pylist()]
    y[rows] = labels.table["label"].to_numpy()
    # Each positive is a group of its own: labels say who, not with whom.
    campaign = np.where(y == 1, np.arange(graph.n_users), -1).astype(np.int32)
    return Task(graph, y, campaign)
