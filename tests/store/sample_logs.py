"""Small logs as plain rows, and what the port must answer for them, worked out in plain Python."""

import math
import random
from collections import defaultdict
from dataclasses import dataclass, field

import pyarrow as pa

from graphdet.ports import Source
from graphdet.tables import Frame, LogTables, RingTables
from graphdet.workbench import Workbench

Row = dict[str, object]
STRING, INT, FLOAT = pa.string(), pa.int64(), pa.float64()
EVENTS = {
    "event_id": STRING,
    "event_row": INT,
    "user_id": STRING,
    "item_id": STRING,
    "session_id": STRING,
    "action": STRING,
    "at_ms": INT,
    "amount": FLOAT,
    "quantity": FLOAT,
    "text": STRING,
}
INTERACTIONS = {
    "user_id": STRING,
    "session_id": STRING,
    "item_id": STRING,
    "action": STRING,
    "at_ms": INT,
    "n": INT,
    "amount": FLOAT,
    "quantity": FLOAT,
}
ITEMS = {"item_id": STRING, "name": STRING}
SESSIONS = {"session_id": STRING, "user_id": STRING, "started_ms": INT, "ended_ms": INT}
ENTITIES = {"user_id": STRING, "kind": STRING, "entity_id": STRING, "first_ms": INT, "n": INT}
SCORES = {
    "user_id": STRING,
    "score": FLOAT,
    "p_value": FLOAT,
    "q_value": FLOAT,
    "flagged": pa.bool_(),
    "ring_id": STRING,
    "gnn": FLOAT,
    "cluster_distance": FLOAT,
    "probability": FLOAT,
    "reason": STRING,
}
RINGS = {
    "ring_id": STRING,
    "kind": STRING,
    "n_users": INT,
    "n_items": INT,
    "score": FLOAT,
    "p_value": FLOAT,
    "q_value": FLOAT,
    "flagged": pa.bool_(),
    "first_seen": STRING,
    "last_seen": STRING,
    "reason": STRING,
    "evidence": STRING,
}
RING_MEMBERS = {"ring_id": STRING, "user_id": STRING, "score": FLOAT}
RING_ITEMS = {"ring_id": STRING, "item_id": STRING, "n_users": INT, "lift": FLOAT}
RING_HISTORY = {
    "run": INT,
    "at": STRING,
    "ring_id": STRING,
    **dict.fromkeys(("n_users", "n_items", "n_joined", "n_left"), INT),
    **dict.fromkeys(("score", "q_value"), FLOAT),
    "flagged": pa.bool_(),
    "origin": STRING,
    **dict.fromkeys(("members", "items"), pa.list_(STRING)),
}

START = 1_700_000_000_123


@dataclass
class SampleLog:
    """One source; events are (user, session, item, action, at_ms, amount, quantity)."""

    events: list[tuple[str, str, str, str, int, float | None, float | None]]
    links: list[tuple[str, str, str, int]] = field(default_factory=list)  # user, kind, entity, at_ms
    names: dict[str, str] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    attributes: dict[str, list[str | None]] = field(default_factory=dict)


def table(rows: list[Row], types: dict[str, pa.DataType]) -> pa.Table:
    """Rows as an Arrow table of exactly these columns and types."""
    return pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))


def event_rows(log: SampleLog) -> list[Row]:
    """Events as rows of schema.EVENT_COLUMNS and the attributes."""
    rows: list[Row] = []
    for ix, (user, session, item, action, at_ms, amount, quantity) in enumerate(log.events):
        row: Row = {"event_id": str(ix), "event_row": ix, "user_id": user, "item_id": item}
        row |= {"session_id": session, "action": action, "at_ms": at_ms, "amount": amount}
        row |= {"quantity": quantity, "text": log.texts.get(ix)}
        rows.append(row | {name: values[ix] for name, values in log.attributes.items()})
    return rows


def _total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None


