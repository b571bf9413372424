"""A task to learn, of planted campaigns or of labels of users."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.tables import GraphArrays


@dataclass(frozen=True)
class Task:
    """A graph to learn on, and the truth about its users.

    Shapes: y int8[n_users], 1 fraud, 0 clean, −1 unknown; campaign int32[n_users], −1 for none.
    """

    graph: GraphArrays
    y: NDArray[np.int8]
    campaign: NDArray[np.int32]
