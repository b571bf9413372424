"""The words of the design as constants: columns, tables, labels and relationship types.

Every table that crosses a module boundary is listed here with its columns, so that a reader finds the shape of
the data in one place. Times are milliseconds since 1970-01-01 UTC (`_ms`); spans are half open.
"""

import re
from typing import Literal, get_args

# --- the clean log -------------------------------------------------------------------------------------------
EVENT_COLUMNS = (
    "event_id",  # VARCHAR: the mapped column, else the row number in the input from 0
    "event_row",  # BIGINT: the row number in the input, from 0, over all files in the order given
    "user_id",  # VARCHAR
    "item_id",  # VARCHAR
    "session_id",  # VARCHAR, never null after cleaning
    "action",  # VARCHAR, lower case
    "at_ms",  # BIGINT
    "amount",  # DOUBLE, null when the log has none
    "quantity",  # DOUBLE, null when the log has none
    "text",  # VARCHAR, null when the log has none
)
# Beside these, of events that go into a store: what tells their row when the log is read again (see logs.known).
ROW_KEY = "graphdet_row_key"  # UBIGINT, null where nothing tells it

# One row per (session, item, action): what becomes a relationship of the graph.
INTERACTION_COLUMNS = (
    "user_id",
    "session_id",
    "item_id",
    "action",
    "at_ms",  # BIGINT: the first time
    "n",  # BIGINT: how many events
    "amount",  # DOUBLE or null: sum
    "quantity",  # DOUBLE or null: sum
)
USER_COLUMNS = ("user_id",)
ITEM_COLUMNS = ("item_id", "name")  # name: VARCHAR or null, from the mapped `item_name`
SESSION_COLUMNS = ("session_id", "user_id", "started_ms", "ended_ms")
ENTITY_COLUMNS = ("user_id", "kind", "entity_id", "first_ms", "n")  # kind: as in `[entities]`, e.g. device
TEMPLATE = "template"  # the kind of entity that `[text] templates` makes
PICTURE = "picture"  # the kind of entity whose files `[pictures]` reads

# --- the encoded log: what the whole-log expressions and the array code work on -------------------------------
# user_ix, item_ix, session_ix are dense, from 0, in the byte order of their ids.
EDGE_COLUMNS = ("user_ix", "item_ix", "session_ix", "action_ix", "at_ms", "n")

