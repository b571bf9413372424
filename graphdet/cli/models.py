"""graphdet models: what was trained, how good it is, which one is in use, and how to go back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphdet.cli import options
from graphdet.cli.deciding import By, Note, print_head, who
from graphdet.cli.guard import guarded, say

if TYPE_CHECKING:
    from graphdet.audit import Head
    from graphdet.lab.registry import ModelRecord, Shelf

app = typer.Typer(
    name="models", help="List, compare, promote and roll back trained models.", no_args_is_help=True
)
Folder = Annotated[
    Path, typer.Option("--models", metavar="DIR", help="Folder of models.", envvar="GRAPHDET_MODELS")
]
Name = Annotated[
    str, typer.Argument(metavar="MODEL", help="An alias, an id, or the start of one.", show_default=False)
]
Evaluation = Annotated[
    Path | None,
    typer.Option(
        "--evaluation", metavar="FILE", help="An evaluation.json of this model, to be kept with it."
    ),
]
Scores = Annotated[
    str | None,
    typer.Option("--scores", metavar="NAME", help="Which score file of the evaluation is this model's."),
]
MODELS = Path("models")  # where they are looked for unless said otherwise
MODEL_COLUMNS = (
    ("model", False),
    ("", False),
    ("added", False),
    ("by", False),
    ("AUPRC", True),
    ("learned from", False),
)


@app.command("list")
@guarded
def list_models(models: Folder = MODELS, json: options.Json = False) -> None:
    """List the models, the newest last, with their aliases."""
    from graphdet.cli import show
    from graphdet.lab.registry import Registry, index_of

    shelf = Registry(models).read()
    if json:
        show.print_json(index_of(shelf))
        return
    show.print_rows(MODEL_COLUMNS, [_row(record, shelf) for record in shelf.models.values()])


def _row(record: "ModelRecord", shelf: "Shelf") -> list[str]:
    named = ", ".join(alias for alias, name in shelf.aliases.items() if name == record.id)
    last = list(record.measured.values())[-1].metrics.get("auprc", {}) if record.measured else {}
    value = last.get("value")
    learned = str(record.about.get("facts", {}).get("learned_from", "–"))
    if "labelled" in record.about:
        learned = ", ".join(f"labels of {kind}s" for kind in record.about["labelled"])
    return [
        record.id,
        named,
        record.created_at[:16],
        record.who,
        "–" if value is None else f"{value:.3f}",
        learned,
    ]


@app.command("show")
@guarded
def show_model(name: Name, models: Folder = MODELS, json: options.Json = False) -> None:
    """Show what a model was made of, how good it was, and what was done with it."""
    from dataclasses import asdict

    from graphdet.cli import show
    from graphdet.lab.registry import Registry

    registry = Registry(models)
    shelf = registry.read()
    record = shelf.find(name)
    folder = registry.path(record.id)  # checks the files
    history = [
        entry.document()
        for entry in shelf.log.entries
        if record.id in (entry.document()["subject"], (entry.document()["after"] or {}).get("id"))
    ]
    if json:
        show.print_json({**asdict(record), "folder": str(folder), "history": history})
        return
    rows = [("id", record.id), ("digest", record.digest), ("added", f"{record.created_at} by {record.who}")]
    rows += [("parent", record.parent or "–"), ("folder", str(folder))]
    rows += [(key, _told(value)) for key, value in record.about.items()]
    show.print_rows((("", False), ("", False)), rows)
    for measured in record.measured.values():
        print(f"\nMeasured on {measured.of} (test part {measured.test[:12]}):")
        cells = [(key, _figure(metric)) for key, metric in measured.metrics.items()]
        show.print_rows((("", False), ("", False)), cells)
    print()
    for entry in history:
        done = entry["what"] + (f" {entry['subject']}" if entry["kind"] == "alias" else "")
        note = (entry["after"] or {}).get("note") or ""
        print(f"{entry['at'][:19]}  {done} by {entry['who']}{': ' + note if note else ''}")


def _told(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _figure(metric: Any) -> str:
    value, low, high = metric.get("value"), metric.get("low"), metric.get("high")
    if value is None:
        return "–"
    return f"{value:.4f}" + (f" ({low:.4f} – {high:.4f})" if low is not None else "")


@app.command("add")
@guarded
def add(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder of a trained model.", show_default=False)
    ],
    models: Folder = MODELS,
    evaluation: Evaluation = None,
    scores: Scores = None,
    note: Note = "",
    by: By = None,
    json: options.Json = False,
) -> None:
    """Register a trained model: its files are copied, with what it was made of.

    Given again with --evaluation, the figures are kept with it."""
    from graphdet.cli import show
    from graphdet.lab.models import measurement, own_measurements, read_card
    from graphdet.lab.registry import Registry

    measured = measurement(evaluation, scores) if evaluation is not None else None
    registry, card = Registry(models), read_card(model)
    record, is_new = registry.add(model, card, who(by), note)
    for known in own_measurements(card) if is_new else ():
        record = registry.measure(record.id, known, who(by))
    if measured is not None:
        record = registry.measure(record.id, measured, who(by))
    if json:
        from dataclasses import asdict

        show.print_json({**asdict(record), "new": is_new})
        return
    print(f"Model {record.id} {'added' if is_new else 'is there already'}.")
    if measured is not None:
        print(f"Figures kept: {measured.of} (test part {measured.test[:12]}).")


@app.command("compare")
@guarded
def compare_command(
    names: Annotated[list[str], typer.Argument(metavar="MODEL", help="Aliases or ids.", show_default=False)],
    models: Folder = MODELS,
    json: options.Json = False,
) -> None:
    """Put models side by side; they are ranked only if measured on the same test part."""
    from dataclasses import asdict

    from graphdet.cli import show
    from graphdet.lab.models import compare_models as put_side_by_side
    from graphdet.lab.registry import Registry

    found = put_side_by_side(Registry(models), names)
    if json:
        show.print_json(asdict(found))
        return
    columns = [("", False), *((record.id, True) for record in found.records)]
    rows = [[name, *(_figure(metric) for metric in metrics)] for name, metrics in found.metrics.items()]
    show.print_rows(columns, rows)
    if found.test is not None:
        print(f"All measured on {found.of} (test part {found.test[:12]}).")
    if found.best is not None:
        print(f"Highest average precision: {found.best}. Intervals that overlap do not tell models apart.")
    else:
        say(f"Not ranked: {found.refused}.")


@app.command("promote")
@guarded
def promote_command(
    name: Name,
    models: Folder = MODELS,
    note: Note = "",
    by: By = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Make a model champion; with --store that is noted in the store's audit log too."""
    from graphdet.lab.models import promote_model as make_champion
    from graphdet.lab.registry import Registry

    with _maybe(store) as target:
        record, before, head = make_champion(Registry(models), name, who(by), note, target)
    _say_champion(record.id, before, head, json)


