"""reveal: the ids behind pseudonyms, for whoever holds the key."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import narwhals as nw
import pyarrow as pa

from graphdet.casework.disclosure import Disclosure, Listener, disclose
from graphdet.errors import UsageError
from graphdet.ports import CaseworkStore, GraphStore
from graphdet.reports.pseudonyms import Pseudonyms, find, is_pseudonym


@dataclass(frozen=True)
class Revealed:
    """A pseudonym and what is behind it; kind and id are None where the store has no such thing under this key."""

    pseudonym: str
    kind: str | None
    id: str | None


def reveal(
    store: CaseworkStore, names: Pseudonyms, wanted: Sequence[str], *, listener: Listener | None = None
) -> list[Revealed]:
    """Find the ids of a store behind pseudonyms, in the order asked for.

    Raises:
        UsageError: one is no pseudonym.
    """
    wrong = [text for text in wanted if not is_pseudonym(text)]
    if wrong:
        raise UsageError(f"{wrong[0]!r} is no pseudonym: they look like u-ab2cd3ef4gh5ij6kl7mn")
    disclose(store, Disclosure("reveal", tuple(wanted), kind="pseudonym"), listener)
    found = {name: Revealed(name, kind, text) for name, kind, text in find(names, wanted, _reader(store))}
    return [found.get(name, Revealed(name, None, None)) for name in wanted]


def _reader(store: GraphStore) -> Callable[[str], Iterable[str]]:
    """Read the ids of a store by kind, when asked for."""
    frames = {
        "user": (store.acts, "user_id"),
        "item": (store.items, "item_id"),
        "session": (store.sessions, "session_id"),
        "entity": (store.entities, "entity_id"),
        "event": (store.events, "event_id"),
    }

    def ids_of(kind: str) -> Iterable[str]:
        read, column = frames[kind]
        ids = read().select(nw.col(column)).unique().collect("pyarrow").to_native()
        found: list[str] = ids[column].cast(pa.string()).to_pylist()
        return found

    return ids_of
