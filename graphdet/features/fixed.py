"""Sums that do not depend on the order in which threads add: fixed point, in steps of 2⁻²⁰."""

import narwhals as nw

_FIXED = float(1 << 20)


def fixed(x: nw.Expr) -> nw.Expr:
    """A number as a whole number of steps."""
    return (x * _FIXED).round().cast(nw.Int64)


def unfixed(x: nw.Expr) -> nw.Expr:
    """Steps as a number again."""
    return x.cast(nw.Float64) / _FIXED


def fixed_sums(*names: str) -> list[nw.Expr]:
    """Sums and sums of squares of columns, as NAME_sum and NAME_sum2."""
    sums = [fixed(nw.col(c)).sum().alias(f"{c}_sum") for c in names]
    return sums + [fixed(nw.col(c) * nw.col(c)).sum().alias(f"{c}_sum2") for c in names]


def fixed_mean(name: str, n: nw.Expr) -> nw.Expr:
    """Mean of a column from its sum."""
    return unfixed(nw.col(f"{name}_sum")) / n


def fixed_std(name: str, n: nw.Expr) -> nw.Expr:
    """Standard deviation of a column from its sums."""
    mean = fixed_mean(name, n)
    square = unfixed(nw.col(f"{name}_sum2")) / n
    return (square - mean * mean).clip(lower_bound=0.0).sqrt()


def log1p(x: nw.Expr) -> nw.Expr:
    """ln(1 + x)."""
    return (x.cast(nw.Float64) + 1.0).log()
