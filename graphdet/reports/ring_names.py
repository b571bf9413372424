"""Which rings have files, in which formats, and what these are called; nothing that draws is loaded for it."""

import hashlib
import re

import pyarrow as pa
import pyarrow.compute as pc

from graphdet.rings.rules import DECISION
from graphdet.tables import RingTables

RING_FORMATS = ("html", "pdf", "json", "csv", "graphml", "gexf")
DEFAULT_RING_FORMATS = ("html", "json", "graphml")  # those of the output folder of a run
LEADS_WITH_PAGE = 20  # leads that get files of their own in a whole report, the strongest
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def flagged_ids(rings: RingTables) -> list[str]:
    """List the flagged rings, the strongest first."""
    flagged = rings.rings.filter(pc.fill_null(rings.rings["flagged"], False))
    order = [("score", "descending"), ("p_value", "ascending"), ("ring_id", "ascending")]
    ids: list[str] = flagged.sort_by(order)["ring_id"].to_pylist()
    return ids


def reported_ids(rings: RingTables, leads: pa.Table) -> list[str]:
    """List the rings that a whole report has files of: the flagged ones, then the strongest LEADS_WITH_PAGE leads.

    leads: as rings.leads.lead_table gives them. One that an analyst decided on was looked at and gets none.
    """
    open_leads = leads.filter(pc.not_equal(leads["held_back_by"], DECISION))
    ids: list[str] = open_leads["ring_id"].slice(0, LEADS_WITH_PAGE).to_pylist()
    return flagged_ids(rings) + ids


def page_name(ring_id: str) -> str:
    """Name the files of a ring: its id if that is a safe file name, else what is safe of it and a hash.

    >>> page_name("R0001"), page_name("../x")
    ('R0001', 'x-d6b96a97')
    """
    if _PLAIN_NAME.fullmatch(ring_id):
        return ring_id
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", ring_id).strip("-")[:40]
    digest = hashlib.sha256(ring_id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain}-{digest}" if plain else digest
