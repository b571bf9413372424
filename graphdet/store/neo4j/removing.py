"""Remove accounts, and what is past its time, each in one transaction."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from graphdet.audit import iso_utc
from graphdet.privacy import Scrub
from graphdet.store.neo4j.client import Client, Transaction
from graphdet.store.neo4j.statements import cypher


class _DryRun(Exception):
    """Ends a transaction of which only the counts are wanted."""


def take_users_out(client: Client, user_ids: Sequence[str], as_items: bool, dry_run: bool) -> dict[str, int]:
    """Remove accounts; see graphdet.ports."""
    ids, scrub = sorted(set(user_ids)), Scrub(user_ids)

    def work(tx: Transaction) -> dict[str, int]:
        counts: dict[str, int] = {}
        for name in (
            "remove-sessions-of-users",
            "remove-entities-of-users",
            "remove-members",
            "remove-users",
        ):
            _add(counts, tx, name, ids=ids)
        if as_items:
            _add(counts, tx, "remove-items", ids=ids)
        _add(counts, tx, "leave-out-of-history", ids=ids, items=ids if as_items else [])
        found = tx.run(cypher("read/texts-naming"), needles=scrub.needles()).data()
        clean = [row | {"text": {row["name"]: scrub.document(row["text"])}} for row in found]
        rows = [
            new for new, old in zip(clean, found, strict=True) if new["text"] != {old["name"]: old["text"]}
        ]
        tx.run(cypher("write/set-texts"), rows=rows).consume()
        return counts | {"texts": len(rows)}

    return _in_one(client, work, dry_run)


def take_sessions_out(client: Client, before_ms: int, dry_run: bool) -> dict[str, int]:
    """Remove sessions that ended before a time; see graphdet.ports."""

    def work(tx: Transaction) -> dict[str, int]:
        counts: dict[str, int] = {}
        _add(counts, tx, "remove-sessions-before", before=before_ms)
        _add(counts, tx, "remove-idle")
        return counts

    return _in_one(client, work, dry_run)


def take_findings_out(client: Client, before_ms: int, dry_run: bool) -> dict[str, int]:
    """Remove what runs found before a time; see graphdet.ports."""

    def work(tx: Transaction) -> dict[str, int]:
        counts: dict[str, int] = {}
        before = iso_utc(datetime.fromtimestamp(before_ms / 1000, UTC))
        _add(counts, tx, "remove-history-before", before=before)
        return counts

    return _in_one(client, work, dry_run)


def _add(counts: dict[str, int], tx: Transaction, name: str, **parameters: Any) -> None:
    for row in tx.run(cypher(f"write/{name}"), **parameters).data():
        for what, n in row.items():
            counts[what] = counts.get(what, 0) + int(n)


def _in_one(client: Client, work: Callable[[Transaction], dict[str, int]], dry_run: bool) -> dict[str, int]:
    """Do it in one transaction, which is taken back where only the counts are wanted."""
    found: dict[str, int] = {}

    def counted(tx: Transaction) -> None:
        found.clear()
        found.update(work(tx))
        if dry_run:
            raise _DryRun

    with suppress(_DryRun):
        client.write(counted, "removing from")
    return found
