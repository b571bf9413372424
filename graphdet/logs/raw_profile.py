"""What the columns of a log file hold, before any rule looks at them: missing, distinct, examples of their ends."""

from dataclasses import dataclass

import duckdb

from graphdet.logs.raw import RawFile

_MOST_COLUMNS = 300
_SHOWN = 80  # characters of a value


@dataclass(frozen=True)
class ColumnProfile:
    """One column of one file. Blanks and NaN count as missing.

    low and high are the first and the last value: by size where the type is a number or a time, else by their bytes.
    """

    name: str
    type: str
    n: int
    n_missing: int
    n_distinct: int
    low: str | None
    high: str | None


def profile_columns(bench: duckdb.DuckDBPyConnection, raw: RawFile) -> list[ColumnProfile]:
    """Profile every column of a file in one pass, the mapped ones and the others; at most 300.

    By hand in SQL: looks at raw types and casts that give null are each engine's own.
    """
    names = list(raw.columns)[:_MOST_COLUMNS]
    if not names or not raw.n_rows:
        return [ColumnProfile(name, raw.types[name], 0, 0, 0, None, None) for name in names]
    parts, kinds = [], []
    for name in names:
        sql, kind = raw.columns[name], raw.types[name]
        value = sql
        if kind == "VARCHAR":
            value = f"nullif(trim({sql}, e' \\t\\r\\n'), '')"
        elif kind in ("DOUBLE", "FLOAT"):
            value = f"CASE WHEN NOT isnan({sql}) THEN {sql} END"
        plain = kind.isupper() and "(" not in kind and "[" not in kind  # no STRUCT, LIST, MAP, DECIMAL
        ends = value if plain else f"({value})::VARCHAR"
        if kind == "VARCHAR":
            # Numbers written as text have numbers for ends, when all of them are.
            number = f"TRY_CAST({value} AS DOUBLE)"
            whole = f"count({number}) = count({value})"
            low = f"CASE WHEN {whole} THEN {_plain(f'min({number})')} ELSE left(min({ends}), {_SHOWN}) END"
            high = f"CASE WHEN {whole} THEN {_plain(f'max({number})')} ELSE left(max({ends}), {_SHOWN}) END"
        else:
            low, high = (f"left(({end}({ends}))::VARCHAR, {_SHOWN})" for end in ("min", "max"))
        # DuckDB's estimate is off by a fifth at times; of texts the hashes take less room than the texts.
        told = (
            value if plain and kind != "VARCHAR" else f"CASE WHEN {value} IS NOT NULL THEN hash({value}) END"
        )
        parts += [f"count({value})", f"count(DISTINCT {told})", low, high]
        kinds.append(kind)
    row = bench.execute(f"SELECT count(*), {', '.join(parts)} FROM {raw.source}").fetchone()
    assert row is not None
    n = int(row[0])
    found = []
    for k, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        known, distinct, low, high = row[1 + 4 * k : 5 + 4 * k]
        found.append(ColumnProfile(name, kind, n, n - known, int(distinct), low, high))
    return found


def _plain(number: str) -> str:
    """Write a number as text, whole ones without a decimal point."""
    return f"regexp_replace(({number})::VARCHAR, '\\.0$', '')"
