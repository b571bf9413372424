"""report: write the output folder from what a store holds."""

import json
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc

from graphdet import schema
from graphdet.errors import UsageError
from graphdet.ports import Progress, Silent, Store
from graphdet.reports import overview, ring_pages, write_tables
from graphdet.tables import RingTables

RUN_INFO = "run_info"  # meta key: the summary of the last run over a store, a JSON document


def report(
    store: Store, out: Path, *, run_info: dict[str, Any] | None = None, progress: Progress | None = None
) -> Path:
    """Write the CSV files, report.html and a page per flagged ring.

    Returns the path of report.html.

    Raises:
        UsageError: the store has no scores yet.
        GraphdetError: a file cannot be written.
    """
    progress = progress or Silent()
    scores, rings = store.scores(), store.rings()
    if not scores.num_rows:
        raise UsageError(f"{store.url} has no scores yet; run `graphdet train`, `rings` and `score` first")
    if run_info is None:
        run_info = json.loads(store.meta(RUN_INFO) or "{}")
    labelled = store.labelled()
    write_tables(out, scores, rings, labelled)
    for kind in set(schema.LABELLED_KINDS) - set(labelled):  # of an earlier run into this folder
        (out / f"{kind}_scores.csv").unlink(missing_ok=True)
    items = store.items().collect("pyarrow").to_native()
    ring_pages(out, rings, acts_of_flagged(store, rings), scores, items, progress)
    progress.start("report")
    page = overview(out, scores, rings, run_info)
    progress.done()
    return page


def acts_of_flagged(store: Store, rings: RingTables) -> pa.Table:
    """All interactions of the members of flagged rings, as Arrow (schema.INTERACTION_COLUMNS)."""
    flagged = rings.rings.filter(rings.rings["flagged"])["ring_id"]
    mine = rings.members.filter(pc.is_in(rings.members["ring_id"], value_set=flagged))
    members = pa.table({"user_id": pc.unique(mine["user_id"]).cast(pa.string())})
    chosen = nw.from_native(store.bench.from_arrow(members)).lazy()
    acts = store.interactions().join(chosen, on="user_id", how="semi").select(*schema.INTERACTION_COLUMNS)
    return acts.collect("pyarrow").to_native()
