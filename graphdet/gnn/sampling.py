"""Our own neighbour sampler in NumPy: plain pip PyG has none (its loaders want pyg-lib)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Block:
    """The ties one round runs over; rows are positions in `nodes`, whose first n_dst are the listeners.

    Shapes: nodes int64[n_src] user rows; edge_index int64[2, n_ties]; edge_attr float32[n_ties,
    n_attributes]; scale float32[n_ties].
    """

    nodes: NDArray[np.int64]
    n_dst: int
    edge_index: Tensor
    edge_attr: Tensor
    scale: Tensor


class TieIndex:
    """Ties grouped by listener, for taking blocks out of them."""

    def __init__(self, edge_index: Tensor, edge_attr: Tensor, n_users: int) -> None:
        src, dst = edge_index.cpu().numpy()
        order = np.lexsort((src, dst))
        self.n_users = n_users
        self.src = src[order]
        self.attributes = edge_attr.cpu().numpy()[order]
        self.degree = np.bincount(dst, minlength=n_users)
        self.start = np.cumsum(self.degree) - self.degree

    def block(
        self,
        listeners: NDArray[np.int64],
        fan_out: int | None,
        rng: np.random.Generator,
        device: torch.device,
    ) -> Block:
        """Take the listeners' ties, at most `fan_out` each drawn at random (None: all).

        A drawn tie gets scale degree ÷ fan_out, so that scaled sums estimate the full sums without bias.
        """
        degree = self.degree[listeners]
        taken = degree if fan_out is None else np.minimum(degree, fan_out)
        owner = np.repeat(np.arange(len(listeners)), taken)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(taken) - taken, taken)
        scale = np.ones(len(owner), np.float32)
        if fan_out is not None and len(degree) and degree.max() > fan_out:
            crowded = degree > fan_out
            offset[crowded[owner]] = _without_replacement(degree[crowded], fan_out, rng).ravel()
            scale = np.maximum(degree[owner] / fan_out, 1.0).astype(np.float32)
        ties = self.start[listeners][owner] + offset
        row = np.full(self.n_users, -1, np.int64)
        row[listeners] = np.arange(len(listeners))
        speakers = self.src[ties]
        unseen = np.zeros(self.n_users, bool)
        unseen[speakers] = True
        unseen[listeners] = False
        new = np.flatnonzero(unseen)
        row[new] = len(listeners) + np.arange(len(new))
        return Block(
            nodes=np.concatenate([listeners, new]),
            n_dst=len(listeners),
            edge_index=torch.from_numpy(np.stack([row[speakers], owner])).to(device),
            edge_attr=torch.from_numpy(self.attributes[ties]).to(device),
            scale=torch.from_numpy(scale).to(device),
        )

    def blocks(
        self,
        seeds: NDArray[np.int64],
        fan_outs: Sequence[int | None],
        rng: np.random.Generator,
        device: torch.device,
    ) -> list[Block]:
        """Take one block per round so that the last one's listeners are the seeds (distinct rows).

        `fan_outs` counts from the seeds outwards.
        """
        taken: list[Block] = []
        listeners = seeds
        for fan_out in fan_outs:
            taken.append(self.block(listeners, fan_out, rng, device))
            listeners = taken[-1].nodes
        return taken[::-1]


def _without_replacement(
    sizes: NDArray[np.int64], n_drawn: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw n_drawn different numbers of 0 … size − 1 for each size, sorted: int64[len(sizes), n_drawn].

    Floyd's algorithm (Bentley and Floyd, "A sample of brilliance", 1987), for all sizes at once: the cost is that of
    what is drawn, not of what it is drawn from.
    """
    drawn = np.empty((len(sizes), n_drawn), np.int64)
    for k in range(n_drawn):
        last = sizes - n_drawn + k
        number = rng.integers(0, last, endpoint=True)
        repeated = (drawn[:, :k] == number[:, None]).any(axis=1)
        drawn[:, k] = np.where(repeated, last, number)
    return np.sort(drawn, axis=1)


def batches_of_seeds(
    positive: NDArray[np.int64],
    negative: NDArray[np.int64],
    size: int,
    positive_share: float,
    rng: np.random.Generator,
) -> Iterator[NDArray[np.int64]]:
    """Draw class-balanced batches without end: each class is shuffled and dealt out, then shuffled again."""
    n_positive = min(max(1, round(size * positive_share)), len(positive))
    dealers = (_deal(positive, n_positive, rng), _deal(negative, min(size - n_positive, len(negative)), rng))
    while True:
        yield np.concatenate([next(dealer) for dealer in dealers])


def _deal(rows: NDArray[np.int64], size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    while True:
        order = rng.permutation(rows)
        for k in range(0, len(order) - size + 1, size):
            yield order[k : k + size]
