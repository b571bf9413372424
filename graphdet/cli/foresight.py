"""graphdet power: which rings would be found in a log, before anybody is accused."""

from pathlib import Path
from typing import Annotated

import typer

from graphdet.cli import options
from graphdet.cli.guard import guarded
from graphdet.cli.progress import make_progress


@guarded
def power(
    logs: options.Logs,
    config: options.ConfigName,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the page, table and JSON.")],
    store: options.StoreUrl = None,
    fdr: options.Fdr = None,
    copies: Annotated[
        int | None,
        typer.Option(
            "--copies",
            min=1,
            metavar="N",
            help="Copies of the log to plant rings into [default: 3 of a large log, 12 of a small one].",
        ),
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Say which rings would be found in LOGs, how small and how slow, and what would go unseen.

    Rings of many sizes are planted into copies of the log and looked for.
    """
    level = options.check_fdr(fdr)
    from graphdet.cli import show
    from graphdet.config import load_config

    settings = load_config(config)
    from graphdet.verbs.power import power as measure

    told = measure(
        logs, settings, out, store_url=store, fdr=level, copies=copies, seed=seed, progress=make_progress()
    )
    if json:
        show.print_json(told)
        return
    print(told["headline"])
    for line in (*told["found"], *told["unseen"]):
        print(f"  {line}")
    print(f"The picture: {out / 'power.html'}")
