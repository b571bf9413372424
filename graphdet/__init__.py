"""graphdet: graph-based detection of coordinated click-farming and fraud rings."""

__version__ = "0.1.0"
