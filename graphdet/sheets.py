r"""Texts that are safe in a spreadsheet, and the way back to the exact ones.

A spreadsheet runs a field that begins with =, +, - or @ as a formula, also after white space, and some read the
full-width forms of these signs alike. So a text that begins with one of them, with white space or a control
character, or with an apostrophe, gets an apostrophe in front. To read a text back, remove one
leading apostrophe if there is one; that is exact, as a text that begins with an apostrophe of its own has got one
more.

In a file that comes back from a person, ids that a spreadsheet would change without a word (00123 becomes 123,
3-4 a date, sixteen digits lose their last) get one too.
"""

import re
from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc

FORMULA = "=+-@＝＋－＠'"
BOM = "\ufeff"  # by which spreadsheets know UTF-8
_HARMLESS = "^[A-Za-z0-9]"  # how nearly all texts begin
_KEPT_NUMBER = re.compile("0|[1-9][0-9]{0,14}")
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mär|mai|okt|dez"
_CHANGED = re.compile(rf"[0-9].*|\.[0-9].*|true|false|({_MONTHS})[a-z]*[ ./-]?[0-9]+", re.IGNORECASE)


def neutral(text: str) -> str:
    r"""Put an apostrophe before a text that a spreadsheet could run.

    >>> neutral("=1+1"), neutral("plain"), neutral("'quoted"), neutral("\t=1")
    ("'=1+1", 'plain', "''quoted", "'\t=1")
    """
    return f"'{text}" if _is_risky(text) else text


def steady(text: str) -> str:
    """Put an apostrophe also before an id that a spreadsheet would read as a number, a date or a truth and change.

    >>> [steady(text) for text in ("u1", "123", "00123", "2026-01-31", "1e5", "SEPT2", "12345678901234567")]
    ['u1', '123', "'00123", "'2026-01-31", "'1e5", "'SEPT2", "'12345678901234567"]
    """
    changed = _CHANGED.fullmatch(text) is not None and _KEPT_NUMBER.fullmatch(text) is None
    return f"'{text}" if changed else neutral(text)


def original(text: str) -> str:
    """Undo `neutral` and `steady`.

    >>> [original(neutral(text)) for text in ("=1+1", "plain", "'quoted", "")]
    ['=1+1', 'plain', "'quoted", '']
    """
    return text.removeprefix("'")


def is_neutral(texts: Iterable[str]) -> bool:
    """Whether texts are as `neutral` or `steady` write them, and not all the same without: then `original` is due.

    In a file of texts as they are, one begins with a bare sign, or an apostrophe stands before a letter.

    >>> is_neutral(["u1", "'=1"]), is_neutral(["u1", "=1"]), is_neutral(["'=1", "=1"]), is_neutral(["'u1"])
    (True, False, False, False)
    """
    marked = False
    for text in texts:
        if text[:1] == "'":
            if not _is_risky(text[1:]) and not _CHANGED.fullmatch(text[1:]):
                return False
            marked = True
        elif _is_risky(text):
            return False
    return marked


def safe_column(column: pa.Array, safe: Callable[[str], str] = neutral) -> pa.Array:
    """Apply `neutral` or `steady` to a column of texts; what begins with a letter is not looked at by the first."""
    odd = pc.invert(pc.match_substring_regex(column, "^$" if safe is steady else _HARMLESS))
    odd = pc.fill_null(odd, False)
    if not pc.any(odd).as_py():
        return column
    return pc.replace_with_mask(column, odd, pa.array(map(safe, column.filter(odd).to_pylist()), column.type))


def original_column(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The texts of a column of a file as they were before it was made safe, if it was."""
    odd = column.filter(pc.invert(pc.match_substring_regex(column, _HARMLESS)))
    if not is_neutral(pc.unique(odd).drop_null().to_pylist()):
        return column
    return pc.replace_substring_regex(column, "^'", "")


def _is_risky(text: str) -> bool:
    first = text[:1]
    return first != "" and (first in FORMULA or first.isspace() or not first.isprintable())
