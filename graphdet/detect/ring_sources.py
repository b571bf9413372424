"""From a store to what the pages of rings are made from."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc

from graphdet import schema
from graphdet.ports import Store
from graphdet.progress import Progress
from graphdet.reports.context import LogActs, Surroundings, look_around
from graphdet.reports.gather import Look, Sources
from graphdet.reports.run_facts import Query
from graphdet.store import query_texts
from graphdet.tables import RingTables

ACTS_QUERY = "ring-timeline"  # the saved query that lists the acts of a ring


def ring_sources(
    store: Store, rings: RingTables, ring_ids: Sequence[str], progress: Progress, *, all_scores: bool
) -> Sources:
    """Read what the pages of some rings need: what members did and share, items, the whole log, and scores.

    all_scores: those of everybody, not of members alone.
    """
    wanted = pa.array(list(ring_ids), pa.string())
    mine = rings.members.filter(pc.is_in(rings.members["ring_id"], value_set=wanted))
    users = sorted(set(mine["user_id"].to_pylist()))
    if not users:
        nothing = pa.table({name: pa.array([], pa.string()) for name in schema.INTERACTION_COLUMNS})
        return Sources(rings, nothing, store.scores(None if all_scores else []))
    progress.start("read the rings' acts")
    look = _look(store)
    scores = store.scores(None if all_scores else users)
    acts = store.neighbourhood(users, 1).select(*schema.INTERACTION_COLUMNS).collect("pyarrow").to_native()
    people = nw.from_native(
        store.bench.from_arrow(pa.table({"user_id": pa.array(users, pa.string())}))
    ).lazy()
    entities = store.entities().join(people, on="user_id", how="semi").collect("pyarrow").to_native()
    items = store.items().collect("pyarrow").to_native()
    progress.done()
    return Sources(rings, acts, scores, items, entities, look)


def _look(store: Store) -> Look:
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
