"""Reads a config and says what is wrong with one."""

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from graphdet import schema
from graphdet.config import values
from graphdet.config.settings import (
    Actions,
    Columns,
    Config,
    Pictures,
    Privacy,
    Rating,
    Read,
    Retention,
    Text,
    Time,
)
from graphdet.errors import ConfigError
from graphdet.shipped_files import shipped_folder

# What each key must hold, and how that is called in a message. None: any key, each of that kind.
_KEYS: dict[str, dict[str | None, values.Rule]] = {
    "columns": {
        f.name: values.AN_ITEM if f.name in ("item_id", "timestamp") else values.A_TEXT
        for f in fields(Columns)
    },
    "rating": dict.fromkeys(("low", "high"), values.A_NUMBER),
    "read": {
        "delimiter": values.A_DELIMITER,
        "header": values.A_FLAG,
        "names": values.COLUMN_LIST,
        "quote": values.A_QUOTE,
        "encoding": values.AN_ENCODING,
        "file_column": values.A_TEXT,
        "skip": values.A_LINE_COUNT,
        "comment": values.A_TEXT,
        "decimal": values.A_DECIMAL,
        "null": values.NO_VALUES,
        "max_line_mb": values.A_LINE_SIZE,
        "max_unfold": values.AN_UNFOLDING,
    },
    "time": {
        "unit": values.A_TEXT,
        "zone": values.A_TEXT,
        "origin": values.A_DATE,
        "earliest": values.A_DATE,
        "latest": values.A_DATE,
        "step_s": values.A_SPAN,
    },
    "sessions": {"gap_s": values.A_SPAN},
    "actions": {
        "default": values.A_TEXT,
        "rename": values.WORD_MAP,
        "keep": values.WORD_LIST,
        "negative_quantity": values.A_TEXT,
    },
    "entities": {None: values.A_TEXT},
    "text": {"templates": values.A_FLAG, "min_width": values.A_WIDTH},
    "pictures": {"folder": values.A_TEXT, "most_users": values.A_USER_COUNT},
    "attributes": {None: values.A_TEXT},
    "filters": {None: values.A_FILTER},
    "reject": {"max_share": values.A_SHARE, "duplicates": values.A_FLAG},
    "privacy": {"pseudonyms": values.COLUMN_LIST, "key_file": values.A_TEXT},
    "retention": {field.name: values.SOME_DAYS for field in fields(Retention)},
}
# Names that become columns of events, and kinds that become labels of nodes.
_NAMES = {
    "attributes": (re.compile(r"[^\W\d_][\w -]{0,62}"), "letters, digits, _, - and blanks"),
    "entities": (re.compile("[A-Za-z][A-Za-z0-9_]{0,62}"), "letters, digits and _"),
}
_MOST_BYTES = 1_000_000  # of a config file
_UNITS = ("s", "ms", "us", "ns", "iso", "day", "step", "excel")
_COUNTED = tuple(unit for unit in _UNITS if unit != "iso")


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
        with path.open("rb") as stream:
            found = stream.read(_MOST_BYTES + 1)
        if len(found) > _MOST_BYTES:
            raise ConfigError(
                f"config {path}: larger than {_MOST_BYTES:,} bytes; is it the log that should come without --config?"
            )
        raw = tomllib.loads(found.decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path}: cannot be read ({error})") from error
    except RecursionError as error:
        raise ConfigError(f"config {path}: lists or tables are nested too deep; no key needs it") from error
    except ValueError as error:  # TOML that is none, and numbers of thousands of digits
        raise ConfigError(f"config {path}: not valid TOML: {error}") from error
    config = parse_config(raw, name=path.stem, where=str(path))
    key_file, folder = _beside(path, config.privacy.key_file), _beside(path, config.pictures.folder)
    return replace(
        config,
        privacy=replace(config.privacy, key_file=key_file),
        pictures=replace(config.pictures, folder=folder),
    )


def _beside(path: Path, named: str | None) -> str | None:
    """A path that a config names, which is relative to the config's own folder."""
    return None if named is None else str(path.parent / Path(named).expanduser())


def shipped_configs() -> list[str]:
    """Name the configs that come with graphdet, in alphabetical order."""
    return sorted(p.stem for p in shipped_folder("configs").glob("*.toml"))


