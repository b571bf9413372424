"""Feature blocks that sheets get by themselves where they apply, and that a kept model names."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.errors import GraphdetError
from graphdet.features.text import TEXT_FEATURES, group_text_features, group_text_names, text_features
from graphdet.learn.item_scan_block import ItemScanBlock
from graphdet.learn.labelled_sheets import FeatureBlock, Sheet, kept_sheet, with_blocks
from graphdet.ports import Store


@dataclass(frozen=True)
class TextBlock:
    """Shape of texts, and who said the same; no word is learned here.

    An event sees who said it strictly before. Items and sessions are judged in hindsight: mean and maximum over
    their events, reuse counted over all of the log that the sheet sees.
    """

    def matrix(self, store: Store, sheet: Sheet) -> tuple[tuple[str, ...], NDArray[np.float32]]:
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


TEXTS, ITEM_SCAN = "texts", "item_scan"
BLOCKS: dict[str, type[TextBlock] | type[ItemScanBlock]] = {TEXTS: TextBlock, ITEM_SCAN: ItemScanBlock}


def default_blocks(sheet: Sheet) -> tuple[FeatureBlock, ...]:
    """What applies to a sheet: texts where the log has any, the scan of single items for items."""
    names = [TEXTS] if sheet.texts is not None else []
    return named_blocks([*names, ITEM_SCAN] if sheet.kind == "item" else names)


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
    store: Store, kind: str, blocks: Sequence[FeatureBlock] | None
) -> tuple[Sheet, tuple[FeatureBlock, ...]]:
    """The sheet of a kind with its blocks (None: those that apply), and the blocks."""
    sheet = kept_sheet(store, kind)
    used = default_blocks(sheet) if blocks is None else tuple(blocks)
    return with_blocks(store, sheet, used), used
