"""Pseudonyms for ids: keyed hashes that only the holder of the key can turn back.

HMAC-SHA-256 over the kind of id and the id, the first 100 bits in base32: `u-` and twenty characters for a user,
`i-` for an item, and so on. The same key gives the same pseudonym in every report, so two of them can be compared;
without the key nobody can, not even by trying all ids.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import pyarrow as pa

from graphdet.reports.context import Surroundings
from graphdet.reports.ring_data import RingData
from graphdet.rings.finding import Reason
from graphdet.tables import RingTables

PREFIX = {"user": "u", "item": "i", "session": "s", "entity": "x", "event": "e"}
BITS = 100  # two of a billion ids share a pseudonym with a chance of 1 in 10^12
_WORD = re.compile(r"[^\s()\[\]{}<>,;:!?\"']*[^\s()\[\]{}<>,;:!?\"'.]")
_SHAPE = re.compile(r"[uisxe]-[a-z2-7]{20}")
# Keys of a reason's extra facts whose texts are ids of that kind; "kind" says what is shared and is no id. Any other
# text is hidden as an entity.
_KIND_OF_KEY = {
    "with": "user",
    "members": "user",
    "user_id": "user",
    "user_ids": "user",
    "items": "item",
    "kind": "kind",
    "role": "kind",
}


class Pseudonyms:
    """The pseudonyms of one key (bytes, 16 or more)."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.of = lru_cache(maxsize=1 << 20)(self._of)

    def _of(self, kind: str, text: str) -> str:
        """The pseudonym of an id; kind is one of PREFIX."""
        message = kind.encode() + b"\x00" + text.encode("utf-8", "surrogatepass")
        digest = hmac.new(self._key, message, hashlib.sha256).digest()
        return f"{PREFIX[kind]}-{base64.b32encode(digest).decode().lower()[: BITS // 5]}"

    def column(self, kind: str, values: pa.ChunkedArray | pa.Array) -> pa.Array:
        """The pseudonyms of a column of ids; null stays null."""
        return pa.array([None if v is None else self.of(kind, v) for v in values.to_pylist()], pa.string())


def is_pseudonym(text: str) -> bool:
    """Whether a text has the shape of a pseudonym.

    >>> is_pseudonym("u-" + "a" * 20), is_pseudonym("user7")
    (True, False)
    """
    return _SHAPE.fullmatch(text) is not None


def hide_column(table: pa.Table, name: str, kind: str, names: Pseudonyms) -> pa.Table:
    """Replace the ids of a column by their pseudonyms."""
    place = table.column_names.index(name)
    return table.set_column(place, name, names.column(kind, table[name]))


def hide_words(table: pa.Table, name: str, known: Mapping[str, str]) -> pa.Table:
    """Replace words of a column of free text that are ids: known maps an id to its pseudonym.

    Words are what lies between white space, without brackets and marks around it. Short numbers are left, as they
    cannot be told from counts.
    """

    def hidden(found: re.Match[str]) -> str:
        word = found.group()
        return known.get(word, word) if _telling(word) else word

    texts = [None if v is None else _WORD.sub(hidden, v) for v in table[name].to_pylist()]
    return table.set_column(table.column_names.index(name), name, pa.array(texts, pa.string()))


def _telling(text: str) -> bool:
    """Whether a text in words is an id, and not a count by accident."""
    return len(text) >= (5 if text.isdigit() else 2)


def known_ids(rings: RingTables, names: Pseudonyms) -> dict[str, str]:
    """The pseudonyms of all members and targets of rings, by id."""
    known = {text: names.of("item", text) for text in rings.items["item_id"].to_pylist()}
    return known | {text: names.of("user", text) for text in rings.members["user_id"].to_pylist()}


def hide_rings(rings: RingTables, names: Pseudonyms) -> RingTables:
    """Replace the ids of members and targets, in the reasons too; the evidence is left out, as it may name accounts."""
    return RingTables(
        hide_words(
            rings.with_evidence([None] * rings.rings.num_rows).rings, "reason", known_ids(rings, names)
        ),
        hide_column(rings.members, "user_id", "user", names),
        hide_column(rings.items, "item_id", "item", names),
    )


def find(
    names: Pseudonyms, wanted: Iterable[str], ids_of: Callable[[str], Iterable[str]]
) -> Iterator[tuple[str, str, str]]:
    """Find the ids behind pseudonyms, by trying all of a kind: pseudonym, kind and id of each that is found."""
    missing = set(wanted)
    for kind, prefix in PREFIX.items():
        of_kind = {text for text in missing if text.startswith(f"{prefix}-")}
        for text in ids_of(kind) if of_kind else ():
            name = names.of(kind, text)
            if name in of_kind:
                yield name, kind, text
                of_kind.discard(name)
            if not of_kind:
                break


