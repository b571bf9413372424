"""How many scores are flagged: as many as an expected share of false flags allows, or as many as can be reviewed."""

from dataclasses import dataclass

from graphdet.errors import UsageError

DEFAULT_FDR = 0.05


@dataclass(frozen=True)
class FlagRule:
    """Flag at a false discovery rate, or with `review` that many of the highest scores instead.

    Raises:
        UsageError: fdr is not between 0 and 1, or review is below 1.

    >>> FlagRule(), FlagRule(review=200)
    (FlagRule(fdr=0.05, review=None), FlagRule(fdr=0.05, review=200))
    """

    fdr: float = DEFAULT_FDR
    review: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.fdr < 1:
            raise UsageError(f"fdr must be between 0 and 1, for example 0.05; not {self.fdr:g}")
        if self.review is not None and self.review < 1:
            raise UsageError(f"review must be at least 1, not {self.review}")
