"""What the server does in a round: it puts the parties' gradients together, and takes one step.

One party's gradient is never taken as it comes: it is shortened to NORM_BOUND times the median length of all, and of
each number the highest and the lowest fifth are left out before the mean is taken (a trimmed mean, Yin et al. 2018), so
that with five parties one may send what it likes. Who pulls against the others is counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from graphdet.federate.networks import JUDGE, USER_SETTINGS, Arrays, JudgeNets, make_net
from graphdet.judge.monotone_nets import LARGEST_STEP, RATE, WEIGHT_DECAY

NORM_BOUND = 2.0
TRIMMED = 0.2  # of the parties, from each end of every number
AGAINST = -0.2  # cosine with what the others say together, below which a gradient pulls against them
SUSPECT_SHARE = 0.5  # of the rounds, from which a party is named


@dataclass
class PartyRecord:
    """How a party behaved: rounds it took part in, was shortened in, pulled against the others in."""

    rounds: int = 0
    shortened: int = 0
    against: int = 0

    @property
    def is_suspect(self) -> bool:
        """Whether it was shortened or pulled against the others in half of its rounds or more."""
        return max(self.shortened, self.against) >= SUSPECT_SHARE * max(self.rounds, 1)


class Council:
    """One network, and how it is moved by many.

    robust: trimmed mean and bound; without, the plain mean. direction: of the judge's inputs, as in monotone_nets.
    """

    def __init__(
        self,
        kind: str,
        n_inputs: int,
        n_rounds: int,
        seed: int = 0,
        direction: Sequence[int] = (),
        robust: bool = True,
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = make_net(kind, n_inputs)
        judge = kind == JUDGE
        rate, decay = (
            (RATE, WEIGHT_DECAY) if judge else (USER_SETTINGS.learning_rate, USER_SETTINGS.weight_decay)
        )
        self.largest, self.robust = LARGEST_STEP if judge else USER_SETTINGS.clip_norm, robust
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=rate, weight_decay=decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, rate, max(n_rounds, 2))
        self.sign = torch.tensor(direction, dtype=torch.float32)
        self.standing: dict[str, PartyRecord] = {}
        self._project()

    def weights(self) -> Arrays:
        """The weights, by name."""
        return {name: value.detach().numpy().copy() for name, value in self.net.state_dict().items()}

    def take(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """Start from these weights."""
        self.net.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})

    def step(self, gradients: Mapping[str, Arrays], own: Arrays | None = None) -> None:
        """Move by the gradients of the parties, by their names, and the server's own as one voice more."""
        together = self._together(
            list(gradients), np.stack([self._flat(each) for each in gradients.values()])
        )
        if own is not None:
            together = (len(gradients) * together + self._flat(own)) / (len(gradients) + 1)
        self._move(torch.from_numpy(together.astype(np.float32)))

    def _flat(self, arrays: Arrays) -> NDArray[np.float64]:
        return np.concatenate([arrays[name].ravel() for name, _ in self.net.named_parameters()]).astype(
            np.float64
        )

    def _move(self, together: torch.Tensor) -> None:
        start = 0
        for value in self.net.parameters():
            value.grad = together[start : start + value.numel()].view_as(value)
            start += value.numel()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.largest)
        self.optimiser.step()
        self.schedule.step()
        self._project()

    def _together(self, parties: list[str], flat: NDArray[np.float64]) -> NDArray[np.float64]:
        """One gradient of all, float64[n]; flat float64[n_parties, n]."""
        length = np.linalg.norm(flat, axis=1)
        bound = NORM_BOUND * float(np.median(length))
        for row, party in enumerate(parties):
            others = np.delete(flat, row, axis=0)
            told = self.standing.setdefault(party, PartyRecord())
            told.rounds += 1
            told.shortened += int(length[row] > bound)
            middle = np.median(others, axis=0) if len(others) else flat[row]
            scale = length[row] * np.linalg.norm(middle)
            told.against += int(scale > 0 and flat[row] @ middle / scale < AGAINST)
        if not self.robust:
            return np.asarray(flat.mean(axis=0))
        flat = flat * np.minimum(1.0, bound / np.maximum(length, 1e-12))[:, None]
        out = int(TRIMMED * len(flat))
        return np.asarray(np.sort(flat, axis=0)[out : len(flat) - out].mean(axis=0))

    def _project(self) -> None:
        """Move the judge's weights to the nearest that are monotone (see judge.monotone_nets)."""
        if not isinstance(self.net, JudgeNets):
            return
        with torch.no_grad():
            for net in self.net.nets:
                first, *further = (layer for layer in net.children() if isinstance(layer, torch.nn.Linear))
                known = self.sign != 0
                allowed = self.sign * (self.sign * first.weight).clamp(min=0)
                first.weight.copy_(torch.where(known, allowed, first.weight))
                for layer in further:
                    layer.weight.clamp_(min=0)
