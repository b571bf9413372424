"""Examples that a judge of rings learns from: blocks of planted logs and of real worlds, and what they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from graphdet.arrays import Float
from graphdet.errors import GraphdetError

RING_LABEL, NATURAL = (
    0.5,
    0.2,
)  # Jaccard index with a campaign from which, and below which, a block is an example


@dataclass(frozen=True)
class Lessons:
    """Blocks of planted logs to learn from.

    inputs: float64[n, n_inputs].
    campaign: int64[n], the planted campaign a block overlaps most, −1 for none.
    jaccard: float64[n], of the block's users and that campaign's accounts. Blocks from RING_LABEL up are
        examples of a ring, below NATURAL of a natural group; those between are left out, they are neither.
    innocent: int64[n], the planted group of hard innocents that a block is, −1 for none.
    fold: int64[n], which half a natural group belongs to.
    n_logs: of how many planted logs these are.
    share: float64[n], the weight of each row in the loss, for lessons of many worlds; None: by what the rows are (see
        training.py).
    """

    inputs: NDArray[np.float64]
    campaign: NDArray[np.int64]
    jaccard: NDArray[np.float64]
    innocent: NDArray[np.int64]
    fold: NDArray[np.int64]
    n_logs: int = 1
    share: NDArray[np.float64] | None = None

    @property
    def is_ring(self) -> NDArray[np.bool_]:
        """Blocks that are planted campaigns, bool[n]."""
        return self.jaccard >= RING_LABEL

    @property
    def is_innocent(self) -> NDArray[np.bool_]:
        """Blocks that are planted innocents, bool[n]."""
        return ~self.is_ring & (self.innocent >= 0)

    @property
    def is_natural(self) -> NDArray[np.bool_]:
        """Blocks of the log's own, bool[n]."""
        return ~self.is_innocent & (self.jaccard < NATURAL)

    @property
    def n_found(self) -> int:
        """Number of campaigns that some block found."""
        return len(np.unique(self.campaign[self.is_ring]))

    @classmethod
    def joined(cls, logs: Sequence["Lessons"]) -> "Lessons":
        """The lessons of several planted logs as one, their campaigns and innocents numbered through.

        Either all of them have shares or none has.
        """
        shares = [each.share for each in logs if each.share is not None]
        return cls(
            np.concatenate([each.inputs for each in logs]),
            _numbered_through([each.campaign for each in logs]),
            np.concatenate([each.jaccard for each in logs]),
            _numbered_through([each.innocent for each in logs]),
            np.concatenate([each.fold for each in logs]),
            sum(each.n_logs for each in logs),
            np.concatenate(shares) if shares else None,
        )

    def thinned(self, most_natural: int, rng: np.random.Generator) -> "Lessons":
        """All campaigns and innocents, and at most `most_natural` natural groups, drawn evenly."""
        natural = np.flatnonzero(self.is_natural)
        kept = rng.choice(natural, min(most_natural, len(natural)), replace=False)
        return self.of_rows(np.sort(np.concatenate([np.flatnonzero(self.is_ring | self.is_innocent), kept])))

    def of_rows(self, rows: NDArray[np.int64]) -> "Lessons":
        """The lessons of these rows (int64), in this order."""
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return replace(self, **columns, share=None if self.share is None else self.share[rows])

    def save(self, path: Path) -> None:
        """Write a safetensors file; inputs and Jaccard indices as float32."""
        small = {"float64": np.float32, "int64": np.int32}
        columns = {name: getattr(self, name) for name in _COLUMNS}
        if self.share is not None:
            columns["share"] = self.share
        packed = {name: values.astype(small[str(values.dtype)]) for name, values in columns.items()}
        save_file(packed | {"n_logs": np.array([self.n_logs], np.int32)}, path)

    @classmethod
    def load(cls, path: Path) -> "Lessons":
        """Read what save wrote.

        Raises:
            GraphdetError: the file is missing or damaged.
        """
        try:
            packed = load_file(path)
            return cls(
                packed["inputs"].astype(np.float64),
                packed["campaign"].astype(np.int64),
                packed["jaccard"].astype(np.float64),
                packed["innocent"].astype(np.int64),
                packed["fold"].astype(np.int64),
                int(packed["n_logs"][0]),
                packed["share"].astype(np.float64) if "share" in packed else None,
            )
        except (OSError, ValueError, KeyError) as error:
            raise GraphdetError(f"no lessons for the ring judge in {path}: {error}; install again") from error


_COLUMNS = ("inputs", "campaign", "jaccard", "innocent", "fold")


def _numbered_through(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    start = np.cumsum([0, *(int(part.max(initial=-1)) + 1 for part in parts[:-1])])
    shifted = [np.where(part >= 0, part + first, -1) for part, first in zip(parts, start, strict=True)]
    return np.concatenate(shifted)


def mean_and_scale(inputs: Float, weight: Float) -> tuple[Float, Float]:
    """Weighted mean and standard deviation of each input where it is known, float64[n_inputs] each; 0 and 1 of none.

    Shapes: inputs float64[n, n_inputs], NaN where unknown; weight float64[n].
    """
    known = np.isfinite(inputs)
    share = known * weight[:, None]
    total = share.sum(axis=0)
    seen = total > 0
    mean = np.where(seen, (share * np.nan_to_num(inputs)).sum(axis=0) / np.where(seen, total, 1.0), 0.0)
    square = (share * np.nan_to_num(inputs - mean) ** 2).sum(axis=0) / np.where(seen, total, 1.0)
    return mean, np.where(seen, np.sqrt(square), 1.0)
