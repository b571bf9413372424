"""From raw columns to typed fields: the part of reading that each engine does with its own casts.

Narwhals has no cast that gives null instead of an error, and no time zones on text; so the typed fields are
SELECTed by DuckDB here, and everything that judges them is Narwhals (rules.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import duckdb
import narwhals as nw

from graphdet.config import Config
from graphdet.errors import ConfigError
from graphdet.logs.raw import ROW, RawFile, entity_column, first_words, literal
from graphdet.logs.times import time_fields
from graphdet.logs.values import (
    BIGINT_TYPES,
    FLOAT_TYPES,
    WHOLE_TYPES,
    as_id,
    as_text,
    given,
    is_nothing,
    number_sql,
    trimmed,
    without,
    wrong_shape,
)
from graphdet.tables import Frame

IDS = ("event_id", "user_id", "item_id", "session_id")
NUMBERS = ("amount", "quantity", "rating", "sign")
LINKING = ("device_id", "ip")  # attributes that two accounts can share
PACKED_ID_TYPES = (
    "user_id",
    "item_id",
    "session_id",
)  # stay whole numbers where the file has them so: far cheaper


@dataclass(frozen=True)
class Fields:
    """The typed fields of a log, before any rule.

    `frame` has file_ix INTEGER, row and event_row BIGINT (in the file and in the input), wanted BOOLEAN;
    user_id, item_id and where mapped session_id VARCHAR, or BIGINT where every file has whole numbers; where
    mapped event_id, action, text, item_name VARCHAR; at_ms BIGINT, which is 0 in a log without times, and else
    time_given BOOLEAN, with a numeric unit time_number DOUBLE; NUMBERS DOUBLE, each with NAME_given; "attribute NAME"
    and "entity KIND" VARCHAR; `shape` VARCHAR, the reason against an id that is not one value.
    Ids are trimmed. Several item columns are "item COLUMN" each. `texts` names the ids that come from text
    and so may hold anything.
    """

    frame: Frame
    texts: frozenset[str]


def select_fields(bench: duckdb.DuckDBPyConnection, raws: Sequence[RawFile], config: Config) -> Fields:
    """Select the typed fields of all files, row numbers running on from file to file."""
    parts, first_row = [], 0
    texts: set[str] = set()
    for ix, raw in enumerate(raws):
        raw = _without_words(raw, config)
        selected = ", ".join(f'{sql} AS "{name}"' for name, sql in _expressions(raw, config))
        parts.append(
            f"SELECT {ix} AS file_ix, {ROW} AS row, {ROW} + {first_row} AS event_row, {selected}"
            f" FROM (SELECT *{_trimmed_ids(raw, config)} FROM {raw.source})"
        )
        texts |= {
            name
            for name, column in _id_columns(config)
            if raw.types[column] not in (*WHOLE_TYPES, *FLOAT_TYPES)
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


def _without_words(raw: RawFile, config: Config) -> RawFile:
    """Take away what `[read] null` says is no value."""
    words = config.read.null
    if not words:
        return raw
    columns = {name: without(sql, raw.types[name], words) for name, sql in raw.columns.items()}
    return replace(raw, columns=columns)


def cleaned_columns(config: Config) -> dict[str, str]:
    """List what is cleaned as an id (name of the field → column): ids, entities, and the attributes that link
    accounts."""
    found = dict(_id_columns(config))
    found |= {f"attribute {n}": c for n, c in attributes_of_config(config).items() if n in LINKING}
    return found


def _trimmed_ids(raw: RawFile, config: Config) -> str:
    found = [
        f', {trimmed(_text(raw, column))} AS "trimmed {name}"'
        for name, column in cleaned_columns(config).items()
        if not _is_packed(raw, name, column)
    ]
    return "".join(found)


def _is_packed(raw: RawFile, name: str, column: str) -> bool:
    return name in PACKED_ID_TYPES and raw.types[column] in BIGINT_TYPES


def _text(raw: RawFile, column: str) -> str:
    return as_text(raw.columns[column], raw.types[column])


def _expressions(raw: RawFile, config: Config) -> Iterator[tuple[str, str]]:
    columns = config.columns
    shapes = []
    for name, column in cleaned_columns(config).items():
        if _is_packed(raw, name, column):
            yield name, f"{raw.columns[column]}::BIGINT"
            continue
        text = f'"trimmed {name}"'
        links = name.startswith(("entity ", "attribute ")) and config.read.null != ()
        value = as_id(text) if name != "action" else text
        yield name, f"CASE WHEN NOT {is_nothing(text)} THEN {value} END" if links else value
        shape = wrong_shape(text, raw.columns[column], raw.types[column], raw.kinds.get(column))
        if shape is not None and name != "action":
            shapes.append(f"{literal(name.removeprefix('attribute '))} || ' ' || {shape}")
    yield "shape", f"coalesce({', '.join(shapes)})" if shapes else "NULL::VARCHAR"
    for name in ("text", "item_name"):
        column = getattr(columns, name)
        if column is not None:
            yield name, _text(raw, column)
    for name, column in attributes_of_config(config).items():
        if name not in LINKING:
            yield f"attribute {name}", _text(raw, column)
    for name in NUMBERS:
        column = getattr(columns, name)
        if column is not None:
            number = number_sql(raw.columns[column], raw.types[column], config.read.decimal)
            if name == "sign":
                text = f"trim({raw.columns[column]}::VARCHAR)"
                number = f"CASE WHEN {text} = '+' THEN 1 WHEN {text} IN ('-', '−') THEN -1 ELSE {number} END"
            yield name, number
            yield f"{name}_given", given(raw, column)
    yield from time_fields(raw, config)
    if config.filters:
        yield (
            "wanted",
            " AND ".join(_filter(raw, column, want, config) for column, want in config.filters.items()),
        )


def attributes_of_config(config: Config) -> dict[str, str]:
    """List the attributes of events (name → column); device_id and ip are ones unless they are entities."""
    attributes = dict(config.attributes)
    entities = {entity_column(config, column) for column in config.entities.values()}
    for name in ("device_id", "ip"):
        column = getattr(config.columns, name)
        if column is not None and column not in entities:
            attributes.setdefault(name, column)
    return attributes


def _filter(raw: RawFile, column: str, want: object, config: Config) -> str:
    sql = raw.columns[column]
    number, text = number_sql(sql, raw.types[column], config.read.decimal), _text(raw, column)
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