@app.command("rollback")
@guarded
def rollback_command(
    models: Folder = MODELS,
    note: Note = "",
    by: By = None,
    store: options.StoreUrl = None,
    json: options.Json = False,
) -> None:
    """Undo the last promotion: the champion before it is champion again."""
    from graphdet.lab.models import roll_back_model as go_back
    from graphdet.lab.registry import Registry

    with _maybe(store) as target:
        record, before, head = go_back(Registry(models), who(by), note, target)
    _say_champion(record.id, before, head, json)


@app.command("alias")
@guarded
def alias(
    alias: Annotated[
        str, typer.Argument(metavar="ALIAS", help="For instance challenger.", show_default=False)
    ],
    models: Folder = MODELS,
    name: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Which model.", show_default=False)
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the alias away.")] = False,
    note: Note = "",
    by: By = None,
) -> None:
    """Give a model an alias, or take one away."""
    from graphdet.errors import UsageError
    from graphdet.lab.registry import Registry

    if remove == (name is not None):
        raise UsageError("give a model, or --remove")
    record = Registry(models).alias(alias, name, who(by), note)
    print(f"{alias}: {record.id if record else 'taken away'}")


def _maybe(store: str | None) -> Any:
    from contextlib import nullcontext

    return options.opened(store) if store else nullcontext()


def _say_champion(name: str, before: str | None, head: "Head | None", as_json: bool) -> None:
    if as_json:
        from graphdet.cli import show

        audit = {"seq": head.count, "hash": head.hash} if head else None
        show.print_json({"champion": name, "before": before, "audit": audit})
        return
    print(f"Champion: {name}" + (f" (before: {before})" if before else ""))
    if head is not None:
        print_head(head)
