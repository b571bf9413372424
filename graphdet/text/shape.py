"""What can be counted in one text: links, names, numbers, money, and how it is written. No words are learned."""

import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from graphdet.text.normal import MENTION, URL, clean, normalise

SHAPE_FEATURES = (
    "text_chars",  # of the whole text, as it was given
    "text_words",  # runs of letters and digits
    "text_links",  # URLs and bare domains
    "text_domains",  # different ones
    "text_shorteners",  # links through a shortening service
    "text_mentions",  # @name
    "text_phones",  # numbers of 7 to 15 digits that are written like telephone numbers
    "text_short_codes",  # numbers of 4 to 6 digits, as premium services have
    "text_money",  # signs and names of currencies
    "text_invisible",  # zero-width, bidirectional and control characters, and lone surrogates
    "text_tags",  # HTML tags
    "text_upper_share",  # of the letters that have case
    "text_digit_share",  # of all characters, like the next four
    "text_punctuation_share",
    "text_symbol_share",  # emoji and other symbols
    "text_other_script_share",  # letters beyond Latin
    "text_blank_share",
    "text_longest_run",  # of one character
    "text_longest_word",
    "text_exclamations",
    "text_questions",
    "text_word_variety",  # different words ÷ words
)
SHORTENERS = frozenset(
    (
        "adf.ly",
        "bit.do",
        "bit.ly",
        "buff.ly",
        "cutt.ly",
        "goo.gl",
        "is.gd",
        "j.mp",
        "ow.ly",
        "rb.gy",
        "shorte.st",
        "shorturl.at",
        "t.co",
        "t.ly",
        "tiny.cc",
        "tinyurl.com",
        "v.gd",
    )
)
_PHONE = re.compile(r"(?<![\w.])\+?\(?\d[\d ().-]{5,18}\d(?!\w)")
_CODE = re.compile(r"(?<![\w.,])\d{4,6}(?![\w.,]*\d)")
_MONEY = re.compile(
    r"[$£€¥₹₽₿¢]|\b(?:usd|eur|gbp|dollars?|euros?|pounds?|cash|btc|bitcoin|paypal|p/m(?:in|sg))\b"
)
_TAG = re.compile(r"<[a-zA-Z/][^<>]{0,1000}>")
_WORD = re.compile(r"\w+")
_RUN = re.compile(r"(\S)\1*")


def links(text: str) -> list[str]:
    """Domains of the links of a text (lower case, without "www."), in the order of the text, repeats kept.

    >>> links("see http://www.A.com/x, bit.ly/y and a.com")
    ['a.com', 'bit.ly', 'a.com']
    """
    out = []
    for found in URL.findall(normalise(text)):
        try:
            host = urlsplit(found if "://" in found else f"//{found}").hostname or ""
        except ValueError:  # a broken IPv6 address: a link all the same
            host = "?"
        out.append(host.removeprefix("www.").strip(".") or "?")
    return out


def shape(texts: Sequence[str | None]) -> NDArray[np.float32]:
    """SHAPE_FEATURES of every text, float32[n, d]; a missing text is all NaN, an empty one all 0."""
    out = np.full((len(texts), len(SHAPE_FEATURES)), np.nan, np.float32)
    known: dict[str, list[float]] = {}  # campaigns repeat themselves
    for row, text in enumerate(texts):
        if text is not None:
            key = text if len(text) <= 1000 else ""
            if not key or key not in known:
                values = _shape(text)
                if key:
                    known[key] = values
            else:
                values = known[key]
            out[row] = values
    return out


def _shape(text: str) -> list[float]:
    seen = clean(text)
    low = normalise(text)
    words = _WORD.findall(low)
    domains = links(text)
    plain = MENTION.sub(" ", URL.sub(" ", low))
    phones = [n for n in map(_n_digits, _PHONE.findall(plain)) if 7 <= n <= 15]
    kinds = [unicodedata.category(char) for char in seen]
    n = max(len(seen), 1)
    upper, lower = kinds.count("Lu"), kinds.count("Ll")
    letters = [char for char, kind in zip(seen, kinds, strict=True) if kind[0] == "L"]
    head = text[: len(seen) + 1000]
    return [
        len(text),
        len(words),
        len(domains),
        len(set(domains)),
        sum(domain in SHORTENERS for domain in domains),
        len(MENTION.findall(low)),
        len(phones),
        len(_CODE.findall(_PHONE.sub(" ", plain))),
        len(_MONEY.findall(low)),
        sum(unicodedata.category(char) in ("Cf", "Cc", "Cs") and char not in "\t\n\r" for char in head),
        len(_TAG.findall(head)),
        upper / max(upper + lower, 1),
        sum(kind == "Nd" for kind in kinds) / n,
        sum(kind[0] == "P" for kind in kinds) / n,
        sum(kind[0] == "S" for kind in kinds) / n,
        sum(ord(char) > 0x24F for char in letters) / max(len(letters), 1),
        sum(kind[0] == "Z" for kind in kinds) / n,
        max((len(run.group()) for run in _RUN.finditer(seen)), default=0),
        max(map(len, words), default=0),
        seen.count("!"),
        seen.count("?"),
        len(set(words)) / max(len(words), 1),
    ]


def _n_digits(text: str) -> int:
    return sum(char.isdigit() for char in text)
