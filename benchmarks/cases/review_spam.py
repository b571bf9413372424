"""Review spam on YelpChi, by behaviour and graph without text: one JSON line per task and method.

    python -m benchmarks.cases.review_spam --data DATA [--tasks …] [--figures DIR] [--rows FILE]

DATA holds yelpchi/reviews.txt.gz. Tasks: 40 % labels and 1 % labels at random, in time, and users without labels.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.model_selection import train_test_split

from benchmarks.cases.node_figures import Table, case_arguments, stem_of, write_table
from benchmarks.cases.node_peers import THREADS, aggregated, ecod, forest, isolation_forest, xgb
from benchmarks.cases.yelpchi import (
    PUBLISHED,
    Reviews,
    behaviour,
    earlier_only,
    read_reviews,
    review_edges,
    rules,
    two_sided,
)
from benchmarks.nodes.known_nodes import NodeColumns, score_by_known_nodes
from benchmarks.nodes.net import NodeNetSettings
from benchmarks.nodes.outliers import score_nodes
from graphdet.features.neighbours import NeighbourSettings, neighbour_features
from graphdet.features.relations import NamedColumns, Relations, degrees, place_features

CASE = "review-spam"
TASKS = ("40 % labels", "1 % labels", "in time", "users without labels")
AROUND = NeighbourSettings(n_bins=0, two_hops=False, propagation=False)
NETWORK = NodeNetSettings(width=32, n_steps=100, most_neighbours=12)
Mask = NDArray[np.bool_]


def at_random(y: NDArray[np.int64], share: float, n_seeds: int) -> Iterator[tuple[Mask, Mask, Mask]]:
    """Learn, check and test rows. 40 %: 40/20/40 as published; less: a quarter of the labels checks, the rest tests."""
    for seed in range(n_seeds):
        split = partial(train_test_split, random_state=seed)
        known, rest = split(np.arange(len(y)), train_size=share, stratify=y)
        if share >= 0.4:
            learn, (check, test) = known, split(rest, train_size=1 / 3, stratify=y[rest])
        else:
            (learn, check), test = split(known, train_size=0.75, stratify=y[known]), rest
        yield tuple(np.isin(np.arange(len(y)), rows) for rows in (learn, check, test))  # type: ignore[misc]


def in_time(day: NDArray[np.int64]) -> tuple[Mask, Mask, Mask]:
    """The first 60 % of days' reviews learn, the next 10 % check, the last 30 % are the test."""
    first, second = np.quantile(day, [0.6, 0.7]).astype(np.int64)
    return day < first, (day >= first) & (day < second), day >= second


def node_columns(own: NamedColumns, relations: Relations, causal: bool) -> NodeColumns:
    """Own columns, places in the graph (in time only how many earlier neighbours), and neighbourhoods."""
    if causal:
        counts = [np.log1p(degrees(graph)) for graph in relations.graphs.values()]
        names = tuple(f"{name}_earlier" for name in relations.graphs)
        places = NamedColumns(names, np.column_stack(counts).astype(np.float32))
    else:
        places = place_features(relations)
    around = neighbour_features(own, relations, AROUND).beside(places)
    return NodeColumns(own, own.beside(places), around)


def with_labels(table: Table, task: str, log: Reviews, relations: Relations, n_seeds: int) -> None:
    """Rules, peers and ours on every split of a task."""
    causal, kept = task == "in time", log.kept
    y, day = log.spam[kept], log.day[kept]
    every = behaviour(log, causal)
    own = NamedColumns(every.names, every.values[kept])
    if causal:
        relations = earlier_only(relations, day)
    columns, near = node_columns(own, relations, causal), aggregated(own.values, relations)
    splits = [in_time(day)] * n_seeds if causal else list(at_random(y, float(task.split()[0]) / 100, n_seeds))
    by_rule = rules(own, causal)
    by_rule["rules, mean rank"] = np.mean([rankdata(score) for score in by_rule.values()], axis=0)
    for seed, (learn, check, test) in enumerate(splits):
        if (task, seed) in table.done:
            continue
        for rule, score in by_rule.items():
            table.add(task, rule, y[test], score[test])
        for method, x, run in (
            ("XGBoost, flat", own.values, xgb),
            ("random forest, flat", own.values, forest),
            ("XGBGraph", near, xgb),
        ):
            table.timed(task, method, y, test, partial(run, x, y, learn, seed))
        known = np.where(learn | check, y, -1)
        found = score_by_known_nodes(columns, relations, known, check, seed, network=NETWORK)
        for method, score in found.scores.items():
            more = {"validation_auprc": found.validation[method]}
            table.add(task, f"graphdet {method}", y[test], score[test], **more)
        table.add(task, "graphdet, chosen on validation", y[test], found.scores[found.chosen][test])
        table.close(seed)
        print(task, seed, found.chosen, {k: round(v, 4) for k, v in found.validation.items()}, flush=True)


def without_labels(table: Table, task: str, log: Reviews, n_seeds: int) -> None:
    """Users of the user–product graph; a check of the fixed rule on data it was not made on."""
    x, edges, y, is_user = two_sided(log)
    graph = Relations.from_edges(len(y), {"edge": edges}).graphs["edge"]
    for seed in range(n_seeds):
        if (task, seed) in table.done:
            continue
        if seed == 0:
            table.timed(task, "ECOD (PyOD)", y[is_user], is_user[is_user], partial(ecod, x[is_user], seed))
        run = partial(isolation_forest, x[is_user], seed)
        table.timed(task, "isolation forest (PyOD)", y[is_user], is_user[is_user], run)
        found = score_nodes(x, graph, seed)
        for view, ranks in found.views.items():
            table.add(task, f"graphdet view {view}", y[is_user], ranks[is_user])
        table.add(task, "graphdet, mean rank of four views", y[is_user], found.score[is_user])
        table.close(seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds yelpchi/")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    given = case_arguments(parser)
    torch.set_num_threads(THREADS)
    log = read_reviews(given.data / "yelpchi" / "reviews.txt.gz")
    edges = review_edges(log)
    counts = {name: ends.shape[1] for name, ends in edges.items()}
    print("edges", counts, "as published" if counts == PUBLISHED else f"published: {PUBLISHED}", flush=True)
    relations = Relations.from_edges(int(log.kept.sum()), edges)
    for task in given.tasks:
        table = Table(CASE, given.splits and given.splits / f"{stem_of(CASE, task)}.jsonl")
        if task == "users without labels":
            without_labels(table, task, log, given.seeds)
        else:
            with_labels(table, task, log, relations, given.seeds)
        table.record()
        if given.page:
            write_table(given.page, task, table.text())
        if given.figures:
            table.draw(given.figures, {task: "auroc" if task.startswith("users") else "auprc"})


if __name__ == "__main__":
    main()
