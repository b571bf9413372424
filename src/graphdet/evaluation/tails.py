"""How rare a value is under a reference sample, also beyond the sample's end."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TAIL_SHARE = 0.05
MIN_TAIL = 20
_MAX_SHAPE = 0.5


@dataclass(frozen=True)
class UpperTail:
    """P(reference ≥ x): the sample's own shares below a threshold, a generalised Pareto tail above it.

    An add-one share (1 + k) ÷ (1 + n) cannot fall below 1 ÷ (1 + n), which after Benjamini–Hochberg flags
    nobody in a log judged by itself. So values above the 1 − share quantile follow share · (1 + shape (x −
    u) ÷ scale)^(−1 ÷ shape) (Pickands 1975), with shape and scale taken from the median and upper-quartile
    of the exceedances: a few real suspects at the very end of the reference do not stretch them. shape is
    kept ≥ 0, so no value has p = 0.

    Shapes: knots float64[k] ascending values with their shares float64[k], descending.
    """

    knots: NDArray[np.float64]
    shares: NDArray[np.float64]
    threshold: float
    share: float
    shape: float
    scale: float

    @staticmethod
    def fit(reference: NDArray[np.floating], share: float = TAIL_SHARE) -> "UpperTail":
        """Learn the tail of a sample float[n], n ≥ 1.

        With fewer than MIN_TAIL values above the threshold a quarter of the sample makes the tail, and
        values of a tiny sample get an exponential one.

        Raises:
            ValueError: the sample is empty or not finite.
        """
        values = np.sort(np.asarray(reference, np.float64))
        if not len(values) or not np.isfinite(values).all():
            raise ValueError("a tail needs a non-empty finite reference")
        n = len(values)
        share = share if n * share >= MIN_TAIL else 0.25
        threshold = float(np.quantile(values, 1.0 - share))
        excess = values[values > threshold] - threshold
        shape, scale = _pareto(excess, float(np.std(values)))
        at_least = (1.0 + n - np.arange(n)) / (1.0 + n)
        knots, first = np.unique(values, return_index=True)
        keep = knots <= threshold
        shares: NDArray[np.float64] = at_least[first[keep]].astype(np.float64)
        knots = knots[keep]
        if len(knots) > 1025:
            at = np.unique(np.linspace(0, len(knots) - 1, 1025).round().astype(int))
            knots, shares = knots[at], shares[at]
        top = (1.0 + len(excess)) / (1.0 + n)
        return UpperTail(knots, shares, threshold, top, shape, scale)

    def p(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Tail probability of each value, in (0, 1]: float64[n]."""
        x = np.asarray(x, np.float64)
        out = np.interp(x, self.knots, self.shares)
        beyond = np.maximum(x - self.threshold, 0.0) / self.scale
        if self.shape > 1e-6:
            tail = self.share * (1.0 + self.shape * beyond) ** (-1.0 / self.shape)
        else:
            tail = self.share * np.exp(-beyond)
        out = np.where(x > self.threshold, np.minimum(tail, out), out)
        clipped: NDArray[np.float64] = np.clip(out, np.finfo(np.float64).tiny, 1.0)
        return clipped

    def to_json(self) -> dict[str, Any]:
        """Write as plain numbers and lists."""
        return {
            "knots": self.knots.tolist(),
            "shares": self.shares.tolist(),
            "threshold": self.threshold,
            "share": self.share,
            "shape": self.shape,
            "scale": self.scale,
        }

    @staticmethod
    def from_json(document: dict[str, Any]) -> "UpperTail":
        """Read what to_json wrote."""
        return UpperTail(
            np.asarray(document["knots"], np.float64),
            np.asarray(document["shares"], np.float64),
            *(float(document[name]) for name in ("threshold", "share", "shape", "scale")),
        )


def _pareto(excess: NDArray[np.float64], spread: float) -> tuple[float, float]:
    """Shape and scale from the quartiles of the exceedances.

    The generalised Pareto quantile at 1 − 2^−k is scale (2^(k shape) − 1) ÷ shape, so the quantiles at 1/2
    and 3/4 have the ratio 2^shape + 1.
    """
    if len(excess) < 4:
        return 0.0, max(float(excess.mean()) if len(excess) else 0.0, spread, 1e-9)
    half, three_quarters = np.quantile(excess, [0.5, 0.75])
    ratio = float(three_quarters / max(half, 1e-12))
    shape = float(np.clip(np.log2(max(ratio - 1.0, 1e-12)), 0.0, _MAX_SHAPE))
    unit = (2.0 ** (2 * shape) - 1.0) / shape if shape > 1e-6 else 2.0 * np.log(2.0)
    return shape, max(float(three_quarters / unit), 1e-9)
