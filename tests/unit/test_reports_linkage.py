"""The drawings' own average linkage against SciPy's: the same trees, orders and groups, ties included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import pdist, squareform

from graphdet.reports.figures.linkage import average_linkage


def same(rows: np.ndarray, at_most: tuple[int, ...]) -> None:
    apart = pdist(rows.astype(float), "cityblock")
    theirs, ours = linkage(apart, "average"), average_linkage(squareform(apart))
    assert np.array_equal(ours.children, theirs[:, :2])
    assert np.array_equal(ours.height, theirs[:, 2])
    assert ours.leaves() == leaves_list(theirs).tolist()
    for most in at_most:
        label = fcluster(theirs, most, "maxclust")
        pairs = set(zip(ours.cut(most).tolist(), label.tolist(), strict=True))
        assert len(pairs) == len(set(label.tolist())) == len({one for one, _ in pairs})


@given(st.integers(3, 30), st.integers(1, 8), st.data())
def test_small_trees_full_of_ties(n: int, width: int, data: st.DataObject) -> None:
    rows = data.draw(arrays(np.bool_, (n, width)))
    same(rows, tuple(range(1, n)))


@pytest.mark.parametrize("seed", range(4))
def test_larger_trees(seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows = np.unique(draw.random((400, 14)) < draw.uniform(0.3, 0.9), axis=0)
    same(rows, (1, 2, 3, 17, 60, 150, len(rows) - 1))
    same(draw.normal(size=(120, 3)), (1, 5, 60, 119))