def hide_ring(ring: RingData, names: Pseudonyms) -> RingData:
    """Replace every id of a ring by its pseudonym; names of items are left out, and ids in free text replaced."""
    user, item, session = (partial(names.of, kind) for kind in ("user", "item", "session"))
    scrub = _Scrub(ring, names)
    return replace(
        ring,
        reason=scrub.text(ring.reason),
        reasons=scrub.reasons(ring.reasons),
        against=scrub.reasons(ring.against),
        held_back=scrub.reasons(ring.held_back),
        would_change=None if ring.would_change is None else scrub.value(dict(ring.would_change), "entity"),
        members=[
            replace(
                m,
                user_id=user(m.user_id),
                reason=None if m.reason is None else scrub.text(m.reason),
                reasons=scrub.reasons(m.reasons),
            )
            for m in ring.members
        ],
        items=[replace(i, item_id=item(i.item_id), name=None) for i in ring.items],
        acts=[
            replace(a, user_id=user(a.user_id), item_id=item(a.item_id), session_id=session(a.session_id))
            for a in ring.acts
        ],
        elsewhere=tuple(
            replace(a, user_id=user(a.user_id), item_id=item(a.item_id), session_id=session(a.session_id))
            for a in ring.elsewhere
        ),
        decided=replace(
            ring.decided,
            lines=tuple(scrub.text(line) for line in ring.decided.lines),
            members={user(user_id): scrub.text(text) for user_id, text in ring.decided.members.items()},
        ),
        sittings=[
            replace(
                s,
                user_id=user(s.user_id),
                session_id=session(s.session_id),
                steps=tuple((at, None if i is None else item(i), action) for at, i, action in s.steps),
            )
            for s in ring.sittings
        ],
        shared=[
            replace(
                e,
                entity_id=names.of("entity", e.entity_id),
                user_ids=tuple(sorted(user(u) for u in e.user_ids)),
            )
            for e in ring.shared
        ],
        around=lambda: None if ring.context is None else _hide_context(ring.context, names),
    )


def _hide_context(context: Surroundings, names: Pseudonyms) -> Surroundings:
    def items(found: Mapping[str, Any]) -> dict[str, Any]:
        return {names.of("item", item): value for item, value in found.items()}

    return replace(
        context,
        outsiders=tuple(
            replace(
                o,
                user_id=names.of("user", o.user_id),
                item_ids=tuple(sorted(names.of("item", i) for i in o.item_ids)),
            )
            for o in context.outsiders
        ),
        outside_by_item=items(context.outside_by_item),
        band_items={band: items(found) for band, found in context.band_items.items()},
    )


class _Scrub:
    """Replaces ids in words that others wrote: whole words equal to an id of the ring, short numbers left."""

    def __init__(self, ring: RingData, names: Pseudonyms) -> None:
        self._names = names
        self._known: dict[str, str] = {}
        for kind, ids in (
            ("entity", [e.entity_id for e in ring.shared]),
            ("session", [s.session_id for s in ring.sittings]),
            ("item", [i.item_id for i in ring.items]),
            ("user", [m.user_id for m in ring.members]),
        ):
            self._known |= {text: names.of(kind, text) for text in ids}
        self._known |= {i.name: names.of("item", i.item_id) for i in ring.items if i.name}
        words = sorted(filter(_telling, self._known), key=len, reverse=True)
        self._pattern = (
            re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, words)) + r")(?!\w)") if words else None
        )

    def text(self, text: str) -> str:
        """Replace ids in a text."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._known[found.group()], text)

    def reasons(self, reasons: Iterable[Reason]) -> tuple[Reason, ...]:
        """Replace ids in reasons."""
        return tuple(
            replace(
                reason,
                text=self.text(reason.text),
                numbers={key: self.value(v, _KIND_OF_KEY.get(key, "entity")) for key, v in reason.numbers.items()},
                more={key: self.value(v, _KIND_OF_KEY.get(key, "entity")) for key, v in reason.more.items()},
            )
            for reason in reasons
        )  # fmt: skip

    def value(self, value: Any, kind: str) -> Any:
        """Replace ids in a value of any shape; a text that is no known id is hidden as one of `kind`."""
        if isinstance(value, str):
            if kind == "kind":
                return value
            return self._known.get(value) or self._names.of(kind, value)
        if isinstance(value, Mapping):
            return {
                key: self.text(v)
                if key in ("text", "code", "kind")
                else self.value(v, _KIND_OF_KEY.get(key, kind))
                for key, v in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(each, kind) for each in value]
        return value
