"""Options that say how labels are split into what is learned from and what measures."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphdet.errors import UsageError
from graphdet.units import DAY_MS

if TYPE_CHECKING:
    from graphdet.evaluation.splits import SplitPlan


class SplitKind(StrEnum):
    """How labels are split."""

    temporal = "temporal"
    random = "random"
    group = "group"
    none = "none"


SplitOption = Annotated[
    SplitKind,
    typer.Option(
        "--split", help="Labels of items, sessions, events: in time, at random, by user, or all learned from."
    ),
]
TrainUntil = Annotated[
    str | None, typer.Option("--train-until", metavar="DATE", help="Learn from what is dated before.")
]
DelayDays = Annotated[
    float | None,
    typer.Option(
        "--delay-days",
        metavar="DAYS",
        min=0,
        help="A label is known so long after its event [default: 7, or a tenth of the labels' span].",
    ),
]
TestFrom = Annotated[
    str | None, typer.Option("--test-from", metavar="DATE", help="Measure on what is dated from here on …")
]
TestUntil = Annotated[str | None, typer.Option("--test-until", metavar="DATE", help="… and before here.")]
TestShare = Annotated[
    float, typer.Option("--test-share", metavar="SHARE", help="Share of labels to measure on.")
]


def plan_of(
    split: SplitKind,
    train_until: str | None,
    delay_days: float | None,
    test_from: str | None,
    test_until: str | None,
    test_share: float,
) -> "SplitPlan":
    """Check the options and make a plan of them.

    Raises:
        UsageError: a date cannot be read, a share is out of range, or dates are given for a split that has none.
    """
    from graphdet.evaluation.splits import SplitPlan

    if not 0 < test_share < 1:
        raise UsageError(f"--test-share must be between 0 and 1, for example 0.3; not {test_share:g}")
    dates = {"--train-until": train_until, "--test-from": test_from, "--test-until": test_until}
    given = [name for name, text in dates.items() if text is not None]
    if given and split is not SplitKind.temporal:
        raise UsageError(f"{given[0]} needs --split temporal, not {split.value}")
    train, first, last = (time_option(name, text) if text else None for name, text in dates.items())
    delay = None if delay_days is None else round(delay_days * DAY_MS)
    return SplitPlan(split.value, train, delay, first, last, test_share)


def time_option(name: str, text: str) -> int:
    """An ISO date or time as ms since 1970; UTC where it names no zone.

    Raises:
        UsageError: it is neither.

    >>> time_option("--test-from", "1970-01-02")
    86400000
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{name} must be a date or time such as 2024-05-31 or 2024-05-31T12:00, not {text!r}"
        ) from error
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1000)


def print_measured(facts: dict[str, Any]) -> None:
    """Print what training from labels of items, sessions or events measured."""
    from graphdet.cli import show

    print(f"{facts['kind'].capitalize()}s, {facts['split']['kind']} split; fraud and clean labels:")
    parts = (
        (name, f"{fraud:,}", f"{clean:,}")
        for name, (fraud, clean) in facts["counts"].items()
        if fraud + clean
    )
    show.print_rows((("part", False), ("fraud", True), ("clean", True)), parts)
    columns = (("figure", False), ("value", True), ("95 %", True))
    for title, figures in (
        ("Out of fold, training part", facts["out_of_fold"]),
        ("Test part", facts["test"]),
    ):
        if figures:
            print(f"\n{title}:")
            rows = (
                (name.replace("_", " "), f"{value:.3f}", f"{low:.3f} – {high:.3f}")
                for name, (value, low, high) in figures.items()
            )
            show.print_rows(columns, rows)
    if facts.get("test_at_cut"):
        at_cut = ", ".join(
            f"{name.replace('_', '-')} {value:.3f}" for name, value in facts["test_at_cut"].items()
        )
        print(f"Test part, cut at a score of {facts['cut']:.3f} (best macro-F1 out of fold): {at_cut}")
    print(f"\nWhat tells most: {', '.join(facts['top_features'][:5])}")
