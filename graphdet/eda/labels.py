"""eda, fourth part: with labels, which features tell fraud from clean, on things that the forest never saw."""

from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.eda.features import FeatureSheet, by_row
from graphdet.eda.reading import Desk, collect
from graphdet.features import log_profile as profile
from graphdet.features.events import event_attributes, event_features
from graphdet.features.groups import SESSION_FEATURES, session_features
from graphdet.learn.labelled import aligned, kind_of
from graphdet.learn.labelled_sheets import numbers
from graphdet.logs.labels import Labels
from graphdet.scores.importance import FOLDS, LEAST_LABELS_OF_A_KIND, Importance, permutation_importance

_WORDS = {1: "fraud", 0: "clean"}


def labelled(
    desk: Desk, labels: Labels, users: FeatureSheet, items: FeatureSheet, seed: int
) -> tuple[dict[str, Any], NDArray[np.int8] | None]:
    """Say what the labels cover and which features tell them apart; and the labels by row of users or items.

    The array is int8[n], 1 fraud, 0 clean, -1 unknown, or None for labels of sessions and events.
    """
    kind = kind_of(labels)
    if kind in ("user", "item"):
        sheet = users if kind == "user" else items
        y = aligned(sheet.ids, labels)
        x, names, group = _with_amounts(desk, sheet)
    elif kind == "session":
        x, names, group, ids = _sessions(desk)
        y = aligned(ids, labels)
    else:
        x, names, group, ids = _events(desk)
        y = aligned(ids, labels)
    # A label may name an id that several events have; it counts once here, and all of them are looked at.
    counted = {word: int((y == value).sum()) for value, word in _WORDS.items()}
    n_labels = labels.table.num_rows
    n_known = n_labels if kind == "event" else counted["fraud"] + counted["clean"]
    if kind == "event":
        n_known = int(pc.sum(pc.is_in(labels.table[labels.key], value_set=ids)).as_py() or 0)
    found: dict[str, Any] = {
        "of": kind,
        "n_labels": n_labels,
        "n_unknown_ids": n_labels - n_known,
        "unlabelled": len(y) - sum(counted.values()),
        **counted,
        "note": _why_not(kind, counted, n_known),
    }
    by_number = y if kind in ("user", "item") else None
    if found["note"] is not None:
        return found, by_number
    rows = np.flatnonzero(y >= 0)
    result = permutation_importance(x[rows], y[rows], group[rows], seed)
    if result is None:
        whose = "users" if kind in ("session", "event") else f"{kind}s"
        found["note"] = (
            f"The labels are of too few {whose} to learn on some and check on others: each of two parts needs "
            f"{LEAST_LABELS_OF_A_KIND} of either label."
        )
        return found, by_number
    return found | _told(result, names), by_number


def _why_not(kind: str, counted: dict[str, int], n_known: int) -> str | None:
    if not n_known:
        return f"No label is of a {kind} in the log: check that the ids are written as in the log."
    for lack, have in (("fraud", "clean"), ("clean", "fraud")):
        if not counted[lack]:
            return (
                f"All labels of the log are {have}: without any {lack} ones there is nothing to tell apart."
            )
    rarer = min(counted, key=lambda word: counted[word])
    least = FOLDS * LEAST_LABELS_OF_A_KIND // 2
    if counted[rarer] >= least:
        return None
    return (
        f"The log has too few labels to say which features tell them apart: {counted[rarer]} {kind}s are {rarer}, "
        f"and it takes {least} of each, better hundreds."
    )


def _told(result: Importance, names: tuple[str, ...]) -> dict[str, Any]:
    order = np.lexsort((np.arange(len(names)), -result.impurity.round(6), -result.permutation.round(6)))
    return {
        "auroc": round(result.auroc, 6),
        "auprc": round(result.auprc, 6),
        "base_rate": round(result.base_rate, 6),
        "n_fit": result.n_fit,
        "n_held_out": result.n_held_out,
        "features": [
            {
                "name": names[j],
                "impurity": float(result.impurity[j].round(6)),
                "permutation": float(result.permutation[j].round(6)),
                "permutation_std": float(result.permutation_std[j].round(6)),
            }
            for j in order
        ],
    }


def _with_amounts(
    desk: Desk, sheet: FeatureSheet
) -> tuple[NDArray[np.float32], tuple[str, ...], NDArray[np.int64]]:
    x, names = sheet.x, sheet.names
    if desk.events.select(nw.col("amount").count()).collect().item():
        table = collect(profile.amounts_of(desk.events, f"{sheet.of}_ix"))
        names = (*names, *profile.AMOUNT_FEATURES)
        more = np.full((len(x), len(profile.AMOUNT_FEATURES)), np.nan)
        more[table[f"{sheet.of}_ix"].to_numpy()] = numbers(table, profile.AMOUNT_FEATURES)
        x = np.column_stack([x, more])
    return _float32(x), names, np.arange(len(x))


def _sessions(desk: Desk) -> tuple[NDArray[np.float32], tuple[str, ...], NDArray[np.int64], pa.Array]:
    x = by_row(collect(session_features(desk.events)), "session_ix", SESSION_FEATURES)
    owner = collect(desk.events.group_by("session_ix").agg(nw.col("user_ix").min()))
    group = np.empty(len(x), np.int64)
    group[owner["session_ix"].to_numpy()] = owner["user_ix"].to_numpy()
    ids = collect(desk.sessions.sort("session_ix").select("session_id"))["session_id"]
    return _float32(x), SESSION_FEATURES, group, ids.combine_chunks().cast(pa.string())


def _events(desk: Desk) -> tuple[NDArray[np.float32], tuple[str, ...], NDArray[np.int64], pa.Array]:
    text = [nw.col(name).cast(nw.String()) for name in ("user_id", "item_id", "session_id")]
    events = desk.clean.with_columns(*text, nw.lit(0).cast(nw.Int64).alias("source_ix"))
    attributes = event_attributes(events)
    found = event_features(events, desk.log.tables.entities, attributes)
    return found.x, found.names, found.keys["user"], found.event_id.cast(pa.string())


def _float32(x: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.clip(x, -3e38, 3e38).astype(np.float32)
