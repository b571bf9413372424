"""The one place that every report, export and revealed pseudonym goes through before it is handed out.

The audit log hooks in here: what cannot be noted must not be given out, so `disclose` is called first and may raise.
The key of pseudonyms is kept here too: a file that lies neither beside the store nor among the findings, and that only
its owner can read.
"""

import logging
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphdet.config import Config
from graphdet.errors import ConfigError, UsageError
from graphdet.files import explain_os_error, make_folder
from graphdet.logs.private import key_mark_of, key_of
from graphdet.ports import AuditStore, Store
from graphdet.privacy import KEY_FILE_VARIABLE, read_key_file
from graphdet.store import duckdb_path

log = logging.getLogger("graphdet.disclosure")


@dataclass(frozen=True)
class Disclosure:
    """What is about to be handed out: the verb, to where or about whom, in which formats, under which names."""

    what: str  # "report", "reveal", "explain", "labels" or "mcp"
    subjects: tuple[str, ...]  # ring ids (none: all findings), the pseudonyms to reveal, or users
    formats: tuple[str, ...] = ()
    out: str | None = None
    pseudonymised: bool = False
    kind: str = "ring"  # of the subjects: ring, pseudonym or user
    more: Mapping[str, Any] = field(default_factory=dict)  # what else is to be noted


Listener = Callable[[AuditStore, Disclosure], None]


def disclose(store: AuditStore, disclosure: Disclosure, listener: Listener | None = None) -> None:
    """Note a disclosure: in Python's log, and with the listener that the caller brings.

    Raises:
        GraphdetError: the listener could not note it; nothing may be handed out then.
    """
    if listener is not None:
        listener(store, disclosure)
    log.info(
        "%s of %s from %s as %s to %s, %s",
        disclosure.what,
        ", ".join(disclosure.subjects) or "all findings",
        store.url,
        ", ".join(disclosure.formats) or "text",
        disclosure.out or "the terminal",
        "pseudonymised" if disclosure.pseudonymised else "with the log's own ids",
    )


KEY_BYTES = 32
KEY_MARK = "privacy.key"  # meta key of what tells the key of a store's pseudonyms from others


def read_key(path: Path | None, store_url: str, out: Path | None = None) -> bytes:
    """Read the key of pseudonyms, hexadecimal digits on one line.

    Raises:
        UsageError: no file is named, it is not there, others may read it, it holds no key, or it lies with the store or
            the findings, where whoever gets those would get the key too.
    """
    if path is None:
        raise UsageError(
            f"pseudonyms need a key: name its file with --key-file or {KEY_FILE_VARIABLE}; --new-key makes one"
        )
    _check_place(path, store_url, out)
    return read_key_file(path)


def make_key(path: Path | None, store_url: str, out: Path | None = None) -> Path:
    """Make a new key that only its owner can read (mode 0600).

    Raises:
        UsageError: no file is named, there is one already, or it would lie with the store or the findings.
        GraphdetError: it cannot be written.
    """
    if path is None:
        raise UsageError(f"--new-key needs a place: name it with --key-file or {KEY_FILE_VARIABLE}")
    _check_place(path, store_url, out)
    make_folder(path.absolute().parent)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} is there already; a new key would make old pseudonyms unreadable") from None
    except OSError as error:
        raise explain_os_error(error, path) from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
    return path


def check_ingest_key(store: Store, config: Config, *, begun: bool) -> str | None:
    """Refuse to mix ids and pseudonyms in a store, or pseudonyms of two keys; gives what to keep under KEY_MARK.

    begun: the store has a log already. None: the config names no pseudonyms.

    Raises:
        ConfigError: they would be mixed, the key cannot be read, or it lies where the store is.
    """
    kept = store.meta(KEY_MARK) if begun else None
    if not config.privacy.pseudonyms:
        if kept is not None:
            raise ConfigError(
                f"{store.url} holds pseudonyms, and the config {config.name} names none; add [privacy] pseudonyms with "
                "the same key, or use a store of its own"
            )
        return None
    mark = key_mark_of(key_of(config))
    try:
        _check_place(Path(config.privacy.key_file or os.environ[KEY_FILE_VARIABLE]), store.url, None)
    except UsageError as error:
        raise ConfigError(f"config {config.name}: [privacy] {error}") from error
    if begun and kept != mark:
        what = "ids as they are" if kept is None else "pseudonyms of another key"
        raise ConfigError(
            f"{store.url} holds {what}: the same account would be two; use the same key, or a store of its own"
        )
    return mark


def _check_place(path: Path, store_url: str, out: Path | None) -> None:
    """Refuse a key that lies beside the store, or among findings.

    Raises:
        UsageError: it does.
    """
    key = path.expanduser().resolve()
    advice = "whoever gets one would get the other; choose another place for the key"
    if out is not None and key.is_relative_to(out.expanduser().resolve()):
        raise UsageError(f"the key {path} would lie among the findings in {out}: {advice}")
    if store_url.startswith("duckdb:"):
        folder = duckdb_path(store_url).expanduser().resolve().parent
        # The folder of a run holds the store and all that is handed on; any other may be a home.
        inside = key.is_relative_to(folder) if (folder / "run.json").exists() else key.parent == folder
        if inside:
            raise UsageError(f"the key {path} would lie with the store in {folder}: {advice}")
