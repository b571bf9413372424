"""Average linkage of a few hundred rows, and what is read off its tree.

SciPy does the same, equal to the last bit and in the order of ties (the tests compare them). But loading its clustering
takes longer than drawing a ring.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True)
class Tree:
    """Merges of clusters, the nearest first.

    Shapes: children int64[n - 1, 2], the smaller first: below n a row, n + k what merge k made; height
    float64[n - 1], ascending.
    """

    children: Ints
    height: Float

    def leaves(self) -> list[int]:
        """The rows from left to right."""
        n = len(self.height) + 1
        found, waiting = [], [2 * n - 2]
        while waiting:
            node = waiting.pop()
            if node < n:
                found.append(node)
            else:
                left, right = self.children[node - n].tolist()
                waiting += [right, left]
        return found

    def cut(self, at_most: int) -> Ints:
        """A label for each row, int64[n], of at most so many clusters; merges of one height are made together."""
        n = len(self.height) + 1
        n_made = np.searchsorted(self.height, self.height, side="right")
        enough = int(n_made[np.argmax(n - n_made <= at_most)])
        label = np.arange(2 * n - 1)
        for node in range(n + enough - 1, n - 1, -1):
            label[self.children[node - n]] = label[node]
        return label[:n]


def average_linkage(distance: Float) -> Tree:
    """Merge the two nearest clusters until one is left, by chains of nearest neighbours.

    The distance of two clusters is the mean over all pairs of their rows. Shapes: distance float64[n, n], symmetric.
    """
    n = len(distance)
    between = distance.astype(np.float64)
    np.fill_diagonal(between, np.inf)
    size = np.ones(n, np.int64)
    merged, height = np.empty((n - 1, 2), np.int64), np.empty(n - 1)
    chain: list[int] = []
    for k in range(n - 1):
        if not chain:
            chain = [int(np.argmax(size > 0))]
        while True:
            row = between[chain[-1]]
            nearest = int(row.argmin())
            if len(chain) > 1 and row[chain[-2]] <= row[nearest]:
                break
            chain.append(nearest)
        gone, kept = sorted((chain.pop(), chain.pop()))
        merged[k], height[k] = (gone, kept), between[gone, kept]
        both = size[gone] + size[kept]
        mean = (size[gone] * between[gone] + size[kept] * between[kept]) / both
        between[kept] = between[:, kept] = mean
        between[gone] = between[:, gone] = np.inf
        size[gone], size[kept] = 0, both
    order = np.argsort(height, kind="stable")
    return Tree(_named(merged[order]), height[order])


def _named(merged: Ints) -> Ints:
    """Name what is merged by the merge that made it, where a row stands for the whole cluster it is in."""
    n = len(merged) + 1
    parent = list(range(2 * n - 1))
    children = np.empty_like(merged)
    for k, pair in enumerate(merged.tolist()):
        roots = []
        for node in pair:
            while parent[node] != node:
                parent[node] = parent[parent[node]]
                node = parent[node]
            roots.append(node)
        children[k] = sorted(roots)
        parent[roots[0]] = parent[roots[1]] = n + k
    return children
