"""What a reader is told beside the counts: what was cleaned, what looks wrong, and which key of the config mends it.

Nothing here changes a row. The values themselves say what would have fitted: numbers under `iso` which unit they are
of, dates which format, amounts which decimal sign.
"""

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import duckdb

from graphdet.config import Config
from graphdet.logs.fields import cleaned_columns
from graphdet.logs.raw import ROW, RawFile
from graphdet.logs.rejects import Rejects
from graphdet.logs.times import FACTORS_MS
from graphdet.logs.values import (
    as_text,
    has_odd_blanks,
    is_ipv4_as_ipv6,
    is_nothing,
    is_whole_as_float,
    number_sql,
    trimmed,
    without,
)

_EXAMPLES = 50
_MOST_WORDS = 8
_FROM_S, _TO_S = 631_152_000, 4_102_444_800  # 1990 to 2100
_FROM_EXCEL, _TO_EXCEL = 32_874, 73_050  # the same in days of a spreadsheet
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?"
_DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y-%m-%d", "%d.%m.%y", "%d %b %Y",
          "%b %d, %Y", "%d-%b-%Y")  # fmt: skip
_CLOCKS = (
    "",
    " %H:%M:%S",
    " %H:%M",
    " %I:%M:%S %p",
    " %I:%M %p",
    ", %H:%M:%S",
    ", %H:%M",
    " %H:%M:%S.%f",
    "T%H:%M:%S",
)
_FORMATS = (
    *(date + clock for date in _DATES for clock in _CLOCKS),
    "%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%H:%M:%S", "[%d/%b/%Y:%H:%M:%S %z]", "[%d/%b/%Y:%H:%M:%S", "%a %b %d %H:%M:%S %Y",
    "%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %Z", "%Y-%m-%d %H.%M.%S", "%Y%m%d%H%M%S",
)  # fmt: skip


class _Word(NamedTuple):
    """A word for no value, where it stands first and in how many rows."""

    field: str
    word: str
    n: int
    place: str


def cleaning_notes(bench: duckdb.DuckDBPyConnection, raws: Sequence[RawFile], config: Config) -> list[str]:
    """Count what was changed in ids, and name the words in them that stand for no value."""
    marks: Counter[tuple[str, str]] = Counter()
    words: list[_Word] = []
    for raw in raws:
        texts = {
            name: trimmed(without(as_text(raw.columns[c], raw.types[c]), "VARCHAR", config.read.null or ()))
            for name, c in cleaned_columns(config).items()
            if name != "action" and raw.n_rows and raw.types[c] == "VARCHAR"
        }
        if not texts:
            continue
        asked = []
        for name, text in texts.items():
            plain = raw.columns[cleaned_columns(config)[name]]
            asked += [has_odd_blanks(plain), is_whole_as_float(text), is_ipv4_as_ipv6(text), is_nothing(text)]
        sums = bench.execute(
            f"SELECT {', '.join(f'count_if({condition})' for condition in asked)} FROM {raw.source}"
        ).fetchone()
        assert sums is not None
        for k, (name, text) in enumerate(texts.items()):
            for mark, n in zip(("blanks", "float", "ipv4"), sums[4 * k : 4 * k + 3], strict=True):
                marks[mark, name] += n or 0  # count_if of no row at all is null
            if sums[4 * k + 3]:
                words += _words(bench, raw, name, text)
    said = {
        "blanks": "had blanks or invisible marks of Unicode around them, which were taken away",
        "float": "are whole numbers written with .0 and were read without it",
        "ipv4": "are IPv4 addresses written as IPv6 (::ffff:) and were read as IPv4",
    }
    notes = [f"{n} values of {_plain(name)} {said[mark]}" for (mark, name), n in marks.items() if n]
    return [*notes, *_about_words(words, config), *_split_time(bench, raws[0], config)]


