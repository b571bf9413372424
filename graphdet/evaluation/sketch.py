"""How much two large sets have in common, told by a small sample of each."""

import numpy as np
from numpy.typing import NDArray

SIZE = 256  # hashes kept; the likeness of two large sets is then off by about 0.03
Sketch = NDArray[np.int64]


def sketch_of(keys: NDArray[np.int64]) -> Sketch:
    """The SIZE smallest of a set's hashes, ascending, int64[at most SIZE]."""
    return np.unique(keys)[:SIZE]


def likeness(one: Sketch, other: Sketch) -> float:
    """The Jaccard index of two sets, estimated by the smallest hashes of their union (Bar-Yossef et al. 2002).

    >>> halves = sketch_of(np.arange(0, 200)), sketch_of(np.arange(100, 300))
    >>> round(likeness(*halves), 2), likeness(halves[0], halves[0]), likeness(halves[0], halves[0][:0])
    (0.39, 1.0, 0.0)
    """
    union = np.union1d(one, other)[:SIZE]
    return float((np.isin(union, one) & np.isin(union, other)).mean()) if len(union) else 0.0
