"""graphdet eda: look at a log before anything is learned from it."""

from pathlib import Path
from typing import Annotated

import typer

from graphdet.cli import options
from graphdet.cli.guard import guarded, say
from graphdet.cli.progress import make_progress


@guarded
def eda(
    logs: options.Logs,
    config: options.ConfigName,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the page, JSON and tables.")],
    labels: options.LabelFile = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Look at LOGs before anything is learned: one page with counts, distributions, outliers and drift.

    Nothing is kept but DIR. With --labels it also says which features tell fraud from clean.
    """
    from graphdet.cli import show
    from graphdet.config import load_config

    settings = load_config(config)
    from graphdet.verbs.eda import eda as look

    told = look(logs, settings, out, labels=labels, seed=seed, progress=make_progress())
    for warning in told["warnings"]:
        say(f"Warning: {warning}")
    if json:
        show.print_json(told)
        return
    from graphdet.words import visible

    for line in told["findings"]:
        print(f"  {visible(line)}")
    print(f"The page: {out / 'eda.html'}")
