"""One thread for small tensors, and several such works side by side."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Argument = TypeVar("Argument")
Result = TypeVar("Result")


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


def side_by_side(work: Callable[[Argument], Result], given: Iterable[Argument]) -> list[Result]:
    """What `work` makes of each, on all cores, each with one thread of torch: the same on any number of cores."""
    with (
        one_thread(),
        # torch keeps the number of threads per thread, too.
        ThreadPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        return list(pool.map(work, given))
