"""From a store to candidates: the steps that training, scoring and ring finding share."""

from graphdet.graph.encode import encode
from graphdet.ports import Progress, Store
from graphdet.tables import GraphArrays


def read_graph(store: Store, progress: Progress) -> GraphArrays:
    """Read the whole graph of a store as arrays."""
    progress.start("read the graph")
    graph = encode(store.interactions(), store.entities())
    progress.done()
    return graph
