"""Rings known again from run to run, and decisions on them applied: between finding rings and writing them.

Leads have lasting ids too, but one that never was more than a lead is no news: it is in the history once, when it is
first found, so that its id is never given to another, and nobody is told that it came, changed or went.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pyarrow as pa

from graphdet import schema
from graphdet.audit import iso_utc, utc_now
from graphdet.casework.decisions import decision_doubts, note_loose, standing_of
from graphdet.casework.effects import muted_in_words, settle_rings, settle_users
from graphdet.casework.standing import Standing
from graphdet.casework.subjects import known_rings
from graphdet.ports import CaseworkStore
from graphdet.rings.finding import RingFinding, ring_tables
from graphdet.rings.identity import Identity, Shape, recognise
from graphdet.tables import RingTables


@dataclass(frozen=True)
class Remembered:
    """The rings of this run under their lasting ids, with flags and reasons as decisions have them.

    findings: the strongest first. quiet: why a ring is kept quiet, by ring_id. history: rows to add to the rings'
    history, None where nobody looked for rings. counts: flags that decisions changed, by why. changes: how many rings
    are known again, new, and gone since the last run, leads left out. notes: lines for people on splits and merges, on
    rings that are nearly flagged, and on an audit log that was changed.
    """

    findings: tuple[RingFinding, ...]
    standing: Standing
    quiet: dict[str, str]
    history: pa.Table | None
    counts: dict[str, int] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def rings(self) -> RingTables:
        """The tables that a store keeps of the findings."""
        return ring_tables(self.findings)

    def lines(self) -> list[str]:
        """What people should know: flags that decisions changed, splits, merges."""
        return [f"{line}." for line in muted_in_words(self.counts)] + list(self.notes)

    def facts(self) -> dict[str, Any]:
        """What run.json says of it."""
        return {"muted": dict(self.counts), "ring_changes": dict(self.changes)}


def remember(store: CaseworkStore, findings: Sequence[RingFinding]) -> Remembered:
    """Know the rings of a run again, and apply what was decided on them; of the store only the audit log is written.

    The findings have provisional ids, the strongest ring first. What was decided in Neo4j Browser is noted first.
    """
    note_loose(store)
    now = utc_now()
    standing = standing_of(store).at(now)
    before = store.rings()
    earlier = known_rings(store, before)
    shapes = [Shape(finding.user_ids, finding.item_ids) for finding in findings]
    decided = [subject for kind, subject in standing.current if kind == "ring"]
    identities = recognise(earlier, shapes, decided)
    named = [
        replace(finding, ring_id=identity.ring_id)
        for finding, identity in zip(findings, identities, strict=True)
    ]
    effects = settle_rings(named, standing)
    seen = store.ring_history()
    told = _told(before, seen, decided) | {finding.ring_id for finding in named if finding.flagged}
    known = [identity for identity in identities if identity.ring_id in told]
    again = sum(identity.earlier is not None for identity in known)
    gone = told & set(before.rings["ring_id"].to_pylist()) - {identity.ring_id for identity in identities}
    return Remembered(
        findings=effects.findings,
        standing=standing,
        quiet=effects.quiet,
        history=_history(seen, effects.findings, identities, earlier, told, iso_utc(now)),
        counts=effects.counts,
        changes={
            "known_again": again,
            "new": len(known) - again,
            "gone": len(gone),
        },
        notes=(*decision_doubts(store), *_origin_notes(known, told)),
    )


def _told(before: RingTables, seen: pa.Table, decided: Iterable[str]) -> set[str]:
    """Ids of rings that people were told of: once flagged, or decided on."""
    ids = set(decided)
    for table in (before.rings, seen):
        flagged = zip(table["ring_id"].to_pylist(), table["flagged"].to_pylist(), strict=True)
        ids |= {ring_id for ring_id, flag in flagged if flag}
    return ids


def settle_scores(scores: pa.Table, known: Remembered) -> tuple[pa.Table, Remembered]:
    """Apply lists and verdicts on users to scores."""
    scores, counts = settle_users(scores, known.standing, known.findings)
    return scores, replace(known, counts=known.counts | counts)


_TYPES = {"run": pa.int64(), "n_users": pa.int64(), "n_items": pa.int64(), "n_joined": pa.int64()}
_TYPES |= {"n_left": pa.int64(), "score": pa.float64(), "q_value": pa.float64(), "flagged": pa.bool_()}
_TYPES |= {"members": pa.list_(pa.string()), "items": pa.list_(pa.string())}


def _history(
    seen: pa.Table,
    findings: Iterable[RingFinding],
    identities: Iterable[Identity],
    earlier: Mapping[str, Shape],
    told: Collection[str],
    at: str,
) -> pa.Table:
    """Rows of schema.RING_HISTORY_COLUMNS for this run; of a lead that is in the history already there is none."""
    runs, once = seen["run"].to_pylist(), set(seen["ring_id"].to_pylist())
    nobody = Shape(frozenset(), frozenset())
    rows = []
    for finding, identity in zip(findings, identities, strict=True):
        if finding.ring_id in once and finding.ring_id not in told:
            continue
        members, was = finding.user_ids, earlier.get(finding.ring_id, nobody)
        known = identity.earlier is not None
        copied = ("ring_id", "n_users", "n_items", "score", "q_value", "flagged")
        rows.append(
            {name: getattr(finding, name) for name in copied}
            | {
                "run": max(runs, default=0) + 1,
                "at": at,
                "n_joined": len(members - was.members) if known else 0,
                "n_left": len(was.members - members) if known else 0,
                "origin": "; ".join(_origin(identity)) or None,
                "members": sorted(members),
                "items": sorted(finding.item_ids),
            }
        )
    columns = schema.RING_HISTORY_COLUMNS
    return pa.Table.from_pylist(
        rows, schema=pa.schema([(name, _TYPES.get(name, pa.string())) for name in columns])
    )


def _origin(identity: Identity) -> list[str]:
    """What became of other rings in this one, in words."""
    events = []
    if identity.split_from:
        events.append(f"split from {', '.join(identity.split_from)}")
    if identity.merged:
        events.append(f"{', '.join(identity.merged)} merged into it")
    return events


def _origin_notes(identities: Iterable[Identity], told: Collection[str]) -> list[str]:
    """What became of rings that people were told of, in the rings of this run."""
    notes = []
    for identity in identities:
        split, merged = (
            tuple(ring_id for ring_id in ids if ring_id in told)
            for ids in (identity.split_from, identity.merged)
        )
        events = _origin(replace(identity, split_from=split, merged=merged))
        notes += [f"Ring {identity.ring_id}: {'; '.join(events)}."] if events else []
    return notes
