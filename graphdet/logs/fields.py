"""From raw columns to typed fields: the part of reading that each engine does with its own casts.

Narwhals has no cast that gives null instead of an error, and no time zones on text; so the typed fields are
SELECTed by DuckDB here, and everything that judges them is Narwhals (rules.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import narwhals as nw

from graphdet.config import Config, iso_ms
from graphdet.errors import ConfigError
from graphdet.logs.raw import ROW, RawFile, entity_column, first_words, literal
from graphdet.tables import Frame
from graphdet.units import DAY_MS

FACTORS_MS = {"s": 1000.0, "ms": 1.0, "us": 0.001}  # milliseconds in one unit
IDS = ("event_id", "user_id", "item_id", "session_id")
NUMBERS = ("amount", "quantity", "rating", "sign")
PACKED_ID_TYPES = (
    "user_id",
    "item_id",
    "session_id",
)  # stay whole numbers where the file has them so: far cheaper
_FLOATS = ("DOUBLE", "FLOAT")
_SMALL_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_INTEGERS = (*_SMALL_INTEGERS, "UBIGINT", "HUGEINT", "UHUGEINT")
# A time of day that carries its own offset or zone: "…T10:00:00Z", "…10:00:00.5+02:00", "…10:00:00
# Europe/Berlin".
_ISO_DAY = r"^\s*(\d+-\d+-\d+)([T\s].*)?$"
_UNIX = "1970-01-01"
_OWN_ZONE = r":\d\d(\.\d+)?\s*([zZ]|[+-]\d\d(:?\d\d)?|UTC|GMT|[A-Za-z]+/[A-Za-z_/]+)\s*$"


@dataclass(frozen=True)
class Fields:
    """The typed fields of a log, before any rule.

    `frame` has file_ix INTEGER, row and event_row BIGINT (in the file and in the input), wanted BOOLEAN;
    user_id, item_id and where mapped session_id VARCHAR, or BIGINT where every file has whole numbers; where
    mapped event_id, action, text, item_name VARCHAR; at_ms BIGINT, which is 0 in a log without times, and else
    time_given BOOLEAN, with a numeric unit time_number DOUBLE; NUMBERS DOUBLE, each with NAME_given; "attribute NAME"
    and "entity KIND" VARCHAR. Several item columns are "item COLUMN" each. `texts` names the ids that come from text
    and so may hold anything.
    """

    frame: Frame
    texts: frozenset[str]


def select_fields(bench: duckdb.DuckDBPyConnection, raws: Sequence[RawFile], config: Config) -> Fields:
    """Select the typed fields of all files, row numbers running on from file to file."""
    parts, first_row = [], 0
    texts: set[str] = set()
    for ix, raw in enumerate(raws):
        selected = ", ".join(f'{sql} AS "{name}"' for name, sql in _expressions(raw, config))
        parts.append(
            f"SELECT {ix} AS file_ix, {ROW} AS row, {ROW} + {first_row} AS event_row, {selected}"
            f" FROM {raw.source}"
        )
        texts |= {
            name for name, column in _id_columns(config) if raw.types[column] not in (*_INTEGERS, *_FLOATS)
        }
        first_row += raw.n_rows
    try:
        relation = bench.sql(" UNION ALL ".join(parts))
    except duckdb.InvalidInputException as error:
        if "format specifier" in str(error):
            raise ConfigError(f"config {config.name}: [time] unit: {first_words(error)}") from error
        raise
    return Fields(nw.from_native(relation), frozenset(texts))


def _id_columns(config: Config) -> Iterator[tuple[str, str]]:
    for name in (*IDS, "action"):
        column = getattr(config.columns, name)
        if isinstance(column, tuple):
            yield from ((f"item {part}", part) for part in column)
        elif column is not None:
            yield name, column
    for kind, column in config.entities.items():
        yield f"entity {kind}", entity_column(config, column)


def _expressions(raw: RawFile, config: Config) -> Iterator[tuple[str, str]]:
    columns = config.columns
    for name, column in _id_columns(config):
        whole = name in PACKED_ID_TYPES and raw.types[column] in _SMALL_INTEGERS
        yield name, f"{raw.columns[column]}::BIGINT" if whole else _as_text(raw, column)
    for name in ("text", "item_name"):
        column = getattr(columns, name)
        if column is not None:
            yield name, _as_text(raw, column)
    for name, column in attributes_of_config(config).items():
        yield f"attribute {name}", _as_text(raw, column)
    for name in NUMBERS:
        column = getattr(columns, name)
        if column is not None:
            number = f"TRY_CAST({raw.columns[column]} AS DOUBLE)"
            if name == "sign":
                text = f"trim({raw.columns[column]}::VARCHAR)"
                number = f"CASE WHEN {text} = '+' THEN 1 WHEN {text} IN ('-', '−') THEN -1 ELSE {number} END"
            yield name, number
            yield f"{name}_given", _given(raw, column)
    yield from _time(raw, config)
    if config.filters:
        yield "wanted", " AND ".join(_filter(raw, column, want) for column, want in config.filters.items())


def attributes_of_config(config: Config) -> dict[str, str]:
    """List the attributes of events (name → column); device_id and ip are ones unless they are entities."""
    attributes = dict(config.attributes)
    entities = {entity_column(config, column) for column in config.entities.values()}
    for name in ("device_id", "ip"):
        column = getattr(config.columns, name)
        if column is not None and column not in entities:
            attributes.setdefault(name, column)
    return attributes


def _as_text(raw: RawFile, column: str) -> str:
    """Write a column as text; a whole number stored as a float (for want of a null) loses its ".0"."""
    sql, kind = raw.columns[column], raw.types[column]
    if kind == "VARCHAR":
        return sql
    if kind in _FLOATS:
        whole = f"{sql} = trunc({sql}) AND abs({sql}) < 1e15"
        return f"CASE WHEN {whole} THEN {sql}::BIGINT::VARCHAR WHEN NOT isnan({sql}) THEN {sql}::VARCHAR END"
    return f"{sql}::VARCHAR"


def _given(raw: RawFile, column: str) -> str:
    sql = raw.columns[column]
    return f"trim({sql}) <> ''" if raw.types[column] == "VARCHAR" else f"{sql} IS NOT NULL"


def _time(raw: RawFile, config: Config) -> Iterator[tuple[str, str]]:
    time, column = config.time, config.columns.timestamp
    if column is None:
        yield "at_ms", "0::BIGINT"
        return
    sql, kind = raw.columns[column], raw.types[column]
    yield "time_given", f"coalesce({_given(raw, column)}, false)"
    dated = kind.startswith(("TIMESTAMP", "DATE"))
    if time.unit in ("day", "step") and not dated and (time.origin or kind in (*_INTEGERS, *_FLOATS)):
        step_ms = DAY_MS if time.step_s is None else time.step_s * 1000
        number = f"TRY_CAST({sql} AS DOUBLE)"
        yield "time_number", number
        yield "at_ms", f"TRY_CAST(floor({number}) * {step_ms!r} AS BIGINT) + {iso_ms(time.origin or _UNIX)}"
        return
    if time.unit == "day":
        yield "at_ms", f"TRY(epoch_ms({_day(sql, kind, time.zone)}::TIMESTAMP))"
        return
    if time.unit in FACTORS_MS and not dated:
        origin = f" + {iso_ms(time.origin)}" if time.origin else ""
        number = f"TRY_CAST({sql} AS DOUBLE)"
        yield "time_number", number
        if kind in _INTEGERS and time.unit == "ms":
            yield "at_ms", f"TRY_CAST({sql} AS BIGINT){origin}"
        else:
            yield "at_ms", f"TRY_CAST(round({number} * {FACTORS_MS[time.unit]!r}) AS BIGINT){origin}"
        return
    if kind == "TIMESTAMP WITH TIME ZONE":
        yield "at_ms", f"epoch_ms({sql})"
    elif kind.startswith(("TIMESTAMP", "DATE")):
        yield "at_ms", _in_zone(f"{sql}::TIMESTAMP", time.zone)
    elif time.unit == "iso":
        text = f"trim({sql}::VARCHAR)"
        own = f"TRY(epoch_ms(TRY_CAST({text} AS TIMESTAMPTZ)))"
        naive = _in_zone(f"TRY_CAST({text} AS TIMESTAMP)", time.zone)
        yield "at_ms", f"CASE WHEN regexp_matches({text}, {literal(_OWN_ZONE)}) THEN {own} ELSE {naive} END"
    else:
        parsed = f"try_strptime(trim({sql}::VARCHAR), {literal(time.unit)})"
        yield "at_ms", f"TRY(epoch_ms({parsed}))" if "%z" in time.unit else _in_zone(parsed, time.zone)


def _day(sql: str, kind: str, zone: str) -> str:
    """Write the day of a time, as a DATE: in the zone where it is a moment, else as it is written."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"timezone({literal(zone)}, {sql})::DATE"
    if kind.startswith(("TIMESTAMP", "DATE")):
        return f"{sql}::DATE"
    return f"TRY_CAST(regexp_extract({sql}::VARCHAR, {literal(_ISO_DAY)}, 1) AS DATE)"


def _in_zone(naive: str, zone: str) -> str:
    """Write the milliseconds of a time that carries no zone; TRY, because infinity is a timestamp, too."""
    return (
        f"TRY(epoch_ms({naive}))" if zone == "UTC" else f"TRY(epoch_ms(timezone({literal(zone)}, {naive})))"
    )


def _filter(raw: RawFile, column: str, want: object) -> str:
    sql = raw.columns[column]
    number, text = f"TRY_CAST({sql} AS DOUBLE)", _as_text(raw, column)
    if isinstance(want, dict):
        ends = [f"{number} {op} {want[key]!r}" for key, op in (("min", ">="), ("max", "<=")) if key in want]
        return f"coalesce({' AND '.join(ends)}, false)"
    tests = []
    for value in want if isinstance(want, list | tuple) else [want]:
        if isinstance(value, bool):
            tests.append(f"TRY_CAST({text} AS BOOLEAN) = {value}")
        elif isinstance(value, int | float):
            tests.append(f"{number} = {value!r}")
        else:
            tests.append(f"coalesce(trim({text}), '') = {literal(str(value))}")  # "" also is no value
    return f"coalesce({' OR '.join(tests)}, false)"
