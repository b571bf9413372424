"""Co-action pairs of a whole log, in memory where they fit, else by DuckDB."""

import duckdb
import narwhals as nw

from graphdet.features.meetings import FirstActs, pairs_in_memory
from graphdet.features.pairs import (
    WINDOWS,
    Window,
    co_action_pairs,
    first_acts,
    largest_crowd,
    pair_arrays,
    quiet_acts,
)
from graphdet.graph.encode import edges_frame
from graphdet.ports import Progress
from graphdet.tables import Frame, GraphArrays, PairArrays

MOST_MEETINGS = 2**28  # that are sorted in memory, at nine bytes each: 2.4 GB


def find_pairs(graph: GraphArrays, bench: duckdb.DuckDBPyConnection, progress: Progress) -> list[PairArrays]:
    """Co-action pairs at every window: in memory where their meetings fit, else by DuckDB, which spills to disk."""
    progress.start("co-action pairs", len(WINDOWS))
    windows = []
    acts = FirstActs.of(graph)
    for window in WINDOWS:
        quiet = acts.quiet(window)
        n_later = quiet.followers(window)
        if n_later.sum() <= MOST_MEETINGS:
            windows.append(pairs_in_memory(quiet, n_later, window))
        else:
            windows.append(_pairs_on_disk(graph, bench, window))
        progress.advance()
    progress.done()
    return windows


def _pairs_on_disk(graph: GraphArrays, bench: duckdb.DuckDBPyConnection, window: Window) -> PairArrays:
    acts = _kept(bench, "acts", first_acts(edges_frame(graph, bench)))
    quiet = _kept(bench, "quiet", quiet_acts(acts, window, largest_crowd(acts, window)))
    pairs = pair_arrays(co_action_pairs(quiet, window))
    for name in ("acts", "quiet"):
        bench.execute(f"DROP TABLE temp.graphdet_{name}")
    return pairs


def _kept(bench: duckdb.DuckDBPyConnection, name: str, frame: Frame) -> Frame:
    """Compute a frame once, as the temporary table graphdet_NAME of the bench."""
    # By a view, as frames over arrays have no SQL of their own.
    native: duckdb.DuckDBPyRelation = frame.to_native()
    native.query("graphdet_frame", f"CREATE OR REPLACE TEMP TABLE graphdet_{name} AS FROM graphdet_frame")
    bench.execute("DROP VIEW IF EXISTS graphdet_frame")
    return nw.from_native(bench.table(f"temp.graphdet_{name}"))
