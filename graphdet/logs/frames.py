"""A log in memory: frames of pandas, polars, pyarrow or DuckDB become an Arrow table and the config that reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from graphdet.config import Columns, Config, parse_config
from graphdet.errors import ConfigError, InputError, UsageError
from graphdet.files import replacing
from graphdet.logs.files import LogFile
from graphdet.logs.raw import missing_column, shown, wanted_columns

FRAME = "frame"  # what messages call it
REQUIRED = ("user_id", "item_id", "timestamp")
ASKED_FOR = ("payee", "rating", "sign")  # what changes what a row stands for is never taken from a mere name
KNOWN = tuple(field.name for field in fields(Columns) if field.name not in ASKED_FOR)
_EARLIEST_S, _LATEST_S = 631_152_000, 4_102_444_800  # 1990 and 2100: between them a number has one unit only
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}


def column_names(frame: Any) -> list[str]:
    """Names of a frame's columns.

    Raises:
        UsageError: it is no frame.
    """
    return [str(name) for name in _narwhals(frame).collect_schema().names()]


def to_arrow(frame: Any, names: Sequence[str] | None = None) -> pa.Table:
    """Copy some columns of a frame into Arrow, None for all; texts become plain strings, categories their texts.

    Raises:
        UsageError: it is no frame.
        InputError: a column holds what is no column of one type, such as numbers and texts side by side.
    """
    wanted = _narwhals(frame)
    if names is not None:
        wanted = wanted.select(*names)
    try:
        table = (wanted.collect("pyarrow") if isinstance(wanted, nw.LazyFrame) else wanted).to_arrow()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"the frame has a column of no single type ({str(error).splitlines()[0]}); convert it, for example "
            "with frame[COLUMN].astype(str)"
        ) from error
    columns = [_plain(column) for column in table.columns]
    return pa.table(columns, names=list(map(str, table.column_names)))


def _narwhals(frame: Any) -> nw.DataFrame[Any] | nw.LazyFrame[Any]:
    try:
        known: nw.DataFrame[Any] | nw.LazyFrame[Any] = nw.from_native(frame)
    except TypeError as error:
        raise UsageError(
            f"a {type(frame).__name__} is no log; give a frame of pandas, polars, pyarrow or DuckDB, a path, or "
            "a list of paths"
        ) from error
    return known


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values without what only one library has: categories, large strings."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    text = pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return column.cast(pa.string()) if text else column


def write_frame(
    frame: Any, path: Path, config: Config | Mapping[str, Any] | None
) -> tuple[Config, list[str]]:
    """Write a frame's log to a Parquet file; gives the config that reads it, and the assumptions made, for people.

    config: a whole one; or tables as in TOML, of which `[columns]` and the unit of `[time]` may be missing: then
    columns are known by their names (those of `[columns]`), and the unit by the type and the values of the times.

    Raises:
        UsageError: it is no frame, or nobody can tell from it what the config leaves out.
        ConfigError: the config is wrong.
        InputError: a column is missing or of no single type.
        GraphdetError: the file cannot be written.
    """
    have = column_names(frame)
    said: list[str] = []
    if not isinstance(config, Config):
        tables: dict[str, Any] = dict(config or {})
        if "columns" not in tables:
            tables["columns"] = _by_name(have)
        at = tables["columns"].get("timestamp") if isinstance(tables["columns"], Mapping) else None
        time = dict(tables.get("time") or {})
        if "unit" not in time and at in have:
            time["unit"], said = _unit(to_arrow(frame, [at])[at], at, "zone" in time)
        config = parse_config(tables | {"time": time}, name=FRAME, where=FRAME)
    for name, place in wanted_columns(config).items():
        if name not in have:
            raise missing_column(LogFile(FRAME, "parquet", None), name, place, have)
    table = to_arrow(frame, list(wanted_columns(config)))
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", store_schema=False)
    return config, said


def _by_name(have: Sequence[str]) -> dict[str, str]:
    """Columns known by their names.

    Raises:
        ConfigError: one of those that every log has is missing.

    >>> _by_name(["user_id", "item_id", "timestamp", "action", "colour"])
    {'user_id': 'user_id', 'item_id': 'item_id', 'timestamp': 'timestamp', 'action': 'action'}
    """
    missing = [name for name in REQUIRED if name not in have]
    if missing:
        example = ", ".join(f"{name!r}: 'YOUR_COLUMN'" for name in REQUIRED)
        raise ConfigError(
            f"the frame has no column {' and none '.join(map(repr, missing))}; rename yours, or say which column holds "
            f"what: config={{'columns': {{{example}}}}} (of a log without times leave out 'timestamp'). "
            f"The columns are {shown(have)}"
        )
    return {name: name for name in KNOWN if name in have}


def _unit(column: pa.ChunkedArray, name: str, has_zone: bool) -> tuple[str, list[str]]:
    """The unit of `[time]` that a column is written in, and what was assumed.

    Raises:
        ConfigError: it holds numbers whose unit cannot be told, or no times at all.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        naive = pa.types.is_timestamp(kind) and kind.tz is None and not has_zone
        return "iso", [f"The times in {name!r} name no zone and were read as UTC."] if naive else []
    if pa.types.is_string(kind):
        return "iso", []
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _unit_of_numbers(column, name)
    raise ConfigError(
        f"the column {name!r} holds {kind}, which is no time; give dates and times, texts such as "
        "2026-01-31T12:00:00Z, or numbers with config={'time': {'unit': 'ms'}}"
    )


def _unit_of_numbers(column: pa.ChunkedArray, name: str) -> tuple[str, list[str]]:
    """The only unit in which all numbers lie between 1990 and 2100."""
    ends = pc.min_max(column)
    first, last = ends["min"].as_py(), ends["max"].as_py()
    for unit, factor in _PER_SECOND.items():
        if first is not None and first / factor >= _EARLIEST_S and last / factor < _LATEST_S:
            begins, ended = (datetime.fromtimestamp(at / factor, UTC).date() for at in (first, last))
            return unit, [
                f"The numbers in {name!r} were read as {_WORDS[unit]} since 1970, from {begins} to {ended} (UTC)."
            ]
    raise ConfigError(
        f"the numbers in {name!r}, from {first} to {last}, are no times between 1990 and 2100 in any one unit; say how "
        "they count: config={'time': {'unit': 's'}} (or 'ms', 'us', with 'origin': '2018-01-01' where they begin "
        "elsewhere)"
    )