def _find(path_or_name: str | Path) -> Path:
    path = Path(path_or_name)
    try:
        there, folder = path.is_file(), path.is_dir()
    except (OSError, ValueError) as error:  # a name that is too long, or holds NUL
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"config {values.legible(str(path))}: cannot be a file ({why})") from error
    if there:
        return path
    if folder:
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
    for key in ("names", "null"):
        if key in read:
            read[key] = tuple(read[key])
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
        pictures=Pictures(**tables["pictures"]),
        rating=_rating(tables, where),
        entities=tables["entities"],
        attributes=tables["attributes"],
        filters=tables["filters"],
        max_reject_share=float(tables["reject"].get("max_share", 0.05)),
        duplicates=tables["reject"].get("duplicates", True),
        privacy=Privacy(
            tuple(dict.fromkeys(tables["privacy"].get("pseudonyms", ()))), tables["privacy"].get("key_file")
        ),
        retention=Retention(**tables["retention"]),
    )
    _check_meaning(config, where)
    return config


def _name(word: str) -> str:
    """A name as it stands in a message: as it is, unless it is long or cannot be printed."""
    return word if word.isprintable() and len(word) <= 60 else values.legible(word)


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
    if isinstance(columns.get("timestamp"), list):
        if len(columns["timestamp"]) != 2:
            raise ConfigError(
                f"config {where}: [columns] timestamp is one column, or two, of the date and of the time of day"
            )
        columns["timestamp"] = tuple(columns["timestamp"])
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
        if not isinstance(table, str):
            raise ConfigError(f"config {where}: {values.legible(table)} is no name of a table")
        if table not in _KEYS:
            owner = next((t for t, keys in _KEYS.items() if table in keys), None)
            hint = f", it belongs into [{owner}]" if owner else _nearest(table, _KEYS)
            raise ConfigError(
                f"config {where}: unknown table or key [{_name(table)}]{hint}; the tables are {_list(_KEYS)}"
            )
        if not isinstance(body, dict):
            raise ConfigError(
                f"config {where}: {table} must be a table: write [{table}] on a line of its own"
            )
        known = _KEYS[table]
        if None in known and len(body) > values.MOST_ENTRIES:
            raise ConfigError(
                f"config {where}: [{table}] has {len(body):,} keys; it may have {values.MOST_ENTRIES} at most"
            )
        for key, value in body.items():
            if not values.is_text(key):
                raise ConfigError(
                    f"config {where}: [{table}] has the key {values.legible(key)}; a key is {values.A_TEXT[1]}"
                )
            rule = known.get(key, known.get(None))
            if rule is None:
                names = [k for k in known if k is not None]
                near = _nearest(key, names)
                raise ConfigError(
                    f"config {where}: [{table}] has no key {_name(key)}{near}; its keys are {_list(names)}"
                )
            holds, kind = rule
            if not holds(value):
                raise ConfigError(
                    f"config {where}: [{table}] {_name(key)} must be {kind}, not {values.legible(value)}"
                )


def _check_meaning(config: Config, where: str) -> None:
    _check_time(config.time, where)
    read = config.read
    if read.header is False and read.names is None:
        raise ConfigError(f"config {where}: [read] header = false needs names = [...], one for each column")
    if read.delimiter is not None and read.delimiter == read.quote:
        raise ConfigError(
            f"config {where}: [read] delimiter and quote are both {read.quote!r}; "
            'where nothing is quoted write quote = ""'
        )
    _check_names(config, where)
    _check_privacy(config, where)
    _check_pictures(config, where)
    if config.text.templates and config.columns.text is None:
        raise ConfigError(
            f'config {where}: [text] templates needs the text; add text = "NAME OF THE COLUMN" to [columns]'
        )
    if config.text.templates and schema.TEMPLATE in config.entities:
        raise ConfigError(
            f"config {where}: [entities] {schema.TEMPLATE} is what [text] templates makes; leave one of them out"
        )


def _check_pictures(config: Config, where: str) -> None:
    """Check that the pictures have a folder and a column, and that their names are those of files."""
    if config.pictures.folder is None:
        if config.pictures != Pictures():
            raise ConfigError(f'config {where}: [pictures] lacks folder; add folder = "FOLDER OF THE FILES"')
        return
    if schema.PICTURE not in config.entities:
        raise ConfigError(
            f'config {where}: [pictures] needs the names of the files; add {schema.PICTURE} = "NAME OF THE COLUMN" '
            "to [entities]"
        )
    if schema.PICTURE in config.privacy.pseudonyms:
        raise ConfigError(
            f"config {where}: [privacy] pseudonyms would hide which files [pictures] reads; leave {schema.PICTURE} "
            "out: the store gets a hash of what the picture shows, not the name of its file"
        )


