"""The store in a Neo4j server: all ports of `graphdet.ports.Store`."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import duckdb
import narwhals as nw
import pyarrow as pa

from graphdet import schema
from graphdet.audit import AuditLog, Draft, Entry, Head
from graphdet.errors import StoreError, UsageError
from graphdet.ports import LooseVerdict, Source
from graphdet.progress import Progress, without_bar
from graphdet.store.neighbourhood import READ_INTERACTIONS, in_window
from graphdet.store.neo4j import audit_log, findings, importing, packed, removing, saved, server, writing
from graphdet.store.neo4j.client import Client
from graphdet.store.neo4j.home import home_of, login
from graphdet.store.neo4j.processes import claim, is_same, read_note
from graphdet.store.neo4j.statements import action_of_type, cypher
from graphdet.tables import Frame, LogTables, RingTables
from graphdet.workbench import Workbench

WORKBENCH_MEMORY_LIMIT = "4GiB"  # beyond this DuckDB spills to disk
BULK_FROM = 100_000  # interactions; below, the server's stop and start cost more than the batches
IDS_A_READ = 5_000
# Tables of the workbench, beside READ_INTERACTIONS: sessions and entities, read once, and the interactions of
# neighbourhoods, a table for each.
READ_SESSIONS, READ_ENTITIES = "graphdet_sessions", "graphdet_entities"
NEAR_USERS = "graphdet_near"
ROW_KEYS = "row_keys."  # meta keys of what tells the rows of an ingest, followed by its digest and a number


class Neo4jStore:
    """A graph and its findings in Neo4j, with a DuckDB workbench in memory for whole-log work.

    What is read is kept on the workbench until this store writes again; writes by others in between are seen
    by a store opened anew.

    Args:
        url: neo4j://, bolt:// and their +s, +ssc forms.
        username, password: None: NEO4J_USERNAME and NEO4J_PASSWORD, else those of our own server.
        bulk: load a first log with neo4j-admin (the server must be ours, run by Java); None: when it is
            large enough to pay for the server's restart.

    Raises:
        UsageError: not a URL of Neo4j.
        StoreError: unreachable, wrong password, too old a server.
    """

    def __init__(
        self,
        url: str,
        username: str | None = None,
        password: str | None = None,
        *,
        bulk: bool | None = None,
    ) -> None:
        self.url = url
        self._bulk = bulk
        self._login = login(url, username, password)
        self._revive()
        self._client = Client(url, *self._login)
        self._spill = Path(tempfile.mkdtemp(prefix="graphdet-"))
        self._connection = duckdb.connect()
        for setting in (
            "SET TimeZone = 'UTC'",
            "SET autoinstall_known_extensions = false",
            f"SET memory_limit = '{WORKBENCH_MEMORY_LIMIT}'",
        ):
            self._connection.execute(setting)
        without_bar(self._connection)
        self._connection.execute("SET temp_directory = $spill", {"spill": str(self._spill)})
        self._bench = Workbench(self._connection)
        self._kept: set[str] = set()
        self._near = 0

    def _revive(self) -> None:
        """Start our server again if a bulk load was killed while it was down for that."""
        place = home_of(self.url)
        if place is None or not place.import_note.exists():
            return
        note = read_note(place.import_note)
        if not is_same(note.get("pid"), note.get("born")):
            server.start(place.path)

    @property
    def bench(self) -> Workbench:
        """The workbench: a DuckDB database in memory that spills to disk."""
        return self._bench

    # --- the log ------------------------------------------------------------------------------------------
    def sources(self) -> dict[str, Source]:
        """Ingests that are complete, by digest, in the order they were done."""
        return {
            row["digest"]: Source(row["digest"], tuple(row["files"]), row["n_rows"], row["n_rejects"])
            for row in self._client.rows(cypher("read/sources"))
        }

    def write_log(self, log: LogTables, source: Source, progress: Progress) -> None:
        """Add a cleaned log: by `neo4j-admin` into the empty database of our own server, else in batches.

        Batches count themselves, so a repeat goes on where a killed try was. A second source adds to `n`,
        `amount` and `quantity` and keeps the earlier `at`.

        Raises:
            StoreError: the server went away; or another log's ingest was interrupted and comes first.
            InputError: a session is another user's in the store.
        """
        if source.digest in self.sources():
            return
        try:
            writing.stage(self._connection, log)
            self._keep_row_keys(log, source)
            kinds = writing.kinds_of(self._connection)
            if self._may_load_in_bulk() and self._load_in_bulk(source, progress):
                writing.create_constraints(self._client, kinds)
                return
            writing.create_constraints(self._client, kinds)
            writing.check_owners(self._connection, self.sessions())
            writing.write_batches(self._client, self._connection, source, progress)
        finally:
            writing.unstage(self._connection)
            self._kept.clear()

    def forget(self) -> None:
        """Empty the store of logs, scores and rings, some thousand nodes at a time; decisions stay.

        Nodes that graphdet did not make are left alone.
        """
        self._client.run(cypher("write/reopen-ingests"))
        self._client.run(cypher("write/clear-rings"))
        writing.repeat(self._client, cypher("write/clear-log"))
        self._client.run(cypher("write/clear-ingests"))
        self._kept.clear()

    def remove_users(
        self, user_ids: Sequence[str], *, as_items: bool = False, dry_run: bool = False
    ) -> dict[str, int]:
        """Remove accounts and all that is theirs in one transaction; see graphdet.ports."""
        self._kept.clear()
        return removing.take_users_out(self._client, user_ids, as_items, dry_run)

    def remove_before(
        self, kind: Literal["events", "findings"], before_ms: int, *, dry_run: bool = False
    ) -> dict[str, int]:
        """Remove what is older than a time in one transaction; see graphdet.ports."""
        self._kept.clear()
        work = removing.take_sessions_out if kind == "events" else removing.take_findings_out
        return work(self._client, before_ms, dry_run)

    def compact(self) -> None:
        """Nothing: a server's files and its transaction log are its own (docs/how-to/privacy.md says what to do)."""

    def _keep_row_keys(self, log: LogTables, source: Source) -> None:
        """Keep the keys of the rows as texts, before the rows: they count when the source is complete."""
        for part, text in enumerate(packed.row_key_texts(self._connection, log.events)):
            self.set_meta(f"{ROW_KEYS}{source.digest}.{part}", text)

    def row_keys(self) -> Frame:
        """Keys of the rows of complete ingests (schema.ROW_KEY); none of those that an older version wrote."""
        complete = self.sources()
        found = self._client.rows(cypher("read/metas-of"), prefix=ROW_KEYS)
        texts = [row["value"] for row in found if row["key"].removeprefix(ROW_KEYS).split(".")[0] in complete]
        return self._bench.from_arrow(packed.row_keys_of(texts))

    def _may_load_in_bulk(self) -> bool:
        place = home_of(self.url)
        ours = place is not None and place.note().get("kind") == "java" and place.is_running()
        if self._bulk is False or not ours:
            if self._bulk:
                raise UsageError(
                    f"{self.url} is no server that graphdet started with Java; no bulk load there"
                )
            return False
        count = self._connection.execute(f"SELECT count(*) FROM {writing.VIEW}_interactions").fetchone()
        if not self._bulk and (count is None or count[0] < BULK_FROM):
            return False
        return self._is_empty()

    def _is_empty(self) -> bool:
        return not self._client.rows(cypher("read/is-empty"))[0]["n"]

    def _load_in_bulk(self, source: Source, progress: Progress) -> bool:
        """Replace the empty database by one made of the staged log; False when it is not empty any more."""
        place = home_of(self.url)
        if place is None:
            raise StoreError(f"{self.url} is not our server any more; repeat")
        with claim(place.load_lock, "loading a log"):
            if not self._is_empty():
                return False
            for left in place.path.glob("import-*"):  # of a killed load
                shutil.rmtree(left, ignore_errors=True)
            metas = {row["key"]: row["value"] for row in self._client.rows(cypher("read/metas"))}
            folder = Path(tempfile.mkdtemp(dir=place.path, prefix="import-"))
            try:
                progress.start("write the import files")
                arguments = importing.write_staged(self._connection, folder, source, metas)
                progress.done()
                self._client.close()
                importing.load_files(place, arguments, folder, progress)
                self._client = Client(self.url, *self._login)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        return True

    def _check_complete(self) -> None:
        """Refuse to read a graph of which a part is missing."""
        found = self._client.rows(cypher("read/open-ingests"))
        if found:
            raise StoreError(f"{self.url}: {writing.unfinished([row['files'] for row in found])}")

    def interactions(self, since_ms: int | None = None, until_ms: int | None = None) -> Frame:
        """Interactions (schema.INTERACTION_COLUMNS) with since_ms <= at_ms < until_ms.

        Raises:
            StoreError: unreachable, or an ingest is not complete.
        """
        if READ_INTERACTIONS not in self._kept:
            self._check_complete()
            records = self._packed(cypher("read/interactions"), {"since": None, "until": None})
            packed.pour(self._connection, READ_INTERACTIONS, packed.PACKED_INTERACTIONS_SQL, records)
            self._kept.add(READ_INTERACTIONS)
        return in_window(self._frame(READ_INTERACTIONS, schema.INTERACTION_COLUMNS), since_ms, until_ms)

    def _packed(self, statement: str, parameters: Mapping[str, Any]) -> Iterator[packed.PackedRecord]:
        for user_id, rel_type, action, texts in self._client.stream(statement, parameters):
            yield user_id, action_of_type(rel_type) if action is None else action, texts

    def _frame(self, table: str, columns: Sequence[str]) -> Frame:
        return nw.from_native(self._connection.sql(f"SELECT {', '.join(columns)} FROM temp.{table}"))

    def part(self, since_ms: int, until_ms: int) -> Frame:
        """Interactions whose first act is in a span."""
        return self.interactions(since_ms, until_ms)

    def acts(self) -> Frame:
        """The first act of every user on every item in every session and action: user_id, item_id, at_ms.

        Raises:
            StoreError: unreachable, or an ingest is not complete.
        """
        return self.interactions().select("user_id", "item_id", "at_ms")

    def neighbourhood(
        self, user_ids: Sequence[str], hops: int, since_ms: int | None = None, until_ms: int | None = None
    ) -> Frame:
        """Interactions of the k-hop subgraph around users, walked in the server.

        Raises:
            UsageError: hops is below 1.
            StoreError: unreachable, or an ingest is not complete.
        """
        if hops < 1:
            raise UsageError(f"hops must be 1 or more, not {hops}")
        self._check_complete()
        window = {"since": since_ms, "until": until_ms}
        ends = sorted(set(user_ids))
        for hop in range(1, hops):
            statement = cypher("read/items-of-users" if hop % 2 else "read/users-of-items")
            found = {
                record[0]
                for part in _parts(ends)
                for record in self._client.stream(statement, {"ids": part, **window})
            }
            ends = sorted(found)
        statement = cypher("read/interactions-of-users" if hops % 2 else "read/interactions-on-items")
        records = (
            record for part in _parts(ends) for record in self._packed(statement, {"ids": part, **window})
        )
        self._near += 1  # frames that were given out stay as they are
        table = f"{NEAR_USERS}_{self._near}"
        packed.pour(self._connection, table, packed.PACKED_INTERACTIONS_SQL, records)
        return self._frame(table, schema.INTERACTION_COLUMNS)

    def entities(self) -> Frame:
        """Links of users to shared entities (schema.ENTITY_COLUMNS)."""
        if READ_ENTITIES not in self._kept:
            self._check_complete()
            records = self._client.stream(cypher("read/entities"))
            packed.pour(
                self._connection,
                READ_ENTITIES,
                packed.PACKED_ENTITIES_SQL,
                ((key, kind, texts) for key, kind, texts in records),
            )
            self._kept.add(READ_ENTITIES)
        return self._frame(READ_ENTITIES, schema.ENTITY_COLUMNS)

    def items(self) -> Frame:
        """Items (schema.ITEM_COLUMNS)."""
        rows = list(self._client.stream(cypher("read/items")))
        table = pa.table(
            {
                "item_id": pa.array([row[0] for row in rows], pa.string()),
                "name": pa.array([row[1] for row in rows], pa.string()),
            }
        )
        return self._bench.from_arrow(table)

    def events(self) -> Frame:
        """There are none: the graph keeps one relationship per (session, item, action).

        Raises:
            UsageError: always; says what to do.
        """
        raise UsageError(
            f"{self.url}: labels of events need the events themselves, and Neo4j keeps the graph only; run with "
            "a DuckDB store (leave out --store), or label sessions, items or users"
        )

    def sessions(self) -> Frame:
        """Sessions (schema.SESSION_COLUMNS) of complete ingests."""
        if READ_SESSIONS not in self._kept:
            records = self._client.stream(cypher("read/sessions"))
            packed.pour(
                self._connection,
                READ_SESSIONS,
                packed.PACKED_SESSIONS_SQL,
                ((key, "", texts) for key, texts in records),
            )
            self._kept.add(READ_SESSIONS)
        return self._frame(READ_SESSIONS, schema.SESSION_COLUMNS)

    def counts(self) -> dict[str, int]:
        """How many users, items, sessions, interactions, entities (distinct ones), rings, suspects."""
        found = self.query("counts", {})
        return dict(zip(found["what"].to_pylist(), found["n"].to_pylist(), strict=True))

    # --- findings -----------------------------------------------------------------------------------------
    def write_scores(self, scores: pa.Table) -> None:
        """Replace all scores (schema.SCORE_COLUMNS): properties of users; flagged ones are :Suspect."""
        findings.write_scores(self._client, scores)

    def scores(self, user_ids: Sequence[str] | None = None) -> pa.Table:
        """Scores as last written, of all users or of some, most suspicious first, ties by user_id."""
        return findings.read_user_scores(self._client, user_ids)

    def write_labelled(self, labelled: Mapping[str, pa.Table]) -> None:
        """Replace all scores of items and sessions: properties of their nodes.

        Raises:
            UsageError: scores of events, which have no node.
        """
        findings.write_labelled_nodes(self._client, labelled)

    def labelled(self) -> dict[str, pa.Table]:
        """Scores of items and sessions as last written, most suspicious first."""
        return findings.read_labelled(self._client)

    def write_rings(self, rings: RingTables, history: pa.Table | None = None) -> None:
        """Replace all rings, their members and items, and add to their history, in one transaction.

        A store that an older version filled gets the indexes that it lacks.
        """
        writing.create_constraints(self._client, [])
        findings.write_ring_nodes(self._client, rings, history)

    def rings(self) -> RingTables:
        """Rings as last written, most suspicious first."""
        return findings.read_rings(self._client)

    def ring_history(self) -> pa.Table:
        """What rings were in every run (schema.RING_HISTORY_COLUMNS), by run and ring_id."""
        return findings.read_ring_history(self._client)

    # --- the audit log ------------------------------------------------------------------------------------
    def append_audit(self, drafts: Sequence[Draft], redacted: Sequence[Entry] = ()) -> Head:
        """Add entries to the audit log, all or none; writers wait for each other at its head.

        Raises:
            GraphdetError: the log has entries and no head.
        """
        return audit_log.append_audit(self._client, drafts, redacted)

    def audit(self) -> AuditLog:
        """The audit log as it stands, unchecked."""
        return audit_log.read_audit(self._client)

    def loose_verdicts(self) -> list[LooseVerdict]:
        """Verdicts given in Neo4j Browser that are not in the audit log yet, the oldest first."""
        return audit_log.loose_verdicts(self._client)

    # --- meta and queries ---------------------------------------------------------------------------------

    def set_meta(self, key: str, value: str) -> None:
        """Keep a small text (a JSON document) under a key; replaces what was there."""
        self._client.run(cypher("write/set-meta"), key=key, value=value)

    def meta(self, key: str) -> str | None:
        """The text kept under a key, or None."""
        found = self._client.rows(cypher("read/meta"), key=key)
        return str(found[0]["value"]) if found else None

    def queries(self) -> dict[str, str]:
        """Titles of the saved queries by name, in the order of an investigation."""
        return saved.cypher_titles()

    def query(self, name: str, parameters: Mapping[str, Any], *, timeout_s: float | None = None) -> pa.Table:
        """Run a saved query of cypher/browser; `limit` defaults to 100.

        Raises:
            UsageError: no such query, a parameter is missing, unknown or no number.
            StoreError: the server stopped it, as it took longer than timeout_s.
        """
        return saved.run_saved_query(self._client, name, parameters, timeout_s)

    def close(self) -> None:
        """Release the connections and the workbench; closing twice is closing once."""
        self._client.close()
        self._connection.close()
        shutil.rmtree(self._spill, ignore_errors=True)


def _parts(ids: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(ids), IDS_A_READ):
        yield ids[first : first + IDS_A_READ]
