"""Leads: groups that were looked at and are not flagged, each with what held it back."""

import math

import pyarrow as pa

from graphdet.rings.find import least_score
from graphdet.rings.finding import RingFinding
from graphdet.tables import RingTables
from graphdet.words import figure, percent

COLUMNS = ("ring_id", "n_users", "n_items", "score", "p_value", "q_value", "held_back_by", "why")
_TYPES = (pa.string(), pa.int64(), pa.int64(), *[pa.float64()] * 3, pa.string(), pa.string())


def leads(rings: RingTables, fdr: float | None) -> pa.Table:
    """The stored rings that are not flagged, in the order of the store.

    `held_back_by` is "decision" (a verdict or a snooze), "unlike_planted" or "second_judge" (what a judge says against
    it; see detect.held_back), or "level": it does not reach what a flag needs. `why` says so in words.

    fdr: the level of the run; None where it is not known.

    Shapes: COLUMNS, one row per ring that is not flagged.
    """
    findings = [RingFinding.from_row(row) for row in rings.rings.to_pylist() if not row["flagged"]]
    rows = [{**vars(ring), "held_back_by": ring.held_back_by, "why": _why(ring, fdr)} for ring in findings]
    return pa.Table.from_pylist(rows, pa.schema(list(zip(COLUMNS, _TYPES, strict=True))))


def _why(ring: RingFinding, fdr: float | None) -> str:
    if ring.decision is not None:
        return ring.decision
    if ring.judge_doubt is not None:
        text = ring.judge_doubt.text
        return f"{text[:1].upper()}{text[1:]}."
    return _below(ring.score, ring.q_value, ring.p_value, fdr)


def _below(score: float | None, q_value: float | None, p_value: float | None, fdr: float | None) -> str:
    """Say what of a flag's needs is not met.

    >>> _below(0.4, 0.3, 0.01, 0.05)
    'Its score is 0.40, and a flag needs 0.90; its q-value is 0.30, above the level of 0.05.'
    """
    if fdr is None:
        return "It does not reach the level of a flag."
    score, q_value = (math.nan if value is None else float(value) for value in (score, q_value))
    parts = []
    if not score >= least_score(fdr):
        parts.append(f"its score is {figure(score)}, and a flag needs {figure(least_score(fdr))}")
    if not q_value <= fdr:
        parts.append(f"its q-value is {figure(q_value)}, above the level of {figure(fdr)}")
    if not parts:
        share = "" if p_value is None else f" ({percent(float(p_value))} of them)"
        parts.append(f"ordinary groups of this log look as strong{share}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."
