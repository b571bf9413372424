"""ingest: read and clean log files, and add them to a store.

The store remembers what every ingest was (`note_ingest`, `earlier_ingests`), so that a file is never added twice, and
of every row what tells it (`logs.known`), so that a file that grew adds its new rows only.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from graphdet.casework.disclosure import KEY_MARK, check_ingest_key
from graphdet.casework.forgetting import withheld_of
from graphdet.config import Config, config_digest
from graphdet.config.values import legible
from graphdet.errors import ConfigError
from graphdet.files import write_text
from graphdet.logs import CleanLog, read_log
from graphdet.logs.files import LogDigest, LogFile, find_files, log_digest
from graphdet.logs.frames import FRAME
from graphdet.logs.guess import AUTOMATIC
from graphdet.logs.known import Content, Known, by_place, content_of, key_mark
from graphdet.ports import GraphStore, MetaStore, Source, Store
from graphdet.progress import Progress, Silent
from graphdet.tables import Frame

READING_PREFIX = (
    "reading_of."  # meta key of the config that an ingest was read by, followed by the digest of its source
)
META_PREFIX = "ingest."  # meta key of what an ingest was, followed by the digest of its source


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did.

    n_rows = n_events + n_rejects + n_duplicates + n_filtered + n_known, all of the files read now; when `already`
    because the store has the very files, of the earlier ingests that brought them. n_known: rows that the store
    had. `files` are (path, SHA-256, rows). `rejects_by_reason` also counts "duplicate". `skipped` are files that the
    store had; `already`: it had all files, or all rows, and no event was added. timed: whether the log says when
    things happened.
    """

    digest: str
    config_digest: str
    files: tuple[tuple[str, str, int], ...]
    n_rows: int
    n_events: int
    n_rejects: int
    n_duplicates: int
    n_filtered: int
    rejects_by_reason: dict[str, int]
    warnings: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    already: bool = False
    timed: bool = True
    n_known: int = 0
    read_s: float = field(default=0.0, compare=False)
    write_s: float = field(default=0.0, compare=False)

    @property
    def seconds(self) -> float:
        """How long reading, cleaning and writing took."""
        return self.read_s + self.write_s


def note_ingest(store: MetaStore, result: IngestResult) -> None:
    """Keep in the store what an ingest was; how long it took is not kept."""
    kept = asdict(replace(result, read_s=0.0, write_s=0.0))
    store.set_meta(META_PREFIX + result.digest, json.dumps(kept, ensure_ascii=False, sort_keys=True))


def earlier_ingests(store: Store) -> dict[str, IngestResult | None]:
    """What was ingested before, by digest of the source; None where only the digest is known."""
    texts = {digest: store.meta(META_PREFIX + digest) for digest in store.sources()}
    return {digest: _from_json(text) if text else None for digest, text in texts.items()}


def _from_json(text: str) -> IngestResult:
    found = json.loads(text)
    found["files"] = tuple((path, sha, n_rows) for path, sha, n_rows in found["files"])
    return IngestResult(**(found | {name: tuple(found[name]) for name in ("warnings", "skipped")}))


REJECTS_HEADER = "file,line,reason,row\n"
EXISTING = "graphdet_existing_sessions"
KNOWN_KEYS = "graphdet_known_keys"
KEPT_PREFIX = (
    "row_keys_of."  # meta key of how an ingest's rows are told, followed by the digest of its source
)


