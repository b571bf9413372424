"""eda, first part: the log on a workbench of its own, what its columns hold, and what cleaning puts aside and why."""

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import narwhals as nw
import pyarrow as pa

from graphdet.config import Config
from graphdet.errors import InputError
from graphdet.features import log_profile as profile
from graphdet.logs import CleanLog, read_log
from graphdet.logs.fields import attributes_of_config
from graphdet.logs.raw import ColumnProfile, RawFile, entity_column, materialise, profile_columns
from graphdet.logs.rejects import DUPLICATE
from graphdet.progress import Progress, without_bar
from graphdet.tables import Frame

EXAMPLES_PER_REASON = 3  # rows shown of each reason
ROW_CHARS = 600  # of a row that is shown


@dataclass(frozen=True)
class Desk:
    """A clean log to look at, as temporary tables of a workbench.

    `clean` are the events as logs gives them, materialised, with their ids and texts; `events` the same by numbers
    (features.log_profile.coded); users, items, sessions, actions number the ids. `entities` has user_ix and entity_ix,
    or is None.
    """

    bench: duckdb.DuckDBPyConnection
    log: CleanLog
    clean: Frame
    events: Frame
    users: Frame
    items: Frame
    sessions: Frame
    actions: Frame
    entities: Frame | None
    attributes: tuple[str, ...]


@dataclass
class Looked:
    """What was seen of the files themselves, also when no row could be used: per file its column profiles."""

    bench: duckdb.DuckDBPyConnection
    files: list[tuple[str, int, list[ColumnProfile]]] = field(default_factory=list)

    def __call__(self, raw: RawFile) -> None:
        """Look at a file."""
        self.files.append((raw.file.path, raw.n_rows, profile_columns(self.bench, raw)))

    @property
    def n_rows(self) -> int:
        """Rows of all files."""
        return sum(n for _, n, _ in self.files)


