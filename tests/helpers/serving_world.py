"""A small planted log in a store, with models trained on it: what tests of serving share."""

import csv
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from graphdet.config import load_config
from graphdet.features.behaviour import behaviour
from graphdet.features.pairs import find_pairs
from graphdet.gnn.folds import user_folds
from graphdet.gnn.heterodata import graph_in_pyg
from graphdet.gnn.settings import GnnSettings
from graphdet.gnn.training import train_gnn
from graphdet.graph.encode import read_graph
from graphdet.judge.shipped import shipped_judge
from graphdet.learn.models import Models
from graphdet.learn.user_examples import finer
from graphdet.learn.user_trees import UserTrees, fit_user_trees, user_columns
from graphdet.progress import Silent
from graphdet.scores.fused import Fusion, ScoreParts
from graphdet.scores.labelled_fusion import Evidence, fit_labelled_fusion
from graphdet.scores.trees import TreeSettings
from graphdet.scores.unsupervised import Clusters, Density
from graphdet.simulation.campaigns import kind
from graphdet.simulation.organic import organic
from graphdet.simulation.plant import plant
from graphdet.store.duckdb import DuckDBStore
from graphdet.tables import GraphArrays
from graphdet.verbs.ingest import ingest

SETTINGS = GnnSettings(n_steps=20, batch_size=128)


@dataclass(frozen=True)
class World:
    """Folders of a store and a model, and what the store holds."""

    store: Path
    model: Path
    graph: GraphArrays

    def open(self) -> DuckDBStore:
        """Open the store."""
        return DuckDBStore(self.store, read_only=True)

    def copy(self, folder: Path) -> DuckDBStore:
        """Open a copy of the store, to write in."""
        return DuckDBStore(Path(shutil.copy(self.store, folder)))


def write_log(
    graph: GraphArrays, path: Path, more: list[tuple[str, str, str, int, str]] | None = None
) -> Path:
    """Write a graph as a log of one event per interaction, and more events."""
    users, sessions, items = (
        ids.take(pa.array(ix)).to_pylist()
        for ids, ix in (
            (graph.user_ids, graph.user_ix),
            (graph.session_ids, graph.session_ix),
            (graph.item_ids, graph.item_ix),
        )
    )
    actions = [graph.actions[code] for code in graph.action_ix]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("user_id", "item_id", "session_id", "timestamp", "action"))
        rows = list(zip(users, items, sessions, graph.at_ms.tolist(), actions, strict=True))
        writer.writerows(rows + (more or []))
    return path


def store_of(log: Path, path: Path) -> DuckDBStore:
    """Ingest a log."""
    store = DuckDBStore(path)
    ingest(store, [log], load_config("simulated"))
    return store


def make_world(folder: Path, labelled: bool = False) -> World:
    """Simulate, plant, ingest, train a little; labelled: on labels of half of the users, with trees."""
    planted = plant(organic(500, 150, 8, seed=3), [kind("burst")] * 2, 5)
    store = store_of(write_log(planted.graph, folder / "log.csv"), folder / "x.duckdb")
    graph = read_graph(store, Silent())
    windows = find_pairs(graph, store.bench, Silent())
    users, items = behaviour(graph, store.bench, Silent())
    data = graph_in_pyg(graph, users, items, windows, Silent())
    of_user = dict(zip(planted.graph.user_ids.to_pylist(), planted.campaign_of_user.tolist(), strict=True))
    campaign = np.array([of_user[name] for name in graph.user_ids.to_pylist()], np.int32)
    y = (campaign >= 0).astype(np.int8)
    if labelled:
        y[::2] = -1
    gnn = train_gnn(data, y, campaign, SETTINGS, device="cpu")
    density, clusters = Density.fit(users), Clusters.fit(users, 0)
    ring = np.where(y == 1, 0.5, 0.0) * (np.arange(len(y)) % 2)
    parts = ScoreParts(gnn.out_of_fold, clusters.score(users), density.score(users), ring)
    trees: UserTrees | None = None
    if labelled:
        fold = finer(user_folds(y, campaign, SETTINGS.n_folds, 0), y, campaign, SETTINGS.n_folds, 0)
        columns = user_columns(store, graph, windows, users)
        trees, out_of_fold = fit_user_trees(columns, y, fold, y, TreeSettings(rounds=30))
        fusion = fit_labelled_fusion(replace(parts, trees=out_of_fold), Evidence(y), (), None)
    else:
        fusion = Fusion.fit(parts, y)
    Models(shipped_judge(), gnn, density, clusters, fusion, trees).save(folder / "model")
    store.close()
    return World(folder / "x.duckdb", folder / "model", graph)
