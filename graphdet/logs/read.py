"""read_log: files in, clean tables out."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import narwhals as nw

from graphdet.config import Config
from graphdet.errors import GraphdetError, InputError
from graphdet.logs.advice import cleaning_notes, remedies
from graphdet.logs.delimited import read_text
from graphdet.logs.derive import derive_tables, find_duplicates, with_templates
from graphdet.logs.events import events_of_rows
from graphdet.logs.fields import select_fields
from graphdet.logs.files import LogFile, find_files, log_digest
from graphdet.logs.json_lines import read_json_lines
from graphdet.logs.kinds import EMPTY
from graphdet.logs.known import Known, put_known_aside, with_row_keys
from graphdet.logs.parquet import read_parquet
from graphdet.logs.pictures import with_pictures
from graphdet.logs.private import WITHHELD, rows_are_told
from graphdet.logs.raw import RawFile, add_file_column, drop_working_tables, first_words, materialise, rowless
from graphdet.logs.rejects import (
    DUPLICATE,
    FILTERED,
    Rejects,
    check_share,
    collect_rejects,
    judged_rows,
    write_rejects,
)
from graphdet.logs.sessions import cut_by_gap, not_taken, tell_apart
from graphdet.logs.times import DOUBLE_TIME, SKIPPED_TIME
from graphdet.privacy import Withheld
from graphdet.progress import Progress, Silent
from graphdet.tables import Frame, LogTables

NO_TIMES = (
    "The log has no times ([columns] names no timestamp): nothing here rests on when something happened."
)


@dataclass(frozen=True)
class CleanLog:
    """A log that was read and cleaned.

    n_rows = n_events + n_rejects + n_duplicates + n_filtered + n_known. n_known: rows that the store had already.
    `rejects_by_reason` counts what went to
    rejects.csv, so also "duplicate", most first. `files` are (path, SHA-256, rows); `digest` identifies log
    and config.
    """

    tables: LogTables
    n_rows: int
    n_events: int
    n_rejects: int
    n_duplicates: int
    n_filtered: int
    rejects_by_reason: dict[str, int]
    files: tuple[tuple[str, str, int], ...]
    digest: str
    warnings: list[str] = field(default_factory=list)
    n_known: int = 0

    def __post_init__(self) -> None:
        """Check that every row is accounted for."""
        told = self.n_events + self.n_rejects + self.n_duplicates + self.n_filtered + self.n_known
        if told != self.n_rows:
            raise GraphdetError(
                f"of {self.n_rows} rows {told} are accounted for ({self.n_events} used, {self.n_rejects} rejected, "
                f"{self.n_duplicates} duplicates, {self.n_filtered} filtered, {self.n_known} known); nothing was "
                "written; please report this with the log's first lines"
            )


def read_log(
    bench: duckdb.DuckDBPyConnection,
    paths: Sequence[str | Path],
    config: Config,
    *,
    rejects: Path | None,
    known: Known | None = None,
    progress: Progress | None = None,
    now_ms: int | None = None,
    look: Callable[[RawFile], None] | None = None,
) -> CleanLog:
    """Read and clean a log; the frames live on the bench, as temporary tables or over the files themselves.

    Args:
        bench: where the work is done.
        paths: files and globs, in the order of the input.
        config: the settings.
        rejects: where to write rejects.csv, or None.
        known: what the store has that the log is read for: its rows are left out, and the events get schema.ROW_KEY.
        progress: told of files and steps.
        now_ms: the time of the run; None: now. Events more than a day later are rejected as in the future.
        look: called with every file as it is, before any rule.

    Raises:
        InputError: a file cannot be used, or no usable row is left; says what, where and what to do.
        TooManyRejects: more than `config.max_reject_share` of the rows were rejected; rejects.csv is written.
    """
    progress = progress or Silent()
    now_ms = round(time.time() * 1000) if now_ms is None else now_ms
    files = find_files(paths)
    digest = log_digest(files, config)
    with tempfile.TemporaryDirectory(prefix="graphdet-") as scratch:
        progress.start("read", len(files))
        raws = []
        for file in files:
            raws.append(read_raw(bench, file, config, Path(scratch)))
            if look is not None:
                look(raws[-1])
            progress.advance()
        progress.done()
    warnings = _warn_of_files(raws, config)
    progress.start("clean")
    try:
        withheld = Withheld() if known is None else known.withheld
        judged = judged_rows(bench, select_fields(bench, raws, config), config, now_ms, withheld)
        counts = _clean(bench, raws, judged, config, rejects, known)
    except (duckdb.InvalidInputException, duckdb.SerializationException) as error:
        raise InputError(f"the log cannot be read to its end ({first_words(error)})") from error
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise GraphdetError(
            f"no room, in memory or on disk, to clean the log ({first_words(error)})"
        ) from error
    progress.done()
    return CleanLog(
        tables=counts.tables,
        n_rows=sum(raw.n_rows for raw in raws),
        n_events=counts.n_events,
        n_rejects=sum(n for reason, n in counts.by_reason.items() if reason != DUPLICATE),
        n_duplicates=counts.by_reason.get(DUPLICATE, 0),
        n_filtered=counts.n_filtered,
        n_known=counts.n_known,
        rejects_by_reason=counts.by_reason,
        files=tuple((path, sha, raw.n_rows) for (path, sha), raw in zip(digest.files, raws, strict=True)),
        digest=digest.digest,
        warnings=[*warnings, *counts.warnings],
    )


def _warn_of_files(raws: Sequence[RawFile], config: Config) -> list[str]:
    """Warn of what was seen when files were loaded; raises an InputError when none has a row."""
    empty = [f"{raw.file.path}: no rows" for raw in raws if not raw.n_rows]
    if len(empty) == len(raws):
        raise InputError(f"{raws[0].file.path}: a header but no rows; there is nothing to read")
    seen = [f"{raw.file.path}: {warning}" for raw in raws for warning in raw.warnings]
    return [*empty, *seen, *([NO_TIMES] if config.columns.timestamp is None else [])]


@dataclass(frozen=True)
class _Cleaned:
    tables: LogTables
    n_events: int
    n_filtered: int
    n_known: int
    by_reason: dict[str, int]
    warnings: list[str]


def read_raw(bench: duckdb.DuckDBPyConnection, file: LogFile, config: Config, scratch: Path) -> RawFile:
    """Read one file as it is, before any rule; what has to be converted goes to the scratch folder.

    Raises:
        InputError: the file cannot be used.
    """
    if file.format == EMPTY:
        return rowless(file, config)
    try:
        if file.format == "parquet":
            raw = read_parquet(bench, file, config)
        elif file.format == "jsonl":
            raw = read_json_lines(bench, file, config, scratch)
        else:
            raw = read_text(bench, file, config, scratch)
    except duckdb.IOException as error:
        raise InputError(f"{file.path}: cannot be read ({first_words(error)})") from error
    return add_file_column(raw, config)


def _clean(
    bench: duckdb.DuckDBPyConnection,
    raws: Sequence[RawFile],
    judged: Frame,
    config: Config,
    rejects: Path | None,
    known: Known | None,
) -> _Cleaned:
    # Parquet is read in place, again for each table: that costs less than a copy of the log. Text has to be
    # parsed, so it is kept.
    in_place = all(raw.file.format == "parquet" for raw in raws)
    if not in_place:
        judged = materialise(bench, judged, "judged")
    verdicts, n_loose, odd_times = _verdicts(judged, config)
    n_clean, n_filtered = verdicts.pop(None, 0), verdicts.pop(FILTERED, 0)
    clean = judged.filter(nw.col("verdict").is_null()) if verdicts or n_filtered else judged
    duplicates, n_duplicates = find_duplicates(bench, clean) if config.duplicates else (None, 0)
    if duplicates is not None and n_duplicates:
        clean = clean.join(duplicates.select("event_row"), on="event_row", how="anti")
    found = Rejects()
    if verdicts or n_duplicates or any(raw.bad for raw in raws):
        found = collect_rejects(bench, raws, judged, duplicates if n_duplicates else None)
    withheld = Withheld() if known is None else known.withheld
    if rejects is not None:
        write_rejects(bench, raws, found, rejects, with_rows=rows_are_told(config, withheld))
    n_rows = sum(raw.n_rows for raw in raws)
    ways = remedies(bench, raws, found, config)
    check_share(found, n_rows - n_filtered, config, rejects, ways)
    if n_clean == n_duplicates and not any(found.by_reason.get(reason) for reason in WITHHELD):
        raise _nothing_left(raws[0], n_rows, n_filtered, found, ways)
    told = [*odd_times, *ways, *cleaning_notes(bench, raws, config)]
    n_known, existing = 0, None
    if known is not None:
        existing = known.sessions
        clean, n_known, more = put_known_aside(bench, with_row_keys(clean, config), config, known, raws)
        told += more
    tables, warnings = tables_of_rows(bench, clean, config, existing, n_loose)
    drop_working_tables(bench)
    n_events = n_clean - n_duplicates - n_known
    return _Cleaned(tables, n_events, n_filtered, n_known, found.by_reason, [*warnings, *told])


def _nothing_left(
    raw: RawFile, n_rows: int, n_filtered: int, found: Rejects, ways: Sequence[str]
) -> InputError:
    """Say that no row can be used, and why."""
    if n_filtered == n_rows:
        ways = ["check [filters] and [actions] keep in the config"]
    counts = ", ".join(f"{n} {reason}" for reason, n in found.by_reason.items())
    filtered = [f"{n_filtered} of {n_rows} filtered out"] if n_filtered else []
    lost = "; ".join([*filtered, *([counts] if counts else [])])
    return InputError(
        f"{raw.file.path}: no usable row is left ({lost}); {'; '.join(ways) or 'check the columns of the config'}"
    )


def tables_of_rows(
    bench: duckdb.DuckDBPyConnection, clean: Frame, config: Config, existing: Frame | None, n_loose: int
) -> tuple[LogTables, list[str]]:
    """Make the tables of clean rows without duplicates: their events, sessions, templates and pictures; and warnings.

    existing: schema.SESSION_COLUMNS of sessions in the store, which the events may belong to. n_loose: how many rows
    have no session in a log that has sessions.
    """
    clean, warnings = _with_sessions(bench, events_of_rows(clean, config), config, existing, n_loose)
    clean, of_pictures = with_pictures(bench, with_templates(bench, clean, config), config)
    return derive_tables(clean, config), [*warnings, *of_pictures]


def _verdicts(judged: Frame, config: Config) -> tuple[dict[str | None, int], int, list[str]]:
    """Count the rows of each verdict, and the clean ones whose session is missing in a log that has
    sessions; warn of clean rows whose local time does not exist or exists twice."""
    names = judged.collect_schema().names()
    counted = {"loose": nw.col("session_id").is_null()} if "session_id" in names else {}
    if "time_odd" in names:
        counted |= {odd: nw.col("time_odd") == odd for odd in (SKIPPED_TIME, DOUBLE_TIME)}
    if counted:
        judged = judged.with_columns(**{name: flag.cast(nw.Int64()) for name, flag in counted.items()})
    sums = {name: nw.col(name).sum() for name in counted}
    rows = judged.group_by("verdict").agg(n=nw.len(), **sums).to_native()
    found = [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]
    clean: dict[str, int] = next((row for row in found if row["verdict"] is None), {})
    warnings = []
    for odd, how in (
        (SKIPPED_TIME, "does not exist, as clocks went forward; it was moved on by as much"),
        (DOUBLE_TIME, "exists twice, as clocks went back; it was taken as the later"),
    ):
        if clean.get(odd):
            warnings.append(f"{clean[odd]} rows have a local time that, in {config.time.zone}, {how}")
    return {row["verdict"]: row["n"] for row in found}, int(clean.get("loose") or 0), warnings


def _with_sessions(
    bench: duckdb.DuckDBPyConnection, clean: Frame, config: Config, existing: Frame | None, n_loose: int
) -> tuple[Frame, list[str]]:
    if config.columns.session_id is None:
        return materialise(bench, cut_by_gap(clean, config.gap_s, existing), "clean"), []
    warnings = []
    if n_loose:
        warnings.append(f"{n_loose} rows have no session; they were given sessions by the gap rule")
        columns = clean.collect_schema().names()
        loose = clean.filter(nw.col("session_id").is_null()).drop("session_id")
        own = clean.filter(~nw.col("session_id").is_null())
        loose = not_taken(cut_by_gap(loose, config.gap_s, existing), own).select(*columns)
        clean = nw.concat([own, loose], how="vertical")
        clean = materialise(bench, clean, "clean")
    clean, n_shared = tell_apart(bench, clean, existing)
    if n_shared:
        warnings.append(f"{n_shared} sessions share their id with other users'; they were named USER/SESSION")
        clean = materialise(bench, clean, "clean")
    return clean, warnings
