"""The page of `graphdet eda`, one self-contained HTML file made from eda.json, and its tables as safe CSV."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from markupsafe import Markup

from graphdet import words
from graphdet.files import write_text
from graphdet.reports import html
from graphdet.reports.csv_tables import CsvCell, sheet
from graphdet.reports.eda import grids, labels, spread, story, when
from graphdet.reports.eda.story import Document

_MOST_COLUMNS = 100


def write_eda_page(path: Path, document: Document) -> Path:
    """Write the page of a document; of a log without a usable row, only what its files hold and why.

    Raises:
        GraphdetError: the file cannot be written.
    """
    return write_text(path, eda_page(document))


def eda_page(document: Document) -> str:
    """Render the page."""
    found = document["findings"]
    values = {
        "headline": found[0],
        "findings": found[1:],
        "usable": "counts" in document,
        "config": document["config"],
        "zone": document["zone"],
        "seed": document["seed"],
        "inputs": document["inputs"],
        "warnings": document["warnings"],
        "columns": document["columns"][:_MOST_COLUMNS],
        "n_columns": len(document["columns"]),
        "cleaning": document["cleaning"],
        "uses_labels": document.get("labels") is not None,
    }
    if values["usable"]:
        values |= _parts(document)
    return html.render("eda.html.j2", **values)


def _parts(document: Document) -> dict[str, Any]:
    """Pictures, titles and facts of a log with events."""
    counts, time = document["counts"], document["time"]
    drift, found = document["drift"], document["labels"]
    n_moved = len(drift["rows"])
    return {
        "facts": _facts(counts),
        "repeats": _repeats(document["repeats"], counts["events"]),
        "texts": (document["repeats"]["texts"] or {}).get("top", []),
        "timed": counts["first_ms"] is not None,
        "line": when.time_line(time),
        "line_title": story.line_title(time),
        "week": _week(time),
        "week_title": story.week_title(time),
        "calendar": when.calendar(time["by_day"]),
        "few_weeks": time["n_days"] < 14,
        "distributions": [
            _panel(story.distribution_title(one), spread.histogram(one)) for one in document["distributions"]
        ],
        "tails": [
            _panel(story.tail_title(one), spread.tail(one), story.tail_note(one)) for one in document["tails"]
        ],
        "scatters": [
            _panel(story.scatter_title(one), spread.draw_scatter(one)) for one in document["scatter"]
        ],
        "scatter_note": _scatter_note(document["scatter"]),
        "values": [
            _panel(_value_title(one, counts["events"]), grids.commonest(one, counts["events"]))
            for one in document["values"]
        ],
        "correlations": [_correlation(one) for one in document["correlation"]],
        "outliers": [_outlier(one) for one in document["outliers"]],
        "drift": drift,
        "drift_title": story.drift_title(drift),
        "drift_picture": grids.draw_drift(drift) if drift["rows"] else Markup(""),
        "drift_more": max(0, n_moved - grids.MOST_GRID_ROWS),
        "drift_next": story.step_words(drift),
        "n_left_out": sum(not one["compared"] for one in drift["periods"]),
        "labels": found,
        "label_title": story.label_title(found),
        "label_picture": grids.draw_importance(found) if found and found["note"] is None else Markup(""),
        "feature": labels.feature,
        "methods": labels.METHODS,
    }


def _panel(title: str, picture: Markup, note: str = "") -> dict[str, Any]:
    return {"title": title, "picture": picture, "note": note if picture else ""}


def _facts(counts: Mapping[str, Any]) -> list[tuple[str, str]]:
    n_rows = max(counts["rows"], 1)
    return [
        ("Events", words.thousands(counts["events"])),
        ("Users", words.thousands(counts["users"])),
        ("Items", words.thousands(counts["items"])),
        ("Sessions", words.thousands(counts["sessions"])),
        *([] if counts["filtered"] else [("Rows read", words.thousands(counts["rows"]))]),
        ("Rejected", f"{words.thousands(counts['rejects'])} · {words.percent(counts['rejects'] / n_rows)}"),
        (
            "Exact duplicates",
            f"{words.thousands(counts['duplicates'])} · {words.percent(counts['duplicates'] / n_rows)}",
        ),
    ] + (
        [
            (
                "Filtered out",
                f"{words.thousands(counts['filtered'])} · {words.percent(counts['filtered'] / n_rows)}",
            )
        ]
        if counts["filtered"]
        else []
    )


def _repeats(found: Mapping[str, Any], n_events: int) -> list[tuple[str, str]]:
    rows = [
        ("a user acts on an item again", found["user_item_again"]),
        ("… within the same session", found["session_item_again"]),
        ("… at the very same moment, but with other values", found["user_item_same_moment"]),
    ]
    if found["texts"]:
        rows.append(
            ("the text is word for word that of another event", found["texts"]["n_events_with_shared_text"])
        )
    return [(name, f"{words.thousands(n)} · {words.percent(n / n_events)}") for name, n in rows]


def _week(time: Mapping[str, Any]) -> Markup:
    if time["days_only"] or time["n_days"] < 2:
        return Markup("")
    return when.week(time)


def _scatter_note(scatters: list[Mapping[str, Any]]) -> str:
    if not scatters:
        return ""
    said = [
        f"{words.thousands(len(one['dots']))} of {words.plural(one['n'], one['of'])}"
        for one in scatters
        if one["n"] > len(one["dots"])
    ]
    text = (
        f"A sample drawn with the seed is shown: {', '.join(dict.fromkeys(said))}. "
        if said
        else "All are shown. "
    )
    text += "Dots are shaken by up to two units of the picture, so that equal ones can be seen. "
    text += "Rings are the furthest out (below)."
    if any(one["n_fraud"] for one in scatters):
        text += " Orange diamonds are labelled fraud, up to a quarter of the dots whatever their share."
    return text


def _value_title(one: Mapping[str, Any], n_events: int) -> str:
    name = words.shorten(one["column"], 40).replace("_", " ")
    name = name[:1].upper() + name[1:]
    if not one["top"]:
        return f"{name}: no event has a value"
    value, n = one["top"][0]
    if one["n_distinct"] == 1 and not one["n_missing"]:
        return f"{name}: always {words.shorten(str(value), 40)}"
    most = f"{words.shorten(str(value), 40) or '(empty)'} in {words.percent(n / n_events)}"
    return f"{name}: {words.plural(one['n_distinct'], 'value')}; {most}"


def _correlation(one: Mapping[str, Any]) -> dict[str, Any]:
    shown = one["note"] is None
    close = one.get("close_pairs", [])
    return {
        "of": one["of"],
        "n": one["n"],
        "note": one["note"],
        "title": story.correlation_title(one) if shown else "",
        "picture": grids.draw_correlation(one) if shown else Markup(""),
        "constant": [labels.feature(name) for name in one["constant"]],
        "close": [
            f"{labels.feature(a)} and {labels.feature(b)} ({labels.signed(value)})"
            for a, b, value in close[:12]
        ],
    }


def _outlier(one: Mapping[str, Any]) -> dict[str, Any]:
    if one["note"] is not None:
        return {"of": one["of"], "note": one["note"]}
    drivers = [f"{labels.feature(name)} ({words.percent(share)})" for name, share in one["drives_ecod"]]
    return dict(one) | {
        "title": story.outlier_title(one),
        "picture": grids.agreement(one),
        "drivers": ", ".join(drivers),
        "ranks": _ranks(one["rank_correlation"]),
    }


def _ranks(r: list[list[float | None]]) -> str:
    pairs = (("z-score and IQR", r[0][1]), ("z-score and ECOD", r[0][2]), ("IQR and ECOD", r[1][2]))
    # A way that gives everybody the same has no ranks: NaN.
    known = [
        f"{name} {labels.signed(value)}" for name, value in pairs if value is not None and value == value
    ]
    return ", ".join(known) or "not to be told, as all have equal scores"


COLUMN_SHEET_COLUMNS = (
    "column",
    "used_as",
    "type",
    "n",
    "n_missing",
    "missing_share",
    "n_distinct",
    "low",
    "high",
)
OUTLIERS = ("of", "rank", "id", "in_top", "z", "z_by", "iqr", "iqr_by", "ecod", "ecod_by")
DRIFT = ("name", "what", "from_ms", "to_ms", "psi", "ks")
IMPORTANCE = ("name", "permutation", "permutation_std", "impurity")


def write_eda_sheets(out: Path, document: Mapping[str, Any], outliers: Sequence[pa.Table]) -> None:
    """Write columns.csv and, where there is something to say, outliers.csv, drift.csv and importance.csv.

    One of an earlier look that has nothing to say now is removed.

    Raises:
        GraphdetError: a file cannot be written.
    """
    wanted: dict[str, tuple[Sequence[str], list[Sequence[CsvCell]]]] = {
        "columns": (
            COLUMN_SHEET_COLUMNS,
            [[row[name] for name in COLUMN_SHEET_COLUMNS] for row in document["columns"]],
        ),
        "outliers": (
            OUTLIERS,
            [[row[name] for name in OUTLIERS] for table in outliers for row in table.to_pylist()],
        ),
        "drift": (DRIFT, _drift(document.get("drift"))),
        "importance": (
            IMPORTANCE,
            [
                [row[name] for name in IMPORTANCE]
                for row in (document.get("labels") or {}).get("features", ())
            ],
        ),
    }
    for name, (columns, rows) in wanted.items():
        path = out / f"{name}.csv"
        if rows:
            write_text(path, sheet(columns, rows))
        else:
            path.unlink(missing_ok=True)


def _drift(found: Mapping[str, Any] | None) -> list[Sequence[CsvCell]]:
    if not found:
        return []
    return [
        (row["name"], row["what"], *step, round(value, 6), None if far is None else round(far, 6))
        for row in found["rows"]
        for step, value, far in zip(found["steps"], row["psi"], row["ks"], strict=True)
    ]
