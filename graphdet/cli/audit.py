"""graphdet audit: who decided and exported what, and whether anybody changed that record."""

from typing import Annotated, Any

import typer

from graphdet.cli import options
from graphdet.cli.deciding import print_head
from graphdet.cli.guard import guarded

app = typer.Typer(
    name="audit",
    help="Look at the audit log, and check it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("verify")
@guarded
def verify_command(
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="HASH", help="A head noted elsewhere; it must be in the log."),
    ] = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Check that no entry was changed, removed, put in or moved; exit code 1 when one was."""
    from graphdet.verbs.audit import check_audit, failure

    with options.opened(store, read_only=True) as source:
        checked = check_audit(source, expect)
        error = failure(source, checked)
    if json:
        from dataclasses import asdict

        from graphdet.cli import show

        show.print_json({"ok": not checked.faults, **asdict(checked)})
        if checked.faults:
            raise typer.Exit(1)
        return
    if checked.faults:
        raise error
    print(f"{checked.n_entries} entries, none changed.")
    if checked.head is not None:
        print_head(checked.head)
    if expect is None:
        print("Note the head elsewhere: with --expect it shows whether the whole log was rewritten.")


@app.command(name="show")
@guarded
def show_log(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The last so many.")] = 50,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Print the audit log, the latest entries last; --json prints all of every entry."""
    from graphdet.cli import show
    from graphdet.verbs.audit import documents

    with options.opened(store, read_only=True) as source:
        log = source.audit()
    entries = documents(log)
    if json:
        head = {"count": log.head.count, "hash": log.head.hash} if log.head else None
        show.print_json({"entries": entries, "head": head})
        return
    from graphdet.words import shorten

    headings = (("#", True), ("at", False), ("who", False), ("what", False), ("", False), ("after", False))
    show.print_rows(
        headings,
        (
            [
                str(entry["seq"]),
                *(shorten(str(entry.get(name, "?")), show.NOTE_WIDTH) for name in ("at", "who", "what")),
                shorten(f"{entry.get('kind', '?')} {entry.get('subject', '?')}", show.NOTE_WIDTH),
                shorten(_after(entry.get("after")), show.NOTE_WIDTH),
            ]
            for entry in entries[-limit:]
        ),
    )
    if log.head is not None:
        print_head(log.head)


def _after(after: Any) -> str:
    """What an entry says, in short: its plain values, what was decided first.

    >>> _after({"note": "n", "reason": "other", "verdict": "guilty", "found": {}, "until": None})
    'verdict: guilty, reason: other, note: n'
    """
    if not isinstance(after, dict):
        return "" if after is None else str(after)
    plain = {
        key: value for key, value in after.items() if isinstance(value, str | int | float) and value != ""
    }
    first = ("verdict", "reason", "list", "until")
    order = [*(key for key in first if key in plain), *(key for key in sorted(plain) if key not in first)]
    return ", ".join(f"{key}: {plain[key]}" for key in order)
