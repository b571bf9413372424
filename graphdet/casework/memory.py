"""Rings known again from run to run, and decisions on them applied: between finding rings and writing them."""

from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from graphdet import schema
from graphdet.audit import iso_utc, utc_now
from graphdet.casework.decisions import decision_doubts, note_loose, standing_of
from graphdet.casework.effects import muted_in_words, settle_rings, settle_users
from graphdet.casework.standing import Standing
from graphdet.casework.subjects import known_rings, ring_shapes
from graphdet.ports import CaseworkStore, FindingsStore
from graphdet.rings.identity import Identity, Shape, recognise
from graphdet.tables import RingTables


@dataclass(frozen=True)
class Remembered:
    """The rings of this run under their lasting ids, with flags and reasons as decisions have them.

    quiet: why a ring is kept quiet, by ring_id. history: rows to add to the rings' history. counts: flags that
    decisions changed, by why. changes: how many rings are known again, new, and gone since the last run. said: lines
    for people on splits and merges, and on an audit log that was changed.
    """

    rings: RingTables
    standing: Standing
    quiet: dict[str, str]
    history: pa.Table | None
    counts: dict[str, int] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """What people should know: flags that decisions changed, splits, merges."""
        return [f"{line}." for line in muted_in_words(self.counts)] + list(self.said)

    def facts(self) -> dict[str, Any]:
        """What run.json says of it."""
        return {"muted": dict(self.counts), "ring_changes": dict(self.changes)}


def remember(store: CaseworkStore, found: RingTables) -> Remembered:
    """Know the rings of a run again, and apply what was decided on them; of the store only the audit log is written.

    `found` has provisional ids, the strongest ring first. What was decided in Neo4j Browser is noted first.
    """
    note_loose(store)
    now = utc_now()
    standing = standing_of(store).at(now)
    before = store.rings()
    earlier = known_rings(store, before)
    shapes = ring_shapes(found)
    decided = [subject for kind, subject in standing.current if kind == "ring"]
    identities = recognise(earlier, list(shapes.values()), decided)
    name = {old: identity.ring_id for old, identity in zip(shapes, identities, strict=True)}
    effects = settle_rings(_renamed(found, name), standing)
    last = set(before.rings["ring_id"].to_pylist())
    again = sum(identity.earlier is not None for identity in identities)
    return Remembered(
        rings=effects.rings,
        standing=standing,
        quiet=effects.quiet,
        history=_history(store, effects.rings, identities, earlier, iso_utc(now)),
        counts=effects.counts,
        changes={
            "known_again": again,
            "new": len(identities) - again,
            "gone": len(last - set(name.values())),
        },
        said=(*decision_doubts(store), *_said(identities)),
    )


def settle_scores(scores: pa.Table, known: Remembered) -> tuple[pa.Table, Remembered]:
    """Apply lists and verdicts on users to scores."""
    scores, counts = settle_users(scores, known.standing, known.rings)
    return scores, replace(known, counts=known.counts | counts)


def _renamed(rings: RingTables, name: dict[str, str]) -> RingTables:
    def renamed(table: pa.Table) -> pa.Table:
        ids = pa.array([name[ring_id] for ring_id in table["ring_id"].to_pylist()], pa.string())
        return table.set_column(table.column_names.index("ring_id"), "ring_id", ids)

    return RingTables(renamed(rings.rings), renamed(rings.members), renamed(rings.items))


_TYPES = {"run": pa.int64(), "n_users": pa.int64(), "n_items": pa.int64(), "n_joined": pa.int64()}
_TYPES |= {"n_left": pa.int64(), "score": pa.float64(), "q_value": pa.float64(), "flagged": pa.bool_()}
_TYPES |= {"members": pa.list_(pa.string()), "items": pa.list_(pa.string())}


def _history(
    store: FindingsStore, rings: RingTables, identities: list[Identity], earlier: dict[str, Shape], at: str
) -> pa.Table:
    """Rows of schema.RING_HISTORY_COLUMNS for this run."""
    runs = store.ring_history()["run"].to_pylist()
    shapes = ring_shapes(rings)
    nobody = Shape(frozenset(), frozenset())
    rows = []
    for row, identity in zip(rings.rings.to_pylist(), identities, strict=True):
        shape, was = shapes[row["ring_id"]], earlier.get(row["ring_id"], nobody)
        known = identity.earlier is not None
        rows.append(
            {name: row[name] for name in ("ring_id", "n_users", "n_items", "score", "q_value", "flagged")}
            | {
                "run": max(runs, default=0) + 1,
                "at": at,
                "n_joined": len(shape.members - was.members) if known else 0,
                "n_left": len(was.members - shape.members) if known else 0,
                "origin": "; ".join(_origin(identity)) or None,
                "members": sorted(shape.members),
                "items": sorted(shape.items),
            }
        )
    columns = schema.RING_HISTORY_COLUMNS
    return pa.Table.from_pylist(
        rows, schema=pa.schema([(name, _TYPES.get(name, pa.string())) for name in columns])
    )


def _origin(identity: Identity) -> list[str]:
    said = []
    if identity.split_from:
        said.append(f"split from {', '.join(identity.split_from)}")
    if identity.merged:
        said.append(f"{', '.join(identity.merged)} merged into it")
    return said


def _said(identities: list[Identity]) -> list[str]:
    return [
        f"Ring {identity.ring_id}: {'; '.join(said)}."
        for identity in identities
        if (said := _origin(identity))
    ]
