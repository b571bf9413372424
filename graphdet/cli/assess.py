"""graphdet evaluate: how good scores are, by labels that they have not seen."""

from pathlib import Path
from typing import Annotated

import typer

from graphdet.cli import options
from graphdet.cli.guard import guarded, say
from graphdet.cli.progress import make_progress
from graphdet.errors import UsageError

SHOWN = ("auprc", "auroc", "recall_at_precision_90", "precision", "recall", "f1", "accuracy", "cost", "brier")


@guarded
def evaluate(
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
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the page and the JSON.")],
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
    for name in (*SHOWN[:3], *ks, *SHOWN[3:]):
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
