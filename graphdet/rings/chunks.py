"""Work on many blocks by chunks, on all cores: numpy and scipy let go of the interpreter while they compute."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

CHUNK = 500  # blocks at once: bounds memory, changes nothing else
MOST_THREADS = 8  # each holds the working memory of a chunk

Part = TypeVar("Part")


def by_chunks(n: int, work: Callable[[slice], Part]) -> list[Part]:
    """What `work` gives for each chunk of rows 0 … n − 1, in their order; at least one chunk, which may be empty."""
    rows = [slice(start, start + CHUNK) for start in range(0, max(n, 1), CHUNK)]
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool:
        return list(pool.map(work, rows))
