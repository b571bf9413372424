"""What the package asks of a store, split by who asks; DuckDB and Neo4j both answer and pass one conformance suite.

A function takes the smallest port that it needs: `read_graph` a GraphStore, `give_verdict` a CaseworkStore. `Store` is
all of them together, for whoever opens and closes one.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pyarrow as pa

from graphdet.audit import AuditLog, Draft, Entry, Head
from graphdet.errors import InputError
from graphdet.progress import Progress
from graphdet.tables import Frame, LogTables, RingTables
from graphdet.workbench import Workbench


@dataclass(frozen=True)
class LooseVerdict:
    """A verdict that was written straight into the graph, past the audit log: its key there and what it says.

    `said` holds whatever properties it was given: kind, subject, verdict, reason, note, who, at.
    """

    key: str
    said: Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """One ingest: what identifies it, so that doing it twice is doing it once.

    `digest` covers the bytes of all files of this ingest and the config's meaning; `files` are names for
    people.
    """

    digest: str
    files: tuple[str, ...]
    n_rows: int = 0
    n_rejects: int = 0


class AddressedStore(Protocol):
    """What every port has: an address to name the store by in messages.

    The methods of all ports raise StoreError when the store cannot be reached and StoreBusy when another process
    holds it.
    """

    url: str


class EventStore(Protocol):
    """What has the events of a log."""

    def events(self) -> Frame:
        """Events: schema.EVENT_COLUMNS, then attributes.

        Raises:
            UsageError: this store keeps none.
        """


class GraphStore(AddressedStore, EventStore, Protocol):
    """The log and the graph that it makes, for who reads features from it or adds to it.

    Read methods give Narwhals LazyFrames over `bench`, sorted by nothing in particular.
    """

    @property
    def bench(self) -> Workbench:
        """The workbench on which the frames of this store live and whole-log expressions run."""

    def sources(self) -> dict[str, Source]:
        """Ingests that are complete, by digest."""

    def forget(self) -> None:
        """Empty the store of logs, scores and rings; decisions, the audit log and the history of rings stay.

        Killed in between, the store says that an ingest is unfinished until it is repeated.
        """
        ...

    def remove_users(
        self, user_ids: Sequence[str], *, as_items: bool = False, dry_run: bool = False
    ) -> dict[str, int]:
        """Remove accounts and all that is theirs: events, sessions, links, scores, memberships; names of them in texts.

        What others did stays, but for acts on an account where items are accounts too (`as_items`). Rings that are left
        without a member go. Says how many of what went, or with `dry_run` would go. Repeating is safe.
        """
        ...

    def remove_before(
        self, kind: Literal["events", "findings"], before_ms: int, *, dry_run: bool = False
    ) -> dict[str, int]:
        """Remove what is older than a time, and say how many of what went, or with `dry_run` would go.

        Events: sessions that ended before it, and items and links of which nothing is left. Findings: what rings were
        in runs before it, and alerts. Repeating is safe.
        """
        ...

    def compact(self) -> None:
        """Write the store anew, so that no trace of what was removed is left in its file, where it is one file."""
        ...

    def write_log(self, log: LogTables, source: Source, progress: Progress) -> None:
        """Add a cleaned log.

        Same source twice: nothing changes. Killed anywhere and run again: ends as if never killed.
        """

    def row_keys(self) -> Frame:
        """Keys of the rows that complete ingests brought, to tell them again: schema.ROW_KEY, some several times."""

    def interactions(self, since_ms: int | None = None, until_ms: int | None = None) -> Frame:
        """Interactions (schema.INTERACTION_COLUMNS) with since_ms <= at_ms < until_ms."""

    def part(self, since_ms: int, until_ms: int) -> Frame:
        """Interactions of the acts with since_ms <= at_ms < until_ms, as if the log had no others.

        Where a store keeps no events: those whose first act is in the span.
        """

    def acts(self) -> Frame:
        """Who acted on what and when, for whoever looks at first acts alone: user_id, item_id, at_ms.

        Of every user on every item one row or more, the first act among them. Ids are VARCHAR, or whole numbers that
        stand for their decimal text.
        """

    def neighbourhood(
        self, user_ids: Sequence[str], hops: int, since_ms: int | None = None, until_ms: int | None = None
    ) -> Frame:
        """Interactions of the k-hop subgraph around users.

        One hop is user → items; each further hop adds the users of those items and then their items' edges:
        hops=1 the seeds' own interactions, hops=2 also every interaction on those items, hops=3 also all
        interactions of those users, and so on. Half-open window as in `interactions`.
        """

    def entities(self) -> Frame:
        """Links of users to shared entities (schema.ENTITY_COLUMNS)."""

    def items(self) -> Frame:
        """Items (schema.ITEM_COLUMNS)."""

    def events(self) -> Frame:
        """Events: schema.EVENT_COLUMNS, then one column per attribute, then source_ix (which ingest).

        Raises:
            UsageError: this store keeps the graph only (Neo4j).
        """

    def sessions(self) -> Frame:
        """Sessions (schema.SESSION_COLUMNS)."""

    def counts(self) -> dict[str, int]:
        """How many users, items, sessions, interactions, entities, rings, suspects."""


class FindingsStore(AddressedStore, Protocol):
    """What was found: scores of users, rings and their history, scores of labelled things."""

    def write_scores(self, scores: pa.Table) -> None:
        """Replace all scores (schema.SCORE_COLUMNS)."""

    def scores(self, user_ids: Sequence[str] | None = None) -> pa.Table:
        """Scores as last written, of all users or of some, most suspicious first; all columns even when empty."""

    def write_rings(self, rings: RingTables, history: pa.Table | None = None) -> None:
        """Replace all rings, their members and items; add rows to the rings' history in the same transaction."""

    def rings(self) -> RingTables:
        """Rings as last written; empty tables when there are none."""

    def ring_history(self) -> pa.Table:
        """What rings were in every run (schema.RING_HISTORY_COLUMNS), by run and ring_id; nothing removes it."""

    def write_labelled(self, labelled: Mapping[str, pa.Table]) -> None:
        """Replace all scores of items, sessions and events: by kind, KIND_id and schema.LABELLED_COLUMNS.

        A kind that is not given has none afterwards.

        Raises:
            UsageError: scores of events in a store that keeps none.
        """

    def labelled(self) -> dict[str, pa.Table]:
        """Scores of items, sessions and events as last written, most suspicious first; only kinds that have any."""


