"""What is known of a ring or a user when somebody judges it: kept with the verdict, so that changes show later."""

import difflib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from graphdet.casework.standing import RING_SUBJECT
from graphdet.errors import UsageError
from graphdet.ports import FindingsStore, GraphAndFindings, GraphStore
from graphdet.rings.finding import Explanation
from graphdet.rings.identity import Shape, number_of
from graphdet.tables import RingTables

SURE_OF_RING_SCORE = 0.5  # membership, relative to the ring's score, from which a member is surely one
TOP_REASONS = 3  # of a ring that a verdict on it is a verdict on
UNUSUAL = 0.99  # tail share from which a behaviour scorer speaks against a user (as in scores.user_reasons)


def known_rings(store: FindingsStore, rings: RingTables | None = None) -> dict[str, Shape]:
    """Every ring ever found, by id, as it was last seen; one that was only ever a lead, and is gone, as first seen."""
    shapes: dict[str, Shape] = {}
    history = store.ring_history().select(["ring_id", "members", "items"])
    for row in history.to_pylist():  # the oldest run first, so the last one stays
        shapes[row["ring_id"]] = Shape(frozenset(row["members"] or ()), frozenset(row["items"] or ()))
    return shapes | ring_shapes(store.rings() if rings is None else rings)


def ring_shapes(rings: RingTables) -> dict[str, Shape]:
    """Members and items of rings, in the order of the rings table."""
    members: dict[str, set[str]] = {ring_id: set() for ring_id in rings.rings["ring_id"].to_pylist()}
    items: dict[str, set[str]] = {ring_id: set() for ring_id in members}
    for table, column, into in ((rings.members, "user_id", members), (rings.items, "item_id", items)):
        for ring_id, value in zip(table["ring_id"].to_pylist(), table[column].to_pylist(), strict=True):
            if ring_id in into:
                into[ring_id].add(value)
    return {ring_id: Shape(frozenset(members[ring_id]), frozenset(items[ring_id])) for ring_id in members}


def ring_id_of(store: FindingsStore, name: str) -> str:
    """The whole id of a ring that a person names: R17 is R0017.

    Raises:
        UsageError: there never was such a ring.
    """
    known = known_rings(store)
    if name in known:
        return name
    number, _ = number_of(name.strip().upper())
    if number:
        same = [ring_id for ring_id in known if number_of(ring_id)[0] == number]
        if len(same) == 1:
            return same[0]
    if not known:
        raise UsageError(f"{store.url} has no rings; run `graphdet rings` or `graphdet run` first")
    near = difflib.get_close_matches(name, sorted(known), n=1)
    hint = f"did you mean {near[0]}?" if near else "`graphdet query rings` lists them"
    raise UsageError(f"there is no ring {name!r}; {hint}")


def found_of(store: GraphAndFindings, kind: str, subject: str) -> dict[str, Any]:
    """What is known of a ring (by its whole id) or a user, as plain JSON values.

    Raises:
        UsageError: there is no such ring or user.
    """
    return _ring(store, subject) if kind == RING_SUBJECT else _user(store, subject)


def _ring(store: FindingsStore, ring_id: str) -> dict[str, Any]:
    rings = store.rings()
    rows = rings.rings.filter(pc.equal(rings.rings["ring_id"], ring_id)).to_pylist()
    if not rows:
        shape = known_rings(store, rings).get(ring_id)
        if shape is None:
            raise UsageError(f"there is no ring {ring_id!r}; `graphdet query rings` lists them")
        return {"members": sorted(shape.members), "items": sorted(shape.items), "flagged": False}
    ring = rows[0]
    members = rings.members.filter(pc.equal(rings.members["ring_id"], ring_id)).to_pylist()
    items = rings.items.filter(pc.equal(rings.items["ring_id"], ring_id))["item_id"].to_pylist()
    least = SURE_OF_RING_SCORE * (ring["score"] or 0.0)
    strongest = Explanation.from_json(ring["evidence"]).reasons[:TOP_REASONS]
    return {
        "members": sorted(row["user_id"] for row in members),
        "sure_members": sorted(row["user_id"] for row in members if (row["score"] or 0.0) >= least),
        "items": sorted(items),
        "flagged": bool(ring["flagged"]),
        "score": ring["score"],
        "q_value": ring["q_value"],
        "detectors": ["ring judge", *(reason.code for reason in strongest)],
    }


def _user(store: GraphAndFindings, user_id: str) -> dict[str, Any]:
    scores = store.scores()
    rows = scores.filter(pc.equal(scores["user_id"], pa.scalar(user_id))).to_pylist()
    if not rows:
        if scores.num_rows or not _in_log(store, user_id):
            raise UsageError(f"there is no user {user_id!r} in {store.url}; ids are written as in the log")
        return {"flagged": False, "rings": []}
    row = rows[0]
    rings = store.rings().members
    detectors = []
    if row["ring_id"] is not None:
        detectors.append("ring judge")
    if (row["gnn"] or 0.0) > 0.5:
        detectors.append("gnn")
    detectors += [name for name in ("cluster_distance", "probability") if (row[name] or 0.0) >= UNUSUAL]
    return {
        "flagged": bool(row["flagged"]),
        "score": row["score"],
        "q_value": row["q_value"],
        "rings": sorted(rings.filter(pc.equal(rings["user_id"], user_id))["ring_id"].to_pylist()),
        "detectors": detectors,
    }


def unknown_users(store: GraphStore, user_ids: Sequence[str]) -> list[str]:
    """Those of some users that never act in the log of a store, in the order given."""
    seen = store.neighbourhood(list(user_ids), 1).select("user_id").unique().collect("pyarrow").to_native()
    known = set(seen["user_id"].to_pylist())
    return [user_id for user_id in user_ids if user_id not in known]


def _in_log(store: GraphStore, user_id: str) -> bool:
    return bool(store.neighbourhood([user_id], 1).collect("pyarrow").to_native().num_rows)
