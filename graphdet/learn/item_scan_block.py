"""What the scan of single items says, as features for labels of items."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.errors import UsageError
from graphdet.graph.encode import encode
from graphdet.items.acts import MOST_SCALES, ItemActs
from graphdet.items.scan import scan_items
from graphdet.learn.labelled_sheets import Sheet, interactions_before
from graphdet.learn.labelled_texts import ended_before
from graphdet.ports import Store
from graphdet.tables import numbered


def read_acts(
    store: Store, until_ms: int | None = None
) -> tuple[ItemActs, pa.Array, pa.Array, tuple[str, ...]]:
    """Every act of a store with its own time; ids of items and users by row; what people should know.

    A store without events (Neo4j) knows the first time of each session's acts on an item, and how many. With
    `until_ms`, acts of the sessions that had ended before.
    """
    try:
        events = ended_before(store, store.events(), until_ms)
    except UsageError:
        graph = encode(interactions_before(store, until_ms))
        said = f"{store.url} keeps no events: acts of one session on one item are taken to be at the time of the first"
        return ItemActs.of_graph(graph), graph.item_ids, graph.user_ids, (said,)
    table = events.select("item_id", "user_id", "at_ms").collect("pyarrow").to_native()
    (items, item_ix), (users, user_ix) = (numbered(table[name]) for name in ("item_id", "user_id"))
    acts = ItemActs.of(item_ix, user_ix, table["at_ms"].to_numpy(), len(items), len(users))
    return acts, items, users, ()


@dataclass(frozen=True)
class ItemScanBlock:
    """What the scan says of items, as features for labels of items (learn.labelled_sheets).

    Per kind −ln p over scales, and at every scale (NaN where the log is too short for one) −ln p and what the strongest
    window holds: repeats or throwaway accounts, and users. The scan is fitted on all of the log that the sheet sees,
    without labels.
    """

    def matrix(self, store: Store, sheet: Sheet) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Names[k] and float32[n, k], see labelled_sheets.FeatureBlock."""
        acts, item_ids, _, _ = read_acts(store, sheet.until_ms)
        row = pc.index_in(sheet.ids, value_set=item_ids).to_numpy(zero_copy_only=False).astype(np.int64)
        names: list[str] = []
        columns: list[NDArray[Any]] = []
        for found in scan_items(acts):
            columns.append(-np.log(found.strongest.p))
            names.append(f"scan_{found.kind}")
            nothing = np.full(acts.n_items, np.nan)
            for k in range(MOST_SCALES):
                at = found.by_scale[k] if k < len(found.by_scale) else None
                columns += [-np.log(at.p), at.observed, at.n_users] if at else [nothing] * 3
                names += [f"scan_{found.kind}_{what}_{k}" for what in ("surprise", "observed", "users")]
        return tuple(names), np.column_stack(columns)[row].astype(np.float32)
