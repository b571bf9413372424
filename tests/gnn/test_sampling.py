"""The neighbour sampler draws ties evenly, without repeats, and says how many each stands for."""

import numpy as np
import torch

from graphdet.gnn.sampling import TieIndex

CPU = torch.device("cpu")
DEGREES = (0, 1, 3, 4, 5, 40)


def star_index() -> TieIndex:
    """Users 0 … 5 listen to as many of the others as DEGREES says; a tie's attribute is its speaker."""
    n = len(DEGREES) + max(DEGREES)
    ends = [
        (len(DEGREES) + speaker, user) for user, degree in enumerate(DEGREES) for speaker in range(degree)
    ]
    edges = torch.from_numpy(np.asarray(ends, np.int64).T)
    return TieIndex(edges, edges[0].float()[:, None], n)


def test_a_draw_has_no_repeats_takes_whole_small_crowds_and_its_scales_add_up_to_the_degree() -> None:
    index, listeners = star_index(), np.array([5, 0, 2, 4, 1, 3])
    for seed in range(20):
        block = index.block(listeners, 4, np.random.default_rng(seed), CPU)
        speaker, listener = block.edge_index.numpy()
        assert len(np.unique(np.stack([speaker, listener]), axis=1).T) == len(speaker)
        taken = np.bincount(listener, minlength=len(listeners))
        degree = np.asarray(DEGREES)[listeners]
        assert taken.tolist() == np.minimum(degree, 4).tolist()
        assert np.allclose(np.bincount(listener, block.scale.numpy(), len(listeners)), degree)
        assert block.nodes[speaker].tolist() == block.edge_attr[:, 0].long().tolist()
        assert block.nodes[: block.n_dst].tolist() == listeners.tolist()
        assert len(np.unique(block.nodes)) == len(block.nodes)


def test_each_tie_of_a_crowd_is_drawn_equally_often() -> None:
    index, rng, n = star_index(), np.random.default_rng(1), 4_000
    drawn = np.concatenate(
        [index.block(np.array([5]), 4, rng, CPU).edge_attr[:, 0].numpy() for _ in range(n)]
    )
    counts = np.bincount(drawn.astype(int) - len(DEGREES), minlength=40)
    expected = n * 4 / 40
    # Without replacement the counts are less spread than chi-square with 39 degrees of freedom, whose 99.9 % is 73.
    assert ((counts - expected) ** 2 / expected).sum() < 73
    assert counts.sum() == 4 * n


def test_without_a_limit_every_tie_is_taken() -> None:
    block = star_index().block(np.arange(len(DEGREES)), None, np.random.default_rng(0), CPU)
    assert np.bincount(block.edge_index[1].numpy(), minlength=len(DEGREES)).tolist() == list(DEGREES)
    assert (block.scale == 1).all()
