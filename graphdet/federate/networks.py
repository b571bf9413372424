"""The two networks that are learned together, as one owner's gradients see them (torch, Opacus)."""

import secrets
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from graphdet.arrays import Float32
from graphdet.gnn.network import build
from graphdet.gnn.settings import GnnSettings
from graphdet.judge.model import N_FOLDS, N_SEEDS
from graphdet.judge.monotone_nets import HIDDEN
from graphdet.judge.training import TRUNCATE_AT

JUDGE, USERS = "judge", "users"
# No rounds of listening, whose gradients Opacus cannot take apart by example: partners are heard as sums.
USER_SETTINGS = GnnSettings(n_rounds=0, input_dropout=0.0, dropout=0.0)
Arrays = dict[str, NDArray[np.float32]]


class JudgeNets(nn.Module):
    """The networks of a ring judge, one per fold and seed, each as in judge.monotone_nets.

    Takes float32[n, n_inputs], gives logits float32[n, N_FOLDS × N_SEEDS].
    """

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        first, second = HIDDEN
        self.nets = nn.ModuleList(
            nn.Sequential(
                nn.Linear(n_inputs, first),
                nn.Tanh(),
                nn.Linear(first, second),
                nn.Tanh(),
                nn.Linear(second, 1),
            )
            for _ in range(N_FOLDS * N_SEEDS)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Run all."""
        return torch.cat([net(x) for net in self.nets], dim=1)


class UserNet(nn.Module):
    """The network of users, with one column of logits: float32[n, n_inputs] → float32[n, 1]."""

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        self.net = build(USER_SETTINGS, n_inputs, 0)

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        return self.net(x, ())[:, None]  # type: ignore[no-any-return]


def make_net(kind: str, n_inputs: int) -> nn.Module:
    """An untrained network of a kind, JUDGE or USERS."""
    return JudgeNets(n_inputs) if kind == JUDGE else UserNet(n_inputs)


@dataclass(frozen=True)
class OwnExamples:
    """What one owner's network learns from.

    Shapes: x float32[n, n_inputs]; positive bool[n]; weight float32[n, n_heads], of each example in the loss of each
    column of logits, the mean of a column's weights about 1.
    """

    x: Float32
    positive: NDArray[np.bool_]
    weight: Float32


class Voice:
    """The gradients of one network on one owner's examples.

    With noise, the gradient of each example is shortened to `clip` and Gaussian noise of `noise` × clip is added to
    their sum (DP-SGD, Abadi et al. 2016), by Opacus. The noise is drawn from what the system calls random, so that
    nobody who knows a seed can take it off again; `seed` says only which examples a round draws without noise.
    """

    def __init__(
        self,
        kind: str,
        examples: OwnExamples,
        sample: float,
        noise: float = 0.0,
        clip: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.kind, self.examples, self.sample, self.noise = kind, examples, sample, noise
        self.inner = make_net(kind, examples.x.shape[1])
        self.net: nn.Module = self.inner
        self.rng = np.random.default_rng(secrets.randbits(128) if noise else seed)
        if noise:
            from opacus import GradSampleModule
            from opacus.optimizers import DPOptimizer

            self.net = GradSampleModule(self.net, loss_reduction="sum")
            self.private = DPOptimizer(
                torch.optim.SGD(self.net.parameters(), lr=0.0),
                noise_multiplier=noise,
                max_grad_norm=clip,
                expected_batch_size=max(round(sample * len(examples.x)), 1),
                loss_reduction="mean",
                generator=torch.Generator().manual_seed(secrets.randbits(63)),
            )

    def gradient(self, weights: Mapping[str, NDArray[np.float32]]) -> Arrays:
        """The mean gradient at these weights over a sample, by name of the weight."""
        self.inner.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        rows = np.flatnonzero(self.rng.random(len(self.examples.x)) < self.sample)
        nobody = not len(rows)  # a sample may be empty; what is released then is noise alone
        rows = np.zeros(1, np.int64) if nobody else rows
        target = torch.from_numpy(self.examples.positive[rows].astype(np.float32))[:, None]
        weight = torch.from_numpy(self.examples.weight[rows]) * (0.0 if nobody else 1.0)
        logits = self.net(torch.from_numpy(self.examples.x[rows]))
        loss = example_loss(self.kind, logits, target, weight).sum()
        if self.noise:
            with (
                warnings.catch_warnings()
            ):  # that no input needs a gradient, which is so of every first layer
                warnings.simplefilter("ignore")
                loss.backward()  # type: ignore[no-untyped-call]
            self.private.pre_step()
        else:
            (loss / max(self.sample * len(self.examples.x), 1.0)).backward()  # type: ignore[no-untyped-call]
        found = {
            name: value.grad.detach().numpy().copy()
            for name, value in self.inner.named_parameters()
            if value.grad is not None
        }
        (self.private if self.noise else self.net).zero_grad(set_to_none=True)
        return found


def example_loss(kind: str, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The weighted loss of each example and column, float32[n, n_heads]; of the judge truncated, of users robust.

    As in judge.monotone_nets.fit and gnn.training.robust_loss; target float32[n, 1].
    """
    if kind == JUDGE:
        trusted = (target > 0) | (logits.detach() < TRUNCATE_AT)
        return functional.binary_cross_entropy_with_logits(
            logits, target.expand_as(logits), weight=weight * trusted, reduction="none"
        )
    log_p = functional.logsigmoid(torch.where(target > 0.5, logits, -logits))
    q = USER_SETTINGS.robustness
    return weight * (1.0 - torch.exp(q * log_p)) / q