def interactions_of(*logs: SampleLog) -> list[Row]:
    """What `interactions` must hold after these logs, in any order."""
    groups: dict[tuple[str, str, str, str], list[tuple[int, float | None, float | None]]] = defaultdict(list)
    for log in logs:
        for user, session, item, action, at_ms, amount, quantity in log.events:
            groups[user, session, item, action].append((at_ms, amount, quantity))
    return [
        {
            "user_id": user,
            "session_id": session,
            "item_id": item,
            "action": action,
            "at_ms": min(at for at, _, _ in acts),
            "n": len(acts),
            "amount": _total([amount for _, amount, _ in acts]),
            "quantity": _total([quantity for _, _, quantity in acts]),
        }
        for (user, session, item, action), acts in groups.items()
    ]


def sessions_of(*logs: SampleLog) -> list[Row]:
    """What `sessions` must hold after these logs."""
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    for log in logs:
        for user, session, _, _, at_ms, _, _ in log.events:
            times[session, user].append(at_ms)
    return [
        {"session_id": session, "user_id": user, "started_ms": min(at), "ended_ms": max(at)}
        for (session, user), at in times.items()
    ]


def entities_of(*logs: SampleLog) -> list[Row]:
    """What `entities` must hold after these logs."""
    times: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for log in logs:
        for user, kind, entity, at_ms in log.links:
            times[user, kind, entity].append(at_ms)
    return [
        {"user_id": user, "kind": kind, "entity_id": entity, "first_ms": min(at), "n": len(at)}
        for (user, kind, entity), at in times.items()
    ]


def items_of(*logs: SampleLog) -> list[Row]:
    """What `items` must hold after these logs in this order: the last name that is one."""
    names: dict[str, str | None] = {}
    for log in logs:
        for item in {item for _, _, item, *_ in log.events}:
            names[item] = log.names.get(item, names.get(item))
    return [{"item_id": item, "name": name} for item, name in names.items()]


def log_tables(bench: Workbench, log: SampleLog) -> LogTables:
    """The log as the port takes it, over Arrow tables on the workbench."""

    def frame(rows: list[Row], types: dict[str, pa.DataType]) -> Frame:
        return bench.from_arrow(table(rows, types))

    return LogTables(
        interactions=frame(interactions_of(log), INTERACTIONS),
        items=frame(items_of(log), ITEMS),
        sessions=frame(sessions_of(log), SESSIONS),
        entities=frame(entities_of(log), ENTITIES),
        events=frame(event_rows(log), EVENTS | dict.fromkeys(log.attributes, STRING)),
    )


def source(name: str, log: SampleLog) -> Source:
    """A source whose digest is its name."""
    return Source(digest=f"digest-{name}", files=(f"{name}.csv",), n_rows=len(log.events), n_rejects=1)


def reached(rows: list[Row], seeds: list[str], hops: int) -> list[Row]:
    """The k-hop neighbourhood by walking sets: users, their items, those items' users, and so on."""
    users, items = set(seeds), set()
    kept: list[Row] = [row for row in rows if row["user_id"] in users]
    for hop in range(2, hops + 1):
        if hop % 2 == 0:
            items = {row["item_id"] for row in kept}
            kept = [row for row in rows if row["item_id"] in items]
        else:
            users = {row["user_id"] for row in kept}
            kept = [row for row in rows if row["user_id"] in users]
    return kept


