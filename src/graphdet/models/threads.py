"""One thread for small tensors."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, and leave the caller's number as it was.

    Sums then run in one order, so the same seed gives the same bytes on any number of cores, and small tensors lose
    more to waiting for each other on a busy machine than a second core gives.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
