"""The Cypher files, loaded by name, and identifiers made safe for them.

How actions and entity kinds become relationship types and labels, and back, exactly.
"""

import unicodedata
from functools import cache

from graphdet import schema
from graphdet.shipped_files import shipped_folder

CYPHER_FOLDER = shipped_folder("cypher")


@cache
def cypher(name: str, label: str = "", rel_type: str = "", constraint: str = "") -> str:
    """Load a statement, such as `read/items`, without its comments; LABEL_, TYPE_ and NAME_ filled in, escaped.

    >>> cypher("read/items").splitlines()[0]
    'MATCH (i:Item)'
    """
    text = (CYPHER_FOLDER / f"{name}.cypher").read_text(encoding="utf-8")
    statement = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("//"))
    for place, identifier in (("LABEL_", label), ("TYPE_", rel_type), ("NAME_", constraint)):
        if identifier:
            statement = statement.replace(place, escaped(identifier))
    return statement


@cache
def names(folder: str) -> tuple[str, ...]:
    """Names of the statements of a folder, sorted."""
    found = (file.name for file in (CYPHER_FOLDER / folder).iterdir())
    return tuple(sorted(name.removesuffix(".cypher") for name in found if name.endswith(".cypher")))


def cypher_text(name: str) -> str:
    """The whole text of a statement, with its comments."""
    return (CYPHER_FOLDER / f"{name}.cypher").read_text(encoding="utf-8")


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


RESERVED_LABELS = frozenset(
    {
        *("User", "Session", "Item", "Ring", "Suspect", "Meta", "Ingest", "Unsettled", "Entity"),
        *("AuditEntry", "AuditHead", "Verdict", "RingSeen"),
    }
)


@cache
def action_of_type(rel_type: str) -> str:
    """The action that a relationship type means when the relationship has no property `action`.

    >>> action_of_type("VIEWED"), action_of_type("FILTER_SELECTION")
    ('view', 'filter_selection')
    """
    for action, known in schema.RELATIONSHIP_OF_ACTION.items():
        if known == rel_type:
            return action
    return rel_type.lower()


@cache
def type_of_action(action: str) -> tuple[str, str | None]:
    """The relationship type of an action and, where the type alone would not lead back to it, the action.

    >>> type_of_action("view"), type_of_action("pv"), type_of_action("filter selection")
    (('VIEWED', None), ('VIEWED', 'pv'), ('FILTER_SELECTION', 'filter selection'))
    """
    rel_type = schema.relationship_type(action)
    return rel_type, None if action_of_type(rel_type) == action else action


def entity_label(kind: str) -> str:
    """The label of a kind of shared entity; never one of the graph's own. The node keeps `kind` itself too.

    >>> entity_label("payment_card"), entity_label("user"), entity_label("设备")
    ('PaymentCard', 'UserEntity', 'SharedEntity')
    """
    label = schema.node_label(kind)
    if not label:
        return "SharedEntity"
    return f"{label}Entity" if label in RESERVED_LABELS else label
