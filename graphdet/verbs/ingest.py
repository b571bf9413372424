"""ingest: read and clean log files, and add them to a store.

The store remembers what every ingest was (`note_ingest`, `earlier_ingests`), so that a file is never added twice, and
of every row what tells it (`logs.known`), so that a file that grew adds its new rows only.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
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
from graphdet.logs.known import Content, Known, by_place, content_of, cut_short, has_open_end, key_mark
from graphdet.logs.rejects import HEADER
from graphdet.ports import GraphStore, MetaStore, Source, Store, damaged_note, kept_note
from graphdet.progress import Progress, Silent
from graphdet.tables import Frame

READING_PREFIX = (
    "reading_of."  # meta key of the config that an ingest was read by, followed by the digest of its source
)
ROWS = ("n_rows", "n_events", "n_rejects", "n_duplicates", "n_filtered", "n_known")
META_PREFIX = "ingest."  # meta key of what an ingest was, followed by the digest of its source


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did.

    n_rows = n_events + n_rejects + n_duplicates + n_filtered + n_known, all of the files read now; when `already`
    because the store has the very files, of the earlier ingests that brought them. n_known: rows that the store
    had. `files` are (path, SHA-256, rows). `rejects_by_reason` also counts "duplicate". `skipped` are files that the
    store had; `already`: it had all files, or all rows, and no event was added. timed: whether the log says when
    things happened. earlier: the ingests that brought the files that were skipped, where others are new.
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
    earlier: tuple["IngestResult", ...] = field(default=(), compare=False, repr=False)

    @property
    def seconds(self) -> float:
        """How long reading, cleaning and writing took."""
        return self.read_s + self.write_s

    @property
    def rows(self) -> dict[str, int]:
        """What became of the rows: the first of the numbers is the sum of all others."""
        return {name: getattr(self, name) for name in ROWS}

    @property
    def whole(self) -> "IngestResult":
        """What is known of all files that were named, those that earlier ingests brought included.

        The same for a repeat, which finds all of them in the store.
        """
        return merged([*self.earlier, replace(self, earlier=())], self.digest) if self.earlier else self


def note_ingest(store: MetaStore, result: IngestResult) -> None:
    """Keep in the store what an ingest was; how long it took is not kept."""
    kept = asdict(replace(result, read_s=0.0, write_s=0.0))
    del kept["earlier"]
    store.set_meta(META_PREFIX + result.digest, json.dumps(kept, ensure_ascii=False, sort_keys=True))


def earlier_ingests(store: Store) -> dict[str, IngestResult | None]:
    """What was ingested before, by digest of the source; None where only the digest is known.

    Raises:
        InputError: a note of the store is damaged.
    """
    return {digest: _earlier(store, META_PREFIX + digest) for digest in store.sources()}


def _earlier(store: Store, key: str) -> IngestResult | None:
    found = kept_note(store, key)
    if found is None:
        return None
    try:
        found["files"] = tuple((str(path), str(sha), int(n)) for path, sha, n in found["files"])
        found["rejects_by_reason"] = {str(why): int(n) for why, n in found["rejects_by_reason"].items()}
        found |= {name: tuple(map(str, found[name])) for name in ("warnings", "skipped")}
        result = IngestResult(**found)
        if all(isinstance(n, int) for n in result.rows.values()):
            return result
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged_note(store, key) from error
    raise damaged_note(store, key)


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
    brought = _that_brought(skipped, digest, meaning, earlier)
    if rejects is not None and any(part.rejects_by_reason for part in brought):
        # Rows of files that the store has were put aside, too: the file tells of all that were named, as in a repeat.
        known, named = Known(withheld=withheld_of(store)), [file.path for file in files]
        with store.bench.borrow() as connection:
            read_log(connection, named, config, rejects=rejects, known=known, progress=progress)
        rejects = None
    with store.bench.borrow() as connection:
        told = _tell_rows(store, key_mark(connection), new, config, fresh)
        named = [file.path for file in new]
        clean = read_log(connection, named, config, rejects=rejects, known=told.known, progress=progress)
        read = time.perf_counter()
        skipped_paths = tuple(file.path for file in skipped)
        result = replace(_result(clean, config), skipped=skipped_paths, already=not clean.n_events)
        result = replace(result, warnings=(*told.warnings, *clean.warnings))
        source = Source(clean.digest, tuple(f[0] for f in clean.files), clean.n_rows, clean.n_rejects)
        if fresh:
            store.forget()
        if mark is not None:
            store.set_meta(KEY_MARK, mark)
        _note_all(store, result, told.note, config)
        store.write_log(clean.tables, source, progress)
    return replace(result, earlier=brought, read_s=read - started, write_s=time.perf_counter() - read)


def _note_all(store: MetaStore, result: IngestResult, row_keys: str, config: Config) -> None:
    """Keep what an ingest is; it counts once its source is complete.

    Before the log is written: after a kill behind it a repeat finds the rows, and would tell them as known of this very
    ingest.
    """
    store.set_meta(KEPT_PREFIX + result.digest, row_keys)
    store.set_meta(READING_PREFIX + result.digest, json.dumps(asdict(config), sort_keys=True))
    note_ingest(store, result)


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
        before = kept_note(store, READING_PREFIX + name) or {}
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
    """Say what was done before; read the log again only when rejects.csv must be written, or nothing is known."""
    noted = earlier.get(digest.digest)
    parts = (noted,) if noted else _that_brought(files, digest, config_digest(config), earlier)
    if not parts or (rejects is not None and any(part.rejects_by_reason for part in parts)):
        paths = [file.path for file in files]
        known = Known(withheld=withheld_of(store))
        with store.bench.borrow() as connection:
            clean = read_log(connection, paths, config, rejects=rejects, known=known, progress=progress)
            result = _result(clean, config)
        if not parts and digest.digest in earlier:
            note_ingest(store, result)
    elif rejects is not None:
        _write_empty(rejects)
    if parts:
        result = merged(parts, digest.digest)
    return replace(result, already=True, skipped=tuple(file.path for file in files))


def _that_brought(
    files: Sequence[LogFile], digest: LogDigest, meaning: str, earlier: dict[str, IngestResult | None]
) -> tuple[IngestResult, ...]:
    """The ingests with this meaning of the config that brought some of these files."""
    names = {file.path for file in files}
    wanted = {sha for path, sha in digest.files if path in names}
    return tuple(
        result
        for result in earlier.values()
        if result and result.config_digest == meaning and wanted & {sha for _, sha, _ in result.files}
    )


def merged(parts: Sequence[IngestResult], digest: str) -> IngestResult:
    """Several ingests as one of that digest."""
    sums: dict[str, Any] = {name: sum(part.rows[name] for part in parts) for name in ROWS}
    reasons: Counter[str] = Counter()
    for part in parts:
        reasons.update(part.rejects_by_reason)
    return replace(
        parts[0],
        digest=digest,
        files=tuple(file for part in parts for file in part.files),
        **sums,
        rejects_by_reason=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        warnings=tuple(dict.fromkeys(warning for part in parts for warning in part.warnings)),
    )


def _write_empty(rejects: Path) -> None:
    write_text(rejects, HEADER)


@dataclass(frozen=True)
class _Telling:
    """How rows are told: what the store has, what to note of this ingest, and what cannot be told."""

    known: Known
    note: str
    warnings: tuple[str, ...]


def _tell_rows(store: Store, mark: str, files: Sequence[LogFile], config: Config, fresh: bool) -> _Telling:
    """Look up what the store has of these files' rows, on a borrowed workbench."""
    withheld = withheld_of(store)
    kept = {} if fresh else {digest: kept_note(store, KEPT_PREFIX + digest) for digest in store.sources()}
    notes = [note for note in kept.values() if note]
    earlier = _contents(store, notes, meaning := config_digest(config))
    if not by_place(config):
        earlier = [content for content in earlier if not content.ended]
    looked = [file for file in files if by_place(config) or earlier or has_open_end(file)]
    found = {file: content_of(file, earlier) for file in looked}
    contents = [astuple(read.content) for read in found.values() if read.content is not None]
    note = {"mark": mark, "config": meaning, "contents": contents}
    warnings = [cut_short(file, read.cut_line) for file, read in found.items() if read.cut_line is not None]
    n_untold = sum(note is None for note in kept.values()) + sum(old.get("mark") != mark for old in notes)
    if n_untold:
        warnings.append(
            f"{n_untold} of the store's {len(kept)} ingests were written by another version of graphdet or DuckDB: "
            "rows of theirs that this log has too cannot be told and count again; if it has any, use a new store"
        )
    keys = store.bench.keep(KNOWN_KEYS, store.row_keys()) if kept else None
    known = Known(
        None if fresh else _existing_sessions(store),
        keys,
        n_lines={file.path: read.n_known_lines for file, read in found.items() if read.n_known_lines},
        withheld=withheld,
    )
    return _Telling(known, json.dumps(note, sort_keys=True), tuple(warnings))


def _contents(store: Store, notes: Sequence[dict[str, Any]], meaning: str) -> list[Content]:
    """What the files held that were read by this meaning of the config."""
    try:
        return [
            Content(int(n_bytes), str(sha), int(n_lines), *ended)
            for note in notes
            if note["config"] == meaning and "mark" in note
            for n_bytes, sha, n_lines, *ended in note["contents"]
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise damaged_note(store, KEPT_PREFIX) from error


def _existing_sessions(store: GraphStore) -> Frame | None:
    """A copy of the store's sessions, which must not change while events are written; None if it has none."""
    if not store.sources():
        return None
    # A name of its own: the Neo4j store's workbench has a table of sessions.
    return store.bench.keep(EXISTING, store.sessions())
