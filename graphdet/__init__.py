"""graphdet: graph-based detection of coordinated click-farming and fraud rings.

    findings = graphdet.run(frame_or_paths, config=…)   # or graphdet.open(folder_or_store_url)
    findings.suspects, findings.rings, findings.leads   # pandas DataFrames
    findings.ring("R0001").reasons

What each name does is in `graphdet.api`, which is imported when one of them is first used: `import graphdet` alone
loads no other package. Type checkers read `__init__.pyi`: an import here, even one for them alone, would tie every room
of the package to every other.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module("graphdet.errors" if name == "GraphdetError" else "graphdet.api")
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