def random_log(seed: int, n_events: int = 60, n_users: int = 12, n_items: int = 10) -> SampleLog:
    """A log with repeats, several actions that share a relationship type, and amounts that may be absent."""
    draw = random.Random(seed)
    actions = ["view", "pv", "buy", "filter selection", "filter-selection", "42"]
    events = []
    for _ in range(n_events):
        user = draw.randrange(n_users)
        session = f"s{user}-{draw.randrange(3)}"
        amount = draw.choice([None, 0.0, 1.25, -3.5])
        quantity = draw.choice([None, 1.0, 2.0])
        item, at_ms = f"i{draw.randrange(n_items)}", START + draw.randrange(10_000)
        events.append((f"u{user}", session, item, draw.choice(actions), at_ms, amount, quantity))
    links = [
        (user, draw.choice(["device", "payment_card"]), f"e{draw.randrange(5)}", at_ms)
        for user, _, _, _, at_ms, _, _ in events[: n_events // 3]
    ]
    names = {f"i{ix}": f"Item {ix} of {seed}" for ix in range(0, n_items, 2)}
    return SampleLog(events, links, names)


WEIRD_IDS = [
    "O'Brien",
    'say "hi"',
    "`backticks` ``twice``",
    "two\nlines\r\nand\ttabs",
    "ünïcödé 漢字 😀👩‍👩‍👧",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "$user_id {x: 1}; DROP TABLE events; --",
    "back\\slash \\n \\u0041",
    ",;|",
    "NULL",
    "0",
    "x" * 1024,
    "😀" * 1024,
    "\u202eright to left",
    "trailing\u00a0",
]


def findings() -> tuple[SampleLog, pa.Table, RingTables]:
    """A log of six users with two rings, every column used, nulls included."""
    log = SampleLog(
        events=[
            (f"u{user}", f"s{user}", f"i{item}", "view", START + 1000 * item + user, None, None)
            for user in range(4)
            for item in range(3)
        ]
        + [
            ("u0", "s0", "i0", "view", START + 9000, None, None),
            ("u4", "s4", "i0", "buy", START + 500, 9.5, 1.0),
            ("u5", "s5", "i9", "view", START, None, None),
        ],
        links=[(user, "device", "d1", START) for user in ("u0", "u1", "u5")]
        + [(user, "ip", "10.0.0.1", START) for user in ("u4", "u5")],
    )
    scores: list[Row] = [
        score_row("u3", 0.7, False, None),
        score_row("u0", 0.9, True, "ring-1"),
        score_row("u1", 0.9, True, "ring-1"),
        score_row("u4", 0.8, True, None),
        score_row("u2", 0.75, False, "ring-1"),
        score_row("u5", 0.01, False, None)
        | {"gnn": None, "probability": None, "reason": None, "q_value": None},
    ]
    rings: list[Row] = [ring_row("ring-2", 0.4, False, 2, 1), ring_row("ring-1", 0.95, True, 3, 2)]
    members: list[Row] = [
        {"ring_id": ring, "user_id": user, "score": score}
        for ring, user, score in [
            ("ring-2", "u3", 0.3),
            ("ring-1", "u2", 0.5),
            ("ring-1", "u0", 0.9),
            ("ring-1", "u1", 0.9),
            ("ring-2", "u4", None),
        ]
    ]
    targets: list[Row] = [
        {"ring_id": ring, "item_id": item, "n_users": n_users, "lift": lift}
        for ring, item, n_users, lift in [
            ("ring-1", "i1", 2, 3.5),
            ("ring-1", "i0", 3, 12.25),
            ("ring-2", "i2", 2, None),
        ]
    ]
    ring_tables = RingTables(table(rings, RINGS), table(members, RING_MEMBERS), table(targets, RING_ITEMS))
    return log, table(scores, SCORES), ring_tables


def score_row(user: str, score: float, flagged: bool, ring: str | None) -> Row:
    """A row of scores with every column."""
    return {
        "user_id": user,
        "score": score,
        "p_value": 1 - score,
        "q_value": (1 - score) / 2,
        "flagged": flagged,
        "ring_id": ring,
        "gnn": score / 3,
        "cluster_distance": score / 7,
        "probability": score / 11,
        "reason": f"'{user}' acts \"in step\" <b>with</b> others\nsecond line 😀",
    }


def ring_row(ring: str, score: float, flagged: bool, n_users: int, n_items: int) -> Row:
    """A row of rings with every column."""
    return {
        "ring_id": ring,
        "kind": "burst" if n_items == 1 else "ring",
        "n_users": n_users,
        "n_items": n_items,
        "score": score,
        "p_value": 1e-12,
        "q_value": 2.5e-11,
        "flagged": flagged,
        "first_seen": "2023-11-14T22:13:20.123Z",
        "last_seen": "2023-11-14T22:14:20.000Z",
        "reason": f'{n_users} users on "{n_items}" items',
        "evidence": '{"density": 0.9, "lift": 12.5}',
    }
