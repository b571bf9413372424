"""The files of rings: a page for people and the other formats beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphdet.files import make_folder, write_text
from graphdet.progress import Progress, Silent
from graphdet.reports.csv_tables import write_ring_sheets
from graphdet.reports.gather import Sources, gather_rings
from graphdet.reports.pseudonyms import Pseudonyms, hide_ring
from graphdet.reports.ring_data import RingData
from graphdet.reports.ring_graph import write_gexf, write_graphml
from graphdet.reports.ring_json import RING_SCHEMA, write_ring_json
from graphdet.reports.ring_names import DEFAULT_RING_FORMATS, RING_FORMATS, page_name
from graphdet.reports.ring_page import ROWS_ON_PAPER, ring_page
from graphdet.reports.run_facts import RunFacts

Tell = Callable[[RingData, RunFacts | None], RingData]
_SUFFIXES = (".html", ".pdf", ".json", ".graphml", ".gexf", ".members.csv", ".items.csv", ".acts.csv")
_NAMES = {
    "html": "page", "pdf": "PDF", "json": "JSON", "graphml": "GraphML", "gexf": "GEXF", "csv": "CSV",
}  # fmt: skip


@dataclass(frozen=True)
class RingFiles:
    """Which files of a ring are written, and what they show.

    facts: of the run, for the pages. has_overview: whether there is a report to go back to. With `names` every id
    becomes a pseudonym. `tell` puts a narrative to each ring as it is shown.
    """

    formats: Sequence[str] = DEFAULT_RING_FORMATS
    facts: RunFacts | None = None
    has_overview: bool = True
    names: Pseudonyms | None = None
    tell: Tell | None = None


def write_rings(
    folder: Path,
    sources: Sources,
    ring_ids: Sequence[str],
    how: RingFiles | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write RING_ID.html and so on for some rings; returns the paths, ring by ring in the order given.

    Raises:
        GraphdetError: a file cannot be written, or a format needs a package that is not there.
        ValueError: a column of the sources is missing.
    """
    how, progress = how or RingFiles(), progress or Silent()
    if not ring_ids:
        return []
    make_folder(folder)
    progress.start("ring pages", len(ring_ids))
    written = []
    for ring in gather_rings(sources, ring_ids):
        shown = ring if how.names is None else hide_ring(ring, how.names)
        shown = shown if how.tell is None else how.tell(shown, how.facts)
        written += write_ring(folder, shown, how.formats, how.facts, how.has_overview, how.names is not None)
        progress.advance()
    progress.done()
    return written


def write_ring(
    folder: Path,
    ring: RingData,
    formats: Sequence[str],
    facts: RunFacts | None = None,
    has_overview: bool = True,
    pseudonymised: bool = False,
) -> list[Path]:
    """Write the files of one ring; see `write_rings`."""
    name = page_name(ring.ring_id)
    plain: list[Path] = []  # made first: these need no surroundings, which are looked for meanwhile
    if "graphml" in formats:
        plain.append(write_graphml(folder / f"{name}.graphml", ring))
    if "gexf" in formats:
        plain.append(write_gexf(folder / f"{name}.gexf", ring))
    if "csv" in formats:
        plain += write_ring_sheets(folder, name, ring)
    written: list[Path] = []
    if "html" in formats:
        links = _links(name, formats)
        page = ring_page(ring, facts, links=links, has_overview=has_overview, pseudonymised=pseudonymised)
        written.append(write_text(folder / f"{name}.html", page))
    if "pdf" in formats:
        from graphdet.reports.pdf import write_pdf  # a heavy package, and not everybody has it

        paper = ring_page(ring, facts, has_overview=False, pseudonymised=pseudonymised, rows=ROWS_ON_PAPER)
        written.append(write_pdf(folder / f"{name}.pdf", paper))
    if "json" in formats:
        written.append(write_ring_json(folder / f"{name}.json", ring, facts))
    return written + plain


def _links(name: str, formats: Sequence[str]) -> dict[str, str]:
    """What the page links to: the other formats that are written beside it."""
    found = {}
    for form in RING_FORMATS[1:]:
        if form in formats and form != "csv":
            found[_NAMES[form]] = f"{name}.{form}"
    if "csv" in formats:
        found |= {f"CSV of {part}": f"{name}.{part}.csv" for part in ("members", "items", "acts")}
    return found


def remove_old(folder: Path, keep: set[str]) -> None:
    """Remove the files of rings that are no longer reported: only those beside a JSON file with our own mark."""
    for path in sorted(folder.glob("*.json")):
        if path.stem in keep:
            continue
        with open(path, encoding="utf-8", errors="replace") as handle:
            ours = f'"schema": "{RING_SCHEMA.partition("/")[0]}/' in handle.read(200)
        for suffix in _SUFFIXES if ours else ():
            path.with_name(path.stem + suffix).unlink(missing_ok=True)
