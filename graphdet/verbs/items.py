"""items: find items that were pushed on their own, without a ring, and write them down."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from graphdet.files import make_folder
from graphdet.items.scan import (
    ITEM_FINDING_KINDS,
    ITEM_SCAN_ACCOUNTS,
    ITEM_SCAN_COLUMNS,
    scan_items,
    tabulate_items,
)
from graphdet.learn.labelled_blocks import read_item_acts
from graphdet.ports import GraphStore
from graphdet.progress import Progress, Silent
from graphdet.reports.csv_tables import write_csv

NO_WINDOWS = "the log has no times, so there are no windows in which accounts could burst upon an item"
ITEMS_FILE, ACCOUNTS_FILE = "items.csv", "item_accounts.csv"


@dataclass(frozen=True)
class ScannedItems:
    """Tables of ITEM_SCAN and ITEM_SCAN_ACCOUNTS columns, how many items there are, and what people should know."""

    items: pa.Table
    accounts: pa.Table
    n_items: int
    said: tuple[str, ...]


def find_items(
    store: GraphStore, out: Path | None = None, *, fdr: float = 0.05, progress: Progress | None = None
) -> ScannedItems:
    """Scan the items of a store's log, see items.scan; with `out` write items.csv and item_accounts.csv there.

    A log without times has no windows: nothing is found in it, and `said` says so.

    Raises:
        GraphdetError: a file cannot be written.
    """
    progress = progress or Silent()
    progress.start("read the acts")
    acts, item_ids, user_ids, said = read_item_acts(store)
    progress.done()
    if acts.timed:
        progress.start("scan items", len(ITEM_FINDING_KINDS) * len(acts.scales_ms()))
        findings = scan_items(acts, fdr, step=progress.advance)
        progress.done()
    else:
        findings, said = [], (*said, NO_WINDOWS)
    items, accounts = tabulate_items(acts, findings, item_ids, user_ids)
    if out is not None:
        make_folder(out)
        write_csv(out / ITEMS_FILE, items, ITEM_SCAN_COLUMNS)
        write_csv(out / ACCOUNTS_FILE, accounts, ITEM_SCAN_ACCOUNTS)
    return ScannedItems(items, accounts, acts.n_items, said)
