"""What a log seems to be: how its text is written, which column holds what, how its times count.

Columns are known by common names; where names say nothing, by what they hold, and then it is said that this is a
guess. Nothing here decides for a log that has a config.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import duckdb

from graphdet.logs.files import LogFile, read_head
from graphdet.logs.raw import literal

# Common names in small letters without signs, the likeliest first.
NAMES_OF = {
    "user_id": "userid user uid visitorid visitor customerid customer clientid client accountid account memberid member"
    " reviewerid reviewer authorid author buyerid buyer playerid player profileid username login actor payer sender"
    " nutzer benutzer kunde kundennummer usuario cliente utilisateur",
    "item_id": "itemid item productid product asin sku stockcode articleid article clickarticleid contentid content"
    " videoid video postid movieid movie songid song trackid track businessid business merchantid merchant listingid"
    " shopid shop hotelid newsid repoid repo repository appid adid campaignid pageid page url target artikel"
    " artikelnummer produkt ware producto articulo produit",
    "timestamp": "timestamp datetime eventtime eventtimestamp time ts createdat created occurredat clicktimestamp"
    " invoicedate orderdate reviewtime unixreviewtime unixtime date day at"
    " zeit zeitpunkt datum fecha horodatage",
    "session_id": "sessionid session",
    "action": "action eventtype event behavior behaviour activity",
    "event_id": "eventid",
    "amount": "amount",
    "quantity": "quantity qty",
    "text": "text comment reviewtext",
    "item_name": "itemname productname title",
}
SHARED_KINDS = {"device": "deviceid device", "ip": "ip ipaddress clientip"}  # shared entities
AUTOMATIC = "automatic"  # the name of a config that nobody wrote
NEEDED = ("user_id", "item_id", "timestamp")
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}  # how many make a second
_EARLIEST_S, _LATEST_S = 631_152_000, 4_102_444_800  # 1990 and 2100
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_DAYS = (
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y.%m.%d",
    "%d %b %Y",
    "%b %d %Y",
)
_FORMATS = (
    *(
        "%Y%m%d",
        "%Y%m%d%H%M%S",
        "%d/%b/%Y:%H:%M:%S %z",
        "%a %b %d %H:%M:%S %z %Y",
        "%a, %d %b %Y %H:%M:%S %z",
    ),
    *(day + clock for day in _DAYS for clock in _CLOCKS),
)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d(:?\d\d)?.*")
_ROWS = 500
_HEAD_BYTES = 1 << 20


@dataclass(frozen=True)
class Sample:
    """The first rows of a log as texts, by column, and how its files are written where it must be said."""

    columns: Mapping[str, Sequence[str]]
    read: Mapping[str, Any]
    has_names: bool = True


@dataclass(frozen=True)
class Guess:
    """Tables of a config as TOML has them, and what is not certain, by key of [columns] or [time]: in words."""

    tables: dict[str, Any]
    unsure: dict[str, str]


def sample_of(file: LogFile) -> Sample:
    """Read the first rows of a log of any kind that is read.

    Raises:
        InputError: the file cannot be read.
    """
    if file.format == "parquet":
        with duckdb.connect() as bench:
            found = bench.execute(f"FROM read_parquet({literal(file.path)}) LIMIT {_ROWS}")
            names = [column[0] for column in found.description or ()]
            rows = found.fetchall()
        return Sample(_by_column(names, rows), {})
    text, read = _head(file)
    if file.format == "jsonl":
        objects = [_flat(one) for line in islice(text.splitlines(), _ROWS) if (one := _object(line))]
        names = list(dict.fromkeys(name for one in objects for name in one))
        return Sample(_by_column(names, ([one.get(name) for name in names] for one in objects)), read)
    return _delimited(file, text, read)


def _head(file: LogFile) -> tuple[str, dict[str, Any]]:
    """The first whole lines as text, and the encoding where it is not found by itself."""
    head = read_head(file, _HEAD_BYTES)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head[: len(head) // 2 * 2].decode("utf-16", "ignore"), {}
    whole = head
    if len(head) >= _HEAD_BYTES:  # its last line may be cut
        whole = head[: head.rfind(b"\n") + 1] or head
    try:
        return whole.decode("utf-8-sig"), {}
    except UnicodeDecodeError:
        return whole.decode("cp1252", "replace"), {"encoding": "cp1252"}


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _flat(found: Mapping[str, Any], before: str = "", depth: int = 0) -> dict[str, Any]:
    """The values of an object by their paths, `a.b` for the key b of the object under a."""
    flat: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, dict) and depth < 4:
            flat |= _flat(value, f"{before}{name}.", depth + 1)
        elif not isinstance(value, list):
            flat[before + name] = value
    return flat


def _by_column(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, list[str]]:
    """Texts by column; nothing becomes an empty text, and what a row lacks too."""
    table: dict[str, list[str]] = {name: [] for name in names}
    for row in rows:
        for place, name in enumerate(names):
            value = row[place] if place < len(row) else None
            table[name].append("" if value is None else str(value).strip())
    return table


def _delimited(file: LogFile, text: str, read: dict[str, Any]) -> Sample:
    """Find the delimiter under which most lines have as many fields, more than one, and whether a header is there."""
    usual = {"csv": ",", "tsv": "\t"}.get(file.format)
    lines = [line for line in text.splitlines() if line.strip()]
    comment = next((sign for sign in ("#", "%") if lines and lines[0].startswith(sign)), None)
    if comment is not None:
        read["comment"] = comment
        lines = [line for line in lines if not line.startswith(comment)]
    body = "\n".join(lines)

    def records(delimiter: str) -> list[list[str]]:
        if len(delimiter) > 1:
            return [line.split(delimiter) for line in lines[: _ROWS + 1]]
        try:
            return list(islice(csv.reader(io.StringIO(body, newline=""), delimiter=delimiter), _ROWS + 1))
        except csv.Error:
            return []

    def fits(delimiter: str) -> tuple[float, int]:
        widths = [len(record) for record in records(delimiter)]
        widest = max(set(widths), key=widths.count) if widths else 0
        return (widths.count(widest) / len(widths) if widest > 1 else 0.0, widest)

    delimiter = max((usual or ",", ",", ";", "\t", "|", "::", " "), key=fits)
    if delimiter != usual:
        read["delimiter"] = delimiter
    rows = records(delimiter) or [[]]
    if _is_header(rows):
        names = [name.strip() for name in rows[0]]
        return Sample(_by_column(names, rows[1:]), read)
    names = [f"column {place}" for place in range(1, len(rows[0]) + 1)]
    return Sample(_by_column(names, rows), {**read, "header": False, "names": names}, has_names=False)


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: no number, no time, nothing twice, and nothing that stands below again."""
    first = [cell.strip() for cell in rows[0]]
    known = {name for names in NAMES_OF.values() for name in names.split()}
    if any(_bare(cell) in known for cell in first):
        return True
    if len(set(first)) < len(first) or any(_is_number(cell) or unit_of([cell])[0] for cell in first if cell):
        return False
    return not any(
        cell and cell in row[place : place + 1] for row in rows[1:] for place, cell in enumerate(first)
    )


