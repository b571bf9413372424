"""A pre-trained sentence encoder (BERT with mean pooling, such as MiniLM), from a folder on disk and nothing else.

No weights are shipped and none are fetched: `load` reads config.json, tokenizer.json and model.safetensors as their
publishers lay them out. Texts become unit vectors whose dot product says how near their meaning is.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn import functional

from graphdet.errors import GraphdetError

FILES = ("config.json", "tokenizer.json", "model.safetensors")
MOST_CHARS = 2_000  # of a text; beyond what the tokens could hold anyway
_MOST_WORD = 100  # characters of a word: a longer one is unknown
_BATCH = 32
_CJK = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))


@dataclass(frozen=True)
class WordPieces:
    """The tokeniser of uncased BERT: words split at blanks and punctuation, then into the longest known pieces."""

    vocabulary: Mapping[str, int]

    def ids(self, text: str, most: int) -> list[int]:
        """Numbers of the pieces of a text, [CLS] and [SEP] around them, at most `most` in all."""
        out = [self.vocabulary["[CLS]"]]
        for word in _words(text[:MOST_CHARS]):
            out.extend(self._pieces(word))
            if len(out) >= most:
                break
        return [*out[: most - 1], self.vocabulary["[SEP]"]]

    def _pieces(self, word: str) -> list[int]:
        unknown = [self.vocabulary["[UNK]"]]
        if len(word) > _MOST_WORD:
            return unknown
        out, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self.vocabulary.get(("##" if start else "") + word[start:end])
                if piece is not None:
                    break
            else:
                return unknown
            out.append(piece)
            start = end
        return out


def _words(text: str) -> list[str]:
    spaced = []
    for char in unicodedata.normalize("NFD", text.lower()):
        kind = unicodedata.category(char)
        if kind == "Mn" or char in "\0\ufffd" or (kind[0] == "C" and char not in "\t\n\r"):
            continue
        code = ord(char)
        ascii_mark = code < 128 and not char.isalnum() and not char.isspace()
        if kind[0] == "P" or ascii_mark or any(low <= code <= high for low, high in _CJK):
            spaced.append(f" {char} ")
        else:
            spaced.append(char)
    return "".join(spaced).split()


@dataclass(frozen=True)
class SentenceEncoder:
    """A BERT encoder ready to use; see the module. `encode` needs no gradient and no network."""

    pieces: WordPieces
    weights: Mapping[str, torch.Tensor] = field(repr=False)
    n_layers: int
    n_heads: int
    epsilon: float
    most_tokens: int = 128

    @classmethod
    def load(cls, folder: str | Path) -> "SentenceEncoder":
        """Read the weights from a folder with config.json, tokenizer.json and model.safetensors.

        Raises:
            GraphdetError: a file is missing or cannot be used (a pickle of weights is never read); says which.
        """
        folder = Path(folder)
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise GraphdetError(
                f"sentence encoder {folder}: there is no {', '.join(missing)}; give a folder that holds the "
                f"model as safetensors with its {FILES[0]} and {FILES[1]}, or go without one"
            )
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
            return cls._from(config, tokenizer, load_file(folder / "model.safetensors"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
            raise GraphdetError(
                f"sentence encoder {folder}: cannot be used ({type(error).__name__}: {error}); "
                "it must be an uncased BERT with a WordPiece vocabulary, such as all-MiniLM-L6-v2"
            ) from error

    @classmethod
    def _from(
        cls, config: Mapping[str, Any], tokenizer: Mapping[str, Any], weights: Mapping[str, torch.Tensor]
    ) -> "SentenceEncoder":
        if config["model_type"] != "bert" or tokenizer["model"]["type"] != "WordPiece":
            raise ValueError(f"model_type is {config['model_type']!r}")
        weights = {
            name.removeprefix("bert."): tensor.float()
            for name, tensor in weights.items()
            if tensor.is_floating_point()
        }
        encoder = cls(
            WordPieces({str(k): int(v) for k, v in tokenizer["model"]["vocab"].items()}),
            weights,
            int(config["num_hidden_layers"]),
            int(config["num_attention_heads"]),
            float(config["layer_norm_eps"]),
            min(int(config["max_position_embeddings"]), 128),
        )
        encoder.encode(["a text"])  # a missing piece or weight shows now, not in the middle of the work
        return encoder

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, float32[n, d]; a text without a letter gets that of an empty one."""
        ids = [self.pieces.ids(text, self.most_tokens) for text in texts]
        width = len(self.weights["embeddings.LayerNorm.weight"])
        out = np.zeros((len(texts), width), np.float32)
        order = np.argsort([len(row) for row in ids], kind="stable")  # batches of alike length waste little
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH].tolist()
            out[rows] = self._batch([ids[row] for row in rows])
        return out

    @torch.no_grad()
    def _batch(self, ids: list[list[int]]) -> NDArray[np.float32]:
        longest = max(map(len, ids))
        token = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
        real = torch.tensor([[1.0] * len(row) + [0.0] * (longest - len(row)) for row in ids])
        w = self.weights
        x = w["embeddings.word_embeddings.weight"][token]
        x = x + w["embeddings.position_embeddings.weight"][:longest]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x, "embeddings.LayerNorm")
        mask = (real[:, None, None, :] - 1.0) * 1e9
        for layer in range(self.n_layers):
            x = self._layer(x, mask, f"encoder.layer.{layer}")
        mean = (x * real[:, :, None]).sum(1) / real.sum(1, keepdim=True)
        return np.asarray(functional.normalize(mean, dim=1).numpy(), np.float32)

    def _layer(self, x: torch.Tensor, mask: torch.Tensor, name: str) -> torch.Tensor:
        n, length, width = x.shape

        def heads(part: str) -> torch.Tensor:
            y = self._linear(x, f"{name}.attention.self.{part}")
            return y.view(n, length, self.n_heads, width // self.n_heads).transpose(1, 2)

        seen = functional.scaled_dot_product_attention(
            heads("query"), heads("key"), heads("value"), attn_mask=mask
        )
        seen = seen.transpose(1, 2).reshape(n, length, width)
        seen = self._linear(seen, f"{name}.attention.output.dense")
        x = self._norm(x + seen, f"{name}.attention.output.LayerNorm")
        inner = functional.gelu(self._linear(x, f"{name}.intermediate.dense"))
        return self._norm(x + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        scale, shift = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.layer_norm(x, (x.shape[-1],), scale, shift, self.epsilon)
