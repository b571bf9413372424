"""graphdet report and reveal: what is handed on, and who is behind a pseudonym."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphdet.cli import options
from graphdet.cli.deciding import By, noted
from graphdet.cli.guard import guarded, say
from graphdet.cli.progress import make_progress
from graphdet.errors import UsageError

if TYPE_CHECKING:
    from graphdet.reports.narrator import Narrator
    from graphdet.reports.pseudonyms import Pseudonyms

KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        envvar="GRAPHDET_KEY_FILE",
        help="The key of pseudonyms; not beside the store or in DIR.",
    ),
]


@guarded
def report(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the findings and the report.")
    ],
    ring: Annotated[
        list[str] | None,
        typer.Option(
            "--ring", metavar="RING", help="Only this ring, flagged or not, into DIR/rings; may be repeated."
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="All findings: tables, report.html, every flagged ring. The default."),
    ] = False,
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="LIST", help="Of the rings' files: html, pdf, json, csv, graphml, gexf."
        ),
    ] = "html,json,graphml",
    pseudonymise: Annotated[
        bool, typer.Option("--pseudonymise", help="Replace every id by a keyed hash, in all files.")
    ] = False,
    key_file: KeyFile = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make the key file first; only you can read it.")
    ] = False,
    narrative: Annotated[
        str | None,
        typer.Option(
            "--narrative",
            metavar="URL",
            help="Have rings told by a language model that you run, at an OpenAI-compatible endpoint.",
        ),
    ] = None,
    narrative_model: Annotated[
        str, typer.Option("--narrative-model", metavar="NAME", help="The model's name at that endpoint.")
    ] = "",
    narrative_timeout: Annotated[
        float,
        typer.Option("--narrative-timeout", metavar="S", min=0.1, help="Seconds to wait for each answer."),
    ] = 60.0,
    by: By = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Write the findings of a store to DIR, or the files of some rings, and note in its audit log who did.

    A ring's page holds the case in words and pictures, and how to find it again. csv is safe to open in a
    spreadsheet: a text that could run as a formula has an apostrophe before it.

    --narrative sends numbered facts, with placeholders for all ids, and keeps of the answer only sentences that cite
    them. A key, if the endpoint wants one, is read from GRAPHDET_NARRATIVE_KEY.
    """
    if ring and every:
        raise UsageError("give --ring or --all, not both")
    if new_key and not pseudonymise:
        raise UsageError("--new-key belongs to --pseudonymise")
    from graphdet.verbs.report import Asked
    from graphdet.verbs.report import report as write_report

    formats = tuple(dict.fromkeys(part.strip().lower() for part in form.split(",")))
    Asked(formats=formats)  # a wrong format is told before the store is opened
    narrator = _narrator(narrative, narrative_model, narrative_timeout)
    with options.opened(store) as source:
        names = _names(key_file, new_key, source.url, out) if pseudonymise else None
        asked = Asked(tuple(ring or ()), formats, names, narrator)
        written = write_report(
            source, out.absolute(), asked=asked, listener=noted(by), progress=make_progress()
        )
    for line in narrator.warnings if narrator else ():
        say(f"Warning: {line}")
    if json:
        from graphdet.cli import show

        show.print_json({"report": str(written[0]), "files": [str(path) for path in written]})
        return
    for path in written:
        print(f"Report: {path}")


@guarded
def reveal(
    pseudonyms: Annotated[
        list[str], typer.Argument(metavar="PSEUDONYM", help="As in a report: u-…, i-…", show_default=False)
    ],
    key_file: KeyFile = None,
    by: By = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Say which ids are behind pseudonyms, with the key they were made with. It is noted in the audit log.

    Exit code 1 when one is not found."""
    from graphdet.cli import show
    from graphdet.verbs.reveal import reveal as look_up

    with options.opened(store) as source:
        names = _names(key_file, False, source.url, None)
        found = look_up(source, names, pseudonyms, listener=noted(by))
    if json:
        show.print_json(
            {"revealed": [{"pseudonym": row.pseudonym, "kind": row.kind, "id": row.id} for row in found]}
        )
    else:
        columns = (("pseudonym", False), ("kind", False), ("id", False))
        show.print_rows(columns, ((row.pseudonym, row.kind or "–", row.id or "–") for row in found))
    if any(row.id is None for row in found):
        say("Error: not all were found: another key, another store, or a pseudonym misspelt")
        raise typer.Exit(1)


def _narrator(url: str | None, model: str, timeout_s: float) -> "Narrator | None":
    """Who tells the rings, where somebody shall.

    Raises:
        UsageError: the URL or the model's name is missing or wrong.
    """
    if url is None and not model:
        return None
    if url is None or not model:
        raise UsageError("--narrative URL and --narrative-model NAME belong together")
    import os

    from graphdet.reports.narrator import KEY_VARIABLE, Narrator

    return Narrator(url, model, os.environ.get(KEY_VARIABLE), timeout_s)


def _names(key_file: Path | None, new_key: bool, store_url: str, out: Path | None) -> "Pseudonyms":
    """Read the key, made first where that was asked for."""
    from graphdet.casework.disclosure import make_key, read_key
    from graphdet.reports.pseudonyms import Pseudonyms

    if new_key:
        say(
            f"New key: {make_key(key_file, store_url, out)}. Keep it; without it no pseudonym can be revealed."
        )
    return Pseudonyms(read_key(key_file, store_url, out))
