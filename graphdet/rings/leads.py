"""Leads: groups that were looked at and are not flagged, each with what held it back."""

import pyarrow as pa

from graphdet import schema
from graphdet.rings.finding import RingFinding
from graphdet.tables import RingTables, typed_table

_ORDER = [("score", "descending"), ("p_value", "ascending"), ("ring_id", "ascending")]
_TYPES = (pa.string(), pa.int64(), pa.int64(), *[pa.float64()] * 3, pa.string(), pa.string())


def lead_table(rings: RingTables) -> pa.Table:
    """The stored rings that are not flagged, the strongest first, as a table of schema.LEAD_COLUMNS.

    held_back_by: the first rule that held the lead back, one of rings.rules.HeldBackBy. why: that rule and all others
    that speak against a flag, in words.
    """
    findings = [RingFinding.from_row(row) for row in rings.rings.to_pylist() if not row["flagged"]]
    columns: dict[str, list[object]] = {
        name: [getattr(ring, name) for ring in findings] for name in schema.LEAD_COLUMNS[:-2]
    }
    columns["held_back_by"] = [ring.held_back[0].code for ring in findings]
    columns["why"] = [" ".join(rule.text for rule in ring.held_back) for ring in findings]
    return typed_table(columns, _TYPES).sort_by(_ORDER)
