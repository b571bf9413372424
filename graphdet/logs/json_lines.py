"""JSON lines: one object a line; each line is kept as text, so its number and content are at hand for
rejects."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from graphdet.config import Config
from graphdet.errors import InputError
from graphdet.logs.files import LogFile, as_utf8, count_lines, load_lines, read_head
from graphdet.logs.raw import (
    ROW,
    RawFile,
    count,
    fresh_name,
    literal,
    missing_column,
    path_columns,
    wanted_columns,
)


def read_json_lines(
    bench: duckdb.DuckDBPyConnection, file: LogFile, config: Config, scratch: Path
) -> RawFile:
    """Load a file of JSON objects, one a line; `a.b` names the key b of the object under a.

    Raises:
        InputError: the file is empty, truncated, one JSON array, or no object has a mapped key.
    """
    file = as_utf8(file.limited(config.read), config.read.encoding, scratch)
    head = read_head(file)
    if _is_array(head):
        raise InputError(f"{file.path}: is one JSON array; {_way_out(head)}")
    lines, table = fresh_name("lines"), fresh_name("raw")
    if file.compression and not file.utf8:
        count_lines(file)  # a bomb is refused before anything of it is kept
    load_lines(bench, file, lines)
    bench.execute(
        f"CREATE TEMP TABLE {table} AS SELECT n, text, row_number() OVER (ORDER BY n) - 1 AS {ROW},"
        " CASE WHEN text IS NULL THEN 'not UTF-8' WHEN NOT json_valid(text) THEN 'not valid JSON'"
        " WHEN json_type(text) <> 'OBJECT' THEN 'not a JSON object'"
        f" WHEN {_doubled(wanted_columns(config))} THEN 'a key stands twice in the object' END AS reason"
        f" FROM {lines} WHERE text IS NULL OR trim(text) <> ''"
    )
    bench.execute(f"DROP TABLE {lines}")
    good = f"(SELECT * FROM {table} WHERE reason IS NULL)"
    n_rows, n_good = (
        count(bench, f"SELECT count(*) FROM {table}"),
        count(bench, f"SELECT count(*) FROM {good}"),
    )
    if not n_good:
        raise InputError(f"{file.path}: no line is a JSON object; {_way_out(head)}")
    wanted = wanted_columns(config)
    keys = {name: _extract(name) for name in wanted}
    of_path = _check_keys_exist(bench, file, good, keys, wanted)
    columns = keys | of_path
    has_bad = n_good < n_rows
    return RawFile(
        file=file,
        source=good,
        columns=columns,
        types=dict.fromkeys(columns, "VARCHAR"),
        n_rows=n_rows,
        bad=f"SELECT {ROW} AS row, reason, coalesce(text, '') AS raw FROM {table} WHERE reason IS NOT NULL"
        if has_bad
        else None,
        lines=f"SELECT {ROW} AS row, n AS line FROM {table}",
        kinds={name: _extract(name, "json_type") for name in columns if name not in of_path},
        row_json="text",
    )


def _check_keys_exist(
    bench: duckdb.DuckDBPyConnection,
    file: LogFile,
    good: str,
    columns: Mapping[str, str],
    wanted: Mapping[str, str],
) -> dict[str, str]:
    """Check that every key that the config names is in some object; gives those that only the file's path has.

    Raises:
        InputError: one is in none.
    """
    found = bench.execute(
        f"SELECT {', '.join(f'count({e})' for e in columns.values())} FROM {good}"
    ).fetchone()
    assert found is not None
    in_path = path_columns(file, ())
    of_path = {}
    for (name, place), n in zip(wanted.items(), found, strict=True):
        if not n and name in in_path:
            of_path[name] = in_path[name]
        elif not n:
            keys = bench.execute(
                f"SELECT DISTINCT unnest(json_keys(text)) AS k FROM (FROM {good} LIMIT 1000) ORDER BY k"
            ).fetchall()
            if name not in {key for (key,) in keys}:
                if len(keys) == 1 and count(bench, f"SELECT count(*) FROM {good}") == 1:
                    raise InputError(
                        f"{file.path}: is one object with the key {keys[0][0]!r} alone; if that holds the rows: "
                        f"jq -c '.{keys[0][0]}[]' FILE > FILE.jsonl"
                    )
                raise missing_column(file, name, place, [key for (key,) in keys])
    return of_path


def _doubled(names: Iterable[str]) -> str:
    """Write whether one of these keys of an object stands there twice."""
    listed = ", ".join(literal(name.split(".")[0]) for name in names)
    mine = f"list_filter(json_keys(text), lambda k: k IN ({listed}))"
    return f"len({mine}) > len(list_distinct({mine}))"


def _is_array(head: bytes) -> bool:
    """Whether one array runs over the lines of a text."""
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0].rstrip()
    return first == b"[" or (first.startswith(b"[{") and first.endswith(b","))


def _way_out(head: bytes) -> str:
    """Say how JSON that is not written in lines becomes so."""
    start = b"".join(head.removeprefix(b"\xef\xbb\xbf").split())
    if start.startswith(b"["):
        return "write one object a line: jq -c '.[]' FILE > FILE.jsonl"
    if start.startswith(b'{"'):
        return (
            "its objects run over several lines (pretty-printed); write one a line: jq -c . FILE > FILE.jsonl"
        )
    return "write one object a line (an array becomes that with: jq -c '.[]' FILE), or name the file for what it is"


def _extract(name: str, function: str = "json_extract_string") -> str:
    """Write the expression of a key; a dotted name also reaches into nested objects."""
    parts = ['"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in name.split(".")]
    whole = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    direct = f"{function}(text, {literal('$.' + whole)})"
    if len(parts) == 1:
        return direct
    return f"coalesce({direct}, {function}(text, {literal('$.' + '.'.join(parts))}))"
