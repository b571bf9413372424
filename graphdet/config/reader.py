"""Reads a config and says what is wrong with one."""

import codecs
import difflib
import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from graphdet import schema
from graphdet.config.settings import Actions, Columns, Config, Rating, Read, Text, Time
from graphdet.errors import ConfigError
from graphdet.shipped_files import shipped_folder

ValueCheck = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_text(v) for v in value)


def _is_text_map(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text(v) for v in value.values())


def _is_char(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 1


def _is_encoding(value: Any) -> bool:
    try:
        codecs.lookup(value)
    except (LookupError, TypeError):
        return False
    return True


def _is_filter(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and set(value) <= {"min", "max"} and all(map(_is_number, value.values()))
    each = value if isinstance(value, list) else [value]
    return bool(each) and all(isinstance(v, str | int | float) for v in each)


_TEXT: tuple[ValueCheck, str] = (_is_text, "a text")
_SECONDS: tuple[ValueCheck, str] = (lambda v: _is_number(v) and v > 0, "a number of seconds above 0")
_ITEMS: tuple[ValueCheck, str] = (lambda v: _is_text(v) or _is_texts(v), "a text or a list of texts")
_FLAG: tuple[ValueCheck, str] = (lambda v: isinstance(v, bool), "true or false")
# What each key must hold, and how that is called in a message. None: any key, each of that kind.
_KEYS: dict[str, dict[str | None, tuple[ValueCheck, str]]] = {
    "columns": {f.name: _ITEMS if f.name == "item_id" else _TEXT for f in fields(Columns)},
    "rating": dict.fromkeys(("low", "high"), (_is_number, "a number")),
    "read": {
        "delimiter": (_is_char, "one character"),
        "header": _FLAG,
        "names": (_is_texts, "a list of texts"),
        "quote": (lambda v: v == "" or _is_char(v), 'one character, or "" for none'),
        "encoding": (_is_encoding, "the name of an encoding such as cp1252"),
        "file_column": _TEXT,
    },
    "time": {f.name: _SECONDS if f.name == "step_s" else _TEXT for f in fields(Time)},
    "sessions": {"gap_s": _SECONDS},
    "actions": {
        "default": _TEXT,
        "rename": (_is_text_map, "a table of texts"),
        "keep": (_is_texts, "a list of texts"),
        "negative_quantity": _TEXT,
    },
    "entities": {None: _TEXT},
    "text": {
        "templates": _FLAG,
        "min_width": (_is_count, "a whole number of columns above 0"),
    },
    "attributes": {None: _TEXT},
    "filters": {None: (_is_filter, "a value, a list of values, or { min = …, max = … }")},
    "reject": {
        "max_share": (lambda v: _is_number(v) and 0 <= v <= 1, "a share from 0 to 1"),
        "duplicates": _FLAG,
    },
}
_UNITS = ("s", "ms", "us", "iso", "day", "step")


def load_config(path_or_name: str | Path) -> Config:
    """Read a config from a TOML file, or one of the shipped configs by its bare name.

    Raises:
        ConfigError: there is no such file or name, it is not TOML, a table or key is unknown or missing, or a
            value is of the wrong kind; the message names file and key, and the nearest right name.

    >>> load_config("globo").columns.item_id
    'click_article_id'
    """
    path = _find(path_or_name)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path}: cannot be read ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"config {path}: not valid TOML: {error}") from error
    return parse_config(raw, name=path.stem, where=str(path))


def shipped_configs() -> list[str]:
    """Name the configs that come with graphdet, in alphabetical order."""
    return sorted(p.stem for p in shipped_folder("configs").glob("*.toml"))


