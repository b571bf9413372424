"""What type checkers see of `__init__.py`, which imports these names when they are first used."""

from graphdet.api import Evaluation, Findings, Ring, Simulation, evaluate, open, run, simulate
from graphdet.errors import GraphdetError

__version__: str
__all__ = [
    "Evaluation",
    "Findings",
    "GraphdetError",
    "Ring",
    "Simulation",
    "evaluate",
    "open",
    "run",
    "simulate",
]
