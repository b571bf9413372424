"""The learned part: gated message passing over ties between users."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphdet.gnn.pyg import MessagePassing
from graphdet.gnn.sampling import Block


class GatedTies(MessagePassing):  # type: ignore[misc]
    """One round of listening to partners through learned gates.

    A message is z = relu(A h_dst + B h_src + C e); each of n_gates gates g = σ(G z) says how much a tie
    counts, and the user receives ln(1 + Σ g), a soft count of the ties that count, beside Σ g V z ÷ (Σ g +
    ε), what they say. Soft counts keep "how many accounts move with me", which a mean or a softmax divides
    away. The gate follows Bresson and Laurent, "Residual Gated Graph ConvNets" (2017); the unnormalised sum
    follows the argument of Xu et al., "How Powerful are Graph Neural Networks?" (2019).

    Shapes: h float32[n_src, width], whose first n_dst rows are the listeners; edge_index int64[2, n_ties]
    into these rows; edge_attr float32[n_ties, n_attributes]; scale float32[n_ties], how many ties each stands
    for when they were sampled; returns float32[n_dst, width].
    """

    def __init__(self, width: int, n_attributes: int, n_gates: int) -> None:
        super().__init__(aggr="sum")
        self.n_gates = n_gates
        self.listener = nn.Linear(width, width)
        self.speaker = nn.Linear(width, width, bias=False)
        self.tie = nn.Linear(n_attributes, width, bias=False)
        self.gate = nn.Linear(width, n_gates)
        self.value = nn.Linear(width, width)
        self.combine = nn.Linear(2 * width + n_gates, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, h: Tensor, n_dst: int, edge_index: Tensor, edge_attr: Tensor, scale: Tensor) -> Tensor:
        """Run one round."""
        own = h[:n_dst]
        heard = self.propagate(
            edge_index,
            size=(len(h), n_dst),
            speaker=(self.speaker(h), None),
            listener=(None, self.listener(own)),
            edge_attr=edge_attr,
            scale=scale,
        )
        count, total = heard[:, : self.n_gates], heard[:, self.n_gates :]
        mean = total.view(n_dst, self.n_gates, -1) / (count[:, :, None] + 0.1)
        out = self.combine(torch.cat([own, torch.log1p(count), mean.flatten(1)], dim=1))
        refined: Tensor = self.norm(own + functional.relu(out))
        return refined

    def message(self, speaker_j: Tensor, listener_i: Tensor, edge_attr: Tensor, scale: Tensor) -> Tensor:
        """Give gates and gated values side by side: float32[n_ties, n_gates + width]."""
        z = functional.relu(listener_i + speaker_j + self.tie(edge_attr))
        gate = torch.sigmoid(self.gate(z)) * scale[:, None]
        value = (
            self.value(z).view(len(z), self.n_gates, self.value.out_features // self.n_gates)
            * gate[:, :, None]
        )
        return torch.cat([gate, value.flatten(1)], dim=1)


class RingNet(nn.Module):
    """Encoder of the propagated inputs, rounds of gated ties, and a head that gives one logit per user."""

    def __init__(
        self,
        n_inputs: int,
        n_attributes: int,
        width: int,
        n_gates: int,
        n_rounds: int,
        dropout: float,
        input_dropout: float,
    ) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Dropout(input_dropout),
            nn.Linear(n_inputs, 2 * width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )
        self.rounds = nn.ModuleList([GatedTies(width, n_attributes, n_gates) for _ in range(n_rounds)])
        self.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
        )

    def forward(self, x: Tensor, blocks: Sequence[Block]) -> Tensor:
        """Give one logit per seed.

        Shapes: x float32[n, n_inputs] of the first block's sources; blocks one per round, the last one's
        listeners are the seeds; returns float32[n_seeds].
        """
        h: Tensor = self.encoder(x)
        for layer, block in zip(self.rounds, blocks, strict=True):
            h = layer(h, block.n_dst, block.edge_index, block.edge_attr, block.scale)
        logit: Tensor = self.head(h)
        return logit[:, 0]
