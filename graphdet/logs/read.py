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
from graphdet.logs.parquet import read_parquet
from graphdet.logs.raw import RawFile, add_file_column, drop_working_tables, first_words, materialise, rowless
from graphdet.logs.rejects import (
    DUPLICATE,
    FILTERED,
    Rejects,
    check_share,
    collect_rejects,
    judge,
    write_rejects,
)
from graphdet.logs.sessions import cut_by_gap, not_taken, tell_apart
from graphdet.progress import Progress, Silent
from graphdet.tables import Frame, LogTables

NO_TIMES = (
    "The log has no times ([columns] names no timestamp): nothing here rests on when something happened."
)


@dataclass(frozen=True)
class CleanLog:
    """A log that was read and cleaned.

    n_rows = n_events + n_rejects + n_duplicates + n_filtered. `rejects_by_reason` counts what went to
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


def read_log(
    bench: duckdb.DuckDBPyConnection,
    paths: Sequence[str | Path],
    config: Config,
    *,
    rejects: Path | None,
    existing_sessions: Frame | None = None,
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
        existing_sessions: schema.SESSION_COLUMNS of sessions in the store, which new events may belong to.
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
    empty = [f"{raw.file.path}: no rows" for raw in raws if not raw.n_rows]
    if len(empty) == len(raws):
        raise InputError(f"{raws[0].file.path}: a header but no rows; there is nothing to read")
    progress.start("clean")
    try:
        judged = judge(select_fields(bench, raws, config), config, now_ms)
        counts = _clean(bench, raws, judged, config, rejects, existing_sessions)
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
        rejects_by_reason=counts.by_reason,
        files=tuple((path, sha, raw.n_rows) for (path, sha), raw in zip(digest.files, raws, strict=True)),
        digest=digest.digest,
        warnings=[*empty, *([NO_TIMES] if config.columns.timestamp is None else []), *counts.warnings],
    )


@dataclass(frozen=True)
class _Cleaned:
    tables: LogTables
    n_events: int
    n_filtered: int
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
    existing: Frame | None,
) -> _Cleaned:
    # Parquet is read in place, again for each table: that costs less than a copy of the log. Text has to be
    # parsed, so it is kept.
    in_place = all(raw.file.format == "parquet" for raw in raws)
    if not in_place:
        judged = materialise(bench, judged, "judged")
    verdicts, n_loose = _verdicts(judged)
    n_clean, n_filtered = verdicts.pop(None, 0), verdicts.pop(FILTERED, 0)
    clean = judged.filter(nw.col("verdict").is_null()) if verdicts or n_filtered else judged
    duplicates, n_duplicates = find_duplicates(bench, clean) if config.duplicates else (None, 0)
    if duplicates is not None and n_duplicates:
        clean = clean.join(duplicates.select("event_row"), on="event_row", how="anti")
    found = Rejects()
    if verdicts or n_duplicates or any(raw.bad for raw in raws):
        found = collect_rejects(bench, raws, judged, duplicates if n_duplicates else None)
    if rejects is not None:
        write_rejects(bench, raws, found, rejects)
    n_rows = sum(raw.n_rows for raw in raws)
    ways = remedies(bench, raws, found, config)
    check_share(found, n_rows - n_filtered, config, rejects, ways)
    if n_clean == n_duplicates:
        raise _nothing_left(raws[0], n_rows, n_filtered, found, ways)
    told = [*ways, *cleaning_notes(bench, raws, config)]
    tables, warnings = tables_of_rows(bench, clean, config, existing, n_loose)
    drop_working_tables(bench)
    return _Cleaned(tables, n_clean - n_duplicates, n_filtered, found.by_reason, [*warnings, *told])


def _nothing_left(
    raw: RawFile, n_rows: int, n_filtered: int, found: Rejects, ways: Sequence[str]
) -> InputError:
    """Say that no row can be used, and why."""
    if n_filtered == n_rows:
        ways = ["check [filters] and [actions] keep in the config"]
    counts = ", ".join(f"{n} {reason}" for reason, n in found.by_reason.items())
    return InputError(
        f"{raw.file.path}: no usable row is left ({n_filtered} of {n_rows} filtered out"
        f"{'; ' if counts else ''}{counts}); {'; '.join(ways) or 'check the columns of the config'}"
    )


def tables_of_rows(
    bench: duckdb.DuckDBPyConnection, clean: Frame, config: Config, existing: Frame | None, n_loose: int
) -> tuple[LogTables, list[str]]:
    """Make the tables of clean rows without duplicates: their events, sessions and templates; and warnings.

    existing: schema.SESSION_COLUMNS of sessions in the store, which the events may belong to. n_loose: how many rows
    have no session in a log that has sessions.
    """
    clean, warnings = _with_sessions(bench, events_of_rows(clean, config), config, existing, n_loose)
    return derive_tables(with_templates(bench, clean, config), config), warnings


def _verdicts(judged: Frame) -> tuple[dict[str | None, int], int]:
    """Count the rows of each verdict, and the clean ones whose session is missing in a log that has
    sessions."""
    has_sessions = "session_id" in judged.collect_schema().names()
    loose = nw.col("session_id").is_null() if has_sessions else nw.lit(False)
    counts = judged.with_columns(loose=loose.cast(nw.Int64())).group_by("verdict")
    rows = counts.agg(n=nw.len(), loose=nw.col("loose").sum()).to_native().fetchall()
    n_loose = sum(n for verdict, _, n in rows if verdict is None) if has_sessions else 0
    return {verdict: n for verdict, n, _ in rows}, int(n_loose)


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
