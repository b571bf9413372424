"""What was written in events, items and sessions, as it stands beside the rows of a sheet."""

from collections import Counter
from dataclasses import dataclass, field

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.errors import UsageError
from graphdet.features.events import KEY
from graphdet.ports import Store
from graphdet.tables import Frame

MOST_OF_ONE = 200  # characters of one text in the document of an item or session …
MOST_OF_ALL = 2_000  # … and of all of them: what n-grams are made of
Int = NDArray[np.int64]


@dataclass(frozen=True)
class SheetTexts:
    """Texts of a sheet.

    Shapes: texts[m] of events, None for an event without one; user int64[m], numbers of their users; row int64[m], of
    the sheet; documents[n_rows], what the words of a row are: an event's text, or of an item or session its different
    texts, the most repeated first, each to MOST_OF_ONE characters.
    """

    texts: list[str | None] = field(repr=False)
    user: Int
    row: Int
    documents: list[str | None] = field(repr=False)


def read_texts(store: Store, kind: str, ids: pa.Array, until_ms: int | None = None) -> SheetTexts | None:
    """Texts of the rows of a sheet, whose ids are these; None where the log maps none, or the store keeps no events.

    With `until_ms`, items and sessions have what was written in sessions that had ended before.
    """
    try:
        events = store.events()
    except UsageError:
        return None
    found = events.select(nw.col("text").count().alias("n")).collect("pyarrow").to_native()
    if not found["n"][0].as_py():
        return None
    if kind == "event":
        table = events.select("text", "user_id", *KEY).sort(*KEY).collect("pyarrow").to_native()
        texts = table["text"].cast(pa.string()).to_pylist()
        return SheetTexts(texts, _numbers(table["user_id"]), np.arange(len(texts)), texts)
    events = ended_before(store, events, until_ms).filter(~nw.col("text").is_null())
    table = events.select("text", "user_id", f"{kind}_id", *KEY).sort(*KEY).collect("pyarrow").to_native()
    place = pc.index_in(table[f"{kind}_id"].combine_chunks().cast(ids.type), value_set=ids)
    row = pc.fill_null(place, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    has = np.flatnonzero(row >= 0)
    if not len(has):
        return None
    texts = table["text"].cast(pa.string()).take(pa.array(has)).to_pylist()
    return SheetTexts(texts, _numbers(table["user_id"])[has], row[has], _documents(texts, row[has], len(ids)))


def ended_before(store: Store, events: Frame, until_ms: int | None) -> Frame:
    """Events, or interactions, of the sessions that ended before a moment (None: all)."""
    if until_ms is None:
        return events
    ended = store.sessions().filter(nw.col("ended_ms") < until_ms).select("session_id")
    return events.filter(nw.col("at_ms") < until_ms).join(ended, on="session_id", how="semi")


def _documents(texts: list[str | None], row: Int, n: int) -> list[str | None]:
    said: list[Counter[str]] = [Counter() for _ in range(n)]
    for text, at in zip(texts, row.tolist(), strict=True):
        if text is not None:
            said[at][text[:MOST_OF_ONE]] += 1
    # Ties by the text itself, so that the order of the log does not matter.
    by_use = (sorted(count, key=lambda text: (-count[text], text)) for count in said)
    return ["\n".join(found)[:MOST_OF_ALL] if found else None for found in by_use]


def _numbers(column: pa.ChunkedArray) -> Int:
    coded = column.combine_chunks().cast(pa.string()).dictionary_encode()
    return np.asarray(coded.indices.to_numpy(zero_copy_only=False), np.int64)
