"""The findings of a store in memory, read again when somebody wrote to the store."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from graphdet.audit import utc_now
from graphdet.casework.decisions import standing_of
from graphdet.casework.standing import Standing
from graphdet.detect.ring_sources import ring_sources
from graphdet.errors import StoreBusy
from graphdet.ports import Store
from graphdet.progress import Silent
from graphdet.reports.gather import gather_rings
from graphdet.reports.ring_data import RingData
from graphdet.rings.finding import WEAK, RingFinding
from graphdet.rings.leads import lead_table
from graphdet.store import open_store
from graphdet.tables import RingTables
from graphdet.verbs.watch import Watcher

LOOK_AGAIN_S = 1.0  # between two looks at whether somebody else wrote to the store
REREAD_S = 10.0  # between two readings of a store that does not say when it changed
WAIT_S = 10.0  # for another process that holds the store
_MOST_RINGS_KEPT = 50  # of rings with all their acts
Row = dict[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """What a store held at one moment.

    scores: schema.SCORE_COLUMNS, most suspicious first; row_of: user_id → its row there. held_back: ring_id → the rule
    that held a lead back, in words. standing: what analysts decided, without what has ended by now.
    """

    scores: pa.Table
    rings: RingTables
    standing: Standing
    row_of: Mapping[str, int]
    held_back: Mapping[str, str]
    read_at: str
    pages: dict[str, RingData] = field(default_factory=dict)

    def user(self, user_id: str) -> Row | None:
        """The scores of a user, with the rings that it is in; None where it has neither."""
        row = self.row_of.get(user_id)
        if row is None and user_id not in self.rings_of:
            return None
        found: Row = dict.fromkeys(self.scores.column_names) | {"user_id": user_id}  # no model scores users
        if row is not None:
            found = self.scores.slice(row, 1).to_pylist()[0]
        verdict = self.standing.of_user(user_id)
        return found | {
            "rings": self.rings_of.get(user_id, []),
            "verdict": None if verdict is None else verdict.verdict,
        }

    @cached_property
    def rings_of(self) -> dict[str, list[str]]:
        """user_id → the rings and leads that it is a member of."""
        found: dict[str, list[str]] = {}
        pairs = zip(
            self.rings.members["ring_id"].to_pylist(), self.rings.members["user_id"].to_pylist(), strict=True
        )
        for ring_id, user_id in pairs:
            found.setdefault(user_id, []).append(ring_id)
        return found

    @cached_property
    def members_of(self) -> dict[str, list[Row]]:
        """ring_id → user_id and score of its members, the surest first."""
        return _by_ring(self.rings.members, "score")

    @cached_property
    def items_of(self) -> dict[str, list[Row]]:
        """ring_id → item_id, n_users and lift of its targets, those of most members first."""
        return _by_ring(self.rings.items, "n_users")

    @cached_property
    def findings(self) -> dict[str, RingFinding]:
        """ring_id → the ring or lead with its reasons, flagged ones first, of each the strongest first."""
        found = [RingFinding.from_row(row) for row in self.rings.rings.to_pylist()]
        found.sort(key=lambda one: (not one.flagged, -(one.score or 0.0), one.ring_id))
        return {one.ring_id: one for one in found}

    @cached_property
    def flagged_users(self) -> frozenset[str]:
        """The users that are flagged."""
        return frozenset(self.scores.filter(self.scores["flagged"])["user_id"].to_pylist())

    def is_weak(self, ring_id: str, user_id: str) -> bool:
        """Whether the ring does not vouch for a member (rings.membership)."""
        return self.findings[ring_id].explanation.role_of(user_id) in WEAK

    def status(self, ring_id: str) -> str:
        """What somebody decided on a ring: open, snoozed, or a verdict."""
        if ring_id in self.standing.snoozed:
            return "snoozed"
        verdict = self.standing.of_ring(ring_id)
        return "open" if verdict is None else verdict.verdict


def _by_ring(table: pa.Table, order: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in table.sort_by([("ring_id", "ascending"), (order, "descending")]).to_pylist():
        found.setdefault(row.pop("ring_id"), []).append(row)
    return found


class Keeper:
    """Opens a store for as long as a reading or a decision takes, so that other commands can use it meanwhile.

    url: of the store, which must be there. watcher: who holds the store open, to be used in turns; nobody else can
    write to it then.
    """

    def __init__(self, url: str, watcher: Watcher | None = None) -> None:
        """Read the findings once.

        Raises:
            StoreError, InputError: the store cannot be opened or is damaged.
        """
        self.url, self.watcher = url, watcher
        self._lock: AbstractContextManager[object] = threading.RLock() if watcher is None else watcher.turns
        if watcher is not None:
            watcher.looked = self.renew
        self._mark: object = None
        self._looked = 0.0
        self.renew()

    def snapshot(self) -> Snapshot:
        """The findings as last read; read again where the store has changed since."""
        now = time.monotonic()
        if self.watcher is not None or now - self._looked < LOOK_AGAIN_S:
            return self._held
        with self._lock:
            self._looked = now
            if self._changed():
                try:
                    self.renew()
                except StoreBusy:  # somebody writes to it: what was read last is shown until that is done
                    self._mark = None
        return self._held

    @contextmanager
    def open(self, *, read_only: bool = True) -> Iterator[Store]:
        """The store, one user of it at a time; after writing, what was read before is read anew.

        Raises:
            StoreBusy: another process has held it for WAIT_S.
            StoreError: it cannot be reached.
        """
        with self._lock, self._store(read_only) as store:
            try:
                yield store
            finally:
                if not read_only:
                    self._held = self._read(store)

    def ring(self, ring_id: str) -> RingData:
        """A ring with all that its page shows."""
        held = self.snapshot()
        with self._lock:
            known = held.pages.get(ring_id)
            if known is None:
                with self.open() as store:
                    sources = ring_sources(store, held.rings, [ring_id], Silent(), all_scores=False)
                    known = next(gather_rings(sources, [ring_id]))
                    known.context  # noqa: B018  (its surroundings, while the store is open)
                if len(held.pages) >= _MOST_RINGS_KEPT:
                    held.pages.pop(next(iter(held.pages)))
                held.pages[ring_id] = known
        return known

    def renew(self) -> None:
        """Read the findings anew."""
        with self._lock, self._store(read_only=True) as store:
            held = self._read(store)
            _ = held.findings, held.rings_of  # now, so that no request waits for them
            self._held = held

    @contextmanager
    def _store(self, read_only: bool) -> Iterator[Store]:
        if self.watcher is not None:
            yield self.watcher.live.store
            return
        store = _patient(self.url, read_only)
        try:
            yield store
        finally:
            store.close()

    def _changed(self) -> bool:
        mark = self._current_mark()
        return mark != self._mark

    def _current_mark(self) -> object:
        """What changes when somebody writes: time and size of a DuckDB file and its log; else the clock."""
        if self.url.startswith("duckdb:"):
            path = Path(self.url.partition(":")[2].removeprefix("//"))
            marks: list[tuple[int, int] | None] = []
            for each in (path, path.with_name(path.name + ".wal")):
                try:
                    about = each.stat()
                except OSError:
                    marks.append(None)
                else:
                    marks.append((about.st_mtime_ns, about.st_size))
            return tuple(marks)
        return int(time.monotonic() / REREAD_S)

    def _read(self, store: Store) -> Snapshot:
        mark = self._current_mark()
        scores, rings, now = store.scores(), store.rings(), utc_now()
        standing = standing_of(store).at(now)
        self._mark = mark
        users = scores["user_id"].to_pylist()
        leads = lead_table(rings)
        held_back = dict(zip(leads["ring_id"].to_pylist(), leads["why"].to_pylist(), strict=True))
        return Snapshot(
            scores, rings, standing, {user: row for row, user in enumerate(users)}, held_back,
            now.isoformat(timespec="seconds"),
        )  # fmt: skip


def _patient(url: str, read_only: bool) -> Store:
    """Open a store, and wait a while where another process holds it."""
    until = time.monotonic() + WAIT_S
    while True:
        try:
            return open_store(url, read_only=read_only, create=False)
        except StoreBusy:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
