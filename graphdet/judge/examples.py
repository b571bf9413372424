"""Examples that a judge of rings learns from: blocks of planted logs, and what they are.

`KnownCampaigns` says what campaigns look like in one log and which groups are like none of them: of those a judge
would only guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from graphdet.arrays import Float
from graphdet.errors import GraphdetError
from graphdet.evaluation.splits import conformal_p_values

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


# A group is strange when at most this share of campaigns are as far from all others: about as many campaigns of the
# planted kinds are lost at most.
LEAST_LIKENESS = 0.1
LEAST_SPREAD = 1e-3  # of an input that is the same for all campaigns
GROUPS_AT_ONCE = 256  # whose distances to all examples are in memory together
NAMED_SHARE = 0.1  # of the squared distance to the nearest campaign, from which an input is named as strange


@dataclass(frozen=True)
class KnownCampaigns:
    """The blocks of campaigns planted into one log.

    Evidence has a direction. How far a group is from a campaign counts only inputs in which it lies on the innocent
    side of it, or on either side where the direction is not known: what is denser, tighter and more exclusive than
    everything planted is not strange for that.

    mean, scale, direction float64[n_inputs], the last 1, −1 or 0 as for the judge; examples float64[n_blocks,
    n_inputs], standardised by them; apart float64[n_campaigns], ascending: how far each campaign is from the nearest
    block of another.
    """

    mean: Float
    scale: Float
    direction: Float
    examples: Float
    apart: Float

    @classmethod
    def of(cls, lessons: Lessons, direction: Sequence[int]) -> "KnownCampaigns | None":
        """Learn from the lessons of one log; None where fewer than two campaigns were found in it."""
        rows = np.flatnonzero(lessons.is_ring)
        campaign = lessons.campaign[rows]
        names = np.unique(campaign)
        if len(names) < 2:
            return None
        mean, scale = mean_and_scale(lessons.inputs[rows], np.ones(len(rows)))
        scale = scale + LEAST_SPREAD
        examples = (lessons.inputs[rows] - mean) / scale
        order = np.lexsort((-lessons.jaccard[rows], campaign))
        best = order[np.searchsorted(campaign[order], names)]  # the block of each that found it best
        known = cls(mean, scale, np.asarray(direction, np.float64), examples, np.zeros(0))
        distance = known._squared_distance(examples[best]).sum(axis=2)
        distance[campaign[best][:, None] == campaign[None, :]] = np.inf
        return replace(known, apart=np.sort(np.sqrt(distance.min(axis=1))))

    def _squared_distance(self, x: Float) -> Float:
        """Squared differences that count, float64[n, n_examples, n_inputs], of standardised x; unknown ones are 0."""
        apart = np.nan_to_num(x[:, None, :] - self.examples[None, :, :])
        return np.asarray(np.where(apart * self.direction > 0, 0.0, apart**2))

    def _nearest(self, inputs: Float) -> Float:
        """The squared distance of each group to the nearest example, input by input, float64[n, n_inputs]."""
        x = (inputs - self.mean) / self.scale
        parts = [np.zeros((0, x.shape[1]))]
        for start in range(0, len(x), GROUPS_AT_ONCE):
            apart = self._squared_distance(x[start : start + GROUPS_AT_ONCE])
            parts.append(apart[np.arange(len(apart)), apart.sum(axis=2).argmin(axis=1)])
        return np.concatenate(parts)

    def likeness(self, inputs: Float) -> Float:
        """The share of campaigns at least as far from all others as each group is from all campaigns, float64[n].

        The conformal p-value with the distance to the nearest neighbour as its measure (Laxhammar & Falkman 2010): a
        campaign like those planted has one of at most p with a probability of about p. Not exactly: scale and examples
        are those of the planted ones alone, so that with many inputs and few campaigns it is up to 1.3 p.
        """
        return conformal_p_values(np.sqrt(self._nearest(inputs).sum(axis=1)), self.apart)

    def strange(self, inputs: Float) -> NDArray[np.bool_]:
        """Which groups are like no campaign, bool[n]."""
        return self.likeness(inputs) <= LEAST_LIKENESS

    def strange_in(self, inputs: Float) -> list[list[int]]:
        """Per group the inputs (columns) that keep it from the nearest campaign, those that do so most first."""
        apart = self._nearest(inputs)
        share = apart / np.maximum(apart.sum(axis=1, keepdims=True), 1e-12)
        order = np.argsort(-share, axis=1, kind="stable")
        return [
            [int(at) for at in its if of[at] >= NAMED_SHARE] for its, of in zip(order, share, strict=True)
        ]


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
