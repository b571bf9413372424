"""A graph autoencoder of PyGOD as a peer: users and items as nodes, their behaviour features, who is rebuilt badly."""

import duckdb
import numpy as np
import torch
from sklearn.preprocessing import StandardScaler

from graphdet.errors import NotEnoughData
from graphdet.pipeline.users import behaviour
from graphdet.ports import Silent
from graphdet.tables import GraphArrays
from scoring import Found

EPOCHS = 100  # and this learning rate: PyGOD's defaults
RATE = 0.004


def pygod_gae(graph: GraphArrays, seed: int) -> Found:
    """GAE of PyGOD 1.1 (Kipf & Welling 2016) on the whole graph at once; names no rings.

    Its detectors sample neighbours by pyg-lib or torch-sparse, which no plain install brings, so its network is trained
    here as they train it, in one batch.

    Raises:
        NotEnoughData: PyGOD is not installed.
    """
    try:
        from pygod.nn import GAEBase
    except ImportError as error:
        raise NotEnoughData("PyGOD is not installed; pip install -e '.[bench]'") from error
    torch.manual_seed(seed)
    with duckdb.connect() as bench:
        users, items = behaviour(graph, bench, Silent())
    width = users.shape[1] + items.shape[1]
    x = np.zeros((graph.n_users + graph.n_items, width), np.float32)
    x[: graph.n_users, : users.shape[1]] = StandardScaler().fit_transform(users)
    x[graph.n_users :, users.shape[1] :] = StandardScaler().fit_transform(items)
    pairs = np.unique(np.stack([graph.user_ix, graph.item_ix + graph.n_users]), axis=1).astype(np.int64)
    edges = torch.from_numpy(np.concatenate([pairs, pairs[::-1]], axis=1))
    features = torch.from_numpy(x)
    net = GAEBase(in_dim=width)
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        optimiser.zero_grad()
        loss = net.loss_func(net(features, edges), features)
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        wrong = ((net(features, edges) - features) ** 2).mean(dim=1).numpy()
    return Found([], 0, wrong[: graph.n_users].astype(np.float64))
