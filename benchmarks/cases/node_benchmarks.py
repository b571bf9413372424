"""Nodes of public graphs (tolokers, Reddit, Amazon U-P-U), with labels and without: one JSON line per task and method.

    python -m benchmarks.cases.node_benchmarks --data DATA [--graphs tolokers …] [--figures DIR] [--rows FILE]

DATA holds node_benchmarks/. Settings were chosen on validation nodes of tolokers; test nodes are scored once, here.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import scipy.io
import torch
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from benchmarks.cases.node_figures import Table, case_arguments, write_table
from benchmarks.cases.node_peers import (
    THREADS,
    aggregated,
    ecod,
    forest,
    graph_autoencoder,
    isolation_forest,
    xgb,
)
from benchmarks.nodes.known_nodes import NodeColumns, score_by_known_nodes
from benchmarks.nodes.outliers import score_nodes
from graphdet.features.relations import NamedColumns, Relations

GRAPHS = ("tolokers", "reddit", "amazon")
CASE = "node-benchmarks"


@dataclass(frozen=True)
class NodeTask:
    """A graph with truth: x float32[n, d], y int64[n], edges int64[2, m]; fixed (learn, check, test) masks if any."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    edges: NDArray[np.int64]
    fixed: list[tuple[NDArray[np.bool_], ...]]

    def splits(self, n_seeds: int) -> Iterator[tuple[NDArray[np.bool_], ...]]:
        """The fixed splits, or random ones of 40 % to learn, 20 % to check and 40 % to test, stratified."""
        if self.fixed:
            yield from self.fixed
            return
        n = len(self.y)
        for seed in range(n_seeds):
            learn, rest = train_test_split(np.arange(n), train_size=0.4, stratify=self.y, random_state=seed)
            check, test = train_test_split(rest, train_size=1 / 3, stratify=self.y[rest], random_state=seed)
            yield tuple(np.isin(np.arange(n), rows) for rows in (learn, check, test))


def read(folder: Path, name: str) -> NodeTask:
    """Read one of GRAPHS."""
    if name == "amazon":
        held = scipy.io.loadmat(folder / "amazon_upu.mat")
        x = held["Attributes"].toarray().astype(np.float32)
        edges = np.stack(held["Network"].nonzero()).astype(np.int64)
        return NodeTask(x, held["Label"].ravel().astype(np.int64), edges, [])
    with np.load(folder / f"{name}.npz") as held:
        if name == "reddit":
            return NodeTask(held["x"], held["y"].astype(np.int64), held["edge_index"], [])
        masks = zip(held["train_masks"], held["val_masks"], held["test_masks"], strict=True)
        return NodeTask(held["node_features"], held["node_labels"], held["edges"].T, list(masks))


def with_labels(table: Table, name: str, task: NodeTask, n_seeds: int) -> None:
    """Peers and ours on every split."""
    relations = Relations.from_edges(len(task.y), {"edge": task.edges})
    columns = NodeColumns.of(NamedColumns(tuple(f"x{j}" for j in range(task.x.shape[1])), task.x), relations)
    near = aggregated(task.x, relations)
    for seed, (learn, check, test) in enumerate(task.splits(n_seeds)):
        if (name, seed) in table.done:
            continue
        for method, x, run in (
            ("XGBoost, flat", task.x, xgb),
            ("random forest, flat", task.x, forest),
            ("XGBGraph", near, xgb),
            ("RFGraph", near, forest),
        ):
            table.timed(name, method, task.y, test, partial(run, x, task.y, learn, seed))
        known = np.where(learn | check, task.y, -1)
        found = score_by_known_nodes(columns, relations, known, check, seed)
        for method, score in found.scores.items():
            more = {"validation_auprc": found.validation[method]}
            table.add(name, f"graphdet {method}", task.y[test], score[test], **more)
        chosen = found.scores[found.chosen]
        table.add(name, "graphdet, chosen on validation", task.y[test], chosen[test])
        table.close(seed)
        print(name, seed, found.chosen, {k: round(v, 4) for k, v in found.validation.items()}, flush=True)


def without_labels(table: Table, name: str, task: NodeTask, n_seeds: int) -> None:
    """Every node is scored and none is learned from; seeds are those of the methods."""
    graph = Relations.from_edges(len(task.y), {"edge": task.edges}).graphs["edge"]
    every = np.ones(len(task.y), bool)
    for seed in range(n_seeds):
        if (f"{name} without labels", seed) in table.done:
            continue
        runs = {
            "isolation forest (PyOD)": partial(isolation_forest, task.x, seed),
            "GAE (PyGOD)": partial(graph_autoencoder, task.x, graph, seed),
        }
        if seed == 0:
            runs |= {"ECOD (PyOD)": partial(ecod, task.x, seed)}
        for method, run in runs.items():
            table.timed(f"{name} without labels", method, task.y, every, run)
        found = score_nodes(task.x, graph, seed)
        for view, ranks in found.views.items():
            table.add(f"{name} without labels", f"graphdet view {view}", task.y, ranks)
        table.add(f"{name} without labels", "graphdet, mean rank of four views", task.y, found.score)
        table.close(seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds node_benchmarks/")
    parser.add_argument("--graphs", nargs="+", choices=GRAPHS, default=list(GRAPHS))
    given = case_arguments(parser)
    torch.set_num_threads(THREADS)
    for name in given.graphs:
        table = Table(CASE, given.splits and given.splits / f"{CASE}-{name}.jsonl")
        task = read(given.data / "node_benchmarks", name)
        with_labels(table, name, task, given.seeds)
        without_labels(table, name, task, given.seeds)
        table.record()
        if given.page:
            write_table(given.page, name, table.text())
        if given.figures:
            table.draw(given.figures, {name: "auprc", f"{name} without labels": "auroc"})


if __name__ == "__main__":
    main()
