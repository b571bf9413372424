"""The Cypher files, loaded by name, and identifiers made safe for them."""

import unicodedata
from functools import cache

from graphdet.shipped_files import shipped_folder

FOLDER = shipped_folder("cypher")


@cache
def cypher(name: str, label: str = "", rel_type: str = "", constraint: str = "") -> str:
    """Load a statement, such as `read/items`, without its comments; LABEL_, TYPE_ and NAME_ filled in, escaped.

    >>> cypher("read/items").splitlines()[0]
    'MATCH (i:Item)'
    """
    text = (FOLDER / f"{name}.cypher").read_text(encoding="utf-8")
    statement = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("//"))
    for place, identifier in (("LABEL_", label), ("TYPE_", rel_type), ("NAME_", constraint)):
        if identifier:
            statement = statement.replace(place, escaped(identifier))
    return statement


@cache
def names(folder: str) -> tuple[str, ...]:
    """Names of the statements of a folder, sorted."""
    found = (file.name for file in (FOLDER / folder).iterdir())
    return tuple(sorted(name.removesuffix(".cypher") for name in found if name.endswith(".cypher")))


def text_of(name: str) -> str:
    """The whole text of a statement, with its comments."""
    return (FOLDER / f"{name}.cypher").read_text(encoding="utf-8")


def escaped(identifier: str) -> str:
    """Quote a label, relationship type or constraint name for Cypher.

    >>> escaped("a`b")
    '`a``b`'
    """
    return "`" + identifier.replace("\\u0060", "`").replace("`", "``") + "`"


def text_literal(text: str) -> str:
    r"""Write a text as Cypher, for people to run: in our own statements values are parameters.

    Cypher reads \uXXXX before anything else, even after a backslash, so a backslash is written as two such escapes.

    >>> print(text_literal("it's"), text_literal("a\\b"), text_literal("two\nlines"))
    'it\'s' 'a\u005c\u005cb' 'two\u000alines'
    """
    return "'" + "".join(map(_written, text)) + "'"


def _written(character: str) -> str:
    if character == "'":
        return "\\'"
    if character == "\\":
        return "\\u005c" * 2
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        units = character.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[ix]:02x}{units[ix + 1]:02x}" for ix in range(0, len(units), 2))
    return character
