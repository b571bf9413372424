"""Feature blocks that sheets get by themselves where they apply, and that a kept model names.

What the scan of single items says, as features for labels of items.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.errors import GraphdetError, UsageError
from graphdet.features.text import TEXT_FEATURES, group_text_features, group_text_names, text_features
from graphdet.graph.encode import encode
from graphdet.items.acts import MOST_SCALES, ItemActs
from graphdet.items.scan import scan_items
from graphdet.learn.labelled_sheets import (
    FeatureBlock,
    Sheet,
    ended_before,
    interactions_before,
    kept_sheet,
    with_blocks,
)
from graphdet.ports import GraphStore
from graphdet.tables import numbered


def read_item_acts(
    store: GraphStore, until_ms: int | None = None
) -> tuple[ItemActs, pa.Array, pa.Array, tuple[str, ...]]:
    """Every act of a store with its own time; ids of items and users by row; what people should know.

    A store without events (Neo4j) knows the first time of each session's acts on an item, and how many. With
    `until_ms`, acts of the sessions that had ended before.
    """
    try:
        events = ended_before(store, store.events(), until_ms)
    except UsageError:
        graph = encode(interactions_before(store, until_ms))
        note = f"{store.url} keeps no events: acts of one session on one item are taken to be at the time of the first"
        return ItemActs.of_graph(graph), graph.item_ids, graph.user_ids, (note,)
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

    def matrix(self, store: GraphStore, sheet: Sheet) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Names[k] and float32[n, k], see labelled_sheets.FeatureBlock."""
        acts, item_ids, _, _ = read_item_acts(store, sheet.until_ms)
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


@dataclass(frozen=True)
class TextBlock:
    """Shape of texts, and who said the same; no word is learned here.

    An event sees who said it strictly before. Items and sessions are judged in hindsight: mean and maximum over
    their events, reuse counted over all of the log that the sheet sees.
    """

    def matrix(self, store: GraphStore, sheet: Sheet) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Names[k] and float32[n, k], see labelled_sheets.FeatureBlock."""
        found, n = sheet.texts, len(sheet.ids)
        if sheet.kind == "event":
            if found is None:
                return TEXT_FEATURES, np.full((n, len(TEXT_FEATURES)), np.nan, np.float32)
            return text_features(found.texts, found.user, sheet.at_ms)
        if found is None:
            names = group_text_names()
            return names, np.full((n, len(names)), np.nan, np.float32)
        return group_text_features(found.texts, found.user, found.row, n)


TEXTS, ITEM_SCAN_BLOCK = "texts", "item_scan"
BLOCKS: dict[str, type[TextBlock] | type[ItemScanBlock]] = {TEXTS: TextBlock, ITEM_SCAN_BLOCK: ItemScanBlock}


def default_blocks(sheet: Sheet) -> tuple[FeatureBlock, ...]:
    """What applies to a sheet: texts where the log has any, the scan of single items for items."""
    names = [TEXTS] if sheet.texts is not None else []
    return named_blocks([*names, ITEM_SCAN_BLOCK] if sheet.kind == "item" else names)


def named_blocks(names: Sequence[str]) -> tuple[FeatureBlock, ...]:
    """Blocks by their names in a kept model.

    Raises:
        GraphdetError: a name is not known.
    """
    unknown = [name for name in names if name not in BLOCKS]
    if unknown:
        raise GraphdetError(
            f"the model was trained with features that this version lacks ({', '.join(unknown)}); train it again"
        )
    return tuple(BLOCKS[name]() for name in names)


def block_names(blocks: Sequence[FeatureBlock]) -> tuple[str, ...]:
    """Names of those blocks that come with the package; whoever made others gives them at scoring again."""
    return tuple(name for name, kind in BLOCKS.items() if any(type(block) is kind for block in blocks))


def full_sheet(
    store: GraphStore, kind: str, blocks: Sequence[FeatureBlock] | None
) -> tuple[Sheet, tuple[FeatureBlock, ...]]:
    """The sheet of a kind with its blocks (None: those that apply), and the blocks."""
    sheet = kept_sheet(store, kind)
    used = default_blocks(sheet) if blocks is None else tuple(blocks)
    return with_blocks(store, sheet, used), used
