"""graphdet evaluate: how good scores are, by labels that they have not seen.

graphdet tune and suggest: settings that learn best, and whose verdict would teach most.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from graphdet.cli import options, splits
from graphdet.cli.guard import guarded, say
from graphdet.cli.progress import make_progress
from graphdet.errors import UsageError

SHOWN_FIGURES = (
    "auprc",
    "auroc",
    "recall_at_precision_90",
    "precision",
    "recall",
    "f1",
    "accuracy",
    "cost",
    "brier",
)


@guarded
def evaluate_command(
    scores: Annotated[
        list[Path],
        typer.Argument(
            metavar="SCORES", help="Score files: an id column, score, perhaps flagged.", show_default=False
        ),
    ],
    labels: Annotated[
        Path,
        typer.Option("--labels", metavar="FILE", help="CSV of the same ids and label (1 fraud, 0 clean)."),
    ],
    out: Annotated[
        Path, typer.Option("--out", readable=False, metavar="DIR", help="Folder for the page and the JSON.")
    ],
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help="Figures for each value of a column too.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="COLUMN",
            help="Rows alike in this column come together in the intervals' draws.",
        ),
    ] = None,
    cost_fn: Annotated[float, typer.Option("--cost-fn", metavar="X", help="Cost of a missed fraud.")] = 1.0,
    cost_fp: Annotated[
        float, typer.Option("--cost-fp", metavar="X", help="Cost of a clean thing flagged.")
    ] = 1.0,
    k: Annotated[
        str, typer.Option("--k", metavar="N,N,…", help="Precision among so many of the highest.")
    ] = "50,100,200,500,1000",
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold", metavar="X", help="Flag scores from here on [default: what the file flags]."
        ),
    ] = None,
    threshold_labels: Annotated[
        Path | None,
        typer.Option(
            "--threshold-labels",
            metavar="FILE",
            help="Take the threshold that is cheapest on these other labels.",
        ),
    ] = None,
    trained_on: Annotated[
        Path | None,
        typer.Option("--trained-on", metavar="FILE", help="Labels used in training; their ids are left out."),
    ] = None,
    draws: Annotated[
        int, typer.Option("--draws", metavar="N", help="Draws for the intervals.", min=0)
    ] = 1000,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Hold SCORES against labels: one page with the curves, one JSON with the figures and their intervals.

    Several score files are put side by side, with paired differences from the first.
    """
    from graphdet.evaluation.compare import Costs
    from graphdet.verbs.evaluate import Wanted
    from graphdet.verbs.evaluate import evaluate as measure

    wanted = Wanted(
        by, group, Costs(cost_fn, cost_fp), _numbers(k), threshold, threshold_labels, trained_on, draws, seed
    )
    document = measure(scores, labels, out, wanted, make_progress())
    for warning in document["warnings"]:
        say(f"Warning: {warning}")
    from graphdet.cli import show

    if json:
        show.print_json(document)
        return
    _print(document, out)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError as error:
        raise UsageError(
            f"--k wants whole numbers with commas between, such as 50,100; not {text!r}"
        ) from error


def _print(document: dict, out: Path) -> None:  # type: ignore[type-arg]
    from graphdet.cli import show
    from graphdet.reports.evaluation_page import metric_name

    columns = [("", False)]
    for one in document["scores"]:
        columns += [(one["name"], True), ("95 %", False)]
    ks = [name for name in document["scores"][0]["metrics"] if name.startswith("precision_at_")]
    rows = []
    for name in (*SHOWN_FIGURES[:3], *ks, *SHOWN_FIGURES[3:]):
        cells = [metric_name(name)]
        for one in document["scores"]:
            metric = one["metrics"].get(name)
            known = metric is not None and metric["value"] == metric["value"]
            cells.append(f"{metric['value']:.3f}" if known else "–")
            cells.append(
                f"{metric['low']:.3f} – {metric['high']:.3f}" if known and metric["low"] is not None else ""
            )
        rows.append(cells)
    print(
        f"{document['n_labelled']:,} labelled and scored, {document['n_fraud']:,} frauds "
        f"(base rate {document['base_rate']:.4g})"
    )
    show.print_rows(columns, rows)
    print(f"The page: {out / 'evaluation.html'}")


