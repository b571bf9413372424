"""Rows with pseudonyms for ids, and without what a store was told to forget.

Ids are hidden after the rules have judged them as they are and before anything is kept, so sessions, keys of rows and
events know the pseudonyms alone. Where ids are hidden, or something is withheld, rejects.csv tells file, line and
reason, and not the row, which has the ids as they were.
"""

import os
from pathlib import Path

import duckdb
import narwhals as nw

from graphdet.config import Config
from graphdet.errors import ConfigError, UsageError
from graphdet.logs.fields import attributes_of_config
from graphdet.logs.raw import literal
from graphdet.privacy import (
    KEY_FILE_VARIABLE,
    Withheld,
    digest_of_id,
    digest_sql,
    pseudonym_sql,
    read_key_file,
)
from graphdet.tables import Frame

FORGOTTEN, EXPIRED = WITHHELD = ("forgotten", "past its time")
USER_FIELD, ITEM_FIELD = "user_id", "item_id"


def key_of(config: Config) -> bytes:
    """The key of a config's pseudonyms.

    Raises:
        ConfigError: no key is named, or it cannot be read; says what to do.
    """
    named = config.privacy.key_file or os.environ.get(KEY_FILE_VARIABLE)
    if not named:
        raise ConfigError(
            f"config {config.name}: [privacy] pseudonyms need a key: name its file with [privacy] key_file or "
            f"{KEY_FILE_VARIABLE}; graphdet pseudonym --new-key --key FILE makes one"
        )
    try:
        return read_key_file(Path(named).expanduser())
    except UsageError as error:
        raise ConfigError(f"config {config.name}: [privacy] {error}") from error


def key_mark_of(key: bytes) -> str:
    """What tells one key from another, and does not give it away."""
    return digest_of_id(key, "key", "graphdet")[:16]


def hidden_fields(config: Config) -> dict[str, str]:
    """The fields that get pseudonyms (see fields.Fields), with the kind of each; who is paid is a user."""
    found = {}
    entity_of = {column: kind for kind, column in config.entities.items()}
    attributes = attributes_of_config(config)
    for name in config.privacy.pseudonyms:
        column = getattr(config.columns, name, None)
        if name in config.entities:
            found[f"entity {name}"] = name
        elif name in attributes:
            found[f"attribute {name}"] = name
        elif name in ("device_id", "ip"):
            kind = entity_of.get(name) or entity_of[str(column)]
            found[f"entity {kind}"] = name
        else:
            found[name] = name
    if config.columns.payee is not None and {USER_FIELD, ITEM_FIELD} & found.keys():
        found |= {USER_FIELD: USER_FIELD, ITEM_FIELD: USER_FIELD}
    return found


def hide(judged: Frame, config: Config) -> Frame:
    """Put pseudonyms in the place of the ids that [privacy] pseudonyms names; null stays null.

    Raises:
        ConfigError: there is no key.
    """
    if not config.privacy.pseudonyms:
        return judged
    key = key_of(config)
    replaced = [
        f'{pseudonym_sql(key, kind, f"""CAST("{field}" AS VARCHAR)""")} AS "{field}"'
        for field, kind in hidden_fields(config).items()
    ]
    relation: duckdb.DuckDBPyRelation = judged.to_native()
    return nw.from_native(relation.project(f"* REPLACE ({', '.join(replaced)})"))


def withhold(
    bench: duckdb.DuckDBPyConnection, judged: Frame, config: Config, withheld: Withheld, filtered: str
) -> Frame:
    """Put rows aside of accounts that the store was told to forget, and rows past their time.

    filtered: the verdict of rows that the config leaves out, which stay so.
    """
    if not withheld:
        return judged
    reasons = [
        f"WHEN CAST({column} AS VARCHAR) IN ({', '.join(map(literal, ids))}) THEN {literal(FORGOTTEN)}"
        for column, digests in ((USER_FIELD, withheld.users), (ITEM_FIELD, withheld.items))
        for ids in [_ids_of(bench, judged, column, digests, withheld.salt)]
        if ids
    ]
    if withheld.before_ms is not None and config.columns.timestamp is not None:
        reasons.append(f"WHEN at_ms < {withheld.before_ms} THEN {literal(EXPIRED)}")
    if not reasons:
        return judged
    verdict = f"CASE WHEN verdict = {literal(filtered)} THEN verdict {' '.join(reasons)} ELSE verdict END"
    relation: duckdb.DuckDBPyRelation = judged.to_native()
    return nw.from_native(relation.project(f"* REPLACE ({verdict} AS verdict)"))


def _ids_of(
    bench: duckdb.DuckDBPyConnection, judged: Frame, column: str, digests: frozenset[str], salt: bytes
) -> list[str]:
    """Those of the ids of a column that have one of the digests."""
    if not digests:
        return []
    ids = f"SELECT DISTINCT CAST({column} AS VARCHAR) AS id FROM ({judged.to_native().sql_query()})"
    has = f"{digest_sql(salt, column, 'id')} IN (SELECT unnest(?::VARCHAR[]))"
    found = bench.execute(f"SELECT id FROM ({ids}) WHERE {has}", [sorted(digests)]).fetchall()
    return [text for (text,) in found]


def rows_are_told(config: Config, withheld: Withheld) -> bool:
    """Whether rejects.csv may tell rows as they are."""
    return not config.privacy.pseudonyms and not withheld
