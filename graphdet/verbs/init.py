"""init: look at a log and write the config that reads it; the same look serves `run` without a config."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from graphdet.config import Config, parse_config
from graphdet.errors import ConfigError, GraphdetError, UsageError
from graphdet.files import write_text
from graphdet.logs import read_log
from graphdet.logs.files import LogFile, find_files, read_head
from graphdet.logs.guess import (
    AUTOMATIC,
    NAMES_OF,
    NEEDED,
    Guess,
    Sample,
    guess_config,
    named_columns,
    sample_of,
)
from graphdet.logs.raw import literal, shown
from graphdet.words import clock

_HEAD_ROWS = 1_000  # rows of which a part is shown as they are understood
_SHOWN_ROWS = 3
Ask = Callable[
    [str, str, Sequence[str]], str
]  # the question, the best guess ("" for none), what may be answered
_MEANING = {
    "user_id": "who acts",
    "item_id": "on what",
    "timestamp": "when",
    "session_id": "visits, as the log has them",
    "action": "what was done",
    "event_id": "what tells two equal rows apart",
    "amount": "of a payment or an order",
    "quantity": "of an order; a negative one is a return",
    "text": "what was written",
    "item_name": "how reports call the item",
}


@dataclass(frozen=True)
class Understood:
    """A config as text, the first rows as it reads them, and what people should check.

    rows: dicts with user, item, at and action. n_rows, n_used: of the first rows of the log. not_used: reasons and how
    many rows, of those that cannot be used.
    """

    text: str
    rows: list[dict[str, str]]
    n_rows: int
    n_used: int
    not_used: Mapping[str, int]
    unsure: Mapping[str, str]
    path: Path | None = None


def init(path: str | Path, out: Path | None, *, ask: Ask | None = None, force: bool = False) -> Understood:
    """Look at the first rows of a log and write a config with comments to `out`.

    ask: is asked what cannot be known; None takes the best guess, and `unsure` says so.

    Raises:
        InputError: the log cannot be read.
        UsageError: `out` is there already and not `force`; or no config can be made.
        GraphdetError: `out` cannot be written.
    """
    if out is not None and out.exists() and not force:
        raise UsageError(f"{out} is there already; give another --out, or --force to write it anew")
    file = find_files([path])[0]
    sample = sample_of(file)
    found = guess_config(sample)
    if ask is not None and found.unsure:
        found = _asked(found, sample, ask)
    missing = [key for key in NEEDED[:2] if key not in found.tables.get("columns", {})]
    if missing:
        raise UsageError(
            f"{path}: no column could be {' or '.join(missing)}; the columns are {shown(sample.columns)}. A log needs "
            "a column of those who act and one of what they act on"
        )
    name = out.stem if out is not None else AUTOMATIC
    text = _as_toml(found, sample, file, out)
    rows, n_rows, n_used, not_used = _preview(
        file, parse_config(found.tables, name=name, where=str(out or path))
    )
    if out is not None:
        write_text(out, text)
    return Understood(text, rows, n_rows, n_used, not_used, found.unsure, out)


def config_of_names(paths: Sequence[str | Path]) -> tuple[Config, list[str]]:
    """The config of a log whose columns are known by common names, and what was assumed, for people.

    Raises:
        InputError: the log cannot be read.
        ConfigError: a name does not tell which column is the user, the item or the time.
    """
    file = find_files(paths)[0]
    sample = sample_of(file)
    found = guess_config(sample)
    named = named_columns(list(sample.columns)) if sample.has_names else {}
    missing = [key for key in NEEDED if key not in named]
    if missing:
        raise ConfigError(
            f"{file.path}: which columns are {' and '.join(missing)} cannot be told by the names "
            f"({shown(sample.columns)}). Make a config and look at it: graphdet init {file.path}"
        )
    if "unit" in found.unsure:
        raise ConfigError(
            f"{file.path}: {found.unsure['unit']}. Make a config and look at it: graphdet init {file.path}"
        )
    columns = ", ".join(f"{key} = {name!r}" for key, name in found.tables["columns"].items())
    said = (
        f"no --config: read with {columns}, times as {found.tables['time']['unit']!r}, UTC where they name no zone; "
        f"graphdet init {file.path} writes this as a config to correct"
    )
    return parse_config(found.tables, name=AUTOMATIC, where=AUTOMATIC), [said]


def _asked(found: Guess, sample: Sample, ask: Ask) -> Guess:
    """Ask for what is unsure; an empty answer takes the guess."""
    tables = {name: dict(body) for name, body in found.tables.items()}
    for key in NEEDED:
        if key in found.unsure:
            names = list(sample.columns)
            best = tables["columns"].get(key, "")
            answer = ask(
                f"Which column is {key} ({_MEANING[key]})?",
                best,
                names if key != "timestamp" else [*names, "-"],
            )
            tables["columns"].pop(key, None)
            if answer not in ("", "-"):
                tables["columns"] = {
                    **{k: v for k, v in tables["columns"].items() if v != answer},
                    key: answer,
                }
    if "timestamp" not in tables["columns"]:
        tables.pop("time", None)
    elif "unit" in found.unsure or "time" not in tables:
        best = str(tables.get("time", {}).get("unit", "iso"))
        tables["time"] = {
            "unit": ask("How are times written (s, ms, iso, day or a strptime format)?", best, ())
        }
    if "timestamp" in tables["columns"] and tables["time"]["unit"] not in ("s", "ms", "us", "ns"):
        tables["time"]["zone"] = ask("In which time zone are times that name none?", "UTC", ())
    return Guess(tables, {})


def _as_toml(found: Guess, sample: Sample, file: LogFile, out: Path | None) -> str:
    """Write the config with comments."""
    lines = [
        f"# What graphdet init understood of {_comment(file.name)}. Correct what is wrong, then:",
        f"# graphdet run {_comment(file.name)} --config {_comment(str(out or 'CONFIG'))} --out findings",
        "",
        "[columns]",
    ]
    columns = found.tables["columns"]
    for key in (key for key in NAMES_OF if key in columns):
        doubt = f" CHECK: {_comment(found.unsure[key])}" if key in found.unsure else ""
        lines.append(f"{key} = {_toml(columns[key])}  # {_MEANING[key]}.{doubt}")
    if "timestamp" not in columns:
        lines.append('# timestamp = "…"  # CHECK: without it nothing rests on when things happened')
    if "read" in found.tables:
        lines += ["", "[read]  # how the file is written"]
        lines += [f"{key} = {_toml(value)}" for key, value in found.tables["read"].items()]
    if "time" in found.tables:
        time = found.tables["time"]
        doubt = (
            f"  # CHECK: {_comment(found.unsure['unit'])}"
            if "unit" in found.unsure
            else "  # s, ms, us, iso, day, or a strptime format"
        )
        lines += ["", "[time]", f"unit = {_toml(time['unit'])}{doubt}"]
        zone = _toml(time.get("zone", "UTC"))
        lines.append(f"zone = {zone}  # of times that name none; an IANA name such as Europe/Berlin")
    if "timestamp" in columns and "session_id" not in columns:
        lines += ["", "[sessions]", "gap_s = 1800  # a session ends after half an hour without an act"]
    if "entities" in found.tables:
        lines += ["", "[entities]  # what accounts share"]
        lines += [f"{kind} = {_toml(name)}" for kind, name in found.tables["entities"].items()]
    used = {*columns.values(), *found.tables.get("entities", {}).values()}
    rest = [name for name in sample.columns if name not in used]
    if rest:
        kept = ", ".join(_comment(name) for name in rest[:20])
        lines += ["", f"# Not used: {kept}", "# [attributes]  # name = column, to keep one with each event"]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Write a text, a flag or a list of texts as TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return (
        " ".join(c if c.isprintable() else " " for c in text).replace("  ", " ")
        if not text.isprintable()
        else text
    )


def _preview(file: LogFile, config: Config) -> tuple[list[dict[str, str]], int, int, dict[str, int]]:
    """Read the head of the log by the config: its first events, rows, used rows, and why others are not used."""
    with duckdb.connect() as bench, tempfile.TemporaryDirectory(prefix="graphdet-") as scratch:
        head = Path(scratch) / ("head.parquet" if file.format == "parquet" else f"head.{file.format}")
        if file.format == "parquet":
            first = f"FROM read_parquet({literal(file.path)}) LIMIT {_HEAD_ROWS}"
            bench.execute(f"COPY ({first}) TO {literal(str(head))} (FORMAT parquet)")
        else:
            content = read_head(file)
            head.write_bytes(b"".join(islice(_whole_lines(content), _HEAD_ROWS + 1)))
        try:
            log = read_log(bench, [head], replace(config, max_reject_share=1.0), rejects=None)
        except GraphdetError as error:
            raise type(error)(str(error).replace(str(head), file.path)) from error
        events = (
            log.tables.events.sort("event_row").head(_SHOWN_ROWS).collect("pyarrow").to_native().to_pylist()
        )
        rows = [
            {
                "user": str(event["user_id"]),
                "item": str(event["item_id"]),
                "at (UTC)": clock(event["at_ms"]) if config.columns.timestamp is not None else "–",
                "action": event["action"],
            }
            for event in events
        ]
    reasons = dict(log.rejects_by_reason) | ({"filtered": log.n_filtered} if log.n_filtered else {})
    return rows, log.n_rows, log.n_events, reasons


def _whole_lines(content: bytes) -> Sequence[bytes]:
    """Lines of a head; the last one, which may be cut, only where there is no other."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return [content[: len(content) // 2 * 2]]  # lines of UTF-16 are not cut at bytes
    lines = content.splitlines(keepends=True)
    return lines[:-1] if len(lines) > 1 and not content.endswith(b"\n") and len(content) >= 1 << 20 else lines
