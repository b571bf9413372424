"""The pages of the flagged rings: HTML for people, JSON and GraphML for machines."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from graphdet.ports import Progress, Silent
from graphdet.reports import html, svg, words
from graphdet.reports.drawing import choose, draw_graph
from graphdet.reports.evidence import meaning_of_p, meaning_of_q
from graphdet.reports.files import make_folder, write_json, write_text
from graphdet.reports.graphml import write_graphml
from graphdet.reports.grid import draw_grid
from graphdet.reports.ring_data import SCHEMA, RingData, gather
from graphdet.reports.timeline import draw_timeline
from graphdet.tables import RingTables

ROWS_SHOWN = 500
_SUFFIXES = (".html", ".json", ".graphml")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


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


def flagged_ids(rings: RingTables) -> list[str]:
    """List the flagged rings, the strongest first."""
    flagged = rings.rings.filter(pc.fill_null(rings.rings["flagged"], False))
    order = [("score", "descending"), ("p_value", "ascending"), ("ring_id", "ascending")]
    ids: list[str] = flagged.sort_by(order)["ring_id"].to_pylist()
    return ids


def ring_pages(
    out: Path,
    rings: RingTables,
    interactions: pa.Table,
    scores: pa.Table,
    items: pa.Table | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write rings/RING_ID.html, .json and .graphml for every flagged ring; remove those of earlier runs.

    Shapes: interactions has user_id, session_id, item_id, action, at_ms, n, at least those of the members of
    flagged rings (all of what they did, targets or not); scores schema.SCORE_COLUMNS; items
    schema.ITEM_COLUMNS. Returns the HTML files, the strongest ring first.

    Raises:
        GraphdetError: a file cannot be written.
        ValueError: a column is missing.
    """
    progress = progress or Silent()
    folder = out / "rings"
    ids = flagged_ids(rings)
    _remove_old(folder, keep={page_name(ring_id) for ring_id in ids})
    if not ids:
        return []
    make_folder(folder)
    progress.start("ring pages", len(ids))
    pages = []
    for ring in gather(rings, interactions, items, scores, ids):
        name = page_name(ring.ring_id)
        write_json(folder / f"{name}.json", ring.document())
        write_graphml(folder / f"{name}.graphml", ring)
        pages.append(write_text(folder / f"{name}.html", ring_page(ring)))
        progress.advance()
    progress.done()
    return pages


def ring_page(ring: RingData) -> str:
    """Render the page of one ring as a whole HTML document that needs no network and no script."""
    drawn_members, drawn_items = choose(ring)
    note = (
        "Members on the left, targets on the right, a line where a member acted on a target. Hover "
        "over either to see "
        "its lines alone. Pale members have a user score below 0.5."
    )
    if len(drawn_members) < len(ring.members) or len(drawn_items) < len(ring.items):
        note += (
            f" Drawn are the {words.thousands(len(drawn_members))} members and "
            f"{words.thousands(len(drawn_items))} "
            "targets with most acts; the JSON and GraphML files hold all."
        )
    return html.render(
        "ring.html.j2",
        ring=ring,
        file=page_name(ring.ring_id),
        meaning_of_p=meaning_of_p(ring.p_value),
        meaning_of_q=meaning_of_q(ring.q_value),
        graph=draw_graph(ring),
        graph_note=note,
        grid=draw_grid(ring) if ring.acts else Markup(""),
        timeline=draw_timeline(ring),
        legend=_legend(ring.actions),
        members=ring.members[:ROWS_SHOWN],
        members_note=_shown("members", len(ring.members), "the strongest first"),
        items=ring.items[:ROWS_SHOWN],
        items_note=_shown("targets", len(ring.items), "those with most members first"),
        named=any(item.name for item in ring.items),
    )


def _legend(actions: Sequence[str]) -> list[tuple[str, Markup]]:
    """Show the mark of each action; those beyond the last shape share it."""
    own = list(actions[: svg.SHAPES - 1])
    rest = actions[svg.SHAPES - 1 :]
    if rest:
        own.append(rest[0] if len(rest) == 1 else f"{len(rest)} other actions")
    return [
        (name, svg.tag("svg", svg.mark(kind, 7.0, 7.0, 4.5, name), viewBox="0 0 14 14", aria_hidden="true"))
        for kind, name in enumerate(own)
    ]


def _shown(what: str, n: int, order: str) -> str:
    """Say how many rows of a table are shown."""
    if n <= ROWS_SHOWN:
        return f"All {words.thousands(n)} {what}, {order}."
    return f"{ROWS_SHOWN} of {words.thousands(n)} {what}, {order}; the JSON file holds all."


def _remove_old(folder: Path, keep: set[str]) -> None:
    """Remove the pages of rings that are no longer flagged: only files that carry our own mark."""
    for path in sorted(folder.glob("*.json")):
        if path.stem in keep:
            continue
        with open(path, encoding="utf-8", errors="replace") as handle:
            ours = f'"schema": "{SCHEMA.partition("/")[0]}/' in handle.read(200)
        for suffix in _SUFFIXES if ours else ():
            path.with_suffix(suffix).unlink(missing_ok=True)
