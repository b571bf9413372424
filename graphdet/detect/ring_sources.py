"""From a store to what the pages of rings are made from."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphdet import schema
from graphdet.errors import UsageError
from graphdet.ports import GraphAndFindings, GraphStore
from graphdet.progress import Progress
from graphdet.reports.context import LogActs, Surroundings, look_around
from graphdet.reports.gather import Look, Sources
from graphdet.reports.run_facts import Query
from graphdet.store import query_texts
from graphdet.tables import Frame, RingTables

ACTS_QUERY = "ring-timeline"  # the saved query that lists the acts of a ring


def ring_sources(
    store: GraphAndFindings,
    rings: RingTables,
    ring_ids: Sequence[str],
    progress: Progress,
    *,
    all_scores: bool,
    surroundings: bool = True,
) -> Sources:
    """Read what the pages of some rings need: what members did and share, items, the whole log, and scores.

    all_scores: those of everybody, not of members alone. surroundings: also what lies around them in the log.
    """
    wanted = pa.array(list(ring_ids), pa.string())
    mine = rings.members.filter(pc.is_in(rings.members["ring_id"], value_set=wanted))
    users = sorted(set(mine["user_id"].to_pylist()))
    if not users:
        nothing = pa.table({name: pa.array([], pa.string()) for name in schema.INTERACTION_COLUMNS})
        return Sources(rings, nothing, store.scores(None if all_scores else []))
    progress.start("read the rings' acts")
    look = _look(store) if surroundings else None
    scores = store.scores(None if all_scores else users)
    acts = store.neighbourhood(users, 1).select(*schema.INTERACTION_COLUMNS).collect("pyarrow").to_native()
    entities = _among(store, store.entities(), "user_id", users).collect("pyarrow").to_native()
    items = store.items().collect("pyarrow").to_native()
    progress.done()
    return Sources(rings, acts, scores, items, entities, look)


def _among(store: GraphStore, frame: Frame, column: str, ids: Sequence[str]) -> Frame:
    """The rows of a frame whose column is one of some ids."""
    wanted = pa.table({column: pa.array(list(ids), pa.string())})
    return frame.join(store.bench.from_arrow(wanted), on=column, how="semi")


def ring_events(store: GraphStore, user_ids: Sequence[str], item_ids: Sequence[str]) -> pa.Table:
    """What some users did on some items, act by act and by time.

    Columns: at_ms, user_id, item_id, action, session_id, n; then, from a store that keeps events, event_id, amount,
    quantity, text and the log's attributes, those that hold anything. A store that keeps none (Neo4j) gives the first
    time of every (session, item, action), with n, how often; elsewhere n is 1.
    """
    first = ("at_ms", "user_id", "item_id", "action", "session_id", "n")
    try:
        acts = _among(store, store.events(), "user_id", user_ids)
    except UsageError:
        acts = store.neighbourhood(user_ids, 1).select(*first)
    found = _among(store, acts, "item_id", item_ids).collect("pyarrow").to_native()
    if "n" not in found.column_names:
        found = found.append_column("n", pa.array(np.ones(found.num_rows, np.int64)))
        rest = [name for name in found.column_names if name not in (*first, "event_row", "source_ix")]
        found = found.select([*first, *(name for name in rest if found[name].null_count < found.num_rows)])
    return found.sort_by([(name, "ascending") for name in first])


def _look(store: GraphStore) -> Look:
    """Look around rings in the whole log.

    It is read now. In a thread it is numbered, and then looked at ring by ring, while the caller reads on, loads what
    draws, and draws.
    """
    acts = store.acts().collect("pyarrow").to_native()
    worker = ThreadPoolExecutor(1, "graphdet-acts")
    numbered = worker.submit(lambda: LogActs.of(acts).ready())

    def look(
        users: list[str], items: list[str], first_ms: int, last_ms: int
    ) -> Callable[[], Surroundings | None]:
        return worker.submit(lambda: look_around(numbered.result(), users, items, first_ms, last_ms)).result

    return look


def acts_queries() -> list[Query]:
    """The texts of the query that lists a ring's acts, for both kinds of store."""
    texts = query_texts(ACTS_QUERY)
    if texts is None:
        return []
    title = "The query that lists the ring's acts"
    return [
        Query(title, "Cypher, for Neo4j Browser", ":param ring_id => '{ring_id}';", texts["cypher"]),
        Query(title, "SQL, for DuckDB", "-- with $ring_id = '{ring_id}' and $limit = 100000", texts["sql"]),
    ]
