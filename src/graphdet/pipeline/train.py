"""train: learn from a log what coordination looks like in it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet.desk.labels import VerdictLabels, merge, verdict_labels
from graphdet.errors import NotEnoughData
from graphdet.evaluation.splits import SplitPlan
from graphdet.logs.labels import LABEL, Labels, check_labels, read_labels
from graphdet.models.judge import RingJudge
from graphdet.models.training import train_gnn
from graphdet.pipeline.decisions import note_loose, standing_of
from graphdet.pipeline.detect import read_graph, ring_candidates
from graphdet.pipeline.in_pyg import graph_in_pyg
from graphdet.pipeline.labelled import kind_of
from graphdet.pipeline.labelled_train import train_labelled
from graphdet.pipeline.model_card import write_card
from graphdet.pipeline.models import Models
from graphdet.pipeline.ring_lessons import PlantedTask, Task, plant_and_judge
from graphdet.pipeline.train_settings import TrainSettings, load_train_settings
from graphdet.pipeline.users import behaviour
from graphdet.ports import Progress, Silent, Store
from graphdet.reports.words import plural, visible
from graphdet.rings.find import judge_rings
from graphdet.rings.ring_tables import user_membership
from graphdet.scores.clusters import Clusters
from graphdet.scores.density import Density
from graphdet.scores.fused import Fusion, Parts
from graphdet.tables import GraphArrays

MOST_NAMED = 5  # users that a warning names


def train(
    store: Store,
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
    labels of users, GNN and fusion learn those instead; the ring judge always learns from planted campaigns, and where
    the log is too small for them, labels do without rings, with a warning.
    Labels of items, sessions or events train only a model of their own, which stands beside these in the folder (see
    labelled_train); `plan` says how those are split.
    Verdicts in the store are labels of users too (see desk.labels): beside those of a file, or beside the planted
    campaigns. What they contradict is left out of both, with a warning.

    settings: a file that says how, see train_settings; None for the defaults.

    Returns facts for people: how many of what, and the weights of the fusion.

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
    read = given_labels(store, labels)
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
    if planted and given is None:
        task = with_verdicts(planted.task, planted.source_user, graph, verdicts)
        windows, candidates = planted.windows, planted.candidates
    else:
        assert given is not None  # for the type checker: without labels the error went on
        planted = None  # as large as the log
        task = label_task(graph, given, verdicts)
        windows, candidates = ring_candidates(graph, store.bench, seed, progress)
    users, items = behaviour(task.graph, store.bench, progress)
    data = graph_in_pyg(task.graph, users, items, windows, progress)
    progress.start("train the GNN")
    gnn = train_gnn(data, task.y, task.campaign, how.gnn, seed=seed, device=device)
    progress.done()
    progress.start("fit the scorers")
    own = users[task.y != 1] if (task.y != 1).sum() > 1 else users
    density, clusters = Density.fit(own), Clusters.fit(own, seed)
    ring, _ = user_membership(judge_rings(candidates, judge.logits, 0.05), candidates.model)
    parts = Parts(gnn.out_of_fold, clusters.score(users), density.score(users), ring)
    fusion = Fusion.fit(parts, task.y, labelled=given is not None)
    Models(judge, gnn, density, clusters, fusion).save(model_dir)
    progress.done()
    told = {
        **facts,
        **read.facts,
        "learned_from": _learned_from(given, verdicts),
        "n_positive": int((task.y == 1).sum()),
        "n_negative": int((task.y == 0).sum()),
        "fusion_weights": [round(float(weight), 4) for weight in fusion.weights],
        "warnings": warnings,
    }
    write_card(store, model_dir, labels, {"seed": seed, **how.changed("gnn")}, told)
    return told


def _learned_from(given: Labels | None, verdicts: VerdictLabels) -> str:
    words = "labels" if given is not None else "planted campaigns"
    return f"{words} and verdicts" if verdicts.label else words


@dataclass(frozen=True)
class Given:
    """Labels of users from a file, verdicts merged into them (None: no such file); warnings; facts for people."""

    labels: Labels | None
    verdicts: VerdictLabels
    warnings: list[str]
    facts: dict[str, int]


def given_labels(store: Store, path: Path | None) -> Given:
    """Labels and verdicts, checked before anything long begins.

    Raises:
        InputError: the labels cannot be used.
    """
    note_loose(store)
    verdicts = verdict_labels(standing_of(store))
    label, conflicts = verdicts.label, verdicts.conflicts
    labels: Labels | None = None
    warnings: list[str] = []
    read = read_labels(path) if path is not None else None
    if read is not None:
        ids, values = read.table["user_id"].to_pylist(), read.table[LABEL].to_pylist()
        merged, conflicts = merge(dict(zip(ids, values, strict=True)), verdicts)
        names = sorted(merged)
        columns = {"user_id": pa.array(names, pa.string())}
        columns[LABEL] = pa.array([merged[name] for name in names], pa.int8())
        known = store.interactions().select("user_id").unique().collect("pyarrow").to_native()
        labels, warnings = check_labels(replace(read, table=pa.table(columns)), known["user_id"])
    return Given(labels, verdicts, warnings + _told(conflicts), _counted(label, conflicts))


def _counted(label: dict[str, int], conflicts: dict[str, str]) -> dict[str, int]:
    """How many users verdicts label; nothing where there are no verdicts."""
    if not label and not conflicts:
        return {}
    learned = [value for user_id, value in label.items() if user_id not in conflicts]
    n_fraud = sum(learned)
    return {
        "verdicts_fraud": n_fraud,
        "verdicts_clean": len(learned) - n_fraud,
        "verdicts_in_conflict": len(conflicts),
    }


def _told(conflicts: dict[str, str]) -> list[str]:
    """A warning that names users on whom labels and verdicts disagree."""
    if not conflicts:
        return []
    named = [f"{visible(user)} ({visible(why)})" for user, why in sorted(conflicts.items())[:MOST_NAMED]]
    more = f" and {len(conflicts) - MOST_NAMED} more" if len(conflicts) > MOST_NAMED else ""
    return [
        f"labels and verdicts disagree on {plural(len(conflicts), 'user')}, who are left out of training: "
        f"{'; '.join(named)}{more}. A verdict on the user settles it: graphdet verdict --user"
    ]


def with_verdicts(
    task: Task, source_user: NDArray[np.int32], graph: GraphArrays, verdicts: VerdictLabels
) -> Task:
    """Put verdicts into a planted task: who was judged guilty is an example of fraud beside the planted accounts.

    `source_user` are rows of `graph`, the log itself. Members of one ring are one group. Users judged innocent are
    clean, as all of the log's own are taken to be; of one that labels disagree on nothing is learned.
    """
    if not verdicts.label and not verdicts.conflicts:
        return task
    row = {name: place for place, name in enumerate(graph.user_ids.to_pylist())}
    place_of = np.full(graph.n_users, -1, np.int64)
    own = np.flatnonzero(source_user >= 0)
    place_of[source_user[own]] = own
    y, campaign = task.y.copy(), task.campaign.copy()
    groups: dict[str, int] = {}
    first = int(campaign.max(initial=-1)) + 1
    for user_id, value in (*verdicts.label.items(), *((user, -1) for user in verdicts.conflicts)):
        place = int(place_of[row[user_id]]) if user_id in row else -1
        if place < 0 or campaign[place] >= 0:  # not in the log, or in the hands of a planted campaign
            continue
        y[place] = value
        if value == 1:
            name = verdicts.ring.get(user_id, f"user {user_id}")
            campaign[place] = first + groups.setdefault(name, len(groups))
    return Task(task.graph, y, campaign)


def label_task(graph: GraphArrays, labels: Labels, verdicts: VerdictLabels) -> Task:
    """Labels of users, verdicts among them, as a task on the user's own graph."""
    y = np.full(graph.n_users, -1, np.int8)
    row = {name: place for place, name in enumerate(graph.user_ids.to_pylist())}
    rows = [row[name] for name in labels.table["user_id"].to_pylist()]
    y[rows] = labels.table["label"].to_numpy()
    # Each positive is a group of its own: labels say who, not with whom. Members of a ring judged guilty are one.
    campaign = np.where(y == 1, np.arange(graph.n_users), -1).astype(np.int32)
    first: dict[str, int] = {}
    for user_id, ring_id in sorted(verdicts.ring.items()):
        place = row.get(user_id, -1)
        if place >= 0 and y[place] == 1:
            campaign[place] = first.setdefault(ring_id, place)
    return Task(graph, y, campaign)
