"""The store in one DuckDB file: all ports of `graphdet.ports.Store`."""

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import duckdb
import narwhals as nw
import pyarrow as pa

from graphdet import schema
from graphdet.audit import AuditLog, Draft, Entry, Head
from graphdet.errors import InputError, UsageError
from graphdet.files import beside
from graphdet.ports import LooseVerdict, Source
from graphdet.progress import Progress, without_bar
from graphdet.store.duckdb import audit_log, findings, live, removing, tables, twins, writing
from graphdet.store.duckdb.problems import (
    check_file,
    damaged,
    duckdb_problem,
    opening,
    stopped_after,
    unsound_blocks,
    used_blocks,
)
from graphdet.store.neighbourhood import READ_INTERACTIONS, in_window, neighbourhood
from graphdet.tables import Frame, LogTables, RingTables
from graphdet.workbench import Workbench

# DuckDB's newer string compression is both smaller and faster to write; the package needs DuckDB 1.5 anyway.
CONFIG: dict[str, str | bool | int | float | list[str]] = {"storage_compatibility_version": "v1.5.0"}
DUCKDB_MEMORY_LIMIT = "4GiB"  # beyond this DuckDB spills to disk
LOST_BLOCKS = "blocks of it are cut off or overwritten"
SEEDS = "graphdet_seeds"  # table of the users whose rows are read


@cache
def _own_folder() -> Path | None:
    """A folder of this process for what its readers spill, which only its user may enter; gone when it ends.

    None where none can be made, as on a full disk: then nothing is spilled.
    """
    try:
        folder = tempfile.mkdtemp(prefix="graphdet-")
    except OSError:
        return None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


