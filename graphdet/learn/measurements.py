"""The document of evaluation.json, from arrays; evaluation.html is drawn from it alone."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet import __version__
from graphdet.arrays import Float
from graphdet.evaluation.calibration import calibration_error, reliability
from graphdet.evaluation.compare import GRID, Costs, Measured, ScoredRows, difference
from graphdet.evaluation.cuts import Confusion, Order, auroc, average_precision, cheapest, costs
from graphdet.evaluation.intervals import wilson
from graphdet.logs.score_files import SCORE, ScoreFile
from graphdet.reports.evaluation_page import EVALUATION_SCHEMA

MOST_POINTS = 240
MOST_SLICES = 20
N_BARS = 40
COMPARED = ("auprc", "auroc", "recall_at_precision_90", "f1", "precision", "recall", "cost", "brier")


@dataclass(frozen=True)
class ScoredLabels:
    """The labelled ids that every file scores.

    Shapes: ids[n]; y int8[n]; group int64[n]; by string[n] or None; score float64[n] and flagged bool[n] per file.
    n_left_out: labels that are not among them.
    """

    ids: pa.Array
    y: NDArray[np.int8]
    group: NDArray[np.int64]
    by: pa.Array | None
    score: list[Float]
    flagged: list[NDArray[np.bool_]]
    n_left_out: int

    def digest(self) -> str:
        """Digest of the ids with their labels: two evaluations with the same one measured on the same things."""
        return digest_of(self.ids.to_pylist(), self.y)


@dataclass(frozen=True)
class Threshold:
    """What counts as flagged: rule "given", "flagged" (the file's column), "half" or "cheapest on other labels"."""

    rule: str
    value: float | None


def digest_of(ids: Sequence[str], y: NDArray[np.integer]) -> str:
    """SHA-256 of ids and labels, in any order.

    >>> digest_of(["a", "b"], np.array([1, 0])) == digest_of(["b", "a"], np.array([0, 1]))
    True
    """
    lines = sorted(json.dumps([name, int(label)]) for name, label in zip(ids, y.tolist(), strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class MeasuredFile:
    """A score file and what was measured of it: its name on the page, its file name and digest, and its figures."""

    name: str
    digest: Mapping[str, str]
    file: ScoreFile
    scored: ScoredRows
    measured: Measured
    threshold: Threshold


def one_score(of: MeasuredFile, rows: ScoredLabels, cost: Costs, ks: Sequence[int]) -> dict[str, Any]:
    """The part of the document that is about one file: see the schema."""
    file, scored, measured = of.file, of.scored, of.measured
    cuts = Order.of(scored.score, rows.y).cuts()
    confusion = Confusion.of(scored.flagged, rows.y)
    best, best_cost = cheapest(cuts, cost.missed, cost.false)
    nobody = cost.missed * cuts.n_fraud / cuts.n
    bins = reliability(scored.score, rows.y) if scored.is_probability else None
    curve = costs(cuts, cost.missed, cost.false)
    return {
        "name": of.name,
        **of.digest,
        "n_rows": file.table.num_rows,
        "n_without_score": int(file.table[SCORE].null_count),
        "threshold": asdict(of.threshold),
        "confusion": {key: int(value) for key, value in asdict(confusion).items()},
        "metrics": {
            key: {"value": value, "low": _end(measured, key, 0), "high": _end(measured, key, 1)}
            for key, value in measured.value.items()
        },
        "relative_cost": measured.value["cost"] / nobody if nobody else None,
        "cheapest": {"threshold": best if isfinite(best) else None, "cost": best_cost, "in_sample": True},
        "calibration": None
        if bins is None
        else {
            "ece": calibration_error(bins),
            "mean_score": float(scored.score.mean()),
            "base_rate": float(rows.y.mean()),
            "bins": [asdict(each) for each in bins],
        },
        "top": _top(file, rows, ks),
        "histogram": _histogram(scored, rows.y),
        "curves": {
            "roc": _thin(np.column_stack(cuts.rates())),
            "roc_band": _with_grid(measured.roc_band),
            "pr": _thin(np.column_stack([np.append(0, cuts.recall()), _starting(cuts.precision())])),
            "pr_band": _with_grid(measured.pr_band),
            "cost": _thin(np.column_stack([cuts.n_flagged, curve / nobody if nobody else curve]), log=True),
        },
    }


def whole(
    about: Mapping[str, Any],
    rows: ScoredLabels,
    parts: list[dict[str, Any]],
    measured: Sequence[Measured],
    warnings: list[str],
) -> dict[str, Any]:
    """Put the document together."""
    differences = [
        {
            "name": part["name"],
            "base": parts[0]["name"],
            "metric": metric,
            **_differing(measured[0], other, metric),
        }
        for part, other in zip(parts[1:], measured[1:], strict=True)
        for metric in (*COMPARED, *(m for m in other.value if m.startswith("precision_at_")))
        if metric in other.value and metric in measured[0].value
    ]
    return {
        "schema": EVALUATION_SCHEMA,
        "graphdet": __version__,
        **about,
        "test_digest": rows.digest(),
        "n_labelled": len(rows.y),
        "n_fraud": int(rows.y.sum()),
        "n_left_out": rows.n_left_out,
        "n_groups": len(np.unique(rows.group)),
        "base_rate": float(rows.y.mean()),
        "scores": parts,
        "differences": differences,
        "warnings": warnings,
    }


def slices(rows: ScoredLabels, scored: ScoredRows, name: str) -> dict[str, Any]:
    """Figures for each value of a column, the most frequent first; rare values beyond the twentieth together."""
    assert rows.by is not None  # for the type checker
    by = pc.fill_null(rows.by, "(none)").dictionary_encode()
    codes = by.indices.to_numpy()
    names = by.dictionary.to_pylist()
    often = np.argsort(-np.bincount(codes, minlength=len(names)), kind="stable")
    shown, rest = often[:MOST_SLICES], often[MOST_SLICES:]
    chosen = [(names[code], codes == code) for code in shown.tolist()]
    if len(rest):
        chosen.append((f"({len(rest)} other values)", np.isin(codes, rest)))
    found = []
    for value, its in chosen:
        y, n_fraud = rows.y[its], int(rows.y[its].sum())
        confusion = Confusion.of(scored.flagged[its], y)
        cuts = Order.of(scored.score[its], y).cuts()
        low, high = wilson(int(confusion.true_flags), n_fraud)
        found.append(
            {
                "value": value, "n": len(y), "n_fraud": n_fraud, "n_flagged": int(scored.flagged[its].sum()),
                "precision": confusion.precision, "recall": confusion.recall,
                "recall_low": low, "recall_high": high, "f1": confusion.f1,
                "auroc": auroc(cuts) if 0 < n_fraud < len(y) else None,
                "auprc": average_precision(cuts) if 0 < n_fraud < len(y) else None,
            }
        )  # fmt: skip
    return {"column": name, "rows": found}


def _end(measured: Measured, name: str, place: int) -> float | None:
    found = measured.interval.get(name)
    return None if found is None else found[place]


def _differing(base: Measured, other: Measured, metric: str) -> dict[str, Any]:
    value, between, above = difference(base, other, metric)
    low, high = between or (None, None)
    return {"value": value, "low": low, "high": high, "share_above": above}


def _top(file: ScoreFile, rows: ScoredLabels, ks: Sequence[int]) -> list[dict[str, int]]:
    """Of the k highest of the whole file, labelled or not, how many are known frauds, known clean, unknown."""
    scored = file.table.filter(file.table[SCORE].is_valid())
    order = pc.sort_indices(scored, sort_keys=[(SCORE, "descending"), (file.key, "ascending")])
    found = []
    for k in sorted(set(ks)):
        if k > scored.num_rows:
            continue
        at = pc.index_in(scored[file.key].take(order.slice(0, k)), value_set=rows.ids)
        label = rows.y[at.drop_null().to_numpy()]
        n_fraud = int(label.sum())
        found.append(
            {"k": k, "n_fraud": n_fraud, "n_clean": len(label) - n_fraud, "n_unknown": k - len(label)}
        )
    return found


def _histogram(scored: ScoredRows, y: NDArray[np.int8]) -> dict[str, Any]:
    low, high = (
        (0.0, 1.0) if scored.is_probability else (float(scored.score.min()), float(scored.score.max()))
    )
    edges = np.linspace(low, high if high > low else low + 1, N_BARS + 1)
    counts = [np.histogram(scored.score[y == value], edges)[0].tolist() for value in (1, 0)]
    return {"edges": edges.tolist(), "n_fraud": counts[0], "n_clean": counts[1]}


def _starting(precision: Float) -> Float:
    """Precision of nothing flagged: drawn as that of the first cut."""
    return np.append(precision[:1], precision)


def _with_grid(band: Float | None) -> list[list[float]] | None:
    return None if band is None else np.column_stack([GRID, band.T]).round(6).tolist()


def _thin(points: Float, log: bool = False) -> list[list[float]]:
    """At most MOST_POINTS of a curve's points, first and last among them, evenly along it (or its logarithm)."""
    if len(points) > MOST_POINTS:
        along = (
            np.log(points[:, 0])
            if log
            else np.abs(np.diff(points, axis=0, prepend=points[:1])).sum(axis=1).cumsum()
        )
        wanted = np.linspace(along[0], along[-1], MOST_POINTS)
        points = points[
            np.unique(np.append(np.searchsorted(along, wanted).clip(max=len(points) - 1), len(points) - 1))
        ]
    return [[float(f"{value:.6g}") for value in point] for point in points.tolist()]
