"""models: compare, promote and roll back the models of a folder, noted in a store's audit log where one is given.

A model's card: what it was made of and how good it was, beside its files; read when it is registered.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphdet import __version__
from graphdet.audit import Draft, Head
from graphdet.errors import GraphdetError, UsageError
from graphdet.files import write_json
from graphdet.lab.registry import CHAMPION, PROMOTE, ROLLBACK, Measurement, ModelRecord, Registry
from graphdet.logs.labels import Labels
from graphdet.ports import AuditStore, GraphStore
from graphdet.reports.evaluation_page import EVALUATION_SCHEMA
from graphdet.schema import LABELLED_KINDS

RANKED_BY = "auprc"


@dataclass(frozen=True)
class Comparison:
    """Models side by side.

    test: the digest of the test part that all were measured on, None where there is none; of: what it was. metrics: by
    name, one {value, low, high} per model. best: the id with the highest average precision, None without a common
    test part. refused: why they are not ranked.
    """

    records: list[ModelRecord]
    test: str | None
    of: str
    metrics: dict[str, list[dict[str, Any]]]
    best: str | None
    refused: str


def compare_models(registry: Registry, names: Sequence[str]) -> Comparison:
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


def promote_model(
    registry: Registry, name: str, who: str, note: str, store: AuditStore | None
) -> tuple[ModelRecord, str | None, Head | None]:
    """Make a model champion; returns it, the id before, and the head of the store's audit log."""
    record, before = registry.promote(name, who, note)
    return record, before, _noted(store, registry.folder, PROMOTE, record, before, who, note)


def roll_back_model(
    registry: Registry, who: str, note: str, store: AuditStore | None
) -> tuple[ModelRecord, str, Head | None]:
    """Go back to the champion before; returns it, the id until now, and the head of the store's audit log."""
    record, until_now = registry.rollback(who, note)
    return record, until_now, _noted(store, registry.folder, ROLLBACK, record, until_now, who, note)


def _noted(
    store: AuditStore | None,
    folder: Path,
    what: str,
    record: ModelRecord,
    before: str | None,
    who: str,
    note: str,
) -> Head | None:
    if store is None:
        return None
    after = {"id": record.id, "digest": record.digest, "models": str(folder), "note": note}
    return store.append_audit([Draft(who, f"{what} model", "model", CHAMPION, {"id": before}, after)])


CARD, OF_KIND = "card.json", "card_{kind}.json"
CARD_FORMAT = 1
_NAMES = {"average_precision": "auprc"}


def write_card(
    store: GraphStore,
    model_dir: Path,
    labels: Labels | None,
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Path:
    """Write what a model was made of: the same data, labels and settings give the same card.

    Raises:
        GraphdetError: it cannot be written.
    """
    shown = {key: value for key, value in facts.items() if isinstance(value, str | int | float | dict | list)}
    card = {
        "format": CARD_FORMAT,
        "graphdet": __version__,
        "data_digest": data_digest(store),
        "labels": labels_fact(labels),
        "settings": dict(settings),
        "facts": shown,
    }
    kind = facts.get("kind")
    return write_json(model_dir / (CARD if kind is None else OF_KIND.format(kind=kind)), card)


def data_digest(store: GraphStore) -> str:
    """Digest of what is in a store: of the digests of its ingests, in any order."""
    return hashlib.sha256("\n".join(sorted(store.sources())).encode()).hexdigest()


def labels_fact(labels: Labels | None) -> dict[str, str] | None:
    """The file that labels were read from, by name and digest; None where there are none."""
    return None if labels is None else {"file": Path(labels.path).name, "sha256": labels.sha256}


def read_card(model_dir: Path) -> dict[str, Any]:
    """What is known of the models of a folder: of that of users, and under `labelled`, by kind, of others.

    Raises:
        GraphdetError: a card is damaged.
    """
    about = _read(model_dir / CARD) or {}
    found = {kind: _read(model_dir / OF_KIND.format(kind=kind)) for kind in LABELLED_KINDS}
    labelled = {kind: card for kind, card in found.items() if card is not None}
    return about | ({"labelled": labelled} if labelled else {})


def _read(path: Path) -> dict[str, Any] | None:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise GraphdetError(f"{path} cannot be read ({error})") from error
    if not isinstance(card, dict):
        raise GraphdetError(f"{path} is no model card")
    return {key: value for key, value in card.items() if key != "format"}


def own_measurements(about: Mapping[str, Any]) -> list[Measurement]:
    """What training measured on its own test part, of models of items, sessions or events."""
    found = []
    for kind, card in about.get("labelled", {}).items():
        facts = card["facts"]
        if facts.get("test") and facts.get("test_digest"):
            named = {_NAMES.get(name, name): value for name, value in facts["test"].items()}
            metrics = {
                name: dict(zip(("value", "low", "high"), row, strict=True)) for name, row in named.items()
            }
            fraud, clean = facts["counts"]["test"]
            part = f"the test part of {kind}s in training: {fraud + clean} labelled, {fraud} frauds"
            found.append(Measurement(facts["test_digest"], part, metrics))
    return found


def measurement(path: Path, scores: str | None = None) -> Measurement:
    """The figures of an evaluation.json; of several score files those of the one named `scores`.

    Raises:
        UsageError: it is none, or it has several files and none was named.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != EVALUATION_SCHEMA:
            raise ValueError(f"its schema is {document['schema']!r}, not {EVALUATION_SCHEMA!r}")
        found = [one for one in document["scores"] if scores is None or one["name"] == scores]
        if len(found) != 1:
            names = ", ".join(repr(one["name"]) for one in document["scores"])
            raise UsageError(f"{path} measures several score files: name one of {names} with --scores")
        part = f"{document['n_labelled']} labelled, {document['n_fraud']} frauds, of {document['labels']['file']}"
        return Measurement(document["test_digest"], part, found[0]["metrics"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no evaluation.json of graphdet evaluate ({error})") from error