# --- findings --------------------------------------------------------------------------------------------------
SCORE_COLUMNS = (
    "user_id",
    "score",
    "p_value",
    "q_value",
    "flagged",  # BOOLEAN
    "ring_id",  # VARCHAR or null
    "gnn",
    "cluster_distance",
    "probability",
    "reason",
)
# The part of a member in its ring: core acts on many of the targets, fringe on fewer, and for a weak one, which may be
# there by chance or looks like a bystander, the ring does not vouch.
MEMBER_ROLES = ("core", "fringe", "weak")
ROLE = "role"  # VARCHAR or null
# As suspects.csv and the library have them: with the part in the ring of that row, null where there is none.
SUSPECT_COLUMNS = (*SCORE_COLUMNS[:6], ROLE, *SCORE_COLUMNS[6:])
# What a finding is: accounts that share several targets, throwaway accounts or repeated acts on one target, two or
# three accounts that share far too much, and forms of payments. A store that an older version wrote has rings only.
RingKind = Literal["ring", "burst", "pair", "cycle", "fan_in", "fan_out", "gather_scatter", "repeated_pairs"]
RING_KINDS: tuple[RingKind, ...] = get_args(RingKind)
PLAIN_RING: RingKind = "ring"
RING_COLUMNS = (
    "ring_id",
    "kind",  # VARCHAR, of RING_KINDS
    "n_users",
    "n_items",
    "score",
    "p_value",
    "q_value",
    "flagged",
    "first_seen",  # ISO 8601 UTC with milliseconds
    "last_seen",
    "reason",
)
RING_EVIDENCE = (
    "evidence"  # one more column of the rings table: VARCHAR, JSON (see rings.finding.Explanation)
)
LEAD_COLUMNS = ("ring_id", "n_users", "n_items", "score", "p_value", "q_value", "held_back_by", "why")
RING_MEMBER_COLUMNS = ("ring_id", "user_id", "score")
LISTED_MEMBER_COLUMNS = (*RING_MEMBER_COLUMNS, ROLE)  # as ring_members.csv has them
RING_ITEM_COLUMNS = ("ring_id", "item_id", "n_users", "lift")
# One row per ring and run: what a ring was when it was found, so that it is known again. `origin` says what became of
# other rings in it ("split from R0003"), or null; members and items are lists of ids, in byte order.
RING_HISTORY_COLUMNS = (
    "run",  # BIGINT, from 1
    "at",  # ISO 8601 UTC with milliseconds: when the run wrote its rings
    "ring_id",
    "n_users",
    "n_items",
    "n_joined",  # members since the ring was last found
    "n_left",
    "score",
    "q_value",
    "flagged",
    "origin",
    "members",
    "items",
)
# What people are told while a log grows: see live.alerts.
ALERT_COLUMNS = (
    "seq",  # BIGINT, from 1
    "key",  # VARCHAR, the same whenever the same alert is sent again
    "at",  # ISO 8601 UTC with milliseconds: when it was found
    "kind",
    "ring_id",  # VARCHAR or null
    "severity",
    "alert",  # VARCHAR, JSON: the whole alert
)
# How loudly a node of the graph asks to be looked at; a property of nodes in Neo4j, made anew by every run. Users and
# rings have the band of their own finding, an item that of the loudest ring that pushes it, an entity that of its
# suspects: two make it high, one medium.
RISK_BANDS = ("high", "medium", "low", "none")
LABELLED_KINDS = ("item", "session", "event")  # what labels may name, besides users
LABELLED_COLUMNS = ("score", "p_value", "flagged", "reason")  # after KIND_id
LABEL_KEYS = ("user_id", "item_id", "session_id", "event_id")

# --- the graph in Neo4j ----------------------------------------------------------------------------------------
MEDIUM_SCORE, LOW_SCORE = 0.5, 0.1  # from which a finding is of that risk band
DEFAULT_ACTION = "view"
SENT, RECEIVED = "sent", "received"  # of payments: on which side of one the user stands
# Past participles as Neo4j users would write them; any other action becomes its own name in capitals.
RELATIONSHIP_OF_ACTION = {
    "view": "VIEWED",
    "pv": "VIEWED",
    "click": "CLICKED",
    "cart": "CARTED",
    "fav": "FAVOURITED",
    "buy": "BOUGHT",
    "order": "ORDERED",
    "return": "RETURNED",
    "pay": "PAID",
    "review": "REVIEWED",
    "comment": "COMMENTED",
    "share": "SHARED",
    "search": "SEARCHED",
    "follow": "FOLLOWED",
    "like": "LIKED",
}


def relationship_type(action: str) -> str:
    """Name the relationship type of an action.

    >>> relationship_type("view"), relationship_type("filter selection")
    ('VIEWED', 'FILTER_SELECTION')
    """
    known = RELATIONSHIP_OF_ACTION.get(action)
    if known is not None:
        return known
    name = re.sub(r"[^A-Z0-9]+", "_", action.upper()).strip("_")
    return name if name[:1].isalpha() else f"DID_{name}".rstrip("_")


def risk_band(score: float | None, flagged: bool | None) -> str:
    """Name the risk band of a finding: high is flagged; medium and low come near it by their own score.

    Not by q-value, which is a mean over all that score at least as high: sure ones would vouch for an ordinary one.

    >>> risk_band(0.97, True), risk_band(0.6, False), risk_band(0.2, False), risk_band(0.0, False)
    ('high', 'medium', 'low', 'none')
    """
    if flagged:
        return "high"
    if score is None or score < LOW_SCORE:
        return "none"
    return "medium" if score >= MEDIUM_SCORE else "low"


def node_label(kind: str) -> str:
    """Name the node label of an entity kind.

    >>> node_label("device"), node_label("payment_card")
    ('Device', 'PaymentCard')
    """
    return "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", kind) if part)
