"""When a row happened, as SQL: numbers in a unit, ISO 8601 in every spelling, days, formats, two columns.

ISO times are cast by DuckDB where it knows the spelling, which is fast. The others are taken apart: week dates
(2024-W09-5), ordinal dates (2024-061), basic format (20240301T100000Z), reduced precision (2024-03, T10Z), fractions
of the last part with point or comma, and a zone in brackets as Java and JavaScript write it
(2024-03-01T10:00:00Z[Europe/Berlin]; an offset before it wins). 24:00 is the start of the next day, and a leap
second (23:59:60) the first moment of the next minute, as clocks of computers count it. A bare year is no time: it says
too little.

A zone that stands in the text wins over the config's. In the config's zone a local time may not exist, when clocks go
forward: it is moved on by as much (02:30 becomes 03:30). One that exists twice, when they go back, is the later one.
Both are counted, as `time_odd`.
"""

import functools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from graphdet.config import Config, iso_ms
from graphdet.logs.raw import RawFile, literal
from graphdet.logs.values import FLOAT_TYPES, WHOLE_TYPES, given, number_sql
from graphdet.units import DAY_MS

FACTORS_MS = {"s": 1000.0, "ms": 1.0, "us": 0.001, "ns": 0.000001}  # milliseconds in one unit
EXCEL_ORIGIN = "1899-12-30"  # day 0 of spreadsheets, from 1900-03-01 on
_UNIX = "1970-01-01"
_ISO_DAY = r"^\s*(\d+-\d+-\d+)([T\s].*)?$"
# A time of day that carries its own offset or zone: "…T10:00:00Z", "…10:00:00.5+02:00", "…10:00:00
# Europe/Berlin".
_OWN_ZONE = r":\d\d(\.\d+)?\s*([zZ]|[+-]\d\d(:?\d\d)?|UTC|GMT|[A-Za-z]+/[A-Za-z0-9_/+-]+)\s*$"
_TAGS = r"(\[!?[a-z][a-z0-9-]*=[^\]]*\])+$"  # behind a time: [u-ca=iso8601]
_BRACKETS = r"\s*\[!?([A-Za-z][A-Za-z0-9_+/-]*)\]$"  # the zone in brackets
_ENDS_IN_OFFSET = r"[Tt\s]\d[\d:.,]*\s*([zZ]|[+-]\d\d(:?\d\d)?)$"
_DATE = r"(\d{4}-W\d\d(?:-[1-7])?|\d{4}W\d\d[1-7]?|\d{4}-\d\d-\d\d|\d{8}|\d{4}-\d{3}|\d{7}|\d{4}-\d\d)"
_CLOCK = r"(\d\d)(?::?([0-5]\d)(?::?([0-5]\d|60))?)?(?:\.(\d+))?"
_OFFSET = r"\s*(Z|[+-]\d\d(?::?\d\d)?)?"
_ISO = rf"^(?:\+00)?{_DATE}(?:(?:T|\s+){_CLOCK}{_OFFSET})?$"


def time_fields(raw: RawFile, config: Config) -> Iterator[tuple[str, str]]:
    """Write the fields of a row's time (name, SQL): at_ms, and where the log has times what was given.

    With a numeric unit `time_number` is the number itself. Where clocks of the config's zone change, `time_odd` says
    SKIPPED_TIME or DOUBLE_TIME of local times that are.
    """
    fields = dict(_fields(raw, config))
    if config.columns.timestamp is not None and _days_of_changes(config.time.zone):
        fields["time_odd"] = fields.pop(
            "time_odd", "NULL::VARCHAR"
        )  # all files of a log have the same, in one order
    yield from fields.items()


def _fields(raw: RawFile, config: Config) -> Iterator[tuple[str, str]]:
    time, columns = config.time, config.columns.timestamp
    if columns is None:
        yield "at_ms", "0::BIGINT"
        return
    sql, kind, was_given = _written(raw, columns)
    yield "time_given", f"coalesce({was_given}, false)"
    dated = kind.startswith(("TIMESTAMP", "DATE"))
    numeric = kind in (*WHOLE_TYPES, *FLOAT_TYPES)
    if time.unit in ("day", "step") and not dated and (time.origin or numeric):
        step_ms = DAY_MS if time.step_s is None else time.step_s * 1000
        number = number_sql(sql, kind, config.read.decimal)
        yield "time_number", number
        yield "at_ms", f"TRY_CAST(floor({number}) * {step_ms!r} AS BIGINT) + {iso_ms(time.origin or _UNIX)}"
    elif time.unit == "day":
        yield "at_ms", f"TRY(epoch_ms({_day(sql, kind, time.zone)}::TIMESTAMP))"
    elif time.unit in (*FACTORS_MS, "excel") and not dated:
        yield from _counted(sql, kind, config)
    elif kind == "TIMESTAMP WITH TIME ZONE":
        yield "at_ms", f"epoch_ms({sql})"
    elif dated:
        yield "at_ms", in_zone(f"{sql}::TIMESTAMP", time.zone)
        yield from _odd(f"{sql}::TIMESTAMP", time.zone)
    elif time.unit == "iso":
        text = f"trim({sql}::VARCHAR)"
        yield "at_ms", _iso(text, time.zone)
        naive = f"CASE WHEN NOT regexp_matches({text}, {literal(_OWN_ZONE)}) THEN TRY_CAST({text} AS TIMESTAMP) END"
        yield from _odd(f"coalesce({naive}, {_taken_apart(text, None)})", time.zone)
    else:
        parsed = f"try_strptime(trim({sql}::VARCHAR), {literal(time.unit)})"
        if re.search(r"(?<!%)(?:%%)*%[zZ]", time.unit):
            yield "at_ms", f"TRY(epoch_ms({parsed}))"
        else:
            yield "at_ms", in_zone(parsed, time.zone)
            yield from _odd(parsed, time.zone)


