"""PyGOD's graph autoencoder as a peer, trained here in one batch.

Its detectors sample neighbours by pyg-lib or torch-sparse, which no plain install brings.
"""

import numpy as np
import torch
from numpy.typing import NDArray

RATE = 0.004  # PyGOD's default


def rebuilding_errors(
    x: NDArray[np.float32], edges: NDArray[np.int64], seed: int, epochs: int
) -> NDArray[np.float64]:
    """How badly GAE of PyGOD 1.1 (Kipf & Welling 2016) rebuilds each node, float64[n]; x float32[n, d], edges [2, m].

    Raises:
        ImportError: PyGOD is not installed.
    """
    from pygod.nn import GAEBase

    torch.manual_seed(seed)
    features, ends = torch.from_numpy(x), torch.from_numpy(edges)
    net = GAEBase(in_dim=x.shape[1])
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
    for _ in range(epochs):
        optimiser.zero_grad()
        loss = net.loss_func(net(features, ends), features)
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return ((net(features, ends) - features) ** 2).mean(dim=1).numpy().astype(np.float64)
