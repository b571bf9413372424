"""graphdet suggest: whose verdict would teach most."""

from pathlib import Path
from typing import Annotated

import typer

from graphdet.cli import options
from graphdet.cli.guard import guarded, say
from graphdet.cli.progress import make_progress


@guarded
def suggest(
    store: options.StoreUrl = None,
    n: Annotated[int, typer.Option("--n", metavar="N", help="How many users.")] = 50,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", metavar="FILE", help="Labels that are known already; verdicts in the store are too."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write them as a labels file to be filled in (CSV)."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Name the users whose verdict would teach most: in doubt, like many others, and not all of one ring.

    Fill in the column label (1 fraud, 0 clean) and give the file to graphdet train --labels, or judge them with
    graphdet verdict."""
    from graphdet.cli import show
    from graphdet.pipeline.suggest import suggest_users

    with options.opened(store, read_only=True) as source:
        found = suggest_users(source, n, labels=labels, out=out, progress=make_progress())
    rows = found.table.to_pylist()
    if json:
        show.print_json({"threshold": found.threshold, "n_known": found.n_known, "suggested": rows})
        return
    columns = (("user", False), ("score", True), ("why", False))
    show.print_rows(columns, ((row["user_id"], f"{row['score']:.3f}", row["reason"]) for row in rows))
    if found.n_known:
        say(f"{found.n_known:,} of {found.n_users:,} users are known already and were not asked about.")
    if out is not None:
        print(f"To be filled in: {out}")
