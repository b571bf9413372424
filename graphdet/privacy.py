"""Privacy: what stands for an id under a key, and taking ids out of texts.

A digest of an id is HMAC-SHA-256 over a kind, a zero byte and the id. Whoever lacks the key cannot tell whose it is,
not even by trying all ids; whoever has key and digest can try. A pseudonym is the first PSEUDONYM_HEX digits of one.
"""

import hashlib
import hmac
import json
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphdet.errors import UsageError

KEY_FILE_VARIABLE = "GRAPHDET_KEY_FILE"
LEAST_KEY_BYTES = 16
PSEUDONYM_HEX = 25  # 100 bits: two of a billion ids share one with a chance of 1 in 10^12
_BLOCK = 64  # bytes of a block of SHA-256
NO_LONGER = "(forgotten)"  # stands in texts where an id stood
_AROUND = (
    r"""\s()\[\]{}<>,;:!?"'=|/&"""  # what stands around an id within a text; part of another id it is not
)
_KEYED_BY_USER = ("members", "member_reasons")  # keys of documents under which accounts are keys
_SHORT_NUMBER = 4  # digits, below which a number within a text cannot be told from a count


def read_key_file(path: Path) -> bytes:
    """Read a key: hexadecimal digits on one line of a file that only its owner can read.

    Raises:
        UsageError: it is not there, others may read it, or it holds no key.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such key file; --new-key makes it") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} holds no key of pseudonyms") from None
    except OSError as error:
        raise UsageError(f"{path}: the key cannot be read: {error.strerror}") from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"{path} can be read by others; make it yours alone: chmod 600 {path}")
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < LEAST_KEY_BYTES:
        raise UsageError(
            f"{path} holds no key of pseudonyms: {2 * LEAST_KEY_BYTES} or more hexadecimal digits are wanted"
        )
    return key


def digest_of_id(key: bytes, kind: str, text: str) -> str:
    """The digest of an id under a key: 64 hexadecimal digits."""
    message = kind.encode() + b"\x00" + text.encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def digest_sql(key: bytes, kind: str, column: str) -> str:
    """The same as an expression of DuckDB over a column of texts; null stays null.

    The key stands in the expression, so it must not be kept in a view or told in a message.
    """
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\x00")
    inner, outer = (bytes(byte ^ mask for byte in block).hex() for mask in (0x36, 0x5C))
    head = (kind.encode() + b"\x00").hex()
    return f"sha256(unhex('{outer}') || unhex(sha256(unhex('{inner}{head}') || encode({column}))))"


def prefix_of(kind: str) -> str:
    """The letters before a pseudonym of a kind: u for user_id, i for item_id, s for session_id, else the kind.

    >>> prefix_of("user_id"), prefix_of("device")
    ('u', 'device')
    """
    return kind[0] if kind.endswith("_id") else kind


def pseudonym(key: bytes, kind: str, text: str) -> str:
    """What stands in the store for an id; kind is the name in the config: user_id, session_id, device, …

    >>> pseudonym(bytes(16), "user_id", "ann")
    'u-4b6d68d08d9b784b50959b8a0'
    """
    return f"{prefix_of(kind)}-{digest_of_id(key, kind, text)[:PSEUDONYM_HEX]}"


def pseudonym_sql(key: bytes, kind: str, column: str) -> str:
    """The same as an expression of DuckDB over a column of texts; null stays null."""
    return f"'{prefix_of(kind)}-' || substr({digest_sql(key, kind, column)}, 1, {PSEUDONYM_HEX})"


@dataclass(frozen=True)
class Withheld:
    """What a store was told to forget, and so does not take again when a log is read.

    salt: the key of the digests. users, items: digests of accounts, of which the second kind stands where items do, too
    (who was paid). before_ms: acts before it are past their time; None: none is.
    """

    salt: bytes = b""
    users: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()
    before_ms: int | None = None

    def __bool__(self) -> bool:
        """Whether anything is withheld."""
        return bool(self.users or self.items or self.before_ms is not None)


class Scrub:
    """Takes ids out of texts and JSON values.

    A text that is an id, or has one as a whole word, gets NO_LONGER there. Numbers of fewer than four digits are only
    told as whole texts: within a sentence they cannot be told from counts.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids = frozenset(ids)
        self.words = frozenset(i for i in self.ids if not _could_be_a_count(i))
        words = sorted(self.words, key=len, reverse=True)
        self._words = (
            re.compile(f"(?<![^{_AROUND}])(?:{'|'.join(map(re.escape, words))})(?=[{_AROUND}]|[.]?$|[.]\\s)")
            if words
            else None
        )
        # As they stand in JSON, where other letters may be escapes.
        self._needles = {form for i in self.ids for form in (i, json.dumps(i)[1:-1])}

    def needles(self) -> list[str]:
        """What a text must contain to be looked at."""
        return sorted(self._needles)

    def may_name(self, text: str) -> bool:
        """Whether a text may name one of the ids; false means it does not."""
        return any(needle in text for needle in self._needles)

    def text(self, text: str) -> str:
        """The text without the ids."""
        if text in self.ids:
            return NO_LONGER
        return text if self._words is None else self._words.sub(NO_LONGER, text)

    def document(self, text: str) -> str:
        """A JSON document, or another text, without the ids; one that names none stays byte for byte."""
        if not self.may_name(text):
            return text
        try:
            found = json.loads(text)
        except ValueError:
            return self.text(text)
        clean = self.value(found)
        return text if clean == found else json.dumps(clean, ensure_ascii=False)

    def value(self, value: Any, *, by_user: bool = False) -> Any:
        """A JSON value without the ids: entries of lists about them are left out, else NO_LONGER stands there.

        by_user: the keys of the value are accounts; other keys stay, as an account may be called what a key is.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                key: self.value(each, by_user=key in _KEYED_BY_USER)
                for key, each in value.items()
                if not (by_user and key in self.ids)
            }
        if isinstance(value, list):
            return [self.value(each) for each in value if not self._is_of_id(each)]
        return value

    def _is_of_id(self, value: Any) -> bool:
        """Whether an entry of a list is an id, or about one."""
        if isinstance(value, str):
            return value in self.ids
        return isinstance(value, dict) and value.get("user_id") in self.ids


def _could_be_a_count(text: str) -> bool:
    return len(text) < (_SHORT_NUMBER if text.isdigit() else 2)
