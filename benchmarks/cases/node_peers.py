"""Peers at the settings their authors or libraries ship, for nodes: with labels, and without."""

import warnings

import numpy as np
import scipy.sparse as sp
import xgboost
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import StandardScaler

from benchmarks.autoencoder import rebuilding_errors
from graphdet.features.relations import Relations

Float = NDArray[np.float64]
THREADS = 1


def aggregated(x: NDArray[np.float32], relations: Relations, n_layers: int = 2) -> NDArray[np.float32]:
    """XGBGraph's inputs (GADBench): own features beside means over neighbours, the mean applied twice."""
    parts = [x]
    for graph in relations.graphs.values():
        walk = sp.diags(1.0 / np.maximum(np.diff(graph.indptr), 1)) @ graph
        h = x
        for _ in range(n_layers):
            h = np.asarray(walk @ h, np.float32)
            parts.append(h)
    return np.hstack(parts)


def xgb(x: NDArray[np.float32], y: NDArray[np.int64], rows: NDArray[np.bool_], seed: int) -> Float:
    """XGBoost at its defaults."""
    model = xgboost.XGBClassifier(random_state=seed, n_jobs=THREADS, eval_metric="aucpr")
    return np.asarray(model.fit(x[rows], y[rows]).predict_proba(x)[:, 1], np.float64)


def forest(x: NDArray[np.float32], y: NDArray[np.int64], rows: NDArray[np.bool_], seed: int) -> Float:
    """scikit-learn's random forest at its defaults."""
    model = RandomForestClassifier(random_state=seed, n_jobs=THREADS)
    return np.asarray(model.fit(x[rows], y[rows]).predict_proba(x)[:, 1], np.float64)


def ecod(x: NDArray[np.float32], seed: int) -> Float:
    """PyOD's ECOD on own features."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyod.models.ecod import ECOD

        return np.asarray(ECOD(contamination=0.05).fit(x).decision_scores_, np.float64)


def isolation_forest(x: NDArray[np.float32], seed: int) -> Float:
    """PyOD's isolation forest on own features."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyod.models.iforest import IForest

        return np.asarray(IForest(random_state=seed, n_jobs=THREADS).fit(x).decision_scores_, np.float64)


def graph_autoencoder(x: NDArray[np.float32], graph: sp.csr_matrix, seed: int, epochs: int = 30) -> Float:
    """PyGOD's GAE at its defaults but fewer epochs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        features = StandardScaler().fit_transform(x).astype(np.float32)
        return rebuilding_errors(features, np.stack(graph.nonzero()).astype(np.int64), seed, epochs)
