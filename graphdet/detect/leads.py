"""Leads: groups that were looked at and are not flagged, each with what held it back."""

import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from graphdet.casework.effects import THOUGH_IT_WOULD
from graphdet.reports.reasons import read_explanation
from graphdet.rings.find import least_score
from graphdet.tables import RingTables
from graphdet.words import figure, percent

COLUMNS = ("ring_id", "n_users", "n_items", "score", "p_value", "q_value", "held_back_by", "why")
DECISION, LEVEL = "decision", "level"
JUDGES = ("unlike_planted", "second_judge")  # codes of the counter-evidence that `held_back` writes
_TYPES = (pa.string(), pa.int64(), pa.int64(), *[pa.float64()] * 3, pa.string(), pa.string())


def leads(rings: RingTables, fdr: float | None) -> pa.Table:
    """The stored rings that are not flagged, in the order of the store.

    `held_back_by` is "decision" (a verdict or a snooze), "unlike_planted" or "second_judge" (what a judge says against
    it; see detect.held_back), or "level": it does not reach what a flag needs. `why` says so in words.

    fdr: the level of the run; None where it is not known.

    Shapes: COLUMNS, one row per ring that is not flagged.
    """
    rows = []
    for ring in rings.rings.to_pylist():
        if not ring["flagged"]:
            held_by, why = _held_back(ring, fdr)
            rows.append({**ring, "held_back_by": held_by, "why": why})
    return pa.Table.from_pylist(rows, pa.schema(list(zip(COLUMNS, _TYPES, strict=True))))


def _held_back(ring: Mapping[str, Any], fdr: float | None) -> tuple[str, str]:
    said, decided, _ = str(ring["reason"] or "").partition(THOUGH_IT_WOULD)
    if decided:
        return DECISION, said + THOUGH_IT_WOULD
    for doubt in read_explanation(ring, "").against:
        if doubt.code in JUDGES:
            return doubt.code, f"{doubt.text[:1].upper()}{doubt.text[1:]}."
    return LEVEL, _below(ring, fdr)


def _below(ring: Mapping[str, Any], fdr: float | None) -> str:
    """Say what of a flag's needs is not met.

    >>> _below({"score": 0.4, "q_value": 0.3, "p_value": 0.01}, 0.05)
    'Its score is 0.40, and a flag needs 0.90; its q-value is 0.30, above the level of 0.05.'
    """
    if fdr is None:
        return "It does not reach the level of a flag."
    score, q_value = (math.nan if ring[name] is None else float(ring[name]) for name in ("score", "q_value"))
    parts = []
    if not score >= least_score(fdr):
        parts.append(f"its score is {figure(score)}, and a flag needs {figure(least_score(fdr))}")
    if not q_value <= fdr:
        parts.append(f"its q-value is {figure(q_value)}, above the level of {figure(fdr)}")
    if not parts:
        share = "" if ring["p_value"] is None else f" ({percent(float(ring['p_value']))} of them)"
        parts.append(f"ordinary groups of this log look as strong{share}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."
