"""Leads: groups that were looked at and are not flagged, each with what held it back."""

import math

import pyarrow as pa

from graphdet import schema
from graphdet.rings.finding import RingFinding
from graphdet.rings.rules import TOO_WEAK
from graphdet.tables import RingTables, typed_table

_TYPES = (pa.string(), pa.int64(), pa.int64(), *[pa.float64()] * 3, pa.string(), pa.string())


def lead_table(rings: RingTables) -> pa.Table:
    """The stored rings that are not flagged as a table of schema.LEAD_COLUMNS.

    First come those that a rule alone held back, then those that do not reach the level of a flag either; of each the
    strongest first.

    held_back_by: the first rule that held the lead back, one of rings.rules.HeldBackBy. why: that rule and all others
    that speak against a flag, in words.
    """
    leads = [RingFinding.from_row(row) for row in rings.rings.to_pylist() if not row["flagged"]]
    leads.sort(key=_place)
    columns: dict[str, list[object]] = {
        name: [getattr(lead, name) for lead in leads] for name in schema.LEAD_COLUMNS[:-2]
    }
    columns["held_back_by"] = [lead.held_back[0].code for lead in leads]
    columns["why"] = [" ".join(rule.text for rule in lead.held_back) for lead in leads]
    return typed_table(columns, _TYPES)


def _place(lead: RingFinding) -> tuple[bool, float, float, str]:
    below = any(rule.code in TOO_WEAK for rule in lead.held_back)
    p_value = math.inf if lead.p_value is None else lead.p_value
    return below, -(lead.score or 0.0), p_value, lead.ring_id