@contextmanager
def workbench() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty DuckDB in memory that spills to a folder of its own; both are gone at the end."""
    with TemporaryDirectory(prefix="graphdet-") as scratch:
        bench = duckdb.connect(":memory:", config={"temp_directory": scratch})
        try:
            without_bar(bench)
            yield bench
        finally:
            bench.close()


def read_for_eda(
    bench: duckdb.DuckDBPyConnection,
    paths: Sequence[str | Path],
    config: Config,
    rejects: Path,
    looked: Looked,
    progress: Progress,
) -> Desk:
    """Read, clean and number a log; a log with too many rejects is looked at all the same.

    Raises:
        InputError: a file cannot be used, or no usable row is left; then `looked` holds what was seen, and rejects.csv
            is written.
    """
    log = read_log(
        bench, paths, replace(config, max_reject_share=1.0), rejects=rejects, progress=progress, look=looked
    )
    progress.start("number ids")
    clean = materialise(bench, log.tables.events, "clean_events")
    users = materialise(bench, profile.number_distinct(clean, "user_id", "user_ix"), "users")
    items = materialise(bench, profile.number_distinct(clean, "item_id", "item_ix"), "items")
    sessions = materialise(bench, profile.number_distinct(clean, "session_id", "session_ix"), "sessions")
    actions = materialise(bench, profile.number_distinct(clean, "action", "action_ix"), "actions")
    events = materialise(bench, profile.coded(clean, users, items, sessions, actions), "coded_events")
    names = events.collect_schema().names()
    known = {*profile.CODED_COLUMNS}
    progress.done()
    return Desk(
        bench,
        log,
        clean,
        events,
        users,
        items,
        sessions,
        actions,
        _entities(bench, log, users) if config.entities else None,
        tuple(name for name in names if name not in known),
    )


def _entities(bench: duckdb.DuckDBPyConnection, log: CleanLog, users: Frame) -> Frame:
    links = log.tables.entities.with_columns(
        nw.concat_str(nw.col("kind"), nw.lit("\t"), nw.col("entity_id")).alias("key")
    )
    links = materialise(bench, links.select("user_id", "key"), "links")
    keys = profile.number_distinct(links, "key", "entity_ix")
    named = users.with_columns(nw.col("user_id").cast(nw.String()))
    joined = links.join(named, on="user_id", how="inner").join(keys, on="key", how="inner")
    return materialise(bench, joined.select("user_ix", "entity_ix"), "entity_links")


def collect(frame: Frame) -> pa.Table:
    """Take a frame from the bench as an Arrow table."""
    return frame.collect("pyarrow").to_native()


def describe_columns(looked: Looked, config: Config) -> list[dict[str, Any]]:
    """What every column holds, files put together, mapped columns first in the order of the config."""
    used = uses(config)
    merged: dict[str, dict[str, Any]] = {}
    for _, _, profiles in looked.files:
        for one in profiles:
            row = merged.setdefault(
                one.name,
                {"column": one.name, "used_as": used.get(one.name), "type": one.type, "n": 0, "n_missing": 0}
                | {"n_distinct": 0, "low": one.low, "high": one.high},
            )
            row["n"] += one.n
            row["n_missing"] += one.n_missing
            # Of several files the largest: their values may be the same ones or not.
            row["n_distinct"] = max(row["n_distinct"], one.n_distinct)
            row["low"] = row["low"] if row["low"] is not None else one.low
            row["high"] = one.high if one.high is not None else row["high"]
    order = {name: place for place, name in enumerate(used)}
    rows = sorted(merged.values(), key=lambda row: order.get(row["column"], len(order)))
    for row in rows:
        row["missing_share"] = row["n_missing"] / row["n"] if row["n"] else None
    return rows


def uses(config: Config) -> dict[str, str]:
    """What the config uses each column of the log as."""
    found: dict[str, list[str]] = {}
    for key in config.columns.__dataclass_fields__:
        named = getattr(config.columns, key)
        for name in (named,) if isinstance(named, str) else named or ():
            found.setdefault(name, []).append(key)
    for kind, column in config.entities.items():
        found.setdefault(entity_column(config, column), []).append(f"entity {kind}")
    for name, column in attributes_of_config(config).items():
        found.setdefault(column, []).append(f"attribute {name}")
    for column in config.filters:
        found.setdefault(column, []).append("filter")
    return {column: ", ".join(said) for column, said in found.items()}


def cleaning(log: CleanLog | None, looked: Looked, config: Config, rejects: Path) -> dict[str, Any]:
    """What cleaning puts aside, by reason with example rows, and whether `run` would refuse the log."""
    counts, examples = _from_rejects(rejects, None if log is None else set(log.rejects_by_reason))
    if log is not None:
        counts = log.rejects_by_reason
    n_rejects = sum(n for reason, n in counts.items() if reason != DUPLICATE)
    n_filtered = log.n_filtered if log is not None else 0
    base = max(looked.n_rows - n_filtered, 1)
    return {
        "max_share": config.max_reject_share,
        "reject_share": n_rejects / base,
        "run_would_refuse": n_rejects > config.max_reject_share * base,
        "n_filtered": n_filtered,
        "n_rejects": n_rejects,
        "n_duplicates": counts.get(DUPLICATE, 0),
        "reasons": [
            {
                "reason": reason,
                "n": n,
                "share": n / max(looked.n_rows, 1),
                "examples": examples.get(reason, []),
            }
            for reason, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        ],
    }


def _from_rejects(
    path: Path, wanted: set[str] | None
) -> tuple[dict[str, int], dict[str, list[dict[str, Any]]]]:
    """Count reasons in rejects.csv and take the first rows of each; with `wanted`, stop when all have theirs."""
    counts: dict[str, int] = {}
    examples: dict[str, list[dict[str, Any]]] = {}
    if not path.is_file() or wanted == set():
        return counts, examples
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a row is one field, and may be long
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            for row in csv.DictReader(file):
                reason = row["reason"]
                counts[reason] = counts.get(reason, 0) + 1
                mine = examples.setdefault(reason, [])
                if len(mine) < EXAMPLES_PER_REASON:
                    line = int(row["line"]) if row["line"] else None
                    mine.append({"file": row["file"], "line": line, "row": row["row"][:ROW_CHARS]})
                    full = len(mine) == EXAMPLES_PER_REASON and wanted is not None
                    if full and all(
                        len(examples.get(name, ())) == EXAMPLES_PER_REASON for name in wanted or ()
                    ):
                        break
    finally:
        csv.field_size_limit(before)
    return counts, examples


def no_rows(error: InputError, looked: Looked) -> bool:
    """Whether an error says that the files were readable and nothing in them is usable."""
    return bool(looked.files) and ("no usable row" in str(error) or "no rows" in str(error))
