"""Graphs of nodes under several relations, as sparse matrices, and what a node's place in them says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import igraph as ig
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.arrays import Float32

PLACES = ("degree", "neighbours_degree", "pagerank", "core", "triangles", "clustering")
_DAMPING = 0.85  # igraph's


@dataclass(frozen=True)
class NamedColumns:
    """Named columns: names, and values float32[n, len(names)] in the same order."""

    names: tuple[str, ...]
    values: Float32

    def __post_init__(self) -> None:
        """Check the shape.

        Raises:
            ValueError: there are not as many names as columns.
        """
        if self.values.ndim != 2 or self.values.shape[1] != len(self.names):
            raise ValueError(f"{len(self.names)} names for a matrix of shape {self.values.shape}")

    def beside(self, *others: "NamedColumns") -> "NamedColumns":
        """These columns, and then the others'."""
        every = (self, *others)
        names = tuple(name for one in every for name in one.names)
        return NamedColumns(names, np.hstack([one.values for one in every]).astype(np.float32, copy=False))


@dataclass(frozen=True)
class Relations:
    """One graph per relation over the same nodes; a row hears its columns.

    Shapes: graphs[name] csr float32[n_nodes, n_nodes], ones, empty diagonal; symmetric from `from_edges`. Who may
    hear earlier nodes only makes the matrices so.
    """

    n_nodes: int
    graphs: Mapping[str, sp.csr_matrix] = field(default_factory=dict)

    @classmethod
    def from_edges(cls, n_nodes: int, edges: Mapping[str, NDArray[Any]]) -> "Relations":
        """From edges int[2, n_edges] in any direction and number; loops and repeats are dropped.

        Raises:
            ValueError: an edge names a node outside 0 … n_nodes − 1.
        """
        return cls(n_nodes, {name: _symmetric(n_nodes, name, ends) for name, ends in edges.items()})

    def union(self) -> sp.csr_matrix:
        """All relations as one graph."""
        total = sp.csr_matrix((self.n_nodes, self.n_nodes), dtype=np.float32)
        for graph in self.graphs.values():
            total = total + graph
        total.data[:] = 1.0
        return total


def _symmetric(n_nodes: int, name: str, ends: NDArray[Any]) -> sp.csr_matrix:
    ends = np.asarray(ends, np.int64).reshape(2, -1)
    if ends.size and (ends.min() < 0 or ends.max() >= n_nodes):
        raise ValueError(f"relation {name}: an edge names a node outside 0..{n_nodes - 1}")
    ends = ends[:, ends[0] != ends[1]]
    ones = np.ones(2 * ends.shape[1], np.float32)
    graph = sp.csr_matrix(
        (ones, (np.r_[ends[0], ends[1]], np.r_[ends[1], ends[0]])), shape=(n_nodes, n_nodes)
    )
    graph.sum_duplicates()
    graph.sort_indices()
    graph.data[:] = 1.0
    return graph


def degrees(graph: sp.csr_matrix) -> NDArray[np.int64]:
    """How many neighbours each node has, int64[n]."""
    return np.asarray(np.diff(graph.indptr), np.int64)


def place_features(relations: Relations) -> NamedColumns:
    """Where each node stands in each relation: PLACES per relation, as RELATION_PLACE.

    degree and triangles are ln(1 + count); neighbours_degree is the mean of the neighbours' degree; pagerank is
    ln of PageRank × n_nodes; clustering is the share of pairs of neighbours that are neighbours (0 below two).
    """
    names: list[str] = []
    columns: list[Float32] = []
    for name, graph in relations.graphs.items():
        names += [f"{name}_{place}" for place in PLACES]
        columns.append(_places(graph))
    blank = np.zeros((relations.n_nodes, 0), np.float32)
    return NamedColumns(tuple(names), np.hstack([blank, *columns]))


def _places(graph: sp.csr_matrix) -> Float32:
    n = graph.shape[0]
    if not n:
        return np.zeros((0, len(PLACES)), np.float32)
    upper = sp.triu(graph, k=1).tocoo()
    made = ig.Graph(n=n, edges=np.column_stack([upper.row, upper.col]), directed=False)
    degree = degrees(graph).astype(np.float64)
    log_degree = np.log1p(degree)
    clustering = np.asarray(made.transitivity_local_undirected(mode="zero"), np.float64)
    triangles = np.rint(clustering * degree * (degree - 1) / 2)
    pagerank = np.log(np.asarray(made.pagerank(), np.float64) * n)
    around = (graph @ log_degree) / np.maximum(degree, 1)
    core = np.log1p(np.asarray(made.coreness(), np.float64))
    # PageRank comes from an iteration: its last digits depend on the order of the nodes.
    places = np.column_stack([log_degree, around, pagerank.round(6), core, np.log1p(triangles), clustering])
    return places.astype(np.float32)


@dataclass(frozen=True)
class Placing:
    """Places of single nodes in one relation, whose other nodes stay where place_features found them.

    Shapes: places float32[n, len(PLACES)]; degree int64[n]. alone: PageRank of all nodes without neighbours together.
    """

    graph: sp.csr_matrix
    places: Float32
    degree: NDArray[np.int64]
    alone: float

    @classmethod
    def of(cls, graph: sp.csr_matrix, places: Float32) -> "Placing":
        """From a relation and its columns of place_features."""
        degree = degrees(graph)
        lone = places[degree == 0, PLACES.index("pagerank")].astype(np.float64)
        return cls(graph, places, degree, float(np.exp(lone).sum() / max(len(degree), 1)))

    def place(
        self, row: int, partners: NDArray[np.int64], second: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """The places of a node if it had these neighbours, float32[len(PLACES)].

        PageRank and core number are what one step of their equations gives (a core number is the h-index of the
        neighbours', Lü et al. 2016), so a node with the neighbours that it has keeps what place_features found.

        row: of the node, n for one that the relation lacks. Shapes: partners int64[k]; second int[…], all their
        neighbours.
        """
        k = len(partners)
        old = neighbours_of(self.graph, row)
        near = {name: self.places[partners, at].astype(np.float64) for at, name in enumerate(PLACES)}
        # A new neighbour has one more to pass its rank on to.
        share = np.exp(near["pagerank"]) / np.maximum(self.degree[partners] + ~np.isin(partners, old), 1)
        pagerank = np.log(1 - _DAMPING + _DAMPING * (share.sum() + self.alone))
        cores = np.sort(np.rint(np.expm1(near["core"])))[::-1]
        core = int((cores >= np.arange(1, k + 1)).sum())
        near_by = np.zeros(len(self.degree), bool)
        near_by[partners] = True
        triangles = int(np.count_nonzero(near_by[second])) // 2
        clustering = triangles / (k * (k - 1) / 2) if k > 1 else 0.0
        around = near["degree"].mean() if k else 0.0
        found = [np.log1p(k), around, pagerank.round(6), np.log1p(core), np.log1p(triangles), clustering]
        return np.array(found, np.float32)


def neighbours_of(graph: sp.csr_matrix, row: int) -> NDArray[np.integer]:
    """The neighbours of a node, int[k]; none of one that the relation lacks."""
    if row >= graph.shape[0]:
        return np.zeros(0, graph.indices.dtype)
    return np.asarray(graph.indices[slice(*graph.indptr[[row, row + 1]])])
