"""How actions and entity kinds become relationship types and labels, and back, exactly."""

from functools import cache

from graphdet import schema

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
