"""Word and character n-grams, weighed by how rare they are in the training texts; kept as JSON and safetensors.

Grams are hashed, so no word of a user is in a saved model, a new text needs no vocabulary, and a text of any script has
grams. Learned is one number a bucket.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

from graphdet.errors import GraphdetError
from graphdet.files import write_tensors, write_text
from graphdet.text.normal import NUMBER, clean, normalise

NGRAMS_FORMAT = 1
_DOCUMENT, _NUMBERS = "ngrams.json", "ngrams.safetensors"
_CHARS = 2_000  # of a normalised text that grams are made of


@dataclass(frozen=True)
class NgramSettings:
    """Which grams: words and characters (within words and their blanks, or over them), and buckets a kind."""

    words: tuple[int, int] = (1, 2)
    chars: tuple[int, int] = (2, 5)
    over_words: bool = True
    n_bits: int = 18
    keep_case: bool = False  # one more word kind: words in capitals as they are written
    digits_as_zero: bool = False  # a number is known by its length only


@dataclass(frozen=True)
class Ngrams:
    """What `learn_ngrams` learned. Shapes: rarity float32[n_columns], the inverse document frequency."""

    settings: NgramSettings
    rarity: NDArray[np.float32] = field(repr=False)

    @property
    def n_columns(self) -> int:
        """Columns of the matrix: buckets of words, then of characters."""
        return len(self.rarity)

    def matrix(self, texts: Sequence[str | None]) -> sp.csr_matrix:
        """TF-IDF of the texts, csr float32[n, n_columns]: words and characters of unit length each, 0 for none."""
        return self.weigh(count_ngrams(texts, self.settings))

    def weigh(self, counts: sp.csr_matrix) -> sp.csr_matrix:
        """What `matrix` gives, from the counts of the texts (count_ngrams of the same settings)."""
        half = self.n_columns // 2
        logs = sp.csr_matrix((1 + np.log(counts.data), counts.indices, counts.indptr), counts.shape)
        x = (logs @ sp.diags(self.rarity)).tocsr()
        parts = [normalize(x[:, :half], copy=False), normalize(x[:, half:], copy=False)]
        return sp.hstack(parts, format="csr", dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write ngrams.json and ngrams.safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        document = {"format": NGRAMS_FORMAT, **asdict(self.settings)}
        write_text(folder / _DOCUMENT, json.dumps(document, indent=1) + "\n")
        write_tensors(folder / _NUMBERS, {"rarity": self.rarity})

    @classmethod
    def load(cls, folder: Path) -> "Ngrams":
        """Read what `save` wrote.

        Raises:
            GraphdetError: a file is missing, damaged or of another format.
        """
        try:
            document = json.loads((folder / _DOCUMENT).read_text(encoding="utf-8"))
            if document.pop("format") != NGRAMS_FORMAT:
                raise ValueError("another format")
            words, chars = (tuple(document.pop(name)) for name in ("words", "chars"))
            settings = NgramSettings(words, chars, **document)
            rarity = load_file(folder / _NUMBERS)["rarity"]
            if rarity.shape != (2 << settings.n_bits,):
                raise ValueError("its numbers do not fit its settings")
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise GraphdetError(f"text model {folder}: cannot be read ({error}); train it again") from error
        return cls(settings, rarity)


def learn_ngrams(texts: Sequence[str | None], settings: NgramSettings | None = None) -> Ngrams:
    """Learn how rare each gram is, from the texts of the training part only. A missing text is an empty one."""
    settings = settings or NgramSettings()
    return learn_from_counts(count_ngrams(texts, settings), settings)


def learn_from_counts(counts: sp.csr_matrix, settings: NgramSettings) -> Ngrams:
    """What `learn_ngrams` gives, from counts: rows of the training part only."""
    n_texts = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity = np.log((1 + counts.shape[0]) / (1 + n_texts)) + 1
    return Ngrams(settings, rarity.astype(np.float32))


def count_ngrams(texts: Sequence[str | None], settings: NgramSettings) -> sp.csr_matrix:
    """How often each gram is in each text, csr float32[n, 2 × 2 ** n_bits]. Nothing is learned."""
    spelled = [_spelled(text or "", settings) for text in texts]
    common = {
        "n_features": 1 << settings.n_bits,
        "alternate_sign": False,
        "norm": None,
        "dtype": np.float32,
        "lowercase": False,
    }
    words = HashingVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=settings.words, **common)
    analyzer = "char" if settings.over_words else "char_wb"
    chars = HashingVectorizer(analyzer=analyzer, ngram_range=settings.chars, **common)
    plain = [text.split("\n", 1)[0] for text in spelled]
    return sp.hstack([words.transform(spelled), chars.transform(plain)], format="csr")


def _spelled(text: str, settings: NgramSettings) -> str:
    out = normalise(text)[:_CHARS]
    if settings.digits_as_zero:
        out = "".join(NUMBER if char.isdigit() else char for char in out)
    if settings.keep_case:
        # A line of its own, for the words only: normalised text has no line breaks.
        loud = [word for word in clean(text)[:_CHARS].split() if word.isupper() and len(word) > 1]
        out = f"{out}\n{' '.join(loud)}" if loud else out
    return out
