"""Every saved query on a graph in Neo4j, warm: one JSON line each, appended to benchmarks/results.jsonl.

    python -m benchmarks.run_queries neo4j://localhost:7687 [--runs 9] [--plant N] [--out FILE]

The queries are asked about the hardest ring, the one whose items have the most acts, its two most suspicious members
and its most acted-on item. Median milliseconds: the statement is sent and all rows are read. Database hits and
operators are those of PROFILE; `scans` names what was found without an index or the counts that the database keeps,
and its rows.

--plant N replaces the findings of the store by N made-up rings of users who really acted on the same items, for graphs
that no run has looked at: only the times of queries mean anything then.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import neo4j
import numpy as np
import pyarrow as pa

from benchmarks import recording
from benchmarks.recording import record
from graphdet import schema
from graphdet.store import open_store
from graphdet.store.neo4j import saved
from graphdet.store.neo4j.home import login
from graphdet.tables import RingTables

SCANS = ("AllNodesScan", "NodeByLabelScan", "UnionNodeByLabelsScan", "DirectedRelationshipTypeScan")
SCANS += ("UndirectedRelationshipTypeScan", "DirectedAllRelationshipsScan", "UndirectedAllRelationshipsScan")
LIMIT_MS = 200
SEEDS = "MATCH (i:Item) WITH i, COUNT { (i)<--() } AS n WHERE n >= 20 RETURN i.itemId AS id, n ORDER BY n DESC, id"
AROUND = (
    "MATCH (:Item {itemId: $id})<-[r]-(s:Session)<-[:STARTED]-(u:User) WITH u, min(r.at) AS at ORDER BY at LIMIT $size "
    "MATCH (u)-[:STARTED]->(:Session)-->(j:Item) WITH j, count(DISTINCT u) AS n, collect(DISTINCT u.userId) AS users "
    "RETURN j.itemId AS item, n, users ORDER BY n DESC, item LIMIT $n_items"
)


def operators(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """All operators of a profile."""
    return [plan, *(inner for child in plan.get("children", ()) for inner in operators(child))]


def ids_of(session: neo4j.Session) -> dict[str, str]:
    """The ids that the queries are asked about: of the hardest ring."""
    ring = session.run(
        "MATCH (r:Ring)-[:TARGETS]->(i:Item) "
        "RETURN r.ringId AS ring_id, sum(COUNT { (i)<--() }) AS n ORDER BY n DESC LIMIT 1"
    ).single(strict=True)["ring_id"]
    members = session.run(
        "MATCH (u:User)-[m:MEMBER_OF]->(:Ring {ringId: $id}) RETURN u.userId AS id ORDER BY m.score DESC, id LIMIT 2",
        id=ring,
    )
    user, other = (row["id"] for row in members)
    item = session.run(
        "MATCH (:Ring {ringId: $id})-[:TARGETS]->(i) RETURN i.itemId AS id ORDER BY COUNT { (i)<--() } DESC LIMIT 1",
        id=ring,
    ).single(strict=True)["id"]
    return {"ring_id": ring, "user_id": user, "other_id": other, "item_id": item}


def measure(session: neo4j.Session, name: str, ids: dict[str, str], n_runs: int) -> dict[str, Any]:
    """Time one query and look at its profile."""
    known = {key: value for key, value in ids.items() if f"${key}" in saved.statement_text(name)}
    statement, parameters = saved.statement_of(name, known)
    times, rows = [], 0
    for _ in range(n_runs + 2):  # the first two warm up
        started = time.perf_counter()
        rows = len(list(session.run(statement, parameters)))
        times.append((time.perf_counter() - started) * 1000)
    found = operators(session.run(f"PROFILE {statement}", parameters).consume().profile)
    kinds = [one["operatorType"].partition("@")[0] for one in found]
    return {
        "query": name,
        "median_ms": round(statistics.median(times[2:]), 1),
        "best_ms": round(min(times[2:]), 1),
        "worst_ms": round(max(times[2:]), 1),
        "db_hits": sum(one.get("dbHits", 0) for one in found),
        "rows": rows,
        "index": any("Index" in kind for kind in kinds),
        "counts": any("CountFromCountStore" in kind for kind in kinds),
        "scans": [f"{kind} {one['rows']}" for kind, one in zip(kinds, found, strict=True) if kind in SCANS],
        "under_limit": statistics.median(times[2:]) < LIMIT_MS,
    }


def plant(url: str, session: neo4j.Session, n_rings: int) -> None:
    """Write made-up findings: rings of the first users of an item, who share more; every third ring is flagged."""
    seeds = [row["id"] for row in session.run(SEEDS)]
    rng = np.random.default_rng(0)
    at = np.unique(np.geomspace(1, len(seeds), n_rings).astype(int) - 1)  # from the most popular item down
    rings, members, items, of = [], [], [], {}
    for ix, seed in enumerate(seeds[place] for place in at):
        found = session.run(
            AROUND, id=seed, size=int(rng.integers(8, 60)), n_items=int(rng.integers(4, 12))
        ).data()
        ring, score = f"R{ix + 1:04}", float(rng.uniform(0.5, 1.0))
        users = sorted({user for row in found[:2] for user in row["users"]})
        span = session.run(
            "UNWIND $users AS id MATCH (:User {userId: id})-[:STARTED]->(:Session)-[r]->(i:Item) "
            "WHERE i.itemId IN $items "
            "RETURN toString(min(r.at)) AS first_seen, toString(max(r.at)) AS last_seen",
            users=users,
            items=[row["item"] for row in found],
        ).single(strict=True)
        flagged = {
            "flagged": ix % 3 == 0,
            "q_value": 0.01,
            "p_value": 0.001,
            "score": score,
            "reason": "made up",
        }
        rings.append(
            {
                "ring_id": ring,
                "kind": schema.PLAIN_RING,
                "n_users": len(users),
                "n_items": len(found),
                **span,
                **flagged,
                "evidence": "{}",
            }
        )
        members += [{"ring_id": ring, "user_id": user, "score": score} for user in users]
        items += [
            {"ring_id": ring, "item_id": row["item"], "n_users": row["n"], "lift": 1.0} for row in found
        ]
        of |= {user: flagged | {"ring_id": ring} for user in users}
    store = open_store(url)
    history = [
        {
            **{key: ring.get(key) for key in schema.RING_HISTORY_COLUMNS},
            **{"run": run, "at": "2026-01-01T00:00:00.000Z", "n_joined": run - 1, "n_left": 0},
            **{"members": [], "items": []},
        }
        for run in (1, 2)
        for ring in rings
    ]
    store.write_rings(
        RingTables(*(pa.Table.from_pylist(rows) for rows in (rings, members, items))),
        pa.Table.from_pylist(history),
    )
    everybody = [row["id"] for row in session.run("MATCH (u:User) RETURN u.userId AS id")]
    calm = {"flagged": False, "q_value": 1.0, "p_value": 0.5, "ring_id": None, "reason": None}
    parts = {"gnn": 0.0, "cluster_distance": 0.0, "probability": 0.0}
    scores = [
        {"user_id": user, "score": float(rng.uniform(0, 0.1)), **parts, **of.get(user, calm)}
        for user in everybody
    ]
    store.write_scores(pa.Table.from_pylist(scores))
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument(
        "--plant", type=int, metavar="N", help="replace the findings by N made-up rings first"
    )
    parser.add_argument("--out", type=Path, help="append the lines to this file instead")
    arguments = parser.parse_args()
    if arguments.out:
        recording.RESULTS = arguments.out
    driver = neo4j.GraphDatabase.driver(arguments.store, auth=login(arguments.store, None, None))
    with driver, driver.session() as session:
        if arguments.plant:
            plant(arguments.store, session, arguments.plant)
        store = open_store(arguments.store, read_only=True)
        counts, names = store.counts(), store.queries()
        store.close()
        ids = ids_of(session)
        made_up = bool(arguments.plant)
        for name in names:
            record(
                "saved_query",
                **measure(session, name, ids, arguments.runs),
                graph=counts,
                made_up_rings=made_up,
            )


if __name__ == "__main__":
    main()
