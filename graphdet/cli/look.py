"""Looking at what a store holds and at this machine: suspects, query, doctor.

graphdet items: single items that were pushed without a ring.
"""

from pathlib import Path
from typing import Annotated

import typer

from graphdet.cli import options
from graphdet.cli.deciding import By, noted
from graphdet.cli.guard import guarded, say
from graphdet.cli.progress import make_progress
from graphdet.errors import UsageError


@guarded
def suspects(
    store: options.StoreUrl = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many.")] = 100,
    every: Annotated[bool, typer.Option("--all", help="Every user, not only the flagged ones.")] = False,
    form: Annotated[
        options.Format, typer.Option("--format", help="How they are printed.")
    ] = options.Format.table,
    json: options.Json = False,
) -> None:
    """Print the suspects of a store, the most suspicious first."""
    from graphdet.cli import show

    with options.opened(store, read_only=True) as source:
        scores = source.scores()
    if not scores.num_rows:
        raise UsageError(f"{store} has no scores yet; run `graphdet train` and `graphdet score` first")
    chosen = scores if every else scores.filter(scores["flagged"])
    order = [("score", "descending"), ("p_value", "ascending"), ("user_id", "ascending")]
    top = chosen.sort_by(order).slice(0, limit)
    if json or form is options.Format.json:
        show.print_json(
            {"n_users": scores.num_rows, "n_suspects": chosen.num_rows, "suspects": top.to_pylist()}
        )
    elif form is options.Format.csv:
        show.print_csv(top)
    elif top.num_rows:
        show.print_suspects(top.to_pylist(), f"{top.num_rows:,} of {chosen.num_rows:,}", scores.num_rows)
    else:
        print(f"None of {scores.num_rows:,} users is flagged.")


@guarded
def leads(
    folder: Annotated[
        Path | None,
        typer.Argument(readable=False, metavar="[DIR]", help="The folder of a run; or give --store."),
    ] = None,
    store: options.StoreUrl = None,
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="How many, the strongest.")] = 20,
    json: options.Json = False,
) -> None:
    """Print the leads of a run or a store: what was found and is not flagged, each with the rule that held it back.

    graphdet report --ring ID writes the page of any of them.
    """
    from graphdet.cli import show
    from graphdet.rings.leads import lead_table

    with options.opened(options.store_of(folder, store), read_only=True) as source:
        found = lead_table(source.rings())
    first = found.slice(0, top).to_pylist()
    if json:
        show.print_json({"n_leads": found.num_rows, "leads": first})
    elif first:
        show.print_leads(first, f"{len(first):,} of {found.num_rows:,} leads")
    else:
        print("There are no leads: nothing that was found is held back.")


@guarded
def export_labels_command(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORM",
            help="osprey (label events), marble (decisions), stix (a STIX 2.1 bundle) or csv.",
        ),
    ] = "csv",
    days: Annotated[
        float, typer.Option("--days", metavar="N", help="After so many days a label ends.")
    ] = 90.0,
    previous: Annotated[
        Path | None,
        typer.Option(
            "--previous",
            metavar="FILE",
            help="The file of before: who is not flagged any more loses the label.",
        ),
    ] = None,
    by: By = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Write the flagged accounts as labels with an end, for another system; it is noted in the audit log.

    Weak members, and whoever was judged innocent or is allowed, are left out, whatever the last run said.
    """
    from graphdet.audit import utc_now
    from graphdet.verbs.export_labels import export_labels

    now = utc_now()
    with options.opened(store) as source:
        written = export_labels(source, form, out, now, days=days, previous=previous, listener=noted(by))
    if json:
        from graphdet.cli import show

        counts = {"added": written.n_added, "removed": written.n_removed, "left_out": dict(written.left_out)}
        show.print_json({"file": str(out), "until": written.until.isoformat(), **counts})
        return
    from graphdet.words import plural

    print(f"{plural(written.n_added, 'account')} labelled until {written.until:%Y-%m-%d %H:%M} UTC: {out}")
    if written.n_removed:
        print(f"{plural(written.n_removed, 'label')} taken off.")
    if written.left_out:
        print("Flagged and left out: " + ", ".join(f"{n} {why}" for why, n in written.left_out.items()) + ".")


@guarded
def scoreboard_command(
    truth: Annotated[
        Path, typer.Option("--truth", metavar="FILE", help="truth.csv, as graphdet simulate writes it.")
    ],
    folder: Annotated[
        Path | None,
        typer.Argument(readable=False, metavar="[DIR]", help="The folder of a run; or give --store."),
    ] = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Hold the findings of a run or a store against a known truth: which campaigns were found, who is flagged rightly.

    A campaign is found where a flagged finding shares half of the accounts of both with it.
    """
    from dataclasses import asdict

    from graphdet.cli import show
    from graphdet.verbs.scoreboard import score_against

    with options.opened(options.store_of(folder, store), read_only=True) as source:
        board = score_against(source, truth)
    if json:
        show.print_json(asdict(board))
    else:
        show.print_scoreboard(board)