class AuditStore(AddressedStore, Protocol):
    """The audit log, and verdicts that were given past it."""

    def append_audit(self, drafts: Sequence[Draft], redacted: Sequence[Entry] = ()) -> Head:
        """Add entries to the audit log, all or none, and give the new head.

        redacted: entries that stand in the log, with the text that they have from now on (see graphdet.audit).
        Two processes at a time never fork the chain. A draft of a loose verdict that another process was faster
        to note is left out.

        Raises:
            GraphdetError: the log has entries and no head.
        """

    def audit(self) -> AuditLog:
        """The audit log as it stands, unchecked (see graphdet.audit.verify); nothing removes it."""

    def loose_verdicts(self) -> list[LooseVerdict]:
        """Verdicts that somebody wrote straight into the graph (Neo4j Browser), the oldest first."""


class QueryStore(AddressedStore, Protocol):
    """The saved queries."""

    def queries(self) -> dict[str, str]:
        """Titles of the saved queries by name, in the order of an investigation."""

    def query(self, name: str, parameters: Mapping[str, Any], *, timeout_s: float | None = None) -> pa.Table:
        """Run a named query of cypher/browser (or its SQL twin).

        Raises:
            UsageError: there is no query of that name (says the nearest right one), or a parameter is
                missing, unknown or no number; ids must be given, the others have defaults.
            StoreError: it took longer than timeout_s and was stopped.
        """


class MetaStore(AddressedStore, Protocol):
    """Small texts that the verbs keep beside the graph: what an ingest was, what a run was made with."""

    def set_meta(self, key: str, value: str) -> None:
        """Keep a small text (a JSON document) under a key."""

    def meta(self, key: str) -> str | None:
        """The text kept under a key, or None."""


def kept_note(store: MetaStore, key: str) -> dict[str, Any] | None:
    """The JSON object that is kept in a store under a key; None where there is none.

    Raises:
        InputError: what is there is none: the store is damaged.
    """
    text = store.meta(key)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise damaged_note(store, key)
    return found


def damaged_note(store: MetaStore, key: str) -> InputError:
    """The error of a store that keeps under a key what nobody writes there."""
    return InputError(
        f"{store.url} is damaged: its note {key[:60]!r} cannot be read; nothing was written; restore a copy, or ingest "
        "the log anew into another store"
    )


class GraphAndFindings(GraphStore, FindingsStore, Protocol):
    """The graph and what was found in it, for who shows or explains findings."""


class CaseworkStore(GraphAndFindings, AuditStore, Protocol):
    """The graph, the findings and what analysts decided on them, for who decides or applies decisions."""


class Store(CaseworkStore, QueryStore, MetaStore, Protocol):
    """All ports of one store, for who opens it."""

    def close(self) -> None:
        """Release the store."""


class LiveStore(Store, Protocol):
    """A store that is kept current while its log grows (DuckDB).

    Besides the graph it has the open rows, cleaned rows that detection still looks at, and the outbox of alerts.
    """

    def transaction(self, doing: str) -> AbstractContextManager[object]:
        """Everything that is written in the block is there at its end, or nothing; may be nested."""

    def append_log(self, log: LogTables, source: Source) -> None:
        """Add a part of a log that grows; `source` replaces what is known of the log's earlier parts."""

    def open_rows(self, since_ms: int | None = None) -> Frame | None:
        """The open rows with since_ms <= at_ms; None before there were any."""

    def add_open_rows(self, rows: Frame) -> None:
        """Add open rows; all have the columns of the first ones."""

    def close_rows(self, before_ms: int) -> None:
        """Forget the open rows with at_ms < before_ms; their events stay."""

    def add_alerts(self, alerts: pa.Table) -> None:
        """Add alerts to the outbox (schema.ALERT_COLUMNS without seq), numbered on."""

    def alerts(self, after: int = 0) -> pa.Table:
        """The alerts of the outbox (schema.ALERT_COLUMNS) with seq > after, the oldest first."""

    def add_answers(self, given: Mapping[str, str], most: int) -> None:
        """Keep answers to callers under their keys, and forget all but the newest `most`."""

    def answers(self, keys: Sequence[str]) -> dict[str, str]:
        """The answers that are kept under some keys."""
