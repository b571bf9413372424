"""The graph in PyG, as training and scoring use it; apart from the features, so that serving loads no torch."""

from collections.abc import Sequence

from graphdet.features.behaviour_arrays import Float
from graphdet.gnn.heterodata import to_hetero
from graphdet.gnn.pyg import HeteroData
from graphdet.ports import Progress
from graphdet.tables import GraphArrays, PairArrays


def graph_in_pyg(
    graph: GraphArrays, users: Float, items: Float, windows: Sequence[PairArrays], progress: Progress
) -> HeteroData:
    """The heterogeneous graph with features and co-action pairs, validated."""
    progress.start("graph in PyG")
    data = to_hetero(graph, users, items, windows)
    progress.done()
    return data
