"""report: write the output folder, or the files of some rings, from what a store holds."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from graphdet import schema
from graphdet.audit import utc_now
from graphdet.casework.decisions import standing_of
from graphdet.casework.disclosure import Disclosure, Listener, disclose
from graphdet.casework.subjects import ring_id_of
from graphdet.detect.ring_sources import acts_queries, ring_sources
from graphdet.errors import UsageError
from graphdet.learn.digests import MODEL_DIGEST
from graphdet.ports import CaseworkStore, FindingsStore, Store, kept_note
from graphdet.progress import Progress, Silent
from graphdet.reports.csv_tables import CsvForm, write_tables
from graphdet.reports.drift import keep_drift, of_folder, of_tables
from graphdet.reports.gather import gather_rings
from graphdet.reports.pseudonyms import Pseudonyms, hide_column, hide_ring, hide_rings, hide_words, known_ids
from graphdet.reports.ring_data import Decided
from graphdet.reports.ring_names import DEFAULT_RING_FORMATS, RING_FORMATS, page_name, reported_ids
from graphdet.reports.run_facts import run_facts
from graphdet.rings.finding import with_roles
from graphdet.rings.leads import lead_table
from graphdet.tables import RingTables
from graphdet.verbs.ingest import ROWS, earlier_ingests

if TYPE_CHECKING:
    from graphdet.reports.narrator import Narrator

RAW = "raw"  # the folder of tables with exact ids
RUN_INFO = "run_info"  # meta key: the summary of the last run over a store, a JSON document


@dataclass(frozen=True)
class Asked:
    """What to report: rings (none: all findings), in which formats, pseudonyms where there are names, a narrator."""

    ring_ids: tuple[str, ...] = ()
    formats: tuple[str, ...] = DEFAULT_RING_FORMATS
    names: Pseudonyms | None = None
    narrator: "Narrator | None" = None
    raw_csv: bool = False  # the tables once more in raw/, ids exactly as they are

    def __post_init__(self) -> None:
        """Check the formats.

        Raises:
            UsageError: there is no such format; says which there are.
        """
        unknown = [form for form in self.formats if form not in RING_FORMATS]
        if unknown or not self.formats:
            raise UsageError(
                f"there is no format {', '.join(map(repr, unknown)) or 'without a name'}; "
                f"there are {', '.join(RING_FORMATS)}"
            )


def report(
    store: Store,
    out: Path,
    *,
    asked: Asked | None = None,
    run_info: dict[str, Any] | None = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the CSV files, report.html and the files of every flagged ring and of the strongest leads.

    With rings asked for, write their files alone.

    Returns what a person opens first: report.html, or the files of the rings.

    Raises:
        UsageError: the store has no scores or rings yet, or not the ring asked for.
        GraphdetError: a file cannot be written, or a format needs a package that is not there.
    """
    progress, asked = progress or Silent(), asked or Asked()
    rings = store.rings()
    ring_ids = _whole_ids(store, asked.ring_ids) or reported_ids(rings, lead_table(rings))
    _check_ids(store, rings, ring_ids)
    whole = not asked.ring_ids
    sources = ring_sources(store, rings, ring_ids, progress, all_scores=whole)
    sources = replace(sources, decided=decided_on(store, sources.rings, ring_ids))
    scores = sources.scores
    if whole and not scores.num_rows:
        raise UsageError(f"{store.url} has no scores yet; run `graphdet train`, `rings` and `score` first")
    info = run_info if run_info is not None else _info(store)
    disclose(
        store,
        Disclosure(
            "report",
            tuple(ring_ids) if asked.ring_ids else (),
            asked.formats,
            str(out),
            asked.names is not None,
            more={} if asked.narrator is None else {"narrative": asked.narrator.noted()},
        ),
        listener,
    )
    facts = run_facts(info, acts_queries())
    # What draws the pages is loaded only now, while a thread numbers the acts of the log (see ring_sources).
    from graphdet.reports.ring_files import RingFiles, remove_old, write_rings

    if whole:
        remove_old(out / "rings", keep={page_name(ring_id) for ring_id in ring_ids})
    tell = None if asked.narrator is None else asked.narrator.tell
    files = RingFiles(asked.formats, facts, whole, asked.names, tell)
    written = write_rings(out / "rings", sources, ring_ids, files, progress)
    return [_findings(store, out, scores, rings, info, asked, progress)] if whole else written


