"""graphdet simulate: a log with planted campaigns, to try things on."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from graphdet.cli import options
from graphdet.cli.guard import guarded


class Kind(StrEnum):
    """What kind of site the organic traffic is like."""

    news = "news"
    shop = "shop"


class Plan(StrEnum):
    """Which campaigns are planted."""

    benchmark = "benchmark"
    training = "training"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"
    L5 = "L5"
    none = "none"


@guarded
def simulate(
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FILE", help="The log: .parquet, .csv, .csv.gz or .jsonl; truth beside it."
        ),
    ],
    n_users: Annotated[int, typer.Option("--users", min=1, help="Organic users.")] = 20_000,
    n_items: Annotated[int, typer.Option("--items", min=1, help="Items.")] = 2_000,
    days: Annotated[int, typer.Option("--days", min=1, help="Length of the log.")] = 30,
    kind: Annotated[
        Kind, typer.Option("--kind", help="Items that come and go, or a stable catalogue.")
    ] = Kind.news,
    plan: Annotated[
        Plan, typer.Option("--plan", help="The campaigns: ten of six kinds, a broad mix, one level, or none.")
    ] = Plan.benchmark,
    n_campaigns: Annotated[
        int | None,
        typer.Option("--campaigns", min=1, metavar="N", help="How many, where the plan leaves it open."),
    ] = None,
    innocents: Annotated[
        bool, typer.Option("--innocents", help="Also plant groups that only look coordinated.")
    ] = False,
    store: Annotated[
        str | None,
        typer.Option(
            "--store", metavar="URL", help="Plant into the log of this store instead of generated traffic."
        ),
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Write a behaviour log with planted campaigns.

    The truth about them is written beside it: truth.csv, truth_items.csv and innocents.csv."""
    from dataclasses import asdict

    from graphdet.cli.progress import make_progress
    from graphdet.pipeline.detect import read_graph
    from graphdet.pipeline.simulate import simulate as make

    base = None
    if store:
        with options.opened(store, read_only=True) as source:
            base = read_graph(source, make_progress())
    result = make(
        out,
        base=base,
        n_users=n_users,
        n_items=n_items,
        days=days,
        kind=kind.value,
        plan=plan.value,
        n_campaigns=n_campaigns,
        innocents=innocents,
        seed=seed,
    )
    _print_result(asdict(result), json)


def _print_result(facts: dict[str, Any], as_json: bool) -> None:
    """Print what was written and how much of it."""
    from graphdet.cli import show

    if as_json:
        show.print_json(facts)
        return
    simple = (
        (name.replace("_", " "), value)
        for name, value in facts.items()
        if isinstance(value, str | int | Path)
    )
    show.print_rows((("simulated", False), ("", False)), ((name, str(value)) for name, value in simple))
