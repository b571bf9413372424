"""rejects.csv: every row that was put aside, with file, line, reason and the raw row.

The file is safe to open in a spreadsheet: `row` is a JSON object and so starts with `{`, `reason` is ours,
and a file name that starts with = + - or @ is written with ./ before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from graphdet.config import Config
from graphdet.errors import GraphdetError, TooManyRejects
from graphdet.logs.raw import ROW, RawFile, first_words, fresh_name, literal
from graphdet.logs.rules import DUPLICATE, FILTERED
from graphdet.tables import Frame


@dataclass(frozen=True)
class Rejects:
    """Rows put aside: the table (file_ix, row, line, reason), counts by reason, the first one in words.

    Without a table there are none. The first one is no duplicate.
    """

    table: str | None = None
    by_reason: dict[str, int] = field(default_factory=dict)
    first: str | None = None


def collect_rejects(
    bench: duckdb.DuckDBPyConnection, raws: Sequence[RawFile], judged: Frame, duplicates: Frame | None
) -> Rejects:
    """Gather the rows put aside by structure, rule or equality, with their lines.

    By hand in SQL: it is bookkeeping over the workbench's own tables, not work on the log's meaning.
    """
    table = fresh_name("rejects")
    parts = [
        f"SELECT file_ix, row, verdict AS reason FROM ({judged.to_native().sql_query()})"
        f" WHERE verdict IS NOT NULL AND verdict <> '{FILTERED}'"
    ]
    parts += [f"SELECT {ix}, row, reason FROM ({raw.bad})" for ix, raw in enumerate(raws) if raw.bad]
    if duplicates is not None:
        parts.append(f"SELECT file_ix, row, '{DUPLICATE}' FROM ({duplicates.to_native().sql_query()})")
    bench.execute(f"CREATE TEMP TABLE {table} AS {' UNION ALL '.join(parts)}")
    bench.execute(f"ALTER TABLE {table} ADD COLUMN line BIGINT")
    for ix, raw in enumerate(raws):
        if raw.lines is None:
            bench.execute(f"UPDATE {table} SET line = row + {raw.first_line} WHERE file_ix = {ix}")
        elif bench.execute(f"SELECT 1 FROM {table} WHERE file_ix = {ix} LIMIT 1").fetchone():
            bench.execute(
                f"UPDATE {table} SET line = l.line FROM ({raw.lines}) l"
                f" WHERE file_ix = {ix} AND l.row = {table}.row"
            )
    counts = bench.execute(
        f"SELECT reason, count(*) FROM {table} GROUP BY reason ORDER BY count(*) DESC, reason"
    ).fetchall()
    first = bench.execute(
        f"SELECT file_ix, line, reason FROM {table} WHERE reason <> '{DUPLICATE}'"
        " ORDER BY file_ix, row LIMIT 1"
    ).fetchone()
    words = None if first is None else f"{raws[first[0]].file.path} line {first[1]}: {first[2]}"
    return Rejects(table, dict(counts), words)


def write_rejects(
    bench: duckdb.DuckDBPyConnection, raws: Sequence[RawFile], rejects: Rejects, path: Path
) -> None:
    """Write rejects.csv in the order of the input; with no rejects, its header only.

    Raises:
        GraphdetError: the file cannot be written.
    """
    parts = []
    used = set()
    if rejects.table is not None:
        used = {ix for (ix,) in bench.execute(f"SELECT DISTINCT file_ix FROM {rejects.table}").fetchall()}
    for ix in sorted(used):
        raw = raws[ix]
        mine = f"(SELECT * FROM {rejects.table} WHERE file_ix = {ix})"
        name = literal(_safe(raw.file.path))
        parts.append(
            f"SELECT {ix} AS file_ix, r.row AS ix, {name} AS file, r.line, r.reason, {_as_json(raw)} AS row"
            f" FROM {mine} r JOIN {raw.source} t ON t.{ROW} = r.row"
        )
        if raw.bad:
            parts.append(
                f"SELECT {ix}, r.row, {name}, r.line, r.reason, json_object('text', t.raw)::VARCHAR"
                f" FROM {mine} r JOIN ({raw.bad}) t ON t.row = r.row"
            )
    nothing = "SELECT 0 AS file_ix, 0 AS ix, '' AS file, 0 AS line, '' AS reason, '' AS row WHERE false"
    body = " UNION ALL ".join(parts) or nothing
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        bench.execute(
            f"COPY (SELECT file, line, reason, row FROM ({body}) ORDER BY file_ix, ix)"
            f" TO {literal(str(path))} (FORMAT csv, HEADER true)"
        )
    except (OSError, duckdb.IOException) as error:
        raise GraphdetError(
            f"{path}: cannot be written ({first_words(error)}); is there room and permission?"
        ) from error


def check_share(rejects: Rejects, n_rows: int, config: Config, path: Path | None) -> None:
    """Check that not more than `[reject] max_share` of the rows were rejected; duplicates do not count.

    Raises:
        TooManyRejects: too many; gives counts by reason and the first example.
    """
    reasons = {reason: n for reason, n in rejects.by_reason.items() if reason != DUPLICATE}
    n_rejects = sum(reasons.values())
    if n_rejects <= config.max_reject_share * n_rows:
        return
    counts = ", ".join(f"{n} {reason}" for reason, n in reasons.items())
    see = f"; all are in {path}" if path is not None else ""
    raise TooManyRejects(
        f"{n_rejects} of {n_rows} rows cannot be used, more than [reject] max_share = "
        f"{config.max_reject_share:g}: {counts}; the first is {rejects.first}{see}. "
        "Mend the config or the log, or raise max_share"
    )


def _safe(path: str) -> str:
    return f"./{path}" if path[:1] in ("=", "+", "-", "@", "\t", "\r") else path


def _as_json(raw: RawFile) -> str:
    if raw.row_json is not None:
        return raw.row_json
    pairs = ", ".join(f"{literal(name)}, ({sql})::VARCHAR" for name, sql in raw.columns.items())
    return f"json_object({pairs})::VARCHAR"
