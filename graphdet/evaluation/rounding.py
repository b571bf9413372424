"""Numbers as they are written."""

import numpy as np
from numpy.typing import NDArray


def six_digits(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Six significant digits: what is written repeats byte for byte."""
    with np.errstate(divide="ignore"):
        digits = 5 - np.floor(np.log10(np.maximum(np.abs(values), 1e-300)))
    factor = 10.0 ** np.clip(digits, -300, 300)
    return np.asarray(np.where(values == 0, 0.0, np.round(values * factor) / factor))


def six(value: float) -> float:
    """Six significant digits of one number, as it is written."""
    return float(f"{float(value):.6g}")