def _written(raw: RawFile, columns: str | tuple[str, ...]) -> tuple[str, str, str]:
    """Give the SQL of a time as it stands in the log, its type, and the SQL of whether there is one."""
    if isinstance(columns, str):
        return raw.columns[columns], raw.types[columns], given(raw, columns)
    parts = [f"trim({raw.columns[column]}::VARCHAR)" for column in columns]
    day = raw.columns[columns[0]]
    if raw.types[columns[0]].startswith(("TIMESTAMP", "DATE")):
        parts[0] = f"({day})::DATE::VARCHAR"
    return " || ' ' || ".join(parts), "VARCHAR", " AND ".join(given(raw, column) for column in columns)


def _counted(sql: str, kind: str, config: Config) -> Iterator[tuple[str, str]]:
    """Write times that are counts of a unit from an origin on."""
    time = config.time
    number = number_sql(sql, kind, config.read.decimal)
    yield "time_number", number
    if time.unit == "excel":
        local = f"TRY_CAST(round({number} * {DAY_MS}) AS BIGINT) + {iso_ms(time.origin or EXCEL_ORIGIN)}"
        yield "at_ms", local if time.zone == "UTC" else in_zone(f"TRY(make_timestamp_ms({local}))", time.zone)
        return
    origin = f" + {iso_ms(time.origin)}" if time.origin else ""
    if kind in WHOLE_TYPES and time.unit == "ms":
        yield "at_ms", f"TRY_CAST({sql} AS BIGINT){origin}"
    else:
        yield "at_ms", f"TRY_CAST(round({number} * {FACTORS_MS[time.unit]!r}) AS BIGINT){origin}"


def _iso(text: str, zone: str) -> str:
    """Write the milliseconds of an ISO time; with a zone in brackets only where there is one, as that takes long."""
    untagged = f"regexp_replace({text}, {literal(_TAGS)}, '')"
    offset = f"regexp_replace({untagged}, {literal(_BRACKETS)}, '')"
    named = f"regexp_replace({untagged}, {literal(_BRACKETS)}, {literal(' ' + chr(92) + '1')})"
    has_offset = f"regexp_matches({offset}, {literal(_ENDS_IN_OFFSET)})"
    plain = f"CASE WHEN {has_offset} THEN {offset} ELSE {named} END"
    return f"CASE WHEN ends_with({text}, ']') THEN {_unbracketed(plain, zone)} ELSE {_unbracketed(text, zone)} END"


def _unbracketed(text: str, zone: str) -> str:
    own = f"TRY(epoch_ms(TRY_CAST({text} AS TIMESTAMPTZ)))"
    naive = in_zone(f"TRY_CAST({text} AS TIMESTAMP)", zone)
    usual = f"CASE WHEN regexp_matches({text}, {literal(_OWN_ZONE)}) THEN {own} ELSE {naive} END"
    return f"coalesce({usual}, {_taken_apart(text, zone)})"


