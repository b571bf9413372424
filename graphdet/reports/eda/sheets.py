"""The tables of `graphdet eda` as CSV that is safe to open in a spreadsheet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from graphdet.files import write_text
from graphdet.reports.spreadsheet import Cell, sheet

COLUMNS = ("column", "used_as", "type", "n", "n_missing", "missing_share", "n_distinct", "low", "high")
OUTLIERS = ("of", "rank", "id", "in_top", "z", "z_by", "iqr", "iqr_by", "ecod", "ecod_by")
DRIFT = ("name", "what", "from_ms", "to_ms", "psi", "ks")
IMPORTANCE = ("name", "permutation", "permutation_std", "impurity")


def write_eda_sheets(out: Path, document: Mapping[str, Any], outliers: Sequence[pa.Table]) -> None:
    """Write columns.csv and, where there is something to say, outliers.csv, drift.csv and importance.csv.

    One of an earlier look that has nothing to say now is removed.

    Raises:
        GraphdetError: a file cannot be written.
    """
    wanted: dict[str, tuple[Sequence[str], list[Sequence[Cell]]]] = {
        "columns": (COLUMNS, [[row[name] for name in COLUMNS] for row in document["columns"]]),
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


def _drift(found: Mapping[str, Any] | None) -> list[Sequence[Cell]]:
    if not found:
        return []
    return [
        (row["name"], row["what"], *step, round(value, 6), None if far is None else round(far, 6))
        for row in found["rows"]
        for step, value, far in zip(found["steps"], row["psi"], row["ks"], strict=True)
    ]
