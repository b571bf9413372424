"""One spelling for texts that a reader would call the same, in any script.

The rules, in their order:
1. Of a text the first MOST_CHARS characters are read (its length is known in full, see shape).
2. A lone surrogate is no character and becomes a blank; so do NUL and the other control characters.
3. HTML entities are read and tags left out, the address of a link apart: platforms store comments so.
4. Invisible characters (zero width, bidirectional marks, variation selectors, tags) are left out.
5. Unicode's compatibility form (NFKC) and case folding: ﬁ is fi, Ｆ is f, 𝐟𝐫𝐞𝐞 is free.
6. At most two combining marks stand on a character.
7. Within a word that mixes Latin with look-alikes from Cyrillic or Greek, those are read as Latin: "pаypal". Words
   of one script stay as they are.
8. Blanks of any kind are one blank, none at the ends.
"""

import hashlib
import html
import re
import unicodedata

MOST_CHARS = 10_000
LINK, NUMBER, NAME = "link", "0", "@"
MIN_WIDTH = (
    20  # columns of a template: shorter texts ("nice song") are said by many without knowing each other
)
_SHOWN = 60  # characters of a template's id that a reader sees

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_ADDRESS = re.compile(r"""<a\b[^<>]{0,500}?href=["']?([^"'<>\s]{1,500})[^<>]{0,500}>""", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,1000}>")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_BLANK = re.compile(r"\s+")
_WORD = re.compile(r"\w+")
_LATIN = re.compile("[a-z]")
_LOOK = dict(zip("аеорсухіјѕһԁԛԝкмтвнгαορνικτυε", "aeopcyxijshdqwkmtbhraopviktue", strict=True))
_LOOKS = re.compile(f"[{''.join(_LOOK)}]")
_LOOK_TABLE = str.maketrans(_LOOK)

URL = re.compile(
    r"(?:https?://|www\.)[^\s<>\"']{1,2000}"
    r"|\b(?:[a-z0-9-]{1,63}\.){1,5}(?:com|net|org|info|biz|ru|de|uk|co|io|me|tv|ly|gl|gg|be|tk|ml|xyz|top|site|online|club|shop"
    r"|us|in|cn|jp|fr|br|pl|nl|eu|it|es)\b(?:/[^\s<>\"']{0,2000})?",
    re.IGNORECASE,
)
MENTION = re.compile(r"(?<![\w@])@[\w.]{2,64}")
_DIGITS = re.compile(r"\d[\d\s.,:()/-]*")
_MARKS = re.compile(r"[^\w@]+")
_STRETCH = re.compile(r"(.)\1{2,}")


def clean(text: str) -> str:
    """A text as a person would see it, with its case: rules 1 to 4 and 8.

    >>> clean("Look:<br />&quot;fr\\u200bee&quot;\\ufeff")
    'Look: "free"'
    """
    text = text[:MOST_CHARS]
    if not text.isascii():
        text = _SURROGATE.sub(" ", text)
    text = _CONTROL.sub(" ", text)
    if "&" in text:
        text = html.unescape(html.unescape(text))  # what was escaped twice, too
        text = _CONTROL.sub(" ", _SURROGATE.sub(" ", text))
    if "<" in text:
        text = _TAG.sub(" ", _ADDRESS.sub(r" \1 ", text))
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
    return _BLANK.sub(" ", text).strip()


def normalise(text: str) -> str:
    """The one spelling of a text; see the module. It may come out empty.

    >>> normalise("ＦＲＥＥ  Р\u0430ypal\u200b ﬁnd")
    'free paypal find'
    """
    text = clean(text)
    if text.isascii():
        return text.casefold()
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())[: 2 * MOST_CHARS]
    text = _few_marks(text)
    if _LOOKS.search(text) and _LATIN.search(text):
        text = _WORD.sub(_read_as_latin, text)
    return _BLANK.sub(" ", text).strip()


def _few_marks(text: str) -> str:
    if not any(map(unicodedata.combining, text)):
        return text
    out, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= 2:
            out.append(char)
    return "".join(out)


def _read_as_latin(match: re.Match[str]) -> str:
    word = match.group()
    return word.translate(_LOOK_TABLE) if _LATIN.search(word) and _LOOKS.search(word) else word


def template(text: str) -> str:
    """What stays of a text when a campaign changes addresses, numbers, names and decoration; may be empty.

    >>> template("CHECK this!!! http://a.co/1 call 0800-123 sooooo good 🔥")
    'check this link call 0 so good'
    >>> template("check this http://b.net/2 ... call 555 so good")
    'check this link call 0 so good'
    """
    text = URL.sub(f" {LINK} ", normalise(text))
    text = MENTION.sub(f" {NAME} ", text)
    text = _DIGITS.sub(f" {NUMBER} ", text)
    text = _MARKS.sub(" ", _STRETCH.sub(r"\1", text))
    return " ".join(text.split())


def width(text: str) -> int:
    """Columns of a text: a character of Chinese, Japanese or Korean says as much as two letters."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def template_id(text: str, min_width: int = MIN_WIDTH) -> str | None:
    """The id of the template of a text as an entity: its beginning, and a digest of all; None for a short one.

    It depends on nothing but the text, so logs read one after the other meet in the same node.

    >>> template_id("Check out this video on YouTube: http://youtu.be/x")
    'check out this video on youtube link #b66f2aed'
    >>> template_id("nice song!!!") is None
    True
    """
    found = template(text)
    if width(found) < min_width:
        return None
    digest = hashlib.sha256(found.encode()).hexdigest()[:8]
    return f"{found[:_SHOWN].strip()} #{digest}"
