"""A message-passing network over the nodes of an attributed graph, for the same table as the trees.

Inputs are normal scores in learned bins; each round gives a node its own state, the mean of its neighbours'
per relation and the difference of the two. Labels are told as inputs too, strictly out of fold: at every step a
random half of the known nodes tells its label and the other half is learned from (the masking of UniMP, Shi
et al., "Masked Label Prediction", 2021), so no label ever travels to the row that it is the target of.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import Tensor, nn
from torch.nn import functional

from graphdet.clustering.centres import NormalScores
from graphdet.errors import GraphdetError

Float = NDArray[np.float64]
Graphs = Mapping[str, sp.csr_matrix]


@dataclass(frozen=True)
class NodeNetSettings:
    """How the network is built and trained.

    most_neighbours: a node hears at most so many of its neighbours per relation, drawn once; told_share: of
    the known nodes, how many tell their label in a step.
    """

    width: int = 32
    n_rounds: int = 2
    n_bins: int = 8
    dropout: float = 0.3
    learning_rate: float = 0.01
    weight_decay: float = 1e-3
    n_steps: int = 120
    eval_every: int = 10
    patience: int = 5
    told_share: float = 0.5
    most_neighbours: int = 16


class _Mean(torch.autograd.Function):
    """Row-stochastic sparse matrix times dense, with the transpose kept for the way back."""

    @staticmethod
    def forward(ctx: Any, walk: Tensor, back: Tensor, h: Tensor) -> Tensor:
        """Multiply."""
        ctx.back = back
        return walk @ h

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None, Tensor]:
        """Send gradients back along the edges."""
        return None, None, ctx.back @ grads[0].contiguous()


class _Round(nn.Module):
    def __init__(self, width: int, n_relations: int, dropout: float) -> None:
        super().__init__()
        self.combine = nn.Linear(width * (1 + 2 * n_relations), width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, walks: list[tuple[Tensor, Tensor]]) -> Tensor:
        parts = [h]
        for walk, back in walks:
            mean = _Mean.apply(walk, back, h)
            parts += [mean, h - mean]
        refined: Tensor = self.norm(h + functional.relu(self.combine(self.dropout(torch.cat(parts, dim=1)))))
        return refined


class _Net(nn.Module):
    """Learned bins, label inputs, rounds, one logit a node."""

    def __init__(self, n_columns: int, n_relations: int, settings: NodeNetSettings) -> None:
        super().__init__()
        cuts = torch.linspace(-1.8, 1.8, settings.n_bins).repeat(n_columns, 1)
        self.cuts = nn.Parameter(cuts)
        self.steep = nn.Parameter(torch.full((n_columns, settings.n_bins), 3.0))
        self.encode = nn.Linear(n_columns * (settings.n_bins + 1), settings.width)
        self.told = nn.Linear(2, settings.width, bias=False)
        self.dropout = nn.Dropout(settings.dropout)
        self.rounds = nn.ModuleList(
            _Round(settings.width, n_relations, settings.dropout) for _ in range(settings.n_rounds)
        )
        self.head = nn.Sequential(
            nn.Linear(settings.width, settings.width), nn.ReLU(), nn.Linear(settings.width, 1)
        )

    def forward(self, x: Tensor, told: Tensor, walks: list[tuple[Tensor, Tensor]]) -> Tensor:
        bins = torch.sigmoid((x[:, :, None] - self.cuts) * self.steep)
        h = self.encode(self.dropout(torch.cat([x, bins.flatten(1)], dim=1)))
        h = functional.relu(h + self.told(told))
        for layer in self.rounds:
            h = layer(h, walks)
        logits: Tensor = self.head(h)[:, 0]
        return logits


@dataclass(frozen=True)
class NodeNet:
    """The trained network with the scaling of its inputs."""

    settings: NodeNetSettings
    relations: tuple[str, ...]
    scaling: NormalScores
    net: _Net = field(repr=False)
    seed: int = 0

    def score(
        self, x: NDArray[np.floating], graphs: Graphs, y: NDArray[np.integer], fold: NDArray[np.int64]
    ) -> Float:
        """Give every node a score in (0, 1), float64[n].

        Shapes: x float[n, d]; y int[n], 1 fraud, 0 clean, −1 unknown, labels that may be told; fold int64[n]: a
        known node is scored while the labels of its fold are hidden, an unknown one (−1) hears all.

        Raises:
            GraphdetError: columns or relations are not those of training.
        """
        if tuple(graphs) != self.relations:
            raise GraphdetError(
                f"the network was trained on relations {', '.join(self.relations)}, not {', '.join(graphs)}"
            )
        inputs = torch.from_numpy(self.scaling.transform(x))
        walks = _walks(graphs, self.settings.most_neighbours, self.seed)
        out = np.zeros(len(inputs))
        self.net.eval()
        with torch.no_grad():
            for k in np.unique(fold):
                told = _told(y, (np.asarray(y) >= 0) & (fold != k))
                logits = self.net(inputs, told, walks).numpy().astype(np.float64)
                out[fold == k] = logits[fold == k]
        return np.asarray(1.0 / (1.0 + np.exp(-out)), np.float64)


def fit_node_net(
    x: NDArray[np.floating],
    graphs: Graphs,
    y: NDArray[np.integer],
    checked: NDArray[np.bool_],
    settings: NodeNetSettings | None = None,
    seed: int = 0,
) -> NodeNet:
    """Train on the known nodes that are not checked; the weights with the best average precision on those are kept.

    Shapes: x float[n, d], finite; graphs[name] csr[n, n]; y int[n], 1 fraud, 0 clean, −1 unknown; checked bool[n].

    Raises:
        GraphdetError: no node of a label to learn from or to check with.
    """
    settings = settings or NodeNetSettings()
    y, checked = np.asarray(y), np.asarray(checked, bool)
    learned, held = np.flatnonzero((y >= 0) & ~checked), np.flatnonzero((y >= 0) & checked)
    if len(np.unique(y[learned])) < 2 or len(np.unique(y[held])) < 2:
        raise GraphdetError("a network needs fraudulent and clean nodes both to learn from and to check with")
    scaling = NormalScores.fit(x)
    inputs = torch.from_numpy(scaling.transform(x))
    walks = _walks(graphs, settings.most_neighbours, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _Net(inputs.shape[1], len(walks), settings)
        _train(net, inputs, walks, y, learned, held, settings, seed)
    return NodeNet(settings, tuple(graphs), scaling, net.eval(), seed)


def _train(
    net: _Net,
    inputs: Tensor,
    walks: list[tuple[Tensor, Tensor]],
    y: NDArray[np.integer],
    learned: NDArray[np.int64],
    held: NDArray[np.int64],
    settings: NodeNetSettings,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    is_learned = np.zeros(len(y), bool)
    is_learned[learned] = True
    best, kept, since = -1.0, {name: value.clone() for name, value in net.state_dict().items()}, 0
    for step in range(1, settings.n_steps + 1):
        tells = is_learned & (rng.random(len(y)) < settings.told_share)
        target = torch.from_numpy(np.flatnonzero(is_learned & ~tells))
        truth = torch.from_numpy(y[target.numpy()].astype(np.float32))
        net.train()
        optimiser.zero_grad()
        logits = net(inputs, _told(y, tells), walks)
        loss = functional.binary_cross_entropy_with_logits(logits[target], truth)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % settings.eval_every:
            continue
        net.eval()
        with torch.no_grad():
            found = net(inputs, _told(y, is_learned), walks).numpy()[held]
        precision = float(average_precision_score(y[held], found))
        if precision > best:
            best, since = precision, 0
            kept = {name: value.clone() for name, value in net.state_dict().items()}
        else:
            since += 1
        if since >= settings.patience:
            break
    net.load_state_dict(kept)


def _told(y: NDArray[np.integer], tells: NDArray[np.bool_]) -> Tensor:
    """What is told: [fraud, clean] as 0 and 1, float32[n, 2]."""
    both = np.column_stack([(y == 1) & tells, (y == 0) & tells])
    return torch.from_numpy(both.astype(np.float32))


def _walks(graphs: Graphs, most: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Each relation as the mean over at most `most` neighbours, and its transpose."""
    out = []
    for k, graph in enumerate(graphs.values()):
        thin = _thinned(graph, most, np.random.default_rng((seed, k)))
        weight = 1.0 / np.maximum(np.diff(thin.indptr), 1)
        walk = sp.csr_matrix(sp.diags(weight) @ thin).astype(np.float32)
        out.append((_tensor(walk), _tensor(sp.csr_matrix(walk.T))))
    return out


def _thinned(graph: sp.csr_matrix, most: int, rng: np.random.Generator) -> sp.csr_matrix:
    degree = np.diff(graph.indptr)
    if not len(degree) or degree.max() <= most:
        return graph
    row = np.repeat(np.arange(len(degree)), degree)
    order = np.lexsort((rng.random(graph.nnz), row))
    place = np.arange(graph.nnz) - np.repeat(graph.indptr[:-1], degree)
    kept = order[place < most]
    return sp.csr_matrix(
        (np.ones(len(kept), np.float32), (row[kept], graph.indices[kept])), shape=graph.shape
    )


def _tensor(matrix: sp.csr_matrix) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "sparse CSR is in beta": nothing a user can act on
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int64)),
            torch.from_numpy(matrix.indices.astype(np.int64)),
            torch.from_numpy(matrix.data.astype(np.float32)),
            size=matrix.shape,
        )