def _bare(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?", text) is not None


def _by_bare_name(names: Sequence[str]) -> dict[str, str]:
    """Names by what they are without case and signs; of `a.b` also `b` where nothing else is called so."""
    bare: dict[str, str] = {}
    for whole in (True, False):
        for name in names:
            bare.setdefault(_bare(name if whole else name.rpartition(".")[2]), name)
    return bare


def named_columns(names: Sequence[str]) -> dict[str, str]:
    """Columns that are known by their names, by key of [columns]; each column once.

    >>> named_columns(["Visitor ID", "article", "ts", "colour"])
    {'user_id': 'Visitor ID', 'item_id': 'article', 'timestamp': 'ts'}
    """
    bare = _by_bare_name(names)
    return {
        key: bare[known] for key, all_names in NAMES_OF.items()
        if (known := next((name for name in all_names.split() if name in bare), None)) is not None
    }  # fmt: skip


def guess_config(sample: Sample) -> Guess:
    """Say what a log seems to be; the tables of a config, and what is uncertain about them."""
    unsure: dict[str, str] = {}
    columns = named_columns(list(sample.columns)) if sample.has_names else {}
    free = [name for name in sample.columns if name not in columns.values()]
    if "timestamp" not in columns:
        found = next(
            (name for name in free if unit_of(sample.columns[name])[0] and _differs(sample.columns[name])),
            None,
        )
        unsure["timestamp"] = f"{found!r} looks like times" if found else "no column looks like times"
        if found:
            columns["timestamp"] = found
            free.remove(found)
    for key in ("user_id", "item_id"):
        if key not in columns:
            found = next((name for name in free if _differs(sample.columns[name])), None)
            unsure[key] = f"{found!r} is the next column that could be" if found else "no column is left"
            if found:
                columns[key] = found
                free.remove(found)
    ordered = {key: columns[key] for key in NAMES_OF if key in columns}
    tables: dict[str, Any] = {"columns": ordered, "read": dict(sample.read)}
    if "timestamp" in columns:
        unit, doubt = unit_of(sample.columns[columns["timestamp"]])
        tables["time"] = {"unit": unit or "iso"}
        if unit is None:
            doubt = "the times are in no form that is known; write their strptime format"
        if doubt:
            unsure["unit"] = doubt
    bare = _by_bare_name(free) if sample.has_names else {}
    shared = {
        kind: bare[known]
        for kind, names in SHARED_KINDS.items()
        for known in names.split()[::-1]
        if known in bare
    }
    return Guess({name: body for name, body in (tables | {"entities": shared}).items() if body}, unsure)


def _differs(values: Sequence[str]) -> bool:
    return len(set(values) - {""}) > 1


def unit_of(values: Sequence[str]) -> tuple[str | None, str]:
    """The unit of [time] in which all values are times, and what is doubtful about it; None where there is none.

    >>> unit_of(["1700000000", "1700000060"]), unit_of(["2024-01-31"]), unit_of(["31.1.2024 10:00"])
    (('s', ''), ('day', ''), ('%d.%m.%Y %H:%M', ''))
    >>> unit_of(["hello"])
    (None, '')
    """
    given = [value for value in values if value]
    if not given:
        return None, ""
    if all(_is_number(value) for value in given):
        numbers = [float(value.replace(",", ".")) for value in given]
        for unit, per_second in UNITS.items():
            if all(_EARLIEST_S <= number / per_second < _LATEST_S for number in numbers):
                return unit, ""
    elif all(_ISO.fullmatch(value) for value in given):
        return "iso", ""
    elif all(re.fullmatch(r"\d{4}-\d\d-\d\d", value) for value in given):
        return "day", ""
    fitting = [form for form in _FORMATS if all(_is_time(value, form) for value in given)]
    if not fitting:
        return None, ""
    swapped = len(fitting) > 1 and {fitting[0][:2], fitting[1][:2]} == {"%d", "%m"}
    return fitting[0], f"day and month may be swapped: {fitting[0]} or {fitting[1]}" if swapped else ""


def _is_time(value: str, form: str) -> bool:
    try:
        return 1990 <= datetime.strptime(value, form).year < 2100
    except ValueError:
        return False
