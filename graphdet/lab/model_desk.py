"""models: compare, promote and roll back the models of a folder, noted in a store's audit log where one is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphdet.audit import Draft, Head
from graphdet.lab.registry import CHAMPION, PROMOTE, ROLLBACK, Record, Registry
from graphdet.ports import Store

RANKED_BY = "auprc"


@dataclass(frozen=True)
class Comparison:
    """Models side by side.

    test: the digest of the test part that all were measured on, None where there is none; of: what it was. metrics: by
    name, one {value, low, high} per model. best: the id with the highest average precision, None without a common
    test part. refused: why they are not ranked.
    """

    records: list[Record]
    test: str | None
    of: str
    metrics: dict[str, list[dict[str, Any]]]
    best: str | None
    refused: str


def compare(registry: Registry, names: Sequence[str]) -> Comparison:
    """Put models side by side; they are ranked only where all were measured on the same test part.

    Raises:
        UsageError: a name is of no model.
    """
    shelf = registry.read()
    records = [shelf.find(name) for name in dict.fromkeys(names)]
    common = [test for test in records[0].measured if all(test in one.measured for one in records)]
    if common:
        test = common[-1]
        measured = [one.measured[test] for one in records]
        shown = [name for name in measured[0].metrics if all(name in one.metrics for one in measured)]
        metrics = {name: [dict(one.metrics[name]) for one in measured] for name in shown}
        values = [one.metrics[RANKED_BY]["value"] for one in measured]
        known = [
            (value, record.id) for value, record in zip(values, records, strict=True) if value is not None
        ]
        best = max(known)[1] if len(known) == len(records) and len(set(values)) == len(values) else None
        return Comparison(records, test, measured[0].of, metrics, best, "" if best else "they measure alike")
    without = [one.id for one in records if not one.measured]
    why = (
        f"{', '.join(without)} {'was' if len(without) == 1 else 'were'} never measured"
        if without
        else "they were measured on different test parts, and figures of different parts do not rank models"
    )
    latest = [list(one.measured.values())[-1].metrics if one.measured else {} for one in records]
    names_shown = dict.fromkeys(name for metrics in latest for name in metrics)
    nothing: dict[str, Any] = {"value": None, "low": None, "high": None}
    found = {name: [dict(metrics.get(name, nothing)) for metrics in latest] for name in names_shown}
    return Comparison(records, None, "", found, None, why)


def promote(
    registry: Registry, name: str, who: str, note: str, store: Store | None
) -> tuple[Record, str | None, Head | None]:
    """Make a model champion; returns it, the id before, and the head of the store's audit log."""
    record, before = registry.promote(name, who, note)
    return record, before, _noted(store, registry.folder, PROMOTE, record, before, who, note)


def rollback(registry: Registry, who: str, note: str, store: Store | None) -> tuple[Record, str, Head | None]:
    """Go back to the champion before; returns it, the id until now, and the head of the store's audit log."""
    record, until_now = registry.rollback(who, note)
    return record, until_now, _noted(store, registry.folder, ROLLBACK, record, until_now, who, note)


def _noted(
    store: Store | None, folder: Path, what: str, record: Record, before: str | None, who: str, note: str
) -> Head | None:
    if store is None:
        return None
    after = {"id": record.id, "digest": record.digest, "models": str(folder), "note": note}
    return store.append_audit([Draft(who, f"{what} model", "model", CHAMPION, {"id": before}, after)])
