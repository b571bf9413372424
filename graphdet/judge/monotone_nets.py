"""Small networks that are monotone in inputs whose direction is known, several trained at once.

A network has two hidden layers with tanh. It is monotone by weights kept ≥ 0 behind the signed inputs (Sill 1998).
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

HIDDEN = (32, 16)
TRAINING_STEPS = 300
WARM_STEPS = 60  # with the plain loss, to learn where negatives are before trusting the network's doubt
RATE = 1e-2
WEIGHT_DECAY = 0.2
LARGEST_STEP = 1.0  # norm of a network's gradient


class MonotoneNets:
    """n networks of one shape.

    layers: weight float32[n, n_in, n_out] and bias float32[n, 1, n_out] of each of three.
    """

    def __init__(self, n: int, direction: Sequence[int], seed: int) -> None:
        """Draw the weights; direction: per input 1, −1 or 0, as in `fit`."""
        draw = torch.Generator().manual_seed(seed)
        self.sign = torch.tensor(direction, dtype=torch.float32)[:, None]
        sizes = (len(direction), *HIDDEN, 1)
        self.layers = []
        for n_in, n_out in itertools.pairwise(sizes):
            bound = n_in**-0.5
            weight = (2 * torch.rand(n, n_in, n_out, generator=draw) - 1) * bound
            bias = (2 * torch.rand(n, 1, n_out, generator=draw) - 1) * bound
            self.layers.append((weight, bias))
        self._project(lambda values: values.abs())

    @property
    def parameters(self) -> list[torch.Tensor]:
        """All weights and biases."""
        return [values for layer in self.layers for values in layer]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The logits of rows, float32[n, n_rows]; x float32[n, n_rows, n_inputs]."""
        h = x
        for number, (weight, bias) in enumerate(self.layers):
            h = torch.baddbmm(bias, h if number == 0 else torch.tanh(h), weight)
        return h[:, :, 0]

    def project(self) -> None:
        """Move the weights to the nearest that are monotone."""
        self._project(lambda values: values.clamp(min=0))

    def _project(self, positive: Callable[[torch.Tensor], torch.Tensor]) -> None:
        with torch.no_grad():
            first = self.layers[0][0]
            first.copy_(torch.where(self.sign != 0, self.sign * positive(self.sign * first), first))
            for weight, _ in self.layers[1:]:
                weight.copy_(positive(weight))

    def arrays(self, number: int) -> dict[str, NDArray[np.float32]]:
        """The weights of one network: layer.weight float32[n_out, n_in], layer.bias float32[n_out]."""
        out = {}
        for layer, (weight, bias) in enumerate(self.layers):
            out[f"{layer}.weight"] = np.ascontiguousarray(weight[number].detach().numpy().T)
            out[f"{layer}.bias"] = bias[number, 0].detach().numpy().copy()
        return out


def fit(
    x: NDArray[np.float64],
    positive: NDArray[np.bool_],
    weight: NDArray[np.float64],
    n: int,
    direction: Sequence[int],
    seed: int,
    truncate_at: float,
) -> MonotoneNets:
    """Fit n networks by projected AdamW with a one-cycle schedule on all examples at once.

    Shapes: x float64[n_rows, n_inputs], standardised; positive bool[n_rows]; weight float64[n_rows], of each example in
    the loss; direction: per input 1 where more of it speaks for a positive, −1 where against, 0 where either may be. A
    negative of a logit above `truncate_at` is not pulled down any more. The networks differ in their first weights.
    """
    nets = MonotoneNets(n, direction, seed)
    for values in nets.parameters:
        values.requires_grad_(True)
    inputs = torch.from_numpy(x.astype(np.float32)).expand(n, *x.shape)
    wanted = torch.from_numpy(positive.astype(np.float32)).expand(n, -1)
    share = torch.from_numpy(weight.astype(np.float32))
    optimiser = torch.optim.AdamW(nets.parameters, lr=RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=RATE, total_steps=TRAINING_STEPS)
    for step in range(TRAINING_STEPS):
        optimiser.zero_grad()
        logit = nets(inputs)
        trusted = (wanted > 0) | (logit.detach() < truncate_at) | torch.tensor(step < WARM_STEPS)
        loss = binary_cross_entropy_with_logits(logit, wanted, weight=share * trusted, reduction="sum")
        loss.backward()  # type: ignore[no-untyped-call]
        _clip(nets.parameters)
        optimiser.step()
        schedule.step()
        nets.project()
    return nets


def _clip(parameters: list[torch.Tensor]) -> None:
    """Shorten the gradient of each network to LARGEST_STEP."""
    gradients = [values.grad for values in parameters if values.grad is not None]
    norm = torch.stack([(each**2).sum(dim=(1, 2)) for each in gradients]).sum(dim=0).sqrt()
    factor = (LARGEST_STEP / (norm + 1e-6)).clamp(max=1.0)[:, None, None]
    for each in gradients:
        each.mul_(factor)
