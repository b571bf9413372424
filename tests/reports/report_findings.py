"""Made-up findings for the report tests: one strong ring, one of hostile names, one that is not flagged."""

import json

import numpy as np
import pyarrow as pa

from graphdet import schema
from graphdet.tables import RingTables

HOSTILE = [
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "]]><b>bold",
    "=cmd|' /C calc'!A0",
    "basket 🛒",
    "שלום \u202eevil",
    "nul\x00bell\x07esc\x1b[31m",
    "a'b`c\r\n,<svg/onload=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "\ufffe\uffff line\u2028sep",
]
START_MS = 1_506_826_800_000
_EVIDENCE = {
    "n_users": 10,
    "lift": 12.5,
    "halo_lift": 7.0,
    "focus": 0.1,
    "exclusivity": 0.9,
    "brand_new": 3.0,
}


HELD_BACK = [
    {"code": "crowd", "text": "Only 24 % are members: it may be <i>a slice</i> of a larger crowd."},
    {"code": "score", "text": "Its score is 0.79, and a flag needs 0.9."},
]


def table(rows: list[tuple], columns: tuple[str, ...], types: tuple[pa.DataType, ...]) -> pa.Table:
    arrays = [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(types)]
    return pa.table(dict(zip(columns, arrays, strict=True)))


TEXT, REAL, WHOLE, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()


def make_findings(shuffle: int | None = None) -> tuple[RingTables, pa.Table, pa.Table, pa.Table]:
    """Rings, scores, interactions and items; `shuffle` changes the order of all rows and nothing else."""
    groups = {
        "R0001": ([f"u{n:03}" for n in range(10)], [f"i{n}" for n in range(4)], True),
        "R0002": (HOSTILE, [f"thing {name}" for name in HOSTILE[:6]], True),
        "R0003": (["u050", "u051", "u052"], ["i7"], False),
    }
    rings, members, items, acts, names = [], [], [], [], []
    for place, (ring, (users, things, flagged)) in enumerate(groups.items()):
        p = 10.0 ** (place - 5)
        seen = ("2017-10-01T03:00:00.000Z", "2017-10-02T03:00:00.000Z")
        reason = f"{len(users)} accounts <b>push</b> {len(things)} items\x00"
        score = 0.99 - place / 10
        rings.append(
            (
                ring,
                "ring",
                len(users),
                len(things),
                score,
                p,
                p * 4,
                flagged,
                *seen,
                reason,
                json.dumps(_EVIDENCE if flagged else {**_EVIDENCE, "held_back": HELD_BACK}),
            )
        )
        members += [(ring, user, 0.9 - n / 100) for n, user in enumerate(users)]
        items += [(ring, thing, len(users), 3.5 + n) for n, thing in enumerate(things)]
        names += [(thing, f"name of {HOSTILE[n]}" if n % 2 else None) for n, thing in enumerate(things)]
        for u, user in enumerate(users):
            for t, thing in enumerate(things):
                if (u + t) % 3:
                    at = START_MS + 60_000 * (10 * u + t)
                    acts.append((user, f"s-{user}", thing, ["view", "<i>buy", "cart"][t % 3], at, 1 + t % 2))
            acts.append((user, f"s-{user}-2", "elsewhere", "view", START_MS + 86_400_000 * u, 5))
    ring_of = {user: ring for ring, user, _ in members}
    scores = []
    for user in sorted({*ring_of, *(f"u{n:03}" for n in range(60))}):
        suspect = ring_of.get(user) in ("R0001", "R0002")
        value = 0.9 if suspect else 0.1
        scores.append(
            (user, value, 1 - value, 0.5, suspect, ring_of.get(user), value, value, value, f"why, {user}")
        )
    out = (
        table(
            rings,
            (*schema.RING_COLUMNS, schema.RING_EVIDENCE),
            (TEXT, TEXT, WHOLE, WHOLE, REAL, REAL, REAL, FLAG, TEXT, TEXT, TEXT, TEXT),
        ),
        table(members, schema.RING_MEMBER_COLUMNS, (TEXT, TEXT, REAL)),
        table(items, schema.RING_ITEM_COLUMNS, (TEXT, TEXT, WHOLE, REAL)),
        table(scores, schema.SCORE_COLUMNS, (TEXT, REAL, REAL, REAL, FLAG, TEXT, REAL, REAL, REAL, TEXT)),
        table(
            acts,
            ("user_id", "session_id", "item_id", "action", "at_ms", "n"),
            (TEXT, TEXT, TEXT, TEXT, WHOLE, WHOLE),
        ),
        table(names, schema.ITEM_COLUMNS, (TEXT, TEXT)),
    )
    if shuffle is not None:
        rng = np.random.default_rng(shuffle)
        out = tuple(part.take(pa.array(rng.permutation(part.num_rows))) for part in out)
    return RingTables(out[0], out[1], out[2]), out[3], out[4], out[5]