def _words(bench: duckdb.DuckDBPyConnection, raw: RawFile, name: str, text: str) -> Iterator[_Word]:
    found = bench.execute(
        f"SELECT word, count(*) AS n, min({ROW}) FROM (SELECT {ROW}, {text} AS word FROM {raw.source})"
        f" WHERE {is_nothing('word')} GROUP BY word ORDER BY n DESC, word LIMIT {_MOST_WORDS}"
    ).fetchall()
    for word, n, row in found:
        line = row + raw.first_line
        if raw.lines is not None:
            line = bench.execute(f"SELECT line FROM ({raw.lines}) WHERE row = {row}").fetchall()[0][0]
        yield _Word(name, word, n, f"{raw.file.path} line {line}")


def _about_words(words: Sequence[_Word], config: Config) -> Iterator[str]:
    for field, found in itertools.groupby(sorted(words, key=lambda w: w.field), key=lambda w: w.field):
        counts: Counter[str] = Counter()
        first: dict[str, str] = {}
        for word in found:
            counts[word.word] += word.n
            first.setdefault(word.word, word.place)
        listed = ", ".join(
            f"{word!r} ({n} row{'s' * (n > 1)}, the first {first[word]})"
            for word, n in counts.most_common(_MOST_WORDS)
        )
        if field.startswith(("entity ", "attribute ")) and config.read.null != ():
            yield (
                f"{_plain(field)}: {listed}: words for no value, which link nobody; if they are values, set "
                "[read] null = []"
            )
        elif config.read.null != ():
            keys = json.dumps([*(config.read.null or ()), *counts], ensure_ascii=False)
            yield (
                f"{_plain(field)}: {listed}: taken as ids, though they look like words for no value; if they are "
                f"none, set [read] null = {keys}"
            )


def _plain(field: str) -> str:
    return field.removeprefix("attribute ")


def _split_time(bench: duckdb.DuckDBPyConnection, raw: RawFile, config: Config) -> Iterator[str]:
    """Say when the mapped time holds days only and another column times of day."""
    mapped = config.columns.timestamp
    if (
        config.time.unit != "iso"
        or not isinstance(mapped, str)
        or not raw.n_rows
        or len(raw.columns) > _EXAMPLES
    ):
        return
    names = list(raw.columns)
    selected = ", ".join(f"({raw.columns[name]})::VARCHAR" for name in names)
    rows = bench.execute(f"SELECT {selected} FROM {raw.source} LIMIT {_EXAMPLES}").fetchall()
    columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
    if not all(re.fullmatch(r"\s*\d{4}-\d\d-\d\d\s*", value or "") for value in columns.get(mapped, ("",))):
        return
    for name, values in columns.items():
        if name != mapped and all(re.fullmatch(_CLOCK, (value or "").strip()) for value in values):
            yield (
                f"{mapped} holds days only, and {name} times of day: set [columns] timestamp = "
                f"{json.dumps([mapped, name], ensure_ascii=False)}"
            )
            return


def remedies(
    bench: duckdb.DuckDBPyConnection, raws: Sequence[RawFile], rejects: Rejects, config: Config
) -> list[str]:
    """Say what to set so that rejected rows can be used, most of them first."""
    found: list[str] = []
    for reason in list(rejects.by_reason)[:20]:
        if reason.startswith("timestamp") and isinstance(config.columns.timestamp, str):
            found += _about_times(
                _examples(bench, raws, rejects, reason, config.columns.timestamp), reason, config
            )
        elif reason.endswith("no finite number"):
            column = getattr(config.columns, reason.split(" ", 1)[0])
            found += _about_numbers(
                bench, raws, _examples(bench, raws, rejects, reason, column), column, config
            )
        else:
            found += [way for part, way in _WAYS.items() if part in reason]
    return list(dict.fromkeys(found))


_WAYS = {
    "not UTF-8": 'lines that are not UTF-8 are often of Windows: set [read] encoding = "cp1252"',
    "too many columns": 'where rows have more columns than the header, name all: [read] names = ["…"] and skip = 1',
    "is a list, not one value": "lists are not taken apart: write one row for each of their values",
    "is an object, not one value": 'of an object name the value: in JSON "KEY.KEY WITHIN"',
    "lost digits of the id": "write ids as whole numbers or texts where the log is made, not as floats",
}  # fmt: skip


