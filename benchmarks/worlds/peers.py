"""Simple peers, from the graph of a log to what they say of its users.

python -m benchmarks.worlds.peers PEER STORE OUT

They read the same cleaned log as graphdet. Nothing is tuned to a world: the settings are those of the method's authors,
or plain practice.
"""

import argparse
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmarks.rings import peers as ring_peers
from benchmarks.worlds.scoring import Said
from graphdet.graph.encode import read_graph
from graphdet.progress import Silent
from graphdet.rings.organic import distinct_acts
from graphdet.store import open_store
from graphdet.tables import GraphArrays

Peer = Callable[[GraphArrays], Said]
Values = NDArray[np.number[Any]]

HUB = 100  # users on an item above which sharing it says nothing
TOGETHER_S = 60
LEAST_ACTS = 2  # CooRTweet's min_participation
EDGE_PERCENTILE = 0.5  # CooRTweet's edge_weight: what lies above it is coordinated
SEED = 0


def said(graph: GraphArrays, score: Values, flagged: NDArray[np.bool_] | None = None) -> Said:
    """Scores and flags by row of users, as Said."""
    ids = np.array(graph.user_ids.to_pylist(), object)
    accused = None if flagged is None else frozenset(ids[flagged].tolist())
    return Said(dict(zip(ids.tolist(), score.tolist(), strict=True)), accused)


def co_action(graph: GraphArrays) -> Said:
    """The most items of at most HUB users that a user shares with one other."""
    acts = distinct_acts(graph)
    with duckdb.connect() as bench:
        bench.register("acts", pa.table({"user_ix": acts.user_ix, "item_ix": acts.item_ix}))
        most = bench.execute(
            f"""WITH quiet AS (SELECT * FROM acts QUALIFY count(*) OVER (PARTITION BY item_ix) BETWEEN 2 AND {HUB}),
                     pairs AS (SELECT x.user_ix AS a, y.user_ix AS b, count(*) AS n FROM quiet x JOIN quiet y
                               ON x.item_ix = y.item_ix AND x.user_ix < y.user_ix GROUP BY ALL)
                SELECT user_ix, max(n) AS n FROM (SELECT a AS user_ix, n FROM pairs UNION ALL SELECT b, n FROM pairs)
                GROUP BY user_ix"""
        ).to_arrow_table()
    score = np.zeros(graph.n_users)
    score[most.column("user_ix").to_numpy()] = most.column("n").to_numpy()
    return said(graph, score)


def together(acts: pa.Table, seconds: int) -> pa.Table:
    """Pairs of users and on how many items they met within some seconds: (a, b, n), a below b.

    acts: user_ix, item_ix, at_ms; without times all acts on an item meet.
    """
    with duckdb.connect() as bench:
        bench.register("acts", acts)
        return bench.execute(
            f"""WITH placed AS (SELECT *, at_ms // {seconds * 1000} AS slot FROM acts),
                     met AS (SELECT DISTINCT least(x.user_ix, y.user_ix) AS a, greatest(x.user_ix, y.user_ix) AS b,
                                    x.item_ix
                             FROM placed x JOIN (SELECT *, slot AS near FROM placed
                                                 UNION ALL SELECT *, slot - 1 AS near FROM placed) y
                             ON x.item_ix = y.item_ix AND x.slot = y.near AND x.user_ix != y.user_ix
                                AND abs(x.at_ms - y.at_ms) <= {seconds * 1000})
                SELECT a, b, count(*) AS n FROM met GROUP BY ALL ORDER BY a, b"""
        ).to_arrow_table()


