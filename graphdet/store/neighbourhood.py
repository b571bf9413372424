"""Windows of interactions, and k-hop neighbourhoods, where the interactions lie in a workbench."""

from collections.abc import Sequence

import narwhals as nw
import pyarrow as pa

from graphdet.errors import UsageError
from graphdet.tables import Frame
from graphdet.workbench import Workbench

# Table of the workbench with all interactions, read once per opened store.
READ_INTERACTIONS = "graphdet_interactions"


def in_window(interactions: Frame, since_ms: int | None, until_ms: int | None) -> Frame:
    """Keep interactions with since_ms <= at_ms < until_ms; None leaves that side open."""
    if since_ms is not None:
        interactions = interactions.filter(nw.col("at_ms") >= since_ms)
    if until_ms is not None:
        interactions = interactions.filter(nw.col("at_ms") < until_ms)
    return interactions


def neighbourhood(bench: Workbench, interactions: Frame, user_ids: Sequence[str], hops: int) -> Frame:
    """Interactions (schema.INTERACTION_COLUMNS) of the k-hop subgraph around users.

    An odd hop keeps every interaction of the users reached, an even one every interaction on the items
    reached. What one hop keeps contains what the hop before kept, so no union is needed. Unknown users add
    nothing.

    Raises:
        UsageError: hops is below 1.
    """
    if hops < 1:
        raise UsageError(f"hops must be 1 or more, not {hops}")
    seeds = pa.table({"user_id": pa.array(sorted(set(user_ids)), pa.string())})
    kept = interactions.join(bench.from_arrow(seeds), on="user_id", how="semi")
    for hop in range(2, hops + 1):
        key = "item_id" if hop % 2 == 0 else "user_id"
        kept = interactions.join(kept.select(key).unique(), on=key, how="semi")
    return kept
