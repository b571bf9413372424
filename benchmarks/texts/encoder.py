"""A small neural reader of texts, trained here: a convolution over characters, kept as JSON and safetensors.

The classical recipe (Zhang, Zhao & LeCun 2015; Kim 2014): an embedding a character, filters of several widths, the
strongest answer of each over the text, one linear layer. Characters are hashed into buckets, so any script can be read.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from graphdet.errors import GraphdetError
from graphdet.text.normal import normalise

FORMAT = 1
_DOCUMENT, _WEIGHTS = "text_encoder.json", "text_encoder.safetensors"
_PLAIN = 128  # characters of ASCII have a bucket of their own; 0 stands for nothing
_BATCH = 64


@dataclass(frozen=True)
class TextEncoderSettings:
    """How the network is built and trained; sizes for a minute on one core with some thousand texts."""

    n_buckets: int = 512
    width: int = 24
    n_filters: int = 32
    lengths: tuple[int, ...] = (2, 3, 5)
    most_chars: int = 200
    dropout: float = 0.4
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    n_epochs: int = 12


class _Net(nn.Module):
    def __init__(self, settings: TextEncoderSettings) -> None:
        super().__init__()
        self.embed = nn.Embedding(settings.n_buckets, settings.width, padding_idx=0)
        self.filters = nn.ModuleList(
            nn.Conv1d(settings.width, settings.n_filters, length, padding=length - 1)
            for length in settings.lengths
        )
        self.drop = nn.Dropout(settings.dropout)
        self.out = nn.Linear(settings.n_filters * len(settings.lengths), 1)

    def embedding(self, codes: torch.Tensor) -> torch.Tensor:
        x = self.embed(codes).transpose(1, 2)
        return torch.cat([torch.relu(f(x)).amax(dim=2) for f in self.filters], dim=1)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        logit: torch.Tensor = self.out(self.drop(self.embedding(self.drop_chars(codes))))[:, 0]
        return logit

    def drop_chars(self, codes: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return codes
        return codes * (torch.rand(codes.shape) >= 0.05)


@dataclass(frozen=True)
class TextEncoder:
    """A trained reader: `logits` says how much a text looks like the positives, `embed` what it saw."""

    settings: TextEncoderSettings
    net: _Net = field(repr=False)

    def logits(self, texts: Sequence[str | None]) -> NDArray[np.float64]:
        """Logits, float64[n]; a missing text is an empty one."""
        with torch.no_grad():
            return np.asarray(self._over(texts, lambda codes: self.net(codes)[:, None])[:, 0], np.float64)

    def embed(self, texts: Sequence[str | None]) -> NDArray[np.float32]:
        """The strongest answer of each filter, float32[n, n_filters × lengths]."""
        with torch.no_grad():
            return np.asarray(self._over(texts, self.net.embedding), np.float32)

    def _over(
        self, texts: Sequence[str | None], work: Callable[[torch.Tensor], torch.Tensor]
    ) -> NDArray[np.float32]:
        codes = _codes(texts, self.settings)
        parts = [work(part) for part in torch.split(codes, 4 * _BATCH)]
        width = len(self.settings.lengths) * self.settings.n_filters
        return torch.cat(parts).numpy() if parts else np.zeros((0, width), np.float32)

    def save(self, folder: Path) -> None:
        """Write text_encoder.json and text_encoder.safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        document = json.dumps({"format": FORMAT, **asdict(self.settings)}, indent=1)
        (folder / _DOCUMENT).write_text(document + "\n", encoding="utf-8")
        save_file(dict(self.net.state_dict()), folder / _WEIGHTS)

    @classmethod
    def load(cls, folder: Path) -> "TextEncoder":
        """Read what `save` wrote.

        Raises:
            GraphdetError: a file is missing, damaged or of another format.
        """
        try:
            document = json.loads((folder / _DOCUMENT).read_text(encoding="utf-8"))
            if document.pop("format") != FORMAT:
                raise ValueError("another format")
            settings = TextEncoderSettings(lengths=tuple(document.pop("lengths")), **document)
            net = _Net(settings)
            net.load_state_dict(load_file(folder / _WEIGHTS))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise GraphdetError(f"text model {folder}: cannot be read ({error}); train it again") from error
        return cls(settings, net.eval())


def train_text_encoder(
    texts: Sequence[str | None], y: NDArray[np.int8], seed: int, settings: TextEncoderSettings | None = None
) -> TextEncoder:
    """Train on labelled texts. The same texts, labels and seed give the same network on one machine's CPU.

    Shapes: y int8[n], 1 fraud, 0 clean; both kinds count alike, however many there are.

    Raises:
        ValueError: one kind is missing.
    """
    settings = settings or TextEncoderSettings()
    n_positive = int((y == 1).sum())
    if not 0 < n_positive < len(y):
        raise ValueError("texts of both kinds are needed to learn from")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _Net(settings)
        codes, want = _codes(texts, settings), torch.as_tensor(y, dtype=torch.float32)
        weight = torch.tensor((len(y) - n_positive) / n_positive)
        loss = nn.BCEWithLogitsLoss(pos_weight=weight)
        optimiser = torch.optim.AdamW(
            net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        n_steps = settings.n_epochs * -(-len(y) // _BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, n_steps)
        for _ in range(settings.n_epochs):
            for rows in torch.split(torch.randperm(len(y)), _BATCH):
                optimiser.zero_grad()
                part = codes[rows]
                part = part[:, : max(int((part != 0).any(dim=0).sum()), 1)]  # as long as its longest
                loss(net(part), want[rows]).backward()
                optimiser.step()
                schedule.step()
    return TextEncoder(settings, net.eval())


def _codes(texts: Sequence[str | None], settings: TextEncoderSettings) -> torch.Tensor:
    out = np.zeros((len(texts), settings.most_chars), np.int64)
    free = settings.n_buckets - _PLAIN
    for row, text in enumerate(texts):
        seen = normalise(text or "")[: settings.most_chars]
        code = np.frombuffer(seen.encode("utf-32-le"), np.uint32).astype(np.int64)
        out[row, : len(code)] = np.where(code < _PLAIN, code, _PLAIN + code * 2_654_435_761 % free)
    return torch.from_numpy(out)
