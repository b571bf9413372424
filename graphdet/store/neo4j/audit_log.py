"""The audit log in the graph: a chain of :AuditEntry nodes, and the node where its writers wait for each other."""

from collections.abc import Sequence
from uuid import uuid4

from graphdet.audit import SHOWN_FIELDS, AuditLog, Draft, Entry, Head, chained, iso_utc, utc_now
from graphdet.errors import GraphdetError
from graphdet.ports import LooseVerdict
from graphdet.store.neo4j.client import Client, Transaction
from graphdet.store.neo4j.statements import cypher

CONSTRAINTS = ("schema/audit-entry", "schema/audit-head")
NO_HEAD = (
    "the audit log has entries and no head: somebody removed it; nothing is noted on top of that. "
    "Look with: graphdet audit verify"
)


def append_audit(client: Client, drafts: Sequence[Draft], redacted: Sequence[Entry] = ()) -> Head:
    """Add entries in one transaction that holds the head's lock; see graphdet.ports.

    Raises:
        GraphdetError: the log has entries and no head.
    """
    if not client.rows(cypher("read/audit-head")):  # graphs of an earlier graphdet
        for name in CONSTRAINTS:
            client.run(cypher(name))
    token = uuid4().hex

    def write(tx: Transaction) -> Head:
        found = tx.run(cypher("write/lock-audit")).data()[0]
        if found["count"] is None:
            if tx.run(cypher("read/audit-size")).data()[0]["n"]:
                raise GraphdetError(NO_HEAD)
            head = Head()
        else:
            head = Head(found["count"], found["hash"])
        if found["token"] == token:  # the driver tries again what was committed, when the answer was lost
            return head
        at = iso_utc(utc_now())
        for entry in redacted:
            row = {"seq": entry.seq, "entry": entry.entry, "hash": entry.hash, **entry.shown}
            tx.run(cypher("write/redact-audit"), row=row).consume()
        for draft in drafts:
            (entry,), after = chained([draft], head, at)
            row = {"seq": entry.seq, "entry": entry.entry, "hash": entry.hash, **entry.shown}
            if draft.loose is None:
                tx.run(cypher("write/append-audit"), row=row).consume()
            elif not tx.run(cypher("write/note-loose-verdict"), key=draft.loose, row=row).data()[0]["n"]:
                continue  # another process was faster
            head = after
        tx.run(cypher("write/move-audit-head"), count=head.count, hash=head.hash, token=token).consume()
        return head

    return client.write(write, "writing the audit log of")


def read_audit(client: Client) -> AuditLog:
    """The log as it stands; a property that is none of an entry's comes as a copy too many."""
    entries = []
    for row in client.rows(cypher("read/audit")):
        values = dict(row["entry"])
        seq, text, hashed = values.pop("seq"), values.pop("entry", ""), values.pop("hash", "")
        shown = {**dict.fromkeys(SHOWN_FIELDS), **{name: _text(value) for name, value in values.items()}}
        entries.append(Entry(_whole(seq), _text(text), _text(hashed), shown))
    found = client.rows(cypher("read/audit-head"))
    head = Head(_whole(found[0]["count"]), _text(found[0]["hash"])) if found else None
    return AuditLog(tuple(entries), head)


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def _whole(value: object) -> int:
    """A number that somebody may have replaced by something else; then −1."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def loose_verdicts(client: Client) -> list[LooseVerdict]:
    """Verdicts given in Neo4j Browser that are not in the log yet, the oldest first."""
    return [LooseVerdict(row["key"], row["said"]) for row in client.rows(cypher("read/loose-verdicts"))]
