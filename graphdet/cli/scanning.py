"""graphdet items: single items that were pushed without a ring."""

from pathlib import Path
from typing import Annotated

import typer

from graphdet.cli import options
from graphdet.cli.guard import guarded, say
from graphdet.cli.progress import make_progress

TOP = 20  # items that are printed


@guarded
def items(
    store: options.StoreUrl = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write items.csv and item_accounts.csv here.")
    ] = None,
    fdr: options.Fdr = None,
    json: options.Json = False,
) -> None:
    """Find single items that a few accounts act on again and again, or that throwaway accounts burst upon.

    Every item is held against its own past and the other items of the log, by windows from a minute to days. No
    labels and no training; nothing is written to the store.
    """
    level = options.check_fdr(fdr)
    from graphdet.cli import show
    from graphdet.verbs.items import find_items

    with options.opened(store, read_only=True) as source:
        found = find_items(source, out, fdr=level, progress=make_progress())
    for line in found.said:
        say(f"Note: {line}")
    flagged = found.items.filter(found.items["flagged"])
    n_flagged = len(set(flagged["item_id"].to_pylist()))
    if json:
        show.print_json(
            {
                "n_items": found.n_items,
                "n_flagged": n_flagged,
                "items": found.items.to_pylist(),
                "accounts": found.accounts.to_pylist(),
            }
        )
        return
    print(f"{n_flagged:,} of {found.n_items:,} items are flagged.")
    if flagged.num_rows:
        show.print_table(flagged.slice(0, TOP).select(["item_id", "kind", "q_value", "n_accounts", "reason"]))
    if out is not None:
        print(f"Items and accounts: {out}")