def ingest(
    store: Store,
    paths: Sequence[str | Path],
    config: Config,
    *,
    rejects: Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> IngestResult:
    """Add log files to a store; files and rows that it has already, read with the same config, are left out.

    Killed anywhere and repeated, it ends as if never killed. Files are compared by their bytes, so a pattern
    that matches one more file each day adds that one only. Of files that are new the rows are compared (see
    `logs.known`), so a file that grew, or was rotated, compressed or sorted anew, adds what the store lacks.
    `rejects` is where rejects.csv goes; it is written anew each time, also when nothing else is to do. `fresh`: once
    the files are read, the store forgets what it held of logs, scores and rings; decisions stay.

    Raises:
        ConfigError: the store has a log with times and this one has none, or the other way round; or it has read one of
            the files, or any file by a config of this name, with other settings: both readings would count.
        InputError: a file cannot be used, or no usable row is left.
        TooManyRejects: more than `[reject] max_share` of the rows were rejected; only rejects.csv is written.
        StoreError, StoreBusy: the store cannot be written; repeating is safe.
    """
    progress = progress or Silent()
    started = time.perf_counter()
    files = find_files(paths)
    earlier = {} if fresh else earlier_ingests(store)
    digest, meaning = log_digest(files, config), config_digest(config)
    new, skipped = _sort_out(files, digest, meaning, earlier)
    if not new:
        result = _repeat(store, files, config, digest, earlier, rejects, progress)
        return replace(result, read_s=time.perf_counter() - started)
    mark = check_ingest_key(store, config, begun=bool(earlier))
    _check_reading(store, config, digest, earlier)
    _check_times(store, config, earlier)
    with store.bench.borrow() as connection:
        told = _tell_rows(store, key_mark(connection), new, config, fresh)
        paths = [file.path for file in new]
        clean = read_log(connection, paths, config, rejects=rejects, known=told.known, progress=progress)
        read = time.perf_counter()
        skipped_paths = tuple(file.path for file in skipped)
        result = replace(_result(clean, config), skipped=skipped_paths, already=not clean.n_events)
        result = replace(result, warnings=(*told.warnings, *clean.warnings))
        source = Source(clean.digest, tuple(f[0] for f in clean.files), clean.n_rows, clean.n_rejects)
        if fresh:
            store.forget()
        if mark is not None:
            store.set_meta(KEY_MARK, mark)
        # Before the log: it counts once the source is complete.
        store.set_meta(KEPT_PREFIX + clean.digest, told.note)
        store.write_log(clean.tables, source, progress)
    store.set_meta(READING_PREFIX + result.digest, json.dumps(asdict(config), sort_keys=True))
    # After the log: were we killed before this line, the digest of the source alone still tells a repeat.
    note_ingest(store, result)
    return replace(result, read_s=read - started, write_s=time.perf_counter() - read)


def _result(clean: CleanLog, config: Config) -> IngestResult:
    return IngestResult(
        digest=clean.digest,
        config_digest=config_digest(config),
        files=clean.files,
        n_rows=clean.n_rows,
        n_events=clean.n_events,
        n_rejects=clean.n_rejects,
        n_duplicates=clean.n_duplicates,
        n_filtered=clean.n_filtered,
        n_known=clean.n_known,
        rejects_by_reason=clean.rejects_by_reason,
        timed=config.columns.timestamp is not None,
    )


def _check_reading(
    store: Store, config: Config, digest: LogDigest, earlier: dict[str, IngestResult | None]
) -> None:
    """Refuse to add a second reading of the same log to a store: by a config that was corrected, for example."""
    meaning, shas = config_digest(config), {sha for _, sha in digest.files}
    paths = {Path(path).resolve() for path, _ in digest.files}
    for name, known in earlier.items():
        if known is None or known.config_digest == meaning:
            continue
        kept = store.meta(READING_PREFIX + name)
        before: dict[str, Any] = json.loads(kept) if kept else {}
        same_file = [path for path, sha, _ in known.files if sha in shas or Path(path).resolve() in paths]
        if not same_file and (before.get("name") != config.name or config.name in (FRAME, AUTOMATIC)):
            continue
        what = f"{same_file[0]} is" if same_file else f"a log that the config {config.name} described is"
        raise ConfigError(
            f"{what} in {store.url} already, read with other settings ({_differences(before, config)}); both readings "
            "would count side by side. To forget the first (decisions stay) run again with --fresh and all files; or "
            "use another --out or --store"
        )


def _differences(before: dict[str, Any], config: Config) -> str:
    """Say which settings differ between the config of an earlier ingest and this one."""
    if not before:
        return "which, an older version did not keep"
    now = json.loads(json.dumps(asdict(config)))
    found = []
    for table in now:
        if table in ("name", "max_reject_share") or before.get(table) == now[table]:
            continue
        was, is_ = before.get(table), now[table]
        if not isinstance(was, dict) or not isinstance(is_, dict):
            found.append(f"{table} was {_setting(was)}, is {_setting(is_)}")
            continue
        for key in sorted({*was, *is_}):
            old, new = was.get(key), is_.get(key)
            if old != new:
                found.append(f"[{table}] {key} was {_setting(old)}, is {_setting(new)}")
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return "; ".join(found[:5]) + more


def _setting(value: Any) -> str:
    return "not set" if value is None else legible(value)


def _check_times(store: Store, config: Config, earlier: dict[str, IngestResult | None]) -> None:
    """Refuse to mix events whose time is known with events whose time is not: that would order them all the same."""
    timed = config.columns.timestamp is not None
    if any(known is not None and known.timed != timed for known in earlier.values()):
        has, lacks = ("no times", "names a timestamp") if timed else ("times", "names no timestamp")
        raise ConfigError(
            f"{store.url}: its log has {has} and the config {config.name} {lacks}; use a store of its own for this log"
        )


def _sort_out(
    files: Sequence[LogFile], digest: LogDigest, meaning: str, earlier: dict[str, IngestResult | None]
) -> tuple[list[LogFile], list[LogFile]]:
    """Tell new files from those the store has."""
    if digest.digest in earlier:
        return [], list(files)
    known = {
        (sha, result.config_digest) for result in earlier.values() if result for _, sha, _ in result.files
    }
    new: list[LogFile] = []
    skipped: list[LogFile] = []
    for file, (_, sha) in zip(files, digest.files, strict=True):
        (skipped if (sha, meaning) in known else new).append(file)
    return new, skipped


def _repeat(
    store: Store,
    files: Sequence[LogFile],
    config: Config,
    digest: LogDigest,
    earlier: dict[str, IngestResult | None],
    rejects: Path | None,
    progress: Progress,
) -> IngestResult:
    """Say what was done before; read the log again only when rejects.csv must be, or nothing is known."""
    wanted = {sha for _, sha in digest.files}
    meaning = config_digest(config)
    parts = [
        result
        for result in earlier.values()
        if result and result.config_digest == meaning and wanted & {sha for _, sha, _ in result.files}
    ]
    if not parts or (rejects is not None and any(part.rejects_by_reason for part in parts)):
        paths = [file.path for file in files]
        known = Known(withheld=withheld_of(store))
        with store.bench.borrow() as connection:
            clean = read_log(connection, paths, config, rejects=rejects, known=known, progress=progress)
            result = _result(clean, config)
        if digest.digest in earlier:
            note_ingest(store, result)
    else:
        result = _merged(parts, digest.digest)
        if rejects is not None:
            _write_empty(rejects)
    return replace(result, already=True, skipped=tuple(file.path for file in files))


def _merged(parts: Sequence[IngestResult], digest: str) -> IngestResult:
    reasons: Counter[str] = Counter()
    for part in parts:
        reasons.update(part.rejects_by_reason)
    return replace(
        parts[0],
        digest=digest,
        files=tuple(file for part in parts for file in part.files),
        n_rows=sum(part.n_rows for part in parts),
        n_events=sum(part.n_events for part in parts),
        n_rejects=sum(part.n_rejects for part in parts),
        n_duplicates=sum(part.n_duplicates for part in parts),
        n_filtered=sum(part.n_filtered for part in parts),
        n_known=sum(part.n_known for part in parts),
        rejects_by_reason=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        warnings=tuple(warning for part in parts for warning in part.warnings),
    )


def _write_empty(rejects: Path) -> None:
    write_text(rejects, REJECTS_HEADER)


@dataclass(frozen=True)
class _Telling:
    """How rows are told: what the store has, what to note of this ingest, and what cannot be told."""

    known: Known
    note: str
    warnings: tuple[str, ...]


def _tell_rows(store: Store, mark: str, files: Sequence[LogFile], config: Config, fresh: bool) -> _Telling:
    """Look up what the store has of these files' rows, on a borrowed workbench."""
    withheld = withheld_of(store)
    texts = {} if fresh else {digest: store.meta(KEPT_PREFIX + digest) for digest in store.sources()}
    notes = [json.loads(text) for text in texts.values() if text]
    meaning = config_digest(config)
    earlier = [
        Content(*content) for note in notes if note["config"] == meaning for content in note["contents"]
    ]
    found = {file.path: content_of(file, earlier) for file in files} if by_place(config) else {}
    contents = [asdict(content) for content, _ in found.values() if content is not None]
    note = {"mark": mark, "config": meaning, "contents": [tuple(content.values()) for content in contents]}
    warnings = []
    n_untold = sum(text is None for text in texts.values()) + sum(old["mark"] != mark for old in notes)
    if n_untold:
        warnings.append(
            f"{n_untold} of the store's {len(texts)} ingests were written by another version of graphdet or DuckDB: "
            "rows of theirs that this log has too cannot be told and count again; if it has any, use a new store"
        )
    keys = store.bench.keep(KNOWN_KEYS, store.row_keys()) if texts else None
    known = Known(
        None if fresh else _existing_sessions(store),
        keys,
        n_lines={path: n for path, (_, n) in found.items() if n},
        withheld=withheld,
    )
    return _Telling(known, json.dumps(note, sort_keys=True), tuple(warnings))


def _existing_sessions(store: GraphStore) -> Frame | None:
    """A copy of the store's sessions, which must not change while events are written; None if it has none."""
    if not store.sources():
        return None
    # A name of its own: the Neo4j store's workbench has a table of sessions.
    return store.bench.keep(EXISTING, store.sessions())