def _examples(
    bench: duckdb.DuckDBPyConnection, raws: Sequence[RawFile], rejects: Rejects, reason: str, column: str
) -> list[str]:
    """Give values of a column in the first file that has rows rejected for this reason."""
    ix = bench.execute(f"SELECT min(file_ix) FROM {rejects.table} WHERE reason = $1", [reason]).fetchall()[0][
        0
    ]
    raw = raws[ix]
    found = bench.execute(
        f"SELECT trim(({raw.columns[column]})::VARCHAR) FROM {raw.source} JOIN (SELECT row FROM {rejects.table}"
        f" WHERE reason = $1 AND file_ix = {ix} ORDER BY row LIMIT {_EXAMPLES}) r ON r.row = {ROW}",
        [reason],
    ).fetchall()
    return [value for (value,) in found if value]


def _about_times(examples: list[str], reason: str, config: Config) -> Iterator[str]:
    if not examples:
        return
    shown = f"times such as {examples[0]!r}"
    unit = _unit_of(examples)
    if unit is not None and unit != config.time.unit:
        yield f'{shown} look like {_UNIT_WORDS[unit]}: set [time] unit = "{unit}"'
    elif config.time.unit != "iso" and _share(examples, datetime.fromisoformat) > 0.5 and unit is None:
        yield f'{shown} look like ISO dates: set [time] unit = "iso"'
    elif reason.startswith("timestamp cannot"):
        formats = [name for name in _FORMATS if _fits(name, examples)]
        if formats:
            listed = " or ".join(f'"{name}"' for name in formats[:2])
            yield f"{shown} fit another format: set [time] unit = {listed}"
        elif unit is None:
            yield f'{shown} need their format: [time] unit = "%d/%m/%Y %H:%M", for example'


_UNIT_WORDS = {
    "s": "seconds since 1970",
    "ms": "milliseconds since 1970",
    "us": "microseconds since 1970",
    "ns": "nanoseconds since 1970",
    "excel": "days of a spreadsheet",
}


def _unit_of(examples: Sequence[str]) -> str | None:
    """Tell the unit of numbers, by what most of them would be between 1990 and 2100."""
    units: Counter[str] = Counter()
    for text in examples:
        if re.fullmatch(r"\d+([.,]\d+)?", text):
            number = float(text.replace(",", "."))
            units.update(u for u, ms in FACTORS_MS.items() if _FROM_S <= number * ms / 1000 < _TO_S)
            units.update(["excel"] if _FROM_EXCEL <= number < _TO_EXCEL else [])
    best = units.most_common(1)
    return best[0][0] if best and best[0][1] > len(examples) / 2 else None


def _share(examples: Sequence[str], read: object) -> float:
    assert callable(read)
    n = 0
    for text in examples:
        try:
            read(text)
        except ValueError:
            continue
        n += 1
    return n / len(examples)


def _fits(name: str, examples: Sequence[str]) -> bool:
    return _share(examples, lambda text: datetime.strptime(text, name)) > 0.5


def _about_numbers(
    bench: duckdb.DuckDBPyConnection,
    raws: Sequence[RawFile],
    examples: list[str],
    column: str,
    config: Config,
) -> Iterator[str]:
    if config.read.decimal is not None or not examples:
        return
    if any(re.fullmatch(r"[+-]?\d[\d. ]*,\d+", text) for text in examples):
        raw = next(raw for raw in raws if raw.types.get(column) == "VARCHAR")
        silent = bench.execute(
            f"SELECT count(*), min({raw.columns[column]}) FROM {raw.source} WHERE"
            f" regexp_full_match(trim({raw.columns[column]}), '[+-]?\\d{{1,3}}(\\.\\d{{3}})+')"
            f" AND {number_sql(raw.columns[column], 'VARCHAR', None)} IS NOT NULL"
        ).fetchall()[0]
        beside = ""
        if silent[0]:
            beside = f", and {silent[0]} beside them, such as {silent[1]!r}, were read with a point for the decimals"
        yield f'numbers such as {examples[0]!r} have a decimal comma{beside}: set [read] decimal = ","'
    elif any(re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+\.\d+", text) for text in examples):
        yield f'numbers such as {examples[0]!r} have groups of digits: set [read] decimal = "."'