def coortweet(graph: GraphArrays) -> Said:
    """CooRTweet's rule (Righetti & Balluff 2024): pairs that meet within TOGETHER_S on more items than most pairs do.

    Groups are the components of that network, the heaviest first; all of them are flagged.
    """
    busy: NDArray[np.bool_] = np.bincount(distinct_acts(graph).user_ix, minlength=graph.n_users) >= LEAST_ACTS
    kept = busy[graph.user_ix]
    acts = pa.table({"user_ix": graph.user_ix, "item_ix": graph.item_ix, "at_ms": graph.at_ms}).filter(kept)
    pairs = together(acts, TOGETHER_S)
    a, b, n = (pairs.column(name).to_numpy() for name in ("a", "b", "n"))
    score = np.zeros(graph.n_users)
    if not len(n):
        return said(graph, score, np.zeros(graph.n_users, bool))
    np.maximum.at(score, a, n)
    np.maximum.at(score, b, n)
    above = n > np.quantile(n, EDGE_PERCENTILE)
    flagged = np.zeros(graph.n_users, bool)
    flagged[a[above]] = flagged[b[above]] = True
    ties = coo_array((np.ones(above.sum()), (a[above], b[above])), shape=(graph.n_users, graph.n_users))
    of_user = connected_components(ties, directed=False)[1]
    ids = np.array(graph.user_ids.to_pylist(), object)
    members = np.flatnonzero(flagged)
    order = members[np.argsort(of_user[members], kind="stable")]
    cuts = np.flatnonzero(np.diff(of_user[order])) + 1
    groups = sorted(np.split(order, cuts), key=lambda rows: -float(score[rows].mean())) if len(order) else []
    listed = tuple(frozenset(ids[rows].tolist()) for rows in groups)
    told = said(graph, score, flagged)
    return Said(told.score, told.flagged, listed, listed)


def fraudar(graph: GraphArrays) -> Said:
    """FRAUDAR's dense blocks, one after the other; it has no threshold of its own."""
    found = ring_peers.fraudar(graph, SEED)
    ids = np.array(graph.user_ids.to_pylist(), object)
    listed = tuple(frozenset(ids[rows].tolist()) for rows in found.rings)
    return Said(said(graph, found.user_score).score, None, listed)


def isolation_forest(graph: GraphArrays) -> Said:
    """Isolation Forest on graphdet's behaviour features."""
    return said(graph, ring_peers.isolation_forest(graph, SEED).user_score)


def activity(graph: GraphArrays) -> Said:
    """Who acts most stands first."""
    return said(graph, np.bincount(graph.user_ix, graph.n, minlength=graph.n_users))


def few_acts(graph: GraphArrays) -> Said:
    """Who acts least stands first."""
    return said(graph, -np.bincount(graph.user_ix, graph.n, minlength=graph.n_users))


def pays_twice(graph: GraphArrays) -> Said:
    """The most payments to one account; who pays one twice is flagged."""
    pair = graph.user_ix.astype(np.int64) * graph.n_items + graph.item_ix
    both, place = np.unique(pair, return_inverse=True)
    score = np.zeros(graph.n_users)
    np.maximum.at(score, both // graph.n_items, np.bincount(place, graph.n))
    return said(graph, score, score >= 2)


PAYS_TWICE = "pays twice"  # of payments alone
PEERS: dict[str, Peer] = {
    "co-action": co_action,
    "CooRTweet": coortweet,
    "FRAUDAR": fraudar,
    "isolation forest": isolation_forest,
    "activity": activity,
    "few acts": few_acts,
    PAYS_TWICE: pays_twice,
}


def write_said(told: Said, out: Path) -> None:
    """Keep what a peer says as JSON."""
    document = {
        "score": told.score,
        "flagged": None if told.flagged is None else sorted(told.flagged),
        "listed": [sorted(group) for group in told.listed],
        "accused": None if told.accused is None else [sorted(group) for group in told.accused],
    }
    out.write_text(json.dumps(document), encoding="utf-8")


def read_said(path: Path) -> Said:
    """What `write_said` kept."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return Said(
        told["score"],
        None if told["flagged"] is None else frozenset(told["flagged"]),
        tuple(map(frozenset, told["listed"])),
        None if told["accused"] is None else tuple(map(frozenset, told["accused"])),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("store", type=Path, help="DuckDB file that `graphdet ingest` wrote")
    parser.add_argument("out", type=Path, help="JSON file for what the peer says")
    given = parser.parse_args()
    with closing(open_store(f"duckdb:///{given.store.resolve()}")) as store:
        graph = read_graph(store, Silent())
    write_said(PEERS[given.peer](graph), given.out)


if __name__ == "__main__":
    main()
