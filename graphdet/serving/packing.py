"""Exported models: their forms, and weights in fewer bytes: float16, or int8 with one scale per output.

The command line asks for the names of the forms each time it starts, so NumPy is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Form(StrEnum):
    """What a model is exported as."""

    plain = "plain"  # NumPy's: scaling in JSON, weights in safetensors
    onnx = "onnx"
    pruned = "pruned"  # as plain, the first of the networks alone
    student = "student"


class Precision(StrEnum):
    """How weights are stored; sums are always float32."""

    float32 = "float32"
    float16 = "float16"
    int8 = "int8"


SCALE = ".scale"  # after the name of a matrix that is packed as int8


def pack(weights: Mapping[str, NDArray[np.float32]], precision: Precision) -> dict[str, NDArray[np.generic]]:
    """Give weights as they are stored.

    float16 rounds all of them. int8 rounds each row of a matrix to 255 even steps around 0 and keeps its step as
    float32; vectors (biases, norms) are few and stay as they are.
    """
    import numpy as np

    if precision == Precision.float32:
        return {name: np.ascontiguousarray(value) for name, value in weights.items()}
    if precision == Precision.float16:
        return {name: value.astype(np.float16) for name, value in weights.items()}
    packed: dict[str, NDArray[np.generic]] = {}
    for name, value in weights.items():
        if value.ndim < 2:
            packed[name] = np.ascontiguousarray(value)
            continue
        step = np.maximum(np.abs(value).max(axis=1) / 127, np.finfo(np.float32).tiny).astype(np.float32)
        packed[name] = np.round(value / step[:, None]).astype(np.int8)
        packed[name + SCALE] = step
    return packed


def unpack(stored: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
    """Give back float32 of what pack stored, and of what was never packed.

    Raises:
        KeyError: a matrix of int8 has no scale.
    """
    import numpy as np

    weights: dict[str, NDArray[np.float32]] = {}
    for name, value in stored.items():
        if name.endswith(SCALE):
            continue
        weights[name] = value.astype(np.float32)
        if value.dtype == np.int8:
            weights[name] *= stored[name + SCALE].astype(np.float32)[:, None]
    return weights
