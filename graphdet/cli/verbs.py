"""The pipeline's verbs: run, ingest, train, score, rings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphdet.cli import options, splits
from graphdet.cli.deciding import By, noted
from graphdet.cli.guard import guarded, say
from graphdet.cli.progress import make_progress

if TYPE_CHECKING:
    from graphdet.config import Config

TOP_OF_RUN = 5  # of suspects and rings, at the end of a run
TOP_PRINTED = 20  # suspects and rings that are printed at the end


@guarded
def run_command(
    logs: options.Logs,
    out: Annotated[
        Path,
        typer.Option("--out", readable=False, metavar="DIR", help="Folder for the findings and the report."),
    ],
    config: options.ConfigName = None,
    store: options.StoreUrl = None,
    labels: options.LabelFileOption = None,
    fdr: options.Fdr = None,
    review: options.Review = None,
    seed: options.Seed = 0,
    device: options.DeviceName = options.Device.auto,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="DIR", help="Score with this trained model; else train one."),
    ] = None,
    train: Annotated[
        options.Train, typer.Option("--train", help="Train on the log first; auto: where it has times.")
    ] = options.Train.auto,
    raw_csv: options.RawCsv = False,
    fresh: options.Fresh = False,
    by: By = None,
    json: options.Json = False,
) -> None:
    """Find suspects and rings in LOGs and write the findings to DIR.

    Without --store the graph is kept in DIR/graph.duckdb; run again, and only what is new is read.
    That a report was written is noted in its audit log.
    """
    level = options.cut(fdr, review)
    settings = options.settings_of(logs, config)
    from graphdet.verbs.run import RunRequest
    from graphdet.verbs.run import run as run_all

    summary = run_all(
        logs,
        settings,
        out,
        RunRequest(
            store_url=store,
            labels=labels,
            **level,
            seed=seed,
            device=device.value,
            model_dir=options.model_folder(model) if model is not None else None,
            train=train.value,
            raw_csv=raw_csv,
            fresh=fresh,
        ),
        listener=noted(by),
        progress=make_progress(),
    )
    for warning in summary["warnings"]:
        say(f"Warning: {warning}")
    if summary["training"]:
        say(f"Training was {summary['training']}")
    print_summary(summary, out, store, json)


def print_summary(summary: dict[str, Any], out: Path, store: str | None, as_json: bool) -> None:
    """Print the top of the findings, and last what was found, where it is and what is next.

    `summary` holds suspects and rings as lists of rows (schema.SCORE_COLUMNS and RING_COLUMNS), how many there are in
    all, and report as a path.
    """
    from graphdet.cli import show
    from graphdet.words import plural

    if as_json:
        show.print_json(summary)
        return
    rings, suspects = summary["rings"][:TOP_OF_RUN], summary["suspects"][:TOP_OF_RUN]
    if rings:
        show.print_rings(rings, f"Rings, {len(rings)} of {summary['n_rings']:,}", summary["n_users"])
        print()
    if suspects:
        title = f"Suspects, {len(suspects)} of {summary['n_suspects']:,}"
        show.print_suspects(suspects, title, summary["n_users"])
        print()
    if summary["n_leads"]:
        held_back = plural(summary["n_leads"], "group was", "groups were")
        print(f"Leads: {held_back} held back, see {out / 'leads.csv'}")
    for line in summary["would_be_seen"]:
        print(line)
    print(show.rows_told(summary["rows"]))
    found = f"{plural(summary['n_rings'], 'ring')}, {plural(summary['n_suspects'], 'suspect')}"
    if not rings and not suspects:
        found = "Nothing was flagged: no ring, no suspect"
    further = f"graphdet {'review' if rings else 'leads'} {out if store is None else f'--store {store}'}"
    print(f"{found} of {plural(summary['n_users'], 'account')}; report: {summary['report']}; next: {further}")


@guarded
def ingest_command(
    logs: options.Logs,
    config: options.ConfigName = None,
    store: options.StoreUrl = None,
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            readable=False,
            metavar="FILE",
            help="Write rows that cannot be used here, with reasons.",
        ),
    ] = None,
    import_files: Annotated[
        Path | None,
        typer.Option(
            "--import-files", metavar="DIR", help="Only write the files for neo4j-admin database import."
        ),
    ] = None,
    fresh: options.Fresh = False,
    json: options.Json = False,
) -> None:
    """Read and clean LOGs and add them to a store.

    Files that the store has are left out, and of a file that grew, was rotated or sent again the rows that it has
    (known), so repeating is safe. Rows: read = used + rejected + duplicates + filtered + known."""
    from dataclasses import asdict

    from graphdet.cli import show

    settings = options.settings_of(logs, config)
    if import_files is not None:
        _write_import_files(logs, settings, import_files, rejects)
        return
    from graphdet.verbs.ingest import ingest as add

    with options.opened(store, create=True) as target:
        result = add(target, logs, settings, rejects=rejects, fresh=fresh, progress=make_progress())
        counts = target.counts() if json else {}  # counting takes a while, so only when asked for
    for warning in result.warnings:
        say(f"Warning: {warning}")
    if json:
        about = {key: value for key, value in asdict(result).items() if key != "earlier"}
        show.print_json({**about, "counts": counts})
        return
    if result.already:
        print("The store has these files already; no event was added.")
    reasons = [(reason, f"{n:,}") for reason, n in result.rejects_by_reason.items()]
    told = (("read", result.n_rows), ("used", result.n_events), ("rejected", result.n_rejects))
    rest = (("duplicates", result.n_duplicates), ("filtered", result.n_filtered), ("known", result.n_known))
    show.print_rows((("rows", False), ("", True)), ((name, f"{n:,}") for name, n in (*told, *rest)))
    if reasons:
        print()
        show.print_rows((("not used because", False), ("rows", True)), reasons)


def _write_import_files(logs: list[str], settings: "Config", folder: Path, rejects: Path | None) -> None:
    """Write the CSVs for the bulk import and say how to run it."""
    import shlex

    from graphdet.verbs.import_files import import_files

    clean, arguments = import_files(logs, settings, folder, rejects=rejects, progress=make_progress())
    for warning in clean.warnings:
        say(f"Warning: {warning}")
    print(f"{clean.n_rows:,} rows read, {clean.n_rejects:,} rejected. Stop the server and run in {folder}:")
    print(f"  neo4j-admin {shlex.join(arguments)}")


@guarded
def train_command(
    model: options.ModelDir,
    store: options.StoreUrl = None,
    labels: options.LabelFileOption = None,
    split: splits.SplitOption = splits.SplitKind.temporal,
    train_until: splits.TrainUntil = None,
    delay_days: splits.DelayDays = None,
    test_from: splits.TestFrom = None,
    test_until: splits.TestUntil = None,
    test_share: splits.TestShare = 0.3,
    seed: options.Seed = 0,
    device: options.DeviceName = options.Device.auto,
    settings: options.SettingsFile = None,
    models: options.ModelsDir = None,
    json: options.Json = False,
) -> None:
    """Train the models on a store's log and keep them.

    Without labels they learn to tell planted campaigns from the rest; labels of users they learn instead. Labels of
    items, sessions or events train a model of its own beside them, measured on a part that it has not seen.
    """
    plan = splits.plan_of(split, train_until, delay_days, test_from, test_until, test_share)
    from graphdet.cli import show
    from graphdet.learn.train_settings import TrainSettings, load_train_settings
    from graphdet.logs.labels import read_labels
    from graphdet.verbs.train import TrainRequest
    from graphdet.verbs.train import train as train_models

    with options.opened(store, read_only=True) as source:
        facts = train_models(
            source,
            model,
            TrainRequest(
                plan=plan,
                settings=load_train_settings(settings) if settings is not None else TrainSettings(),
                labels=read_labels(labels) if labels is not None else None,
                seed=seed,
                device=device.value,
            ),
            make_progress(),
        )
    for warning in facts["warnings"]:
        say(f"Warning: {warning}")
    if models is not None:
        _register(model, models)
    if json:
        show.print_json(facts)
        return
    if "split" in facts:
        splits.print_measured(facts)
    else:
        simple = {name: value for name, value in facts.items() if isinstance(value, str | int | float)}
        rows = ((name, str(value)) for name, value in simple.items())
        show.print_rows((("trained", False), ("", True)), rows)
    print(f"Model: {model}")


def _register(model: Path, models: Path) -> None:
    from graphdet.cli.deciding import who
    from graphdet.lab.models import own_measurements, read_card
    from graphdet.lab.registry import Registry

    card = read_card(model)
    record, is_new = Registry(models).add(model, card, who(None), "trained")
    for measured in own_measurements(card) if is_new else ():
        Registry(models).measure(record.id, measured, who(None))
    say(f"Model {record.id} {'added to' if is_new else 'is already in'} {models}.")


@guarded
def score_command(
    model: options.ModelDir,
    store: options.StoreUrl = None,
    labels: options.LabelFileOption = None,
    fdr: options.Fdr = None,
    review: options.Review = None,
    seed: options.Seed = 0,
    device: options.DeviceName = options.Device.auto,
    json: options.Json = False,
) -> None:
    """Score everything of a store with trained models: users, and what labels trained a model of.

    With a model of items, sessions or events, labels say what is known by now and nothing is learned; without, they
    are learned on top, to score those too. The scores are kept in the store."""
    level = options.cut(fdr, review)
    model = options.model_folder(model)
    from graphdet.cli import show
    from graphdet.evaluation.flag_rule import FlagRule
    from graphdet.logs.labels import read_labels
    from graphdet.verbs.score import ScoreRequest
    from graphdet.verbs.score import score as score_users

    with options.opened(store) as target:
        given = read_labels(labels) if labels is not None else None
        request = ScoreRequest(given, FlagRule(**level), seed, device.value)
        scored = score_users(target, model, request, make_progress())
        counts = {
            kind: (int(table["flagged"].to_pylist().count(True)), table.num_rows)
            for kind, table in target.labelled().items()
        }
    for line in scored.notes:
        say(f"Note: {line}")
    found: dict[str, Any] = {}
    if scored.scores is not None:
        suspects = scored.scores.filter(scored.scores["flagged"])
        found = {"n_users": scored.scores.num_rows, "n_suspects": suspects.num_rows}
        found["suspects"] = suspects.to_pylist()
    if json:
        show.print_json(
            found
            | {f"n_{kind}s": n for kind, (_, n) in counts.items()}
            | {f"n_flagged_{kind}s": n for kind, (n, _) in counts.items()}
        )
        return
    if found:
        print(f"{found['n_suspects']:,} of {found['n_users']:,} users are flagged.")
    for kind, (n_flagged, n) in counts.items():
        print(f"{n_flagged:,} of {n:,} {kind}s are flagged.")
    if found.get("suspects"):
        top = suspects.sort_by([("score", "descending"), ("user_id", "ascending")]).slice(0, TOP_PRINTED)
        show.print_suspects(top.to_pylist(), "Suspects", found["n_users"])


@guarded
def rings_command(
    store: options.StoreUrl = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", metavar="DIR", help="Folder of the trained model; without, the shipped judge."
        ),
    ] = None,
    fdr: options.Fdr = None,
    seed: options.Seed = 0,
    brief: Annotated[
        bool, typer.Option("--brief", help="With --json: leave out the evidence, some 50 KB a ring.")
    ] = False,
    shard_acts: Annotated[
        int | None,
        typer.Option(
            "--shard-acts",
            metavar="N",
            min=100_000,
            help="Cut a log of more than N acts into shards in time of so many. Without, only one of 5 million is cut.",
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Find the rings of a store's log with a trained model, or with the judge that comes with graphdet.

    The rings are kept in the store."""
    level = options.check_fdr(fdr)
    from graphdet import schema
    from graphdet.cli import show
    from graphdet.verbs.rings import find_rings

    with options.opened(store) as target:
        folder = options.model_folder(model) if model is not None else None
        found = find_rings(
            target, model_dir=folder, fdr=level, seed=seed, shard_acts=shard_acts, progress=make_progress()
        )
        n_users = 0 if json else target.counts()["users"]
    if model is None:
        say("Judged as other logs are; `graphdet train` learns what is ordinary in this one and finds more.")
    for line in found.lines():
        say(f"Note: {line}")
    table = found.rings.rings.sort_by([("score", "descending"), ("ring_id", "ascending")])
    flagged = table.filter(table["flagged"])
    if json:
        table = table.drop_columns([schema.RING_EVIDENCE]) if brief else table
        show.print_json(
            {"n_rings": table.num_rows, "n_flagged": flagged.num_rows, "rings": table.to_pylist()}
            | found.facts()
        )
        return
    print(f"{flagged.num_rows:,} of {table.num_rows:,} ring candidates are flagged.")
    if flagged.num_rows:
        show.print_rings(flagged.slice(0, TOP_PRINTED).to_pylist(), "Rings", n_users)
