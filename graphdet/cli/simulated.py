"""graphdet simulate: a log with planted campaigns, to try things on."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from graphdet.cli import options
from graphdet.cli.guard import guarded, say
from graphdet.errors import UsageError


class Kind(StrEnum):
    """What kind of site the organic traffic is like."""

    news = "news"
    shop = "shop"
    payments = "payments"
    reviews = "reviews"


class Plan(StrEnum):
    """Which campaigns are planted."""

    benchmark = "benchmark"
    training = "training"
    unseen = "unseen"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"
    L5 = "L5"
    burst = "burst"
    camouflage = "camouflage"
    slow = "slow"
    hijack = "hijack"
    coattail = "coattail"
    tiny = "tiny"
    throwaway = "throwaway"
    disposable = "disposable"
    demote = "demote"
    mule_fan_in = "mule_fan_in"
    mule_fan_out = "mule_fan_out"
    mule_cycle = "mule_cycle"
    none = "none"


@guarded
def simulate_command(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            readable=False,
            metavar="FILE",
            help="The log: .parquet, .csv, .csv.gz or .jsonl; truth beside it.",
        ),
    ],
    n_users: Annotated[int, typer.Option("--users", min=1, help="Organic users.")] = 20_000,
    n_items: Annotated[int, typer.Option("--items", min=1, help="Items.")] = 2_000,
    days: Annotated[int, typer.Option("--days", min=1, help="Length of the log.")] = 30,
    kind: Annotated[
        Kind,
        typer.Option(
            "--kind",
            help="Items that come and go, a stable catalogue, payments with amounts, or reviews with stars.",
        ),
    ] = Kind.news,
    plan: Annotated[
        Plan,
        typer.Option(
            "--plan",
            help="The campaigns: ten of six kinds, the mix that judges learn from, a mix they never saw, "
            "one level, one kind, or none.",
        ),
    ] = Plan.benchmark,
    n_campaigns: Annotated[
        int | None,
        typer.Option("--campaigns", min=1, metavar="N", help="How many, where the plan leaves it open."),
    ] = None,
    knobs: Annotated[
        list[str] | None,
        typer.Option(
            "--knob",
            metavar="NAME=VALUE",
            help="Change a knob of all campaigns; may be given several times. See above.",
            show_default=False,
        ),
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
    rating: Annotated[
        str | None,
        typer.Option(
            "--rating",
            metavar="NAME",
            help="With --store: the attribute that holds ratings, for promoting and demoting.",
        ),
    ] = None,
    shared_ids: Annotated[
        bool,
        typer.Option(
            "--shared-ids",
            help="With --store: an id is one account, whether it is the user or the item of a row.",
        ),
    ] = False,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Write a behaviour log with planted campaigns.

    The truth about them is written beside it: truth.csv, truth_items.csv, innocents.csv and labels.csv.

    Knobs: n_accounts, n_targets, density (share of the targets that an account touches), window_s (seconds from
    first to last touch), camouflage (own acts per act on a target), camouflage_kind (walk, popular, random,
    copied), hijacked_share, target_popularity (cold, mid, warm, popular), repeats, pace (human, scripted),
    one_sitting, coattail, shared_device_share, shared_ip_share, related_targets, members_from_audience, flow
    (fan_in, fan_out, cycle), dwell_s (from being paid to paying on), polarity (promote, demote). One target and no
    camouflage make disposable accounts.

    Money flows from users to items. A mule that is paid and pays on is both: under one id in generated payments and
    with --shared-ids, else under two, which truth_items.csv ties together. Amounts stay below a round limit."""
    from dataclasses import asdict

    from graphdet.cli.progress import make_progress
    from graphdet.graph.encode import read_graph
    from graphdet.simulation.row_values import read_values
    from graphdet.verbs.simulate import SimulateRequest, simulate

    changed = _knobs(knobs or [])
    base = values = None
    if store:
        with options.opened(store, read_only=True) as source:
            base = read_graph(source, make_progress())
            values = read_values(source, base, rating)
    elif rating or shared_ids:
        raise UsageError(
            "--rating and --shared-ids are about the log of a --store; generated logs know theirs"
        )
    request = SimulateRequest(
        n_users, n_items, days, kind.value, plan.value, n_campaigns, changed, innocents, shared_ids, seed
    )
    result = simulate(out, request, base=base, values=values)
    for warning in result.warnings:
        say(f"Warning: {warning}")
    _print_result(asdict(result), json)


def _knobs(given: list[str]) -> dict[str, str]:
    """Part NAME=VALUE.

    Raises:
        UsageError: there is no "=" in it.
    """
    parts = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--knob {text!r} must be NAME=VALUE, for example density=0.4")
        parts[name.strip()] = value.strip()
    return parts


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
