"""forget: accounts out of a store and its output folders, with a proof that does not name them.

retention: what is past its time out of them, by kind.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graphdet import schema
from graphdet.audit import iso_utc, utc_now
from graphdet.casework.decisions import note_loose
from graphdet.casework.forgetting import (
    Forgetting,
    decided_before,
    forgetting_of,
    n_naming,
    note_forgotten,
    note_retention,
)
from graphdet.config import Retention
from graphdet.errors import UsageError
from graphdet.ports import Store
from graphdet.reports.scrubbing import REJECT_FILES, SNAPSHOTS, Scrubbed, remove_aged, scrub_folder
from graphdet.store import duckdb_path
from graphdet.tables import RingTables
from graphdet.units import DAY_MS
from graphdet.verbs.ingest import READING_PREFIX, earlier_ingests

RETENTION_KINDS = ("events", "rejects", "findings", "verdicts", "snapshots")
LIVE_STATE = "live.state"  # meta key; see live.watching


@dataclass(frozen=True)
class ForgetResult:
    """What was forgotten, or would be: numbers of what went from the store, files changed, files for a person.

    audit_entries: earlier entries of the audit log that named an account. head: of the audit log afterwards.
    """

    n_users: int
    dry_run: bool
    removed: dict[str, int]
    audit_entries: int
    changed: list[str] = field(default_factory=list)
    by_hand: list[tuple[str, str]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    head: str | None = None


def forget(
    store: Store,
    user_ids: Sequence[str],
    who: str,
    *,
    folders: Sequence[Path] = (),
    as_items: bool = False,
    dry_run: bool = False,
) -> ForgetResult:
    """Forget accounts: noted in the audit log first, so that killed anywhere they do not come back, then removed.

    folders: output folders beside those that the store knows. as_items: the ids are items too (friends, followed); of
    logs whose config maps a payee they are anyway. Repeating is safe.

    Raises:
        UsageError: no id, or a folder that is none.
        GraphdetError: a file cannot be changed; what was done stays, and repeating goes on.
    """
    ids = list(dict.fromkeys(user_ids))
    if not ids or not all(ids):
        raise UsageError("name at least one account, as its id stands in the store")
    as_items = as_items or _pays_accounts(store)
    everywhere = known_folders(store, folders)
    if not dry_run:
        note_loose(store)
    removed = store.remove_users(ids, as_items=as_items, dry_run=True)
    n_entries = n_naming(store, ids)
    if not dry_run:
        note_forgotten(store, ids, who, removed, as_items=as_items)
        store.remove_users(ids, as_items=as_items)
        store.compact()
    scrubbed = Scrubbed()
    for folder in everywhere:
        found = scrub_folder(folder, frozenset(ids), dry_run=dry_run, but=_own_files(store))
        scrubbed.changed += found.changed
        scrubbed.by_hand += found.by_hand
    if not dry_run:
        _tell_lengths(store)
    head = store.audit().head
    return ForgetResult(
        len(ids), dry_run, removed, n_entries, scrubbed.changed, scrubbed.by_hand,
        [str(folder) for folder in everywhere], None if head is None else head.hash,
    )  # fmt: skip


def was_forgotten(store: Store, user_id: str) -> Forgetting | None:
    """The proof that an account was forgotten; None: there is none."""
    return forgetting_of(store, user_id)


def known_folders(store: Store, more: Sequence[Path]) -> list[Path]:
    """Output folders of a store: its own if a run wrote it, those that its audit log names, and more.

    Raises:
        UsageError: one of `more` is no folder.
    """
    wrong = [folder for folder in more if not folder.is_dir()]
    if wrong:
        raise UsageError(f"{wrong[0]} is no folder; give the folder of a run or of a report")
    found = [folder.resolve() for folder in more]
    if store.url.startswith("duckdb:"):
        own = duckdb_path(store.url).resolve().parent
        if (own / "run.json").exists():
            found.append(own)
    for entry in store.audit().entries:
        after = entry.document().get("after")
        out = after.get("out") if isinstance(after, dict) else None
        if isinstance(out, str) and Path(out).is_dir():
            found.append(Path(out).resolve())
    state = store.meta(LIVE_STATE)
    if state is not None:
        rejects = Path(json.loads(state)["rejects"][0])
        found += [rejects.parent] if rejects.is_file() else []
    unique = sorted(dict.fromkeys(found))
    return [
        folder
        for folder in unique
        if not any(folder != other and other in folder.parents for other in unique)
    ]


def _own_files(store: Store) -> frozenset[Path]:
    if not store.url.startswith("duckdb:"):
        return frozenset()
    path = duckdb_path(store.url).resolve()
    return frozenset({path, path.with_name(path.name + ".wal")})


def _pays_accounts(store: Store) -> bool:
    """Whether the items of a log of the store are accounts that are paid."""
    texts = [store.meta(READING_PREFIX + digest) for digest in store.sources()]
    return any(text and json.loads(text)["columns"].get("payee") for text in texts)


def _tell_lengths(store: Store) -> None:
    """Tell the watcher of a log how long its rejects.csv is now: it cuts off what it did not write."""
    text = store.meta(LIVE_STATE)
    if text is None:
        return
    state = json.loads(text)
    path = Path(state["rejects"][0])
    if path.is_file():
        state["rejects"] = [str(path), path.stat().st_size]
        store.set_meta(LIVE_STATE, json.dumps(state))


@dataclass(frozen=True)
class RetentionResult:
    """What went, or would go, of one kind: before when, numbers from the store, files."""

    kind: str
    before: str
    dry_run: bool
    removed: dict[str, int]
    files: list[str] = field(default_factory=list)

    @property
    def n(self) -> int:
        """How many things in all."""
        return sum(self.removed.values()) + len(self.files)


def retention(
    store: Store,
    wanted: Retention,
    who: str,
    *,
    folders: Sequence[Path] = (),
    dry_run: bool = False,
    now: datetime | None = None,
    compact: bool = True,
) -> list[RetentionResult]:
    """Remove what is past its time, of every kind that `wanted` gives days for, and note it in the audit log.

    Events: sessions that ended before then; what a log that is read again has of before is put aside. Findings: what
    rings were in runs before then, alerts, and the last findings if they are as old. Verdicts: what was decided before
    then, notes and lists too: it counts no more, and the chain of the audit log holds. Rejects and snapshots: files
    that runs wrote, by their own age. compact: write the store anew when something has gone.

    Raises:
        UsageError: events of a log without times, or a folder that is none.
    """
    now = now or utc_now()
    days = {kind: getattr(wanted, f"{kind}_days") for kind in RETENTION_KINDS}
    given = {kind: n for kind, n in days.items() if n is not None}
    if "events" in given and any(not known.timed for known in earlier_ingests(store).values() if known):
        raise UsageError(f"{store.url}: its log has no times, so no event has an age; leave events out")
    if not given:
        return []
    places = known_folders(store, folders)
    found = []
    for kind, n_days in given.items():
        before_ms = round(now.timestamp() * 1000 - n_days * DAY_MS)
        found.append(_of_kind(store, kind, before_ms, places, who, dry_run))
    if compact and not dry_run and any(one.n for one in found):
        store.compact()
    return found


def _of_kind(
    store: Store, kind: str, before_ms: int, places: Sequence[Path], who: str, dry_run: bool
) -> RetentionResult:
    before = iso_utc(datetime.fromtimestamp(before_ms / 1000, UTC))
    result = RetentionResult(kind, before, dry_run, {})
    if kind == "events":
        result = replace(result, removed=store.remove_before("events", before_ms, dry_run=dry_run))
    elif kind == "findings":
        result = replace(result, removed=_findings_before(store, before_ms, before, dry_run))
    elif kind == "verdicts":
        result = replace(result, removed={"decisions": len(decided_before(store, before))})
    else:
        names = REJECT_FILES if kind == "rejects" else SNAPSHOTS
        gone = [
            path for place in places for path in remove_aged(place, names, before_ms / 1000, dry_run=dry_run)
        ]
        result = replace(result, files=gone)
    if not dry_run and result.n:
        counts = result.removed | ({"files": len(result.files)} if result.files else {})
        note_retention(store, kind, before_ms, before, who, counts)
        if kind == "rejects":
            _tell_lengths(store)
    return result


def _findings_before(store: Store, before_ms: int, before: str, dry_run: bool) -> dict[str, int]:
    """The last findings are as old as the last run of which something is known."""
    runs = store.ring_history()["at"].to_pylist()
    removed = store.remove_before("findings", before_ms, dry_run=dry_run)
    if runs and max(runs) < before:
        rings, scores = store.rings(), store.scores()
        removed |= {"rings": rings.rings.num_rows, "scores": scores.num_rows}
        if not dry_run:
            store.write_rings(
                RingTables(rings.rings.slice(0, 0), rings.members.slice(0, 0), rings.items.slice(0, 0))
            )
            store.write_scores(scores.slice(0, 0).select(list(schema.SCORE_COLUMNS)))
    return removed


def retention_lines(results: Sequence[RetentionResult]) -> list[str]:
    """What went, in sentences, of kinds of which something did.

    >>> retention_lines([RetentionResult("events", "2026-01-02T00:00:00.000Z", True, {"events": 1200, "items": 0})])
    ['events before 2026-01-02 would go: 1,200 events']
    """
    lines = []
    for one in results:
        if not one.n:
            continue
        counts = one.removed | ({"files": len(one.files)} if one.files else {})
        words = ", ".join(f"{n:,} {name}" for name, n in counts.items() if n)
        lines.append(
            f"{one.kind} before {one.before[:10]} {'would go' if one.dry_run else 'are gone'}: {words}"
        )
    return lines


def as_json(results: Sequence[RetentionResult]) -> list[dict[str, Any]]:
    """The same as plain values."""
    return [asdict(one) for one in results]
