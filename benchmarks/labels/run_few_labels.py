"""Do few labels of users help? Zero-shot, labels only, and graphdet's combination, on users whose label was not given.

    python -m benchmarks.labels.run_few_labels DATA [--logs trivago yelpchi] [--frauds 5 10 20 50] [--seeds 5]

trivago, taobao: campaigns of kinds that nothing is trained on (simulate.unseen_plan) are planted, their accounts are
the frauds. yelpchi: reviewers with any filtered review, which is what a filter said and not who works together. Of the
frauds as many are labelled as --frauds says, at random, and five clean users for each. Labels are drawn anew for every
seed; campaigns and the network are those of the log (as without labels: `train` also gives it the labelled users as
examples, which is left out here for time). With --alone as many of them, without any label that says clean.
"""

import argparse
import gzip
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.recording import record
from benchmarks.rings.logs import LOGS
from graphdet.config import load_config
from graphdet.gnn.folds import user_folds
from graphdet.graph.encode import encode
from graphdet.learn.ring_lessons import plant_and_judge
from graphdet.learn.train_settings import Training, TrainSettings
from graphdet.learn.user_examples import UserLabels, finer, hidden_frauds
from graphdet.learn.user_learning import Base, Log, learn_beside_planted, read_training_log
from graphdet.learn.user_trees import fit_user_trees
from graphdet.ports import Store
from graphdet.progress import Silent
from graphdet.scores.fused import TREES_PART, ZERO_SHOT
from graphdet.scores.labelled_fusion import Evidence, fit_labelled_fusion
from graphdet.simulation.campaigns import unseen_plan
from graphdet.simulation.plant import plant
from graphdet.store import open_store
from graphdet.tables import GraphArrays
from graphdet.verbs.ingest import ingest

N_CAMPAIGNS = 10
CLEAN_A_FRAUD = 5
HOW = TrainSettings()


def truth_of(name: str, data: Path, store: Store, seed: int) -> tuple[GraphArrays, np.ndarray]:
    """The graph, and who is a fraud."""
    graph = encode(store.interactions(), store.entities())
    if name != "yelpchi":
        planted = plant(graph, unseen_plan(seed, N_CAMPAIGNS), seed, leave_out_unfit=True)
        return planted.graph, (planted.campaign_of_user >= 0).astype(np.int8)
    bad: set[str] = set()
    with gzip.open(data / LOGS[name].file, "rt", encoding="utf-8") as file:
        for row in map(str.split, file):
            if int(row[3]) < 0:
                bad.add(row[0])
    return graph, np.array([user in bad for user in graph.user_ids.to_pylist()], np.int8)


def drawn(y: np.ndarray, n: int, seed: int, frauds_alone: bool) -> UserLabels:
    """Labels of n frauds, and of CLEAN_A_FRAUD times as many clean users."""
    rng = np.random.default_rng((seed, n))
    told = np.full(len(y), -1, np.int8)
    told[rng.choice(np.flatnonzero(y == 1), n, replace=False)] = 1
    clean = rng.choice(np.flatnonzero(y == 0), CLEAN_A_FRAUD * n, replace=False)
    if not frauds_alone:
        told[clean] = 0
    return UserLabels(told, np.where(told == 1, np.arange(len(y)), -1).astype(np.int32))


def scores(log: Log, base: Base, told: UserLabels, seed: int) -> dict[str, np.ndarray]:
    """Zero-shot, trees on labels only, and both."""
    y: np.ndarray = told.y
    evidence = Evidence(y)
    if told.frauds_alone:
        found = hidden_frauds(log.columns, told, HOW, seed)
        y, evidence = found.y, Evidence((told.y == 1).astype(np.int8), found.share)
    n_folds = HOW.gnn.n_folds
    fold = finer(user_folds(np.where(y < 0, 0, y), told.group, n_folds, seed), y, told.group, n_folds, seed)
    trees, out_of_fold = fit_user_trees(log.columns, y, fold, told.y, HOW.trees, seed)
    parts = replace(base.parts, trees=out_of_fold)
    fusion = fit_labelled_fusion(parts, evidence, (TREES_PART, ZERO_SHOT), base.zero_shot)
    more = {}
    if told.frauds_alone:  # what it would be to take the unlabelled for clean
        naive = np.where((y < 0) & found.left_out, 0, y)
        more["unlabelled as clean"] = fit_user_trees(log.columns, naive, fold, told.y, HOW.trees, seed)[
            0
        ].logits(log.columns)
    alone = trees.logits(log.columns)
    return {
        "zero-shot": base.zero_shot.score(parts),
        "labels only": alone,
        "graphdet": fusion.score(replace(parts, trees=alone)),
        **more,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--logs", nargs="+", default=["trivago", "yelpchi"])
    parser.add_argument("--frauds", nargs="+", type=int, default=[5, 10, 20, 50])
    parser.add_argument(
        "--alone", nargs="*", type=int, default=[20], help="frauds of files with no clean user"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=20, help="first seed; those below were developed on")
    given = parser.parse_args()
    for name in given.logs:
        with tempfile.TemporaryDirectory() as folder:
            store = open_store(f"duckdb:///{folder}/log.duckdb")
            log = LOGS[name]
            ingest(store, [given.data / log.file], load_config(log.config), rejects=Path(folder) / "r.csv")
            run(name, store, given)
            store.close()


def run(name: str, store: Store, given: argparse.Namespace) -> None:
    graph, y = truth_of(name, given.data, store, given.first)
    planted = plant_and_judge(graph, store.bench, given.first, Silent())
    log = read_training_log(store, graph, given.first, Silent())
    nothing = UserLabels(np.full(len(y), -1, np.int8), np.full(len(y), -1, np.int32))
    base = learn_beside_planted(
        store, log, planted, planted.judge, nothing, nothing.y == 1, Training(HOW, given.first, "cpu")
    )
    for n in given.frauds:
        compare(name, log, base, y, n, False, given)
    for n in given.alone:
        compare(name, log, base, y, n, True, given)


def compare(
    name: str, log: Log, base: Base, y: np.ndarray, n: int, alone: bool, given: argparse.Namespace
) -> None:
    """All ways on n labelled frauds, on users whose label was not given; one line each."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for seed in range(given.first, given.first + given.seeds):
        told = drawn(y, n, seed, alone)
        held = told.y < 0
        for way, score in scores(log, base, told, seed).items():
            found = average_precision_score(y[held], score[held]), roc_auc_score(y[held], score[held])
            rows.setdefault(way, []).append(found)
    zero = np.array(rows["zero-shot"])
    for way, values in rows.items():
        each = np.array(values)
        record(
            "few labels",
            log=name,
            frauds_labelled=n,
            clean_labelled=0 if alone else CLEAN_A_FRAUD * n,
            way=way,
            seeds=given.seeds,
            auprc=round(float(each[:, 0].mean()), 4),
            auprc_sd=round(float(each[:, 0].std(ddof=1)), 4) if len(each) > 1 else None,
            auroc=round(float(each[:, 1].mean()), 4),
            above_zero_shot=int((each[:, 0] > zero[:, 0]).sum()),
            share_of_frauds=round(float(y.mean()), 4),
        )


if __name__ == "__main__":
    main()