def brief(
    store: Store,
    out: Path,
    ring_names: Sequence[str],
    *,
    formats: Sequence[str] = ("html",),
    names: Pseudonyms | None = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the case briefs of some rings, two pages each, into a folder; it is noted as a report is.

    ring_names: as a person writes them, R6 for R0006. Returns the paths.

    Raises:
        UsageError: the store has no such ring, or there is no such format.
        GraphdetError: a file cannot be written, or PDF needs a package that is not there.
    """
    from graphdet.reports.brief import BRIEF_FORMATS, write_brief

    unknown = [form for form in formats if form not in BRIEF_FORMATS]
    if unknown or not formats:
        raise UsageError(
            f"a brief is {' or '.join(BRIEF_FORMATS)}, not {', '.join(map(repr, unknown)) or 'nothing'}"
        )
    rings, progress = store.rings(), progress or Silent()
    ring_ids = _whole_ids(store, ring_names)
    _check_ids(store, rings, ring_ids)
    sources = ring_sources(store, rings, ring_ids, progress, all_scores=False)
    sources = replace(sources, decided=decided_on(store, sources.rings, ring_ids))
    said = Disclosure(
        "report", tuple(ring_ids), tuple(formats), str(out), names is not None, more={"brief": True}
    )
    disclose(store, said, listener)
    facts = run_facts(_info(store))
    written = []
    for ring in gather_rings(sources, ring_ids):
        shown = ring if names is None else hide_ring(ring, names)
        written += write_brief(out, shown, formats, facts, pseudonymised=names is not None)
    return written


def decided_on(store: CaseworkStore, rings: RingTables, ring_ids: Sequence[str]) -> dict[str, Decided]:
    """What analysts decided on rings and their members, as it holds now, by ring_id."""
    standing = standing_of(store).at(utc_now())
    on_users = {user_id: one.words() for (kind, user_id), one in standing.current.items() if kind == "user"}
    on_users |= {user_id: one.words() for user_id, one in standing.listed.items()}
    out = {}
    for ring_id in ring_ids:
        verdict, snooze = standing.of_ring(ring_id), standing.snoozed.get(ring_id)
        held = [one for one in (verdict, snooze) if one is not None]
        lines = [f"{one.words()}{f': {one.note}' if one.note else ''}." for one in held]
        state = "snoozed" if snooze is not None else "open" if verdict is None else verdict.verdict
        its = rings.members.filter(pc.equal(rings.members["ring_id"], ring_id))["user_id"].to_pylist()
        members = {user_id: on_users[user_id] for user_id in its if user_id in on_users}
        out[ring_id] = Decided(state, tuple(f"{line[:1].upper()}{line[1:]}" for line in lines), members)
    return out


def _whole_ids(store: FindingsStore, names: Sequence[str]) -> list[str]:
    """The ids of rings that a person names; a name that is none stays, and _check_ids says which there are."""
    whole = []
    for name in names:
        try:
            whole.append(ring_id_of(store, name))
        except UsageError:
            whole.append(name)
    return whole


def _check_ids(store: FindingsStore, rings: RingTables, ring_ids: Sequence[str]) -> None:
    known = set(rings.rings["ring_id"].to_pylist())
    unknown = [ring_id for ring_id in ring_ids if ring_id not in known]
    if unknown:
        some = ", ".join(sorted(known)[:5])
        there = (
            f"it has {some}{' …' if len(known) > 5 else ''}"
            if known
            else "it has none yet: run `graphdet rings`"
        )
        raise UsageError(f"{store.url} has no ring {', '.join(unknown)}; {there}")


def _info(store: Store) -> dict[str, Any]:
    """What the last run said of itself; for a store filled verb by verb, what its ingests and models left."""
    info: dict[str, Any] = kept_note(store, RUN_INFO) or {}
    digest = store.meta(MODEL_DIGEST)
    if digest:  # of `rings` or `score`, which may have been later than the run
        info["model_digest"] = digest
    ingests = [result for result in earlier_ingests(store).values() if result is not None]
    if not info.get("inputs") and ingests:
        info |= {
            "inputs": [
                {"file": Path(file).name, "sha256": sha, "n_rows": n}
                for result in ingests
                for file, sha, n in result.files
            ],
            "config": {"digest": ", ".join(sorted({result.config_digest for result in ingests}))},
            **{name: sum(result.rows[name] for result in ingests) for name in ROWS},
            "rejects_by_reason": _added([result.rejects_by_reason for result in ingests]),
        }
    return info


def _added(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _findings(
    store: FindingsStore,
    out: Path,
    scores: pa.Table,
    rings: RingTables,
    info: dict[str, Any],
    asked: Asked,
    progress: Progress,
) -> Path:
    """Write the tables and the overview; returns report.html."""
    from graphdet.reports.report_page import overview

    progress.start("report")
    labelled = store.labelled()
    leads = lead_table(rings)
    scores, rings = with_roles(scores, rings)
    if asked.names is not None:
        known = known_ids(rings, asked.names)
        scores, leads = hide_words(scores, "reason", known), hide_words(leads, "why", known)
        scores = hide_column(scores, "user_id", "user", asked.names)
        rings = hide_rings(rings, asked.names)
        labelled = {kind: hide_column(t, f"{kind}_id", kind, asked.names) for kind, t in labelled.items()}
    drift = keep_drift(out, of_folder(out), of_tables(scores, rings))
    written = write_tables(out, scores, rings, leads, labelled)
    if asked.raw_csv:
        write_tables(out / RAW, scores, rings, leads, labelled, form=CsvForm.raw)
    elif (out / RAW).is_dir():  # of an earlier run into this folder
        for name in written:
            (out / RAW / name).unlink(missing_ok=True)
        with suppress(OSError):  # somebody else's files may lie there
            (out / RAW).rmdir()
    for kind in set(schema.LABELLED_KINDS) - set(labelled):
        for folder in (out, out / RAW):
            (folder / f"{kind}_scores.csv").unlink(missing_ok=True)
    page = overview(out, scores, rings, leads, info, drift, asked.names is not None)
    progress.done()
    return page