def _check_names(config: Config, where: str) -> None:
    """Check the names that a config gives: of attributes and entities. Case tells no two of them apart."""
    taken = [n for n in config.attributes if n.lower() in schema.EVENT_COLUMNS]
    if taken:
        raise ConfigError(
            f"config {where}: [attributes] {taken[0]} is the name of a standard column; map it in [columns]"
        )
    for table, (pattern, allowed) in _NAMES.items():
        names = getattr(config, table)
        for name in names:
            if not pattern.fullmatch(name):
                raise ConfigError(
                    f"config {where}: [{table}] {values.legible(name)} must be {allowed}, from a letter on, 63 at most"
                )
        alike = {name.lower(): name for name in names}
        if len(alike) < len(names):
            double = next(name for name in names if alike[name.lower()] != name)
            raise ConfigError(
                f"config {where}: [{table}] {double} and {alike[double.lower()]} differ only in upper and lower "
                "case; rename one of them"
            )


_IDS = ("user_id", "item_id", "session_id", "event_id", "device_id", "ip")


def _check_privacy(config: Config, where: str) -> None:
    """Check that every id to be hidden is one, and is there."""
    given = {name for name in _IDS if isinstance(getattr(config.columns, name), str)}
    known = [*sorted(given), *config.entities, *config.attributes]
    for name in config.privacy.pseudonyms:
        if name not in known:
            raise ConfigError(
                f"config {where}: [privacy] pseudonyms has {_name(name)}{_nearest(name, known)}; it may have "
                f"{_list(known)}: ids of one column, kinds of [entities] and names of [attributes]"
            )
    if config.retention.events_days is not None and config.columns.timestamp is None:
        raise ConfigError(
            f"config {where}: [retention] events_days asks for times, and [columns] names no timestamp"
        )


def _check_time(time: Time, where: str) -> None:
    if time.unit not in _UNITS and not values.is_time_format(time.unit):
        near = _nearest(time.unit, _UNITS)
        raise ConfigError(
            f"config {where}: [time] unit must be {_list(_UNITS)} or a strptime format such as %d/%m/%Y %H:%M, "
            f"not {values.legible(time.unit)}{near}"
        )
    if not values.is_zone(time.zone):
        near = _nearest(time.zone, values.zones())
        raise ConfigError(
            f"config {where}: [time] zone {values.legible(time.zone)} is no IANA time zone{near}; "
            "write for example UTC or Europe/Berlin"
        )
    if time.earliest and time.latest and values.iso_ms(time.earliest) >= values.iso_ms(time.latest):
        raise ConfigError(
            f"config {where}: [time] earliest {time.earliest} must be before latest {time.latest}; "
            "no event would be left"
        )
    if time.origin is not None and time.unit not in _COUNTED:
        raise ConfigError(f"config {where}: [time] origin needs unit {_list(_COUNTED)}, not {time.unit!r}")
    if time.unit == "step":
        for key, example in (("step_s", "3600"), ("origin", '"2020-01-01"')):
            if getattr(time, key) is None:
                raise ConfigError(f"config {where}: [time] unit step needs {key}; add {key} = {example}")
    elif time.step_s is not None:
        raise ConfigError(f"config {where}: [time] step_s needs unit step, not {time.unit!r}")


def config_digest(config: Config) -> str:
    """Digest what a config means: two spellings of the same settings have the same digest (SHA-256, hex).

    The name does not count, nor does max_reject_share: it decides whether a log is taken, not what it gives, nor
    the limits max_line_mb and max_unfold. [text] and keys that came later count where they are used, so that stores
    written before them know their logs again.
    """
    meaning = asdict(config)
    del meaning["name"], meaning["max_reject_share"]
    if not config.text.templates:
        del meaning["text"]
    if config.pictures.folder is None:
        del meaning["pictures"]
    else:
        del meaning["pictures"]["folder"]  # which may move
    if config.time.step_s is None:
        del meaning["time"]["step_s"]
    for name in ("skip", "comment", "decimal", "null"):
        if meaning["read"][name] == getattr(Read, name):
            del meaning["read"][name]
    del meaning["read"]["max_line_mb"], meaning["read"]["max_unfold"], meaning["retention"]
    del meaning["privacy"]["key_file"]  # which may move
    if not config.privacy.pseudonyms:
        del meaning["privacy"]
    for name in ("payee", "rating", "sign"):
        if meaning["columns"][name] is None:
            del meaning["columns"][name]
    if config.rating is None:
        del meaning["rating"]
    text = json.dumps(meaning, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
