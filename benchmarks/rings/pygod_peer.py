"""A graph autoencoder of PyGOD as a peer: users and items as nodes, their behaviour features, who is rebuilt badly."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from benchmarks.autoencoder import rebuilding_errors
from benchmarks.rings.scoring import Found
from graphdet.errors import NotEnoughData
from graphdet.features.behaviour import behaviour
from graphdet.progress import Silent
from graphdet.tables import GraphArrays
from graphdet.workbench import Workbench

EPOCHS = 100  # PyGOD's default


def pygod_gae(graph: GraphArrays, seed: int) -> Found:
    """GAE of PyGOD 1.1 (Kipf & Welling 2016) on the whole graph at once; names no rings.

    Raises:
        NotEnoughData: PyGOD is not installed.
    """
    with Workbench.in_memory() as bench:
        users, items = behaviour(graph, bench, Silent())
    width = users.shape[1] + items.shape[1]
    x = np.zeros((graph.n_users + graph.n_items, width), np.float32)
    x[: graph.n_users, : users.shape[1]] = StandardScaler().fit_transform(users)
    x[graph.n_users :, users.shape[1] :] = StandardScaler().fit_transform(items)
    pairs = np.unique(np.stack([graph.user_ix, graph.item_ix + graph.n_users]), axis=1).astype(np.int64)
    try:
        wrong = rebuilding_errors(x, np.concatenate([pairs, pairs[::-1]], axis=1), seed, EPOCHS)
    except ImportError as error:
        raise NotEnoughData("PyGOD is not installed; pip install -e '.[bench]'") from error
    return Found([], 0, wrong[: graph.n_users])