@guarded
def query(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The query; none: list them all.")
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]…", help="Parameters of the query, like --param."),
    ] = None,
    store: options.StoreUrl = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="KEY=VALUE", help="A parameter of the query; may be repeated."),
    ] = None,
    form: Annotated[
        options.Format, typer.Option("--format", help="How rows are printed.")
    ] = options.Format.table,
    json: options.Json = False,
) -> None:
    """Run a saved query on a store, or list the saved queries in the order of an investigation.

    The same queries are files of cypher/browser in Neo4j and SQL in DuckDB. CSV is safe to open in a spreadsheet: a
    text that could run has an apostrophe before it.
    """
    parameters = dict(_pair(text) for text in (*(given or ()), *(param or ())))
    from graphdet.cli import show
    from graphdet.verbs.query import list_queries, run_query

    shape = "json" if json else form.value
    with options.opened(store, read_only=True) as source:
        if name is None:
            import pyarrow as pa

            titles = list_queries(source)
            table = pa.table({"name": list(titles), "title": list(titles.values())})
        else:
            table = run_query(source, name, parameters)
        asked = shape == "table" and show.has_chances(table)
        among = source.counts()["users"] if asked else None
    if shape == "csv":
        show.print_sheet(table)
    elif shape == "table":
        show.print_table(table, among)
    else:
        show.print_as(table, shape, "queries" if name is None else "rows")


def _pair(text: str) -> tuple[str, str]:
    """Split KEY=VALUE.

    Raises:
        UsageError: there is no equals sign.

    >>> _pair("user_id=a=b")
    ('user_id', 'a=b')
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"a parameter is KEY=VALUE, for example limit=10; not {text!r}")
    return key, value


@guarded
def doctor(store: options.StoreUrl = None, json: options.Json = False) -> None:
    """Say what is installed, reachable and missing.

    Also which device is used, and what to do about what is missing."""
    from dataclasses import asdict

    from graphdet.cli import show
    from graphdet.verbs.doctor import FAIL, WARN, examine

    checks = examine(store)
    if json:
        show.print_json(
            {"ok": all(check.state != FAIL for check in checks), "checks": [asdict(c) for c in checks]}
        )
    else:
        columns = (("", False), ("what", False), ("found", False), ("what to do", False))
        signs = {FAIL: "FAIL", WARN: "warn"}
        show.print_rows(
            columns,
            ((signs.get(check.state, "ok"), check.name, check.found, check.advice) for check in checks),
        )
    if any(check.state == FAIL for check in checks):
        raise typer.Exit(1)


TOP_ITEMS = 20  # items that are printed


@guarded
def items_command(
    store: options.StoreUrl = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", readable=False, metavar="DIR", help="Write items.csv and item_accounts.csv here."
        ),
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
        show.print_table(
            flagged.slice(0, TOP_ITEMS).select(["item_id", "kind", "q_value", "n_accounts", "reason"])
        )
    if out is not None:
        print(f"Items and accounts: {out}")