class DuckDBStore:
    """A graph and its findings in one DuckDB file.

    One process at a time may write; while it does, no other may even read. Several may read with `read_only`.

    Raises:
        UsageError: there is no such file, and none may be made (`read_only`, or not `create`).
        InputError: the file is not a graphdet store, or damaged.
        StoreError: folder missing, no permission, disk full.
        StoreBusy: another process holds the file.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False, create: bool = True) -> None:
        self.path = Path(os.path.abspath(Path(path).expanduser()))
        self.url = f"duckdb://{self.path}"
        self.read_only = read_only
        may_create = create and not read_only
        check_file(self.path, may_create)
        with contextlib.ExitStack() as closing:
            self._closing = closing
            if may_create and not self.path.exists():
                self._make()
            self._connection = self._connect()
            closing.callback(self._close)
            with opening(self.path):
                self._settle()
                tables.prepare(self._connection, self.path, may_create)
                tables.add_later_tables(self._connection, read_only)
            self._closing = closing.pop_all()
        self._bench = Workbench(self._connection)
        self._in_transaction = False
        self._has_read_interactions = False

    def _make(self) -> None:
        """Make an empty store under a passing name and give it its own: a kill leaves none that is half made."""
        with opening(self.path), beside(self.path) as temporary:
            with duckdb.connect(str(temporary), config=CONFIG) as connection:
                tables.prepare(connection, self.path, may_create=True)
            try:
                os.link(temporary, self.path)
            except FileExistsError:
                pass  # another process was faster: its store is the one
            except OSError:  # a disk without links
                os.rename(temporary, self.path)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """Open the file, and look whether all blocks in use are there and whole.

        Raises:
            InputError: it is cut, or its bytes were changed.
            StoreBusy: another process holds it.
        """
        # The bytes are read before DuckDB locks the file, as closing it again would drop the lock; so another process
        # may have been writing just then, and what seems damaged is looked at twice.
        failure = damaged(self.path, LOST_BLOCKS)
        for _ in range(2):
            unsound = unsound_blocks(self.path)
            try:
                with opening(self.path):
                    return self._connect_to(unsound)
            except InputError as error:
                failure = damaged(self.path, LOST_BLOCKS) if unsound else error
        raise failure

    def _connect_to(self, unsound: set[int]) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(str(self.path), read_only=self.read_only, config=CONFIG)
        try:
            if unsound and unsound & used_blocks(connection):
                raise damaged(self.path, LOST_BLOCKS)
        except BaseException:
            connection.close()
            raise
        return connection

    def _settle(self) -> None:
        """Set what must not depend on the machine: UTC, no downloads, bounded memory, an own spill folder."""
        spill: Path | None = self.path.with_name(self.path.name + ".tmp")
        if self.read_only:  # readers of one file must not share a spill folder, nor others look into it
            spill = _own_folder()
        else:  # the file is locked by us, so what lies there is left from a killed run
            for left in self.path.with_name(self.path.name + ".tmp").glob("duckdb_temp_*"):
                left.unlink(missing_ok=True)
        for setting in (
            "SET TimeZone = 'UTC'",
            "SET autoinstall_known_extensions = false",
            f"SET memory_limit = '{DUCKDB_MEMORY_LIMIT}'",
        ):
            self._connection.execute(setting)
        without_bar(self._connection)
        self._connection.execute("SET temp_directory = $spill", {"spill": str(spill or "")})

    @property
    def bench(self) -> Workbench:
        """The workbench, on the connection to the file: what is kept there is temporary and never in the file."""
        return self._bench

    @contextlib.contextmanager
    def _transaction(self, doing: str) -> Iterator[duckdb.DuckDBPyConnection]:
        if self.read_only:
            raise UsageError(f"{self.path} was opened only for reading; open it without read_only to write")
        if self._in_transaction:  # a part of a larger one
            yield self._connection
            return
        with duckdb_problem(self.path, doing):
            self._connection.execute("BEGIN")
            self._in_transaction = True
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # After Ctrl-C a worker may still be busy, and ROLLBACK would wait for it. After a fatal error
                # (a full disk) there is nothing left to roll back; the file is as before.
                self._connection.interrupt()
                with contextlib.suppress(duckdb.Error):
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._in_transaction = False

    def transaction(self, doing: str) -> contextlib.AbstractContextManager[object]:
        """Everything that is written in the block is there at its end, or nothing; may be nested."""
        return self._transaction(doing)

    def _arrow(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        with duckdb_problem(self.path, "reading"):
            return self._connection.sql(sql, params=dict(parameters or {}) or None).to_arrow_table()

    def _of_users(self, sql: str, user_ids: Sequence[str]) -> pa.Table:
        """Read what `sql` says, with the ids of some users in the table SEEDS."""
        seeds = pa.table({"user_id": pa.array(sorted(set(user_ids)), pa.string())})
        with duckdb_problem(self.path, "reading"):
            self._connection.register(SEEDS, seeds)
            try:
                return self._connection.sql(sql).to_arrow_table()
            finally:
                self._connection.unregister(SEEDS)

    def _frame(self, sql: str) -> Frame:
        with duckdb_problem(self.path, "reading"):
            return nw.from_native(self._connection.sql(sql))

    # --- the log ------------------------------------------------------------------------------------------
    def sources(self) -> dict[str, Source]:
        """Ingests that are complete, by digest, in the order they were done."""
        found = self._arrow("SELECT digest, files, n_rows, n_rejects FROM sources ORDER BY source_ix")
        return {
            row["digest"]: Source(row["digest"], tuple(row["files"]), row["n_rows"], row["n_rejects"])
            for row in found.to_pylist()
        }

    def write_log(self, log: LogTables, source: Source, progress: Progress) -> None:
        """Add a cleaned log in one transaction: all of it is there, or nothing.

        Only events, items and entities are stored; interactions and sessions are computed from the events of
        all sources, and equal those of the log by its contract.
        """
        if source.digest in self.sources():
            return
        progress.start("write to the store", len(writing.WRITING_STEPS))
        try:
            with self._transaction("writing") as connection:
                for step in writing.WRITING_STEPS:
                    step(connection, log, source)
                    progress.advance()
        finally:
            progress.done()
        self._forget_read_interactions()

    def forget(self) -> None:
        """Empty the store of logs, scores and rings, all at once; decisions and the history of rings stay."""
        with self._transaction("emptying") as connection:
            tables.empty(connection)
        self._forget_read_interactions()

    def remove_users(
        self, user_ids: Sequence[str], *, as_items: bool = False, dry_run: bool = False
    ) -> dict[str, int]:
        """Remove accounts and all that is theirs in one transaction; see graphdet.ports."""
        return self._remove(lambda bench: removing.remove_users(bench, user_ids, as_items), dry_run)

    def remove_before(
        self, kind: Literal["events", "findings"], before_ms: int, *, dry_run: bool = False
    ) -> dict[str, int]:
        """Remove what is older than a time in one transaction; see graphdet.ports."""
        work = removing.remove_before if kind == "events" else removing.remove_findings_before
        return self._remove(lambda bench: work(bench, before_ms), dry_run)

    def _remove(
        self, work: Callable[[duckdb.DuckDBPyConnection], dict[str, int]], dry_run: bool
    ) -> dict[str, int]:
        try:
            with self._transaction("removing from") as connection:
                counts = work(connection)
                if dry_run:
                    raise removing.OnlyCounted(counts)
        except removing.OnlyCounted as ended:
            counts = ended.counts
        self._forget_read_interactions()
        return counts

    def compact(self) -> None:
        """Write the file anew; frames that were read before hold nothing any more."""
        with duckdb_problem(self.path, "writing anew"):
            self._forget_read_interactions()
            removing.write_anew(self._connection, self.path, str(CONFIG["storage_compatibility_version"]))
            self._connection.close()
        self._connection = self._connect()
        self._settle()
        self._bench = Workbench(self._connection)

    def append_log(self, log: LogTables, source: Source) -> None:
        """Add a part of a log that grows; `source` replaces what is known of the log's earlier parts."""
        with self._transaction("writing") as connection:
            for step in writing.WRITING_STEPS:
                step(connection, log, source)
        self._forget_read_interactions()

    def row_keys(self) -> Frame:
        """Keys of the rows of all ingests (schema.ROW_KEY); none of those that an older version wrote."""
        with duckdb_problem(self.path, "reading"):
            have = schema.ROW_KEY in tables.column_types(self._connection)
        key = schema.ROW_KEY if have else f"NULL::UBIGINT AS {schema.ROW_KEY}"
        return self._frame(f"SELECT {key} FROM event_log")

    def _forget_read_interactions(self) -> None:
        self._connection.execute(f"DROP TABLE IF EXISTS temp.{READ_INTERACTIONS}")
        self._has_read_interactions = False

    def interactions(self, since_ms: int | None = None, until_ms: int | None = None) -> Frame:
        """Interactions (schema.INTERACTION_COLUMNS) with since_ms <= at_ms < until_ms.

        Grouped from the events once per opened store (a spillable temporary table), then only scanned.
        """
        if not self._has_read_interactions:
            with duckdb_problem(self.path, "reading"):
                self._connection.execute(
                    f"CREATE OR REPLACE TEMP TABLE {READ_INTERACTIONS} AS "
                    f"SELECT {', '.join(schema.INTERACTION_COLUMNS)} FROM interactions"
                )
            self._has_read_interactions = True
        return in_window(self._frame(f"SELECT * FROM temp.{READ_INTERACTIONS}"), since_ms, until_ms)

    def part(self, since_ms: int, until_ms: int) -> Frame:
        """Interactions of the events of a span alone; other events are not read."""
        names = ", ".join(schema.INTERACTION_COLUMNS)
        return self._frame(f"SELECT {names} FROM ({tables.interactions_within(since_ms, until_ms)})")

    def acts(self) -> Frame:
        """All acts: user_id, item_id, at_ms; ids as they are packed."""
        return self._frame("SELECT user_id, item_id, at_ms FROM event_log")

    def neighbourhood(
        self, user_ids: Sequence[str], hops: int, since_ms: int | None = None, until_ms: int | None = None
    ) -> Frame:
        """Interactions of the k-hop subgraph around users; see `graphdet.store.neighbourhood`."""
        if hops == 1 and not self._has_read_interactions:
            return in_window(self._interactions_of(user_ids), since_ms, until_ms)
        return neighbourhood(self._bench, self.interactions(since_ms, until_ms), user_ids, hops)

    def _interactions_of(self, user_ids: Sequence[str]) -> Frame:
        """The interactions of some users, read at once: they are chosen before the events are grouped."""
        found = self._of_users(tables.interactions_of(SEEDS), user_ids)
        with duckdb_problem(self.path, "reading"):
            return self._bench.from_arrow(found)

    def events(self) -> Frame:
        """Events of all sources: schema.EVENT_COLUMNS, then one column per attribute, then `source_ix`.

        Neo4j keeps the graph only and has none.
        """
        return self._frame("SELECT * FROM events")

    def entities(self) -> Frame:
        """Links of users to shared entities (schema.ENTITY_COLUMNS)."""
        return self._frame(f"SELECT {', '.join(schema.ENTITY_COLUMNS)} FROM entities")

    def items(self) -> Frame:
        """Items (schema.ITEM_COLUMNS)."""
        return self._frame(f"SELECT {', '.join(schema.ITEM_COLUMNS)} FROM items")

    def sessions(self) -> Frame:
        """Sessions (schema.SESSION_COLUMNS)."""
        return self._frame(f"SELECT {', '.join(schema.SESSION_COLUMNS)} FROM sessions")

    def counts(self) -> dict[str, int]:
        """How many users, items, sessions, interactions, entities (distinct ones), rings, suspects."""
        found = self.query("counts", {})
        return dict(zip(found["what"].to_pylist(), found["n"].to_pylist(), strict=True))

    # --- findings -----------------------------------------------------------------------------------------
    def write_scores(self, scores: pa.Table) -> None:
        """Replace all scores (schema.SCORE_COLUMNS) in one transaction."""
        with self._transaction("writing scores to") as connection:
            findings.replace(connection, "scores", tables.SCORE_TYPES, scores)

    def scores(self, user_ids: Sequence[str] | None = None) -> pa.Table:
        """Scores as last written, of all users or of some, most suspicious first, ties by user_id."""
        columns = f"SELECT {', '.join(schema.SCORE_COLUMNS)} FROM scores"
        order = "ORDER BY score DESC NULLS LAST, user_id"
        if user_ids is None:
            return self._arrow(f"{columns} {order}")
        return self._of_users(f"{columns} SEMI JOIN {SEEDS} USING (user_id) {order}", user_ids)

    def write_labelled(self, labelled: Mapping[str, pa.Table]) -> None:
        """Replace all scores of items, sessions and events in one transaction."""
        if not labelled and not findings.labelled_kinds(self._connection):
            return
        with self._transaction("writing scores to") as connection:
            findings.write_labelled(connection, labelled)

    def labelled(self) -> dict[str, pa.Table]:
        """Scores of items, sessions and events as last written, most suspicious first."""
        with duckdb_problem(self.path, "reading"):
            kinds = findings.labelled_kinds(self._connection)
        return {kind: self._arrow(findings.labelled_query(kind)) for kind in kinds}

    def write_rings(self, rings: RingTables, history: pa.Table | None = None) -> None:
        """Replace all rings, their members and items, and add to their history, in one transaction."""
        with self._transaction("writing rings to") as connection:
            findings.replace(connection, "rings", tables.RING_TYPES, rings.rings)
            findings.replace(connection, "ring_members", tables.RING_MEMBER_TYPES, rings.members)
            findings.replace(connection, "ring_items", tables.RING_ITEM_TYPES, rings.items)
            if history is not None:
                findings.append_rows(connection, "ring_history", schema.RING_HISTORY_COLUMNS, history)

    def rings(self) -> RingTables:
        """Rings as last written, by score, their members and items in the same order."""
        return RingTables(**{part: self._arrow(sql) for part, sql in findings.READ_RINGS.items()})

    def ring_history(self) -> pa.Table:
        """What rings were in every run (schema.RING_HISTORY_COLUMNS), by run and ring_id."""
        listed = ", ".join(map(tables.quoted, schema.RING_HISTORY_COLUMNS))
        return self._arrow(f"SELECT {listed} FROM ring_history ORDER BY run, ring_id")

    # --- a log that grows ---------------------------------------------------------------------------------
    def open_rows(self, since_ms: int | None = None) -> Frame | None:
        """The open rows with since_ms <= at_ms; None before there were any."""
        with duckdb_problem(self.path, "reading"):
            return live.open_rows(self._connection, since_ms)

    def add_open_rows(self, rows: Frame) -> None:
        """Add open rows; all have the columns of the first ones."""
        with self._transaction("writing") as connection:
            live.add_open_rows(connection, rows)

    def close_rows(self, before_ms: int) -> None:
        """Forget the open rows with at_ms < before_ms; their events stay."""
        with self._transaction("writing") as connection:
            live.close_rows(connection, before_ms)

    def add_alerts(self, alerts: pa.Table) -> None:
        """Add alerts to the outbox (schema.ALERT_COLUMNS without seq), numbered on."""
        with self._transaction("writing alerts to") as connection:
            live.add_alerts(connection, alerts)

    def alerts(self, after: int = 0) -> pa.Table:
        """The alerts of the outbox (schema.ALERT_COLUMNS) with seq > after, the oldest first."""
        return self._arrow(live.READ_ALERTS, {"after": after})

    def add_answers(self, given: Mapping[str, str], most: int) -> None:
        """Keep answers under their keys, and forget all but the newest `most`."""
        with self._transaction("writing") as connection:
            live.add_answers(connection, given, most)

    def answers(self, keys: Sequence[str]) -> dict[str, str]:
        """The answers that are kept under some keys."""
        with duckdb_problem(self.path, "reading"):
            return live.kept_answers(self._connection, keys)

    # --- the audit log ------------------------------------------------------------------------------------
    def append_audit(self, drafts: Sequence[Draft], redacted: Sequence[Entry] = ()) -> Head:
        """Add entries to the audit log, all or none.

        Raises:
            GraphdetError: the log has entries and no head.
        """
        return audit_log.append_entries(self._transaction, drafts, redacted)

    def audit(self) -> AuditLog:
        """The audit log as it stands, unchecked."""
        with duckdb_problem(self.path, "reading"):
            return audit_log.read_audit_log(self._connection)

    def loose_verdicts(self) -> list[LooseVerdict]:
        """None: only Neo4j Browser writes past the log."""
        return []

    # --- meta and queries ---------------------------------------------------------------------------------
    def set_meta(self, key: str, value: str) -> None:
        """Keep a small text under a key; replaces what was there."""
        if key == tables.VERSION_KEY:
            raise ValueError(f"{key} is the store's own")
        with self._transaction("writing") as connection:
            connection.execute("DELETE FROM meta WHERE key = ?", [key])
            connection.execute("INSERT INTO meta VALUES (?, ?)", [key, value])

    def meta(self, key: str) -> str | None:
        """The text kept under a key, or None."""
        found = self._arrow("SELECT value FROM meta WHERE key = $key", {"key": key})
        return str(found["value"][0].as_py()) if found.num_rows else None

    def queries(self) -> dict[str, str]:
        """Titles of the saved queries by name, in the order of an investigation."""
        return twins.sql_titles()

    def query(self, name: str, parameters: Mapping[str, Any], *, timeout_s: float | None = None) -> pa.Table:
        """Run the SQL twin of a saved query; `limit` defaults to 100.

        Raises:
            UsageError: no such query, a parameter is missing, unknown or no number.
            StoreError: it took longer than timeout_s and was stopped.
        """
        sql, filled = twins.load_query(name, parameters)
        with stopped_after(self._connection, timeout_s, f"query {name} of {self.path}"):
            return self._arrow(sql, filled)

    def close(self) -> None:
        """Release the file; closing twice is closing once."""
        with duckdb_problem(self.path, "closing"):
            self._closing.close()

    def _close(self) -> None:
        with contextlib.suppress(duckdb.ConnectionException):
            self._connection.interrupt()  # a query left by Ctrl-C would keep close waiting
            self._connection.close()