def _find(path_or_name: str | Path) -> Path:
    path = Path(path_or_name)
    if path.is_file():
        return path
    if path.is_dir():
        raise ConfigError(
            f"config {path}: is a folder; give a TOML file or one of {_list(shipped_configs())}"
        )
    if path.name == str(path_or_name) and path.suffix in ("", ".toml"):
        shipped = shipped_folder("configs") / f"{path.stem}.toml"
        if shipped.is_file():
            return shipped
        near = _nearest(path.stem, shipped_configs())
        raise ConfigError(
            f"config {path_or_name}: no such file or shipped config{near}; "
            f"shipped are {_list(shipped_configs())}"
        )
    raise ConfigError(f"config {path}: no such file")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def _nearest(word: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(names), n=1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else ""


def parse_config(raw: Mapping[str, Any], *, name: str, where: str) -> Config:
    """Check the tables of a config and make the settings objects.

    Args:
        raw: tables as TOML gives them.
        name: the config's name.
        where: what messages call the config, usually its path.

    Raises:
        ConfigError: as in load_config.
    """
    _check_keys(raw, where)
    tables = {table: dict(raw.get(table, {})) for table in _KEYS}
    columns = _columns(tables, where)
    read, actions = tables["read"], tables["actions"]
    if "names" in read:
        read["names"] = tuple(read["names"])
    if "keep" in actions:
        actions["keep"] = tuple(sorted({word.strip().lower() for word in actions["keep"]}))
    actions["rename"] = {k.strip().lower(): v.strip().lower() for k, v in actions.get("rename", {}).items()}
    for key in ("default", "negative_quantity"):
        if key in actions:
            actions[key] = actions[key].strip().lower()
    config = Config(
        name=name,
        columns=columns,
        read=Read(**read),
        time=Time(**tables["time"]),
        gap_s=float(tables["sessions"].get("gap_s", 1800.0)),
        actions=Actions(**actions),
        text=Text(**tables["text"]),
        rating=_rating(tables, where),
        entities=tables["entities"],
        attributes=tables["attributes"],
        filters=tables["filters"],
        max_reject_share=float(tables["reject"].get("max_share", 0.05)),
        duplicates=tables["reject"].get("duplicates", True),
    )
    _check_meaning(config, where)
    return config


def _columns(tables: Mapping[str, dict[str, Any]], where: str) -> Columns:
    """Make the settings of [columns], and check what they say together with other tables."""
    columns = tables["columns"]
    if "payee" in columns:
        if "item_id" in columns:
            raise ConfigError(
                f"config {where}: [columns] payee is the item that user_id acts on; leave item_id out"
            )
        columns["item_id"] = columns["payee"]
    for key in ("user_id", "item_id"):
        if key not in columns:
            raise ConfigError(f'config {where}: [columns] lacks {key}; add {key} = "NAME OF THE COLUMN"')
    if isinstance(columns["item_id"], list):
        columns["item_id"] = tuple(dict.fromkeys(columns["item_id"]))
    if "timestamp" not in columns:
        for table in ("time", "sessions"):
            if tables[table]:
                raise ConfigError(
                    f"config {where}: [{table}] {next(iter(tables[table]))} says how to read times, and [columns] "
                    'names no timestamp; add timestamp = "NAME OF THE COLUMN", or leave '
                    f"[{table}] out where the log has no times"
                )
    if "sign" in columns and "rating" in columns:
        raise ConfigError(f"config {where}: [columns] names both rating and sign; leave one of them out")
    return Columns(**columns)


def _rating(tables: Mapping[str, dict[str, Any]], where: str) -> Rating | None:
    """Make the settings of [rating], which belong to the column of that name."""
    limits = tables["rating"]
    if "rating" not in tables["columns"]:
        if limits:
            raise ConfigError(
                f'config {where}: [rating] needs the ratings; add rating = "NAME OF THE COLUMN" to [columns]'
            )
        return None
    if set(limits) != {"low", "high"} or limits["low"] >= limits["high"]:
        raise ConfigError(
            f"config {where}: [columns] rating needs [rating] low and high, low below high: up to low an item is ill "
            "rated, from high on well"
        )
    return Rating(float(limits["low"]), float(limits["high"]))


def _check_keys(raw: Mapping[str, Any], where: str) -> None:
    for table, body in raw.items():
        if table not in _KEYS:
            owner = next((t for t, keys in _KEYS.items() if table in keys), None)
            hint = f", it belongs into [{owner}]" if owner else _nearest(table, _KEYS)
            raise ConfigError(
                f"config {where}: unknown table or key [{table}]{hint}; the tables are {_list(_KEYS)}"
            )
        if not isinstance(body, dict):
            raise ConfigError(
                f"config {where}: {table} must be a table: write [{table}] on a line of its own"
            )
        known = _KEYS[table]
        for key, value in body.items():
            rule = known.get(key, known.get(None))
            if rule is None:
                names = [k for k in known if k is not None]
                near = _nearest(key, names)
                raise ConfigError(
                    f"config {where}: [{table}] has no key {key}{near}; its keys are {_list(names)}"
                )
            holds, kind = rule
            if not holds(value):
                raise ConfigError(f"config {where}: [{table}] {key} must be {kind}, not {value!r}")


def _check_meaning(config: Config, where: str) -> None:
    _check_time(config.time, where)
    read = config.read
    if read.header is False and read.names is None:
        raise ConfigError(f"config {where}: [read] header = false needs names = [...], one for each column")
    taken = [n for n in config.attributes if n in schema.EVENT_COLUMNS]
    if taken:
        raise ConfigError(
            f"config {where}: [attributes] {taken[0]} is the name of a standard column; map it in [columns]"
        )
    if config.text.templates and config.columns.text is None:
        raise ConfigError(
            f'config {where}: [text] templates needs the text; add text = "NAME OF THE COLUMN" to [columns]'
        )
    if config.text.templates and schema.TEMPLATE in config.entities:
        raise ConfigError(
            f"config {where}: [entities] {schema.TEMPLATE} is what [text] templates makes; leave one of them out"
        )
    for kind in config.entities:
        if not kind.isascii() or not kind.replace("_", "").isalnum() or not kind[0].isalpha():
            raise ConfigError(
                f"config {where}: [entities] {kind!r} must be letters, digits and _, from a letter on"
            )


def _check_time(time: Time, where: str) -> None:
    if time.unit not in _UNITS and "%" not in time.unit:
        near = _nearest(time.unit, _UNITS)
        raise ConfigError(
            f"config {where}: [time] unit must be {_list(_UNITS)} or a strptime format, not {time.unit!r}{near}"
        )
    try:
        ZoneInfo(time.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"config {where}: [time] zone {time.zone!r} is no IANA time zone; "
            "write for example UTC or Europe/Berlin"
        ) from error
    for key in ("origin", "earliest", "latest"):
        text = getattr(time, key)
        if text is not None:
            try:
                iso_ms(text)
            except ValueError as error:
                raise ConfigError(
                    f"config {where}: [time] {key} must be an ISO date such as 2020-01-31, not {text!r}"
                ) from error
    if time.origin is not None and time.unit not in ("s", "ms", "us", "day", "step"):
        raise ConfigError(
            f"config {where}: [time] origin needs unit s, ms, us, day or step, not {time.unit!r}"
        )
    if time.unit == "step":
        for key, example in (("step_s", "3600"), ("origin", '"2020-01-01"')):
            if getattr(time, key) is None:
                raise ConfigError(f"config {where}: [time] unit step needs {key}; add {key} = {example}")
    elif time.step_s is not None:
        raise ConfigError(f"config {where}: [time] step_s needs unit step, not {time.unit!r}")


def iso_ms(text: str) -> int:
    """Milliseconds since 1970-01-01 UTC of an ISO date or time; without an offset it is UTC.

    Raises:
        ValueError: it is not an ISO date or time.

    >>> iso_ms("1970-01-02")
    86400000
    """
    at = datetime.fromisoformat(text)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return round(at.timestamp() * 1000)


def config_digest(config: Config) -> str:
    """Digest what a config means: two spellings of the same settings have the same digest (SHA-256, hex).

    The name does not count, nor does max_reject_share: it decides whether a log is taken, not what it gives. [text]
    and keys that came later
    count where they are used, so that stores written before them know their logs again.
    """
    meaning = asdict(config)
    del meaning["name"], meaning["max_reject_share"]
    if not config.text.templates:
        del meaning["text"]
    if config.time.step_s is None:
        del meaning["time"]["step_s"]
    for name in ("payee", "rating", "sign"):
        if meaning["columns"][name] is None:
            del meaning["columns"][name]
    if config.rating is None:
        del meaning["rating"]
    text = json.dumps(meaning, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
