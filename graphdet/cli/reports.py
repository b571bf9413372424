"""graphdet report and reveal: what is handed on, and who is behind a pseudonym.

graphdet explain: why the network gives a user, or a ring's members together, the logit they have.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
def report_command(
    out: Annotated[
        Path,
        typer.Option("--out", readable=False, metavar="DIR", help="Folder for the findings and the report."),
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
    raw_csv: options.RawCsv = False,
    by: By = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Write the findings of a store to DIR, or the files of some rings, and note in its audit log who did.

    A ring's page holds the case in words and pictures, and how to find it again. CSV is safe to open in a
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
        asked = Asked(tuple(ring or ()), formats, names, narrator, raw_csv)
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
def brief_command(
    rings: Annotated[
        list[str], typer.Argument(metavar="RING", help="Rings, for instance R17.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for RING.brief.html and RING.brief.pdf.")
    ] = Path(),
    form: Annotated[str, typer.Option("--format", metavar="LIST", help="html, pdf or both.")] = "html",
    pseudonymise: Annotated[
        bool, typer.Option("--pseudonymise", help="Replace every id by a keyed hash.")
    ] = False,
    key_file: KeyFile = None,
    by: By = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Write a ring as a case brief of two pages, for whoever decides, and note in the audit log who did.

    Five facts, two pictures, the weak members, what speaks against it, and a box for the verdict.
    """
    from graphdet.verbs.report import brief as write_briefs

    formats = tuple(dict.fromkeys(part.strip().lower() for part in form.split(",")))
    with options.opened(store) as source:
        names = _names(key_file, False, source.url, out) if pseudonymise else None
        written = write_briefs(
            source,
            out.absolute(),
            rings,
            formats=formats,
            names=names,
            listener=noted(by),
            progress=make_progress(),
        )
    if json:
        from graphdet.cli import show

        show.print_json({"files": [str(path) for path in written]})
        return
    for path in written:
        print(f"Brief: {path}")


@guarded
def reveal_command(
    pseudonyms: Annotated[
        list[str],
        typer.Argument(metavar="PSEUDONYM", help="As in a report: u-…, i-…", show_default=False),
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

    from graphdet.reports.narrator import NARRATIVE_KEY_VARIABLE, Narrator

    return Narrator(url, model, os.environ.get(NARRATIVE_KEY_VARIABLE), timeout_s)


def _names(key_file: Path | None, new_key: bool, store_url: str, out: Path | None) -> "Pseudonyms":
    """Read the key, made first where that was asked for."""
    from graphdet.casework.disclosure import make_key, read_key
    from graphdet.reports.pseudonyms import Pseudonyms

    if new_key:
        say(
            f"New key: {make_key(key_file, store_url, out)}. Keep it; without it no pseudonym can be revealed."
        )
    return Pseudonyms(read_key(key_file, store_url, out))


@guarded
def explain_command(
    model: options.ModelDir,
    users: Annotated[
        list[str] | None, typer.Argument(metavar="[USER]...", help="Users to explain, one by one.")
    ] = None,
    ring: Annotated[
        str | None, typer.Option("--ring", metavar="RING", help="The members of this ring together.")
    ] = None,
    what_if: Annotated[
        bool,
        typer.Option(
            "--what-if",
            help="Also score the log again without acts of the user: the fewest without which it is not flagged.",
        ),
    ] = False,
    fdr: options.Fdr = None,
    seed: options.Seed = 0,
    device: options.DeviceName = options.Device.auto,
    by: By = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Say where a user's score comes from, and what the graph network's logit of it is made of: inputs, ties, items.

    A member's score mostly comes from its ring: what it did there is told first, and why the ring is one stands in its
    report. Effects add up to the logit, from that of a user in the middle of the log whom nobody moves with. It is
    noted in the audit log who asked.
    """
    level = options.check_fdr(fdr)
    from graphdet.cli import show
    from graphdet.verbs.explain import Question
    from graphdet.verbs.explain import explain as look_into

    asked = Question(tuple(users or ()), ring, what_if, level, seed)
    with options.opened(store) as source:
        found = look_into(
            source, model, asked, device=device.value, listener=noted(by), progress=make_progress()
        )
    if json:
        show.print_json({"explained": found})
        return
    for document in found:
        _print(document)


def _print(document: Mapping[str, Any]) -> None:
    from graphdet import words
    from graphdet.cli import show

    name = document.get("user_id") or f"{document.get('ring_id')}, {len(document['users'])} members"
    about = "" if document.get("score") is None else f": score {words.score_in_words(document['score'])}"
    sums = document["sums"]
    print(f"{words.visible(str(name))}{about}")
    if "comes_from" in document:
        print(words.visible(document["comes_from"]))
    for did in document.get("in_ring", {}).get("did", ()):
        print(words.visible(f"  {document['in_ring']['ring_id']}: {did}"))
    print(
        f"The network's logit is {document['logit']:.2f}; of a usual user alone {document['baseline']:.2f}."
    )
    made = [(title, f"{sums[key]:+.2f}") for key, title in SUMS.items() if key in sums]
    show.print_rows((("made of", False), ("logit", True)), made)
    inputs = [(each["text"], f"{each['effect']:+.2f}") for each in document["features"]]
    show.print_rows((("input", False), ("logit", True)), inputs)
    ties = [
        (" – ".join(tie["between"]), ", ".join(tie["items"]), str(tie["n_items"]), f"{tie['effect']:+.2f}")
        for tie in document["ties"]
    ]
    if ties:
        columns = (("tie between", False), ("by items", False), ("items", True), ("logit", True))
        show.print_rows(columns, ties)
    items = [
        (item["item_id"], f"{item['by_itself']:+.2f}", f"{item['by_ties']:+.2f}", f"{item['effect']:+.2f}")
        for item in document.get("items", ())
    ]
    if items:
        parts = (("item", False), ("by itself", True), ("by ties", True), ("logit", True))
        show.print_rows(parts, items)
    if "what_if" in document:
        print(document["what_if"]["text"])
    print()


SUMS = {
    "inputs": "what it is like and acts on",
    "ties": "others move with it",
    "ties_inside": "  of these, members of the ring with each other",
    "ties_among_partners": "those move with others",
    "partners": "what those are like",
    "gap": "left unexplained",
}
