"""evaluation.html, drawn from the document of evaluation.json."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from graphdet import words
from graphdet.files import write_text
from graphdet.reports import html
from graphdet.reports.figures.evaluation import (
    draw_calibration,
    draw_cost,
    draw_histogram,
    draw_precision,
    draw_roc,
    legend_mark,
)

EVALUATION_SCHEMA = "graphdet.evaluation/1"
EVALUATION_SCHEMA_FILE = "evaluation-1.schema.json"
NAMES = {
    "auprc": "Average precision (AUPRC)",
    "auroc": "AUROC",
    "recall_at_precision_90": "Recall at 90 % precision",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "accuracy": "Accuracy",
    "cost": "Cost per thing",
    "brier": "Brier score",
}
RULES = {
    "given": "scores from {value} on, as asked",
    "flagged": "what the file flags",
    "half": "scores from 0.5 on: the file has no column flagged",
    "cheapest on other labels": "scores from {value} on, the cheapest on other labels",
}
_LOWER_IS_BETTER = ("cost", "brier")


def write_evaluation_page(path: Path, document: Mapping[str, Any]) -> Path:
    """Write the page.

    Raises:
        GraphdetError: the file cannot be written.
    """
    return write_text(path, evaluation_page(document))


def evaluation_page(document: Mapping[str, Any]) -> str:
    """The page as HTML. document: as reports/schemas/evaluation-1.schema.json has it."""
    scores = [{**one, "name": words.shorten(one["name"], 48)} for one in document["scores"]]
    names = [one["name"] for one in scores]
    return html.render(
        "evaluation.html.j2",
        d=document,
        scores=scores,
        legend=[(legend_mark(place), name) for place, name in enumerate(names)],
        metrics=_metrics(document),
        differences=[_difference(row) for row in document["differences"]],
        rules=[_rule(one["threshold"]) for one in scores],
        pictures=_pictures(document, scores),
        histograms=[draw_histogram(one) for one in scores],
        headline=_headline(document, scores),
    )


def _headline(document: Mapping[str, Any], scores: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for one in scores:
        confusion = one["confusion"]
        flagged = confusion["true_flags"] + confusion["false_flags"]
        parts.append(
            f"{one['name']} flags {words.plural(flagged, 'labelled thing')}, "
            f"{words.thousands(confusion['true_flags'])} of them frauds, and misses "
            f"{words.thousands(confusion['missed'])} of {words.plural(document['n_fraud'], 'fraud')}."
        )
    return " ".join(parts)


def _pictures(
    document: Mapping[str, Any], scores: Sequence[Mapping[str, Any]]
) -> list[tuple[str, Markup, str]]:
    found = [
        (
            "Precision and recall",
            draw_precision(scores, document["base_rate"]),
            "Each point is a threshold; a filled mark is what is flagged. Where frauds are rare, look here first.",
        ),
        ("ROC", draw_roc(scores), "How many frauds are found for how many clean things flagged."),
        (
            "Cost",
            draw_cost(scores),
            f"A missed fraud costs {words.figure(document['cost_missed'])}, a clean thing flagged "
            f"{words.figure(document['cost_false'])}. The ring is the cheapest cut on these same labels: too good by "
            "construction.",
        ),
    ]
    if any(one["calibration"] for one in scores):
        found.append(
            (
                "Calibration",
                draw_calibration(scores),
                "Bars are 95 % intervals of each share. It holds for things like those that were labelled: if "
                "suspicious ones were labelled first, shares are too high for the rest.",
            )
        )
    return found


def _metrics(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table of metrics: name, one text with an interval per file."""
    ks = [name for name in document["scores"][0]["metrics"] if name.startswith("precision_at_")]
    order = ["auprc", "auroc", "recall_at_precision_90", *ks]
    order += ["precision", "recall", "f1", "accuracy", "cost", "brier"]
    rows = []
    for name in order:
        cells = [one["metrics"].get(name) for one in document["scores"]]
        if all(cell is None for cell in cells):
            continue
        rows.append({"name": metric_name(name), "cells": [_cell(cell) for cell in cells]})
    return rows


def metric_name(name: str) -> str:
    """A metric's name for people.

    >>> metric_name("precision_at_50"), metric_name("f1")
    ('Precision at 50', 'F1')
    """
    if name.startswith("precision_at_"):
        return f"Precision at {words.thousands(int(name.rsplit('_', 1)[1]))}"
    return NAMES[name]


def _cell(metric: Mapping[str, Any] | None) -> tuple[str, str]:
    if metric is None or metric["value"] is None or metric["value"] != metric["value"]:
        return "–", ""
    between = f"{metric['low']:.3f} – {metric['high']:.3f}" if metric["low"] is not None else ""
    return f"{metric['value']:.3f}", between


def _difference(row: Mapping[str, Any]) -> dict[str, str]:
    value, low, high = row["value"], row["low"], row["high"]
    if value is None or value != value:
        return {**_names_of(row), "value": "–", "between": "", "says": "not defined"}
    if low is None:
        says = "too few cases to say"
    elif low <= 0 <= high:
        says = "not told apart"
    else:
        better = (value < 0) == (row["metric"] in _LOWER_IS_BETTER)
        says = "better" if better else "worse"
    between = f"{low:+.3f} – {high:+.3f}" if low is not None else ""
    return {**_names_of(row), "value": f"{value:+.3f}", "between": between, "says": says}


def _names_of(row: Mapping[str, Any]) -> dict[str, str]:
    return {"name": words.shorten(row["name"], 48), "metric": metric_name(row["metric"])}


def _rule(threshold: Mapping[str, Any]) -> str:
    value = threshold["value"]
    if value is not None and value == float("inf"):
        return "nothing: flagging nobody was the cheapest on other labels"
    return RULES[threshold["rule"]].format(value="" if value is None else f"{value:.6g}")
