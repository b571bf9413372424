"""audit: look at a store's audit log, and check that nobody changed it."""

from dataclasses import dataclass
from typing import Any

from graphdet.audit import AuditLog, Fault, Head, verify
from graphdet.errors import GraphdetError, UsageError
from graphdet.ports import AuditStore


@dataclass(frozen=True)
class Checked:
    """What a check of the log found: how many entries, the head, and every fault (none: the log is whole)."""

    n_entries: int
    head: Head | None
    faults: list[Fault]


def check_audit(store: AuditStore, expect: str | None = None) -> Checked:
    """Check the chain; `expect` is a head's hash that was noted elsewhere.

    Raises:
        UsageError: `expect` is no SHA-256.
    """
    if expect is not None:
        expect = expect.strip().lower()
        if len(expect) != 64 or set(expect) - set("0123456789abcdef"):
            raise UsageError(
                "--expect wants a head as `graphdet audit show` prints it: 64 hexadecimal digits"
            )
    log = store.audit()
    return Checked(len(log.entries), log.head, verify(log, expect))


def failure(store: AuditStore, checked: Checked) -> GraphdetError:
    """The error that says what is wrong, where, and what to do."""
    lines = [_words(fault) for fault in checked.faults]
    shown = lines[:20] + ([f"and {len(lines) - 20} more"] if len(lines) > 20 else [])
    return GraphdetError(
        f"{store.url}: the audit log was changed\n"
        + "\n".join(f"  {line}" for line in shown)
        + "\nCompare it with a backup of the store, and find out who could write to it"
    )


def _words(fault: Fault) -> str:
    return fault.what if fault.seq is None else f"entry {fault.seq}: {fault.what}"


def documents(log: AuditLog) -> list[dict[str, Any]]:
    """Entries as plain documents with their hash, the oldest first; damaged ones as far as they can be read."""
    return [{**entry.document(), "seq": entry.seq, "hash": entry.hash} for entry in log.entries]