def _taken_apart(text: str, zone: str | None) -> str:
    """Write the milliseconds of an ISO time that DuckDB's cast does not know; null where it is none.

    Without a zone: the local time as a TIMESTAMP, null where the text has a zone of its own.
    """
    text = f"replace(replace(upper({text}), ',', '.'), '−', '-')"

    def part(k: int) -> str:
        return f"regexp_extract({text}, {literal(_ISO)}, {k})"

    def whole(k: int) -> str:
        return f"coalesce(TRY_CAST({part(k)} AS BIGINT), 0)"

    hour, minute, second, fraction = whole(2), whole(3), whole(4), part(5)
    last = f"CASE WHEN {part(4)} <> '' THEN 1000 WHEN {part(3)} <> '' THEN 60000 ELSE 3600000 END"
    rest = f"floor(coalesce(TRY_CAST('0.' || {fraction} AS DOUBLE), 0) * {last})::BIGINT"
    clock = f"({hour} * 3600000 + {minute} * 60000 + {second} * 1000 + {rest})"
    local = f"epoch_ms({_date(part(1))}::TIMESTAMP) + {clock}"
    digits = f"replace({part(6)}, ':', '')"
    minutes = f"({digits}[2:3]::BIGINT * 60 + coalesce(TRY_CAST({digits}[4:5] AS BIGINT), 0))"
    offset = f"CASE {digits}[1] WHEN 'Z' THEN 0 WHEN '+' THEN -{minutes} ELSE {minutes} END * 60000"
    if zone is None:
        naive = f"CASE WHEN {part(6)} = '' THEN make_timestamp_ms({local}) END"
        return (
            f"CASE WHEN regexp_matches({text}, {literal(_ISO)}) AND {clock} <= {DAY_MS} THEN TRY({naive}) END"
        )
    moment = f"CASE WHEN {part(6)} = '' THEN {in_zone(f'make_timestamp_ms({local})', zone)} ELSE {local} + {offset} END"
    return f"CASE WHEN regexp_matches({text}, {literal(_ISO)}) AND {clock} <= {DAY_MS} THEN TRY({moment}) END"


def _date(text: str) -> str:
    """Write the day of an ISO date in any spelling; its length tells which one it is."""
    plain = f"replace({text}, '-', '')"
    week = _strict(f"{plain}[1:7] || coalesce(nullif({plain}[8], ''), '1')", "%GW%V%u")
    month = _strict(f"{plain} || '01'", "%Y%m%d")
    return (
        f"CASE WHEN contains({plain}, 'W') THEN {week}"
        f" WHEN length({plain}) = 7 THEN {_strict(plain, '%Y%j')}"
        f" WHEN length({plain}) = 6 THEN {month}"
        f" ELSE {_strict(plain, '%Y%m%d')} END"
    )


def _strict(text: str, form: str) -> str:
    """Write a day in a format; null for one that the year does not have, such as day 366 of 2023."""
    day = f"try_strptime({text}, '{form}')"
    return f"CASE WHEN strftime({day}, '{form}') = ({text}) THEN {day} END"


def _day(sql: str, kind: str, zone: str) -> str:
    """Write the day of a time, as a DATE: in the zone where it is a moment, else as it is written."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"timezone({literal(zone)}, {sql})::DATE"
    if kind.startswith(("TIMESTAMP", "DATE")):
        return f"{sql}::DATE"
    usual = f"TRY_CAST(regexp_extract({sql}::VARCHAR, {literal(_ISO_DAY)}, 1) AS DATE)"
    other = f"regexp_extract(upper(trim({sql}::VARCHAR)), {literal(_ISO)}, 1)"
    return f"coalesce({usual}, TRY({_date(other)}::DATE))"


SKIPPED_TIME, DOUBLE_TIME = "missing", "double"  # what `time_odd` says of a local time


def _odd(naive: str, zone: str) -> Iterator[tuple[str, str]]:
    """Write the field time_odd, where the zone changes its clocks: whether a local time does not exist, or does twice.

    Only times near a change are looked at, as a look costs more than all the rest.
    """
    days = _days_of_changes(zone)
    if not days:
        return
    listed = ", ".join(f"DATE '{day}'" for day in days)

    def local(shift: str = "") -> str:
        return f"timezone({literal(zone)}, timezone({literal(zone)}, naive){shift})"

    twice = " OR ".join(
        f"{local(f' {sign} INTERVAL {minutes} MINUTE')} = naive" for sign in "+-" for minutes in (30, 60, 120)
    )
    odd = f"CASE WHEN {local()} <> naive THEN '{SKIPPED_TIME}' WHEN {twice} THEN '{DOUBLE_TIME}' END"
    look = odd.replace("naive", f"({naive})")
    yield "time_odd", f"CASE WHEN ({naive})::DATE IN ({listed}) THEN TRY({look}) END"


@functools.cache
def _days_of_changes(zone: str) -> tuple[str, ...]:
    """List the local days on which clocks of a zone are changed, from 1970 to 2040."""
    place, days = ZoneInfo(zone), set()
    noon = datetime(1970, 1, 1, 12, tzinfo=UTC)
    before = noon.astimezone(place).utcoffset()
    for _ in range(70 * 366):
        noon += timedelta(days=1)
        local = noon.astimezone(place)
        if local.utcoffset() != before:
            before = local.utcoffset()
            days |= {(local + timedelta(days=k)).date().isoformat() for k in (-1, 0, 1)}
    return tuple(sorted(days))


def in_zone(naive: str, zone: str) -> str:
    """Write the milliseconds of a time that carries no zone; TRY, because infinity is a timestamp, too."""
    return (
        f"TRY(epoch_ms({naive}))" if zone == "UTC" else f"TRY(epoch_ms(timezone({literal(zone)}, {naive})))"
    )