class Sampler(StrEnum):
    """How settings are chosen."""

    tpe = "tpe"
    random = "random"
    grid = "grid"


class Learner(StrEnum):
    """What is tuned."""

    trees = "trees"
    gnn = "gnn"


@guarded
def tune_command(
    labels: Annotated[Path, typer.Option("--labels", metavar="FILE", help="Labels, as for graphdet train.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", readable=False, metavar="DIR", help="Folder for trials, page and best settings."
        ),
    ],
    store: options.StoreUrl = None,
    learner: Annotated[
        Learner,
        typer.Option(
            "--learner",
            help="What to tune: trees, or with labels of users the network (gnn), which takes minutes a trial where "
            "trees take seconds.",
        ),
    ] = Learner.trees,
    sampler: Annotated[
        Sampler, typer.Option("--sampler", help="Bayesian (tpe), random, or a grid.")
    ] = Sampler.tpe,
    trials: Annotated[
        int, typer.Option("--trials", metavar="N", help="How many settings to try in all.")
    ] = 40,
    over: Annotated[
        str,
        typer.Option("--over", metavar="NAME,…", help="Settings to vary [default: all; of a grid three]."),
    ] = "",
    split: splits.SplitOption = splits.SplitKind.temporal,
    train_until: splits.TrainUntil = None,
    delay_days: splits.DelayDays = None,
    test_from: splits.TestFrom = None,
    test_until: splits.TestUntil = None,
    test_share: splits.TestShare = 0.3,
    seed: options.Seed = 0,
    device: options.DeviceName = options.Device.auto,
    json: options.Json = False,
) -> None:
    """Find settings that learn best from labels, by validation inside the training part, never the test part.

    Labels of users are validated out of fold, all of them: they are not split.

    Run again into the same DIR it goes on: what was tried is not tried twice. Needs the extra `tune` (Optuna). Then:
    graphdet train --labels FILE --settings DIR/best.toml, with the same split."""
    plan = splits.plan_of(split, train_until, delay_days, test_from, test_until, test_share)
    from graphdet.lab.tuning import load_optuna

    load_optuna()
    from graphdet.cli import show
    from graphdet.logs.labels import read_labels
    from graphdet.verbs.tune import TuneRequest
    from graphdet.verbs.tune import tune as try_settings

    names = tuple(name.strip() for name in over.split(",") if name.strip())
    with options.opened(store, read_only=True) as source:
        request = TuneRequest(plan, learner.value, sampler.value, trials, names, seed, device.value)
        found = try_settings(source, read_labels(labels), out, request, make_progress())
    if json:
        show.print_json(found)
        return
    best, default, gain = found["best"], found["default"], found["gain"]
    rows = [(name, str(default["settings"][name]), str(value)) for name, value in best["settings"].items()]
    rows.append(("average precision", f"{default['value']:.4f}", f"{best['value']:.4f}"))
    show.print_rows((("setting", False), ("defaults", True), (f"trial {best['place']}", True)), rows)
    if gain["low"] is not None:
        between = f"{gain['low']:+.4f} to {gain['high']:+.4f}"
        print(f"Gain {gain['value']:+.4f} (95 %: {between}) where it was picked as the best.")
        if gain["elsewhere"] is not None:
            print(
                f"Picked on one half of the validation part, the best gain {gain['elsewhere']:+.4f} on the other."
            )
    print(f"The page: {out / 'tune.html'}. Settings: {out / 'best.toml'}")


@guarded
def suggest_command(
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
        typer.Option(
            "--out", readable=False, metavar="FILE", help="Write them as a labels file to be filled in (CSV)."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Name the users whose verdict would teach most: in doubt, like many others, and not all of one ring.

    Fill in the column label (1 fraud, 0 clean) and give the file to graphdet train --labels, or judge them with
    graphdet verdict."""
    from graphdet.cli import show
    from graphdet.verbs.suggest import suggest_users

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
