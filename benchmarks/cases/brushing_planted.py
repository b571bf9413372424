"""Brushing planted into online retail, found by rings and by the scan of single items: one JSON line per figure.

    python -m benchmarks.cases.brushing_planted --data DATA [--seeds 1 2 …] [--untouched] [--rows FILE]

DATA holds online_retail/. Six campaigns a seed (see `plan` and `with_orders`), with hard innocents beside them.
Methods see the planted log as a stranger's; those without a threshold of their own are given how many items and users
were planted. --untouched only scans the real logs as they are.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import StandardScaler

from benchmarks import recording
from benchmarks.cases.node_figures import interval
from benchmarks.recording import record
from benchmarks.rings.logs import LOGS, read_log
from benchmarks.rings.peers import _features, co_action
from graphdet.features.behaviour import FEATURE_NAMES, behaviour
from graphdet.features.groups import ITEM_FEATURES, group_item_features
from graphdet.graph.encode import edges_frame
from graphdet.items.acts import ItemActs
from graphdet.items.scan import accounts_of, scan_items
from graphdet.judge.shipped import shipped_judge
from graphdet.progress import Silent
from graphdet.rings.find import judge_rings, ring_candidates
from graphdet.simulation.assemble import Planted
from graphdet.simulation.campaigns import DAY, HOUR, Campaign
from graphdet.simulation.innocents import innocent_plan
from graphdet.simulation.plant import plant
from graphdet.tables import GraphArrays
from graphdet.workbench import Workbench

FDR = 0.05
MOST_SHARE = 0.5  # of a co-action community that acts on an item, from which the item is its target
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Accused:
    """What a method names: items and users, rows of the planted graph."""

    items: Rows
    users: Rows


@dataclass(frozen=True)
class Scene:
    """A planted log and its truth: campaign_of_user int32[n_users], −1 for none; per campaign its items and kind."""

    graph: GraphArrays
    planted: Planted
    campaign_of_user: NDArray[np.int32]
    targets: list[Rows]
    kinds: list[str]


def plan(seed: int) -> list[Campaign]:
    """A ring of buyers on a shop's articles, fast and slow; accounts made for one order, in hours and in days.

    Sizes are drawn anew for every seed.
    """
    rng = np.random.default_rng((seed, 86_028_121))

    def some(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    return [
        Campaign("ring_fast", some(20, 40), some(6, 10), 0.8, 2 * DAY, camouflage=0.5, repeats=2.0),
        Campaign("ring_slow", some(20, 40), some(8, 14), 0.6, 21 * DAY, camouflage=1.0, hijacked_share=0.3),
        Campaign("disposable", some(30, 60), 1, 1.0, 6 * HOUR, one_sitting=True),
        Campaign("disposable_slow", some(30, 60), 1, 1.0, 3 * DAY, target_popularity="popular"),
    ]


def with_orders(planted: Planted, seed: int) -> Scene:
    """Add what the simulator has no kind for: of two items one to three customers each make orders, again and again.

    Within two hours and within a day, four to eight orders an account; the customers are real ones with their own past.
    """
    graph, rng = planted.graph, np.random.default_rng((seed, 49_979_693))
    campaign_of_user = planted.campaign_of_user.copy()
    targets = [np.asarray(rows, np.int64) for rows in planted.targets]
    kinds = [group.kind for group in planted.campaigns]
    audience = np.bincount(graph.item_ix, minlength=graph.n_items)
    rows: list[tuple[int, int, int]] = []
    for kind, window_s in (("few_buyers_fast", 2 * HOUR), ("few_buyers_slow", DAY)):
        free = np.setdiff1d(np.flatnonzero((audience >= 20) & (audience <= 300)), _union(targets))
        item = int(rng.choice(free))
        members = rng.choice(np.flatnonzero(campaign_of_user < 0), int(rng.integers(1, 4)), replace=False)
        start = int(rng.choice(graph.at_ms))
        for user in members.tolist():
            n = int(rng.integers(4, 9))
            rows += [(user, item, start + int(1000 * t)) for t in np.sort(rng.random(n)) * window_s]
        campaign_of_user[members] = len(kinds)
        targets.append(np.array([item]))
        kinds.append(kind)
    return Scene(_joined(graph, np.array(rows)), planted, campaign_of_user, targets, kinds)


def _joined(graph: GraphArrays, rows: Rows) -> GraphArrays:
    """A graph with more acts, rows of (user, item, ms), each in a session of its own, in the order that graphs have."""
    n = len(rows)
    columns = {
        "user_ix": (graph.user_ix, rows[:, 0]),
        "item_ix": (graph.item_ix, rows[:, 1]),
        "session_ix": (graph.session_ix, graph.n_sessions + np.arange(n)),
        "action_ix": (graph.action_ix, np.full(n, np.bincount(graph.action_ix).argmax())),
        "at_ms": (graph.at_ms, rows[:, 2]),
        "n": (graph.n, np.ones(n)),
        "amount": (graph.amount, np.full(n if len(graph.amount) else 0, np.nan)),
    }
    made = {name: np.concatenate([old, new.astype(old.dtype)]) for name, (old, new) in columns.items()}
    order = np.lexsort([made[name] for name in ("action_ix", "session_ix", "item_ix", "at_ms", "user_ix")])
    made = {name: values[order] if len(values) else values for name, values in made.items()}
    sessions = pa.concat_arrays(
        [graph.session_ids, pa.array([f"~{k:06}" for k in range(n)], graph.session_ids.type)]
    )
    return replace(graph, session_ids=sessions, **made)


def rings(graph: GraphArrays, seed: int, *_: int) -> Accused:
    """The judge that comes with the package, as `graphdet rings` has it without --model."""
    with Workbench.in_memory() as bench:
        _, candidates = ring_candidates(graph, bench, seed, Silent())
    judged = judge_rings(candidates, shipped_judge().logits, FDR)
    rows = np.flatnonzero(judged.flagged).tolist()
    users = [judged.blocks.members(row) for row in rows]
    items = [judged.blocks.targets(row) for row in rows]
    return Accused(_union(items), _union(users))


def scan(graph: GraphArrays, *_: int) -> Accused:
    """The scan of single items, as `graphdet items` has it."""
    acts = ItemActs.of_graph(graph)
    items, users = [], []
    for found in scan_items(acts, FDR):
        rows = np.flatnonzero(found.flagged)
        items.append(rows)
        users += [accounts_of(acts, found, row).user for row in rows.tolist()]
    return Accused(_union(items), _union(users))


def communities(graph: GraphArrays, seed: int, n_items: int, n_users: int) -> Accused:
    """Plain co-action communities, the strongest until as many users are named as were planted."""
    named: list[Rows] = []
    items: list[Rows] = []
    for ring in co_action(graph, seed).rings:
        if sum(map(len, named)) >= n_users:
            break
        named.append(ring)
        acts = np.isin(graph.user_ix, ring)
        pair = np.unique(graph.item_ix[acts].astype(np.int64) * graph.n_users + graph.user_ix[acts])
        shared = np.bincount(pair // graph.n_users, minlength=graph.n_items)
        items.append(np.flatnonzero(shared >= MOST_SHARE * len(ring)))
    return Accused(_union(items), _union(named))


def forest(graph: GraphArrays, seed: int, n_items: int, n_users: int) -> Accused:
    """Isolation Forest on graphdet's features of users and of items, given how many were planted."""
    users = _features(graph)
    with Workbench.in_memory() as bench:
        own, _ = behaviour(graph, bench, Silent())
        table = pa.table(
            {"user_ix": np.arange(graph.n_users, dtype=np.int32)}
            | dict(zip(FEATURE_NAMES, own.T, strict=True))
        )
        frame = bench.from_arrow(table)
        found = group_item_features(edges_frame(graph, bench), frame).collect("pyarrow").to_native()
    items = np.zeros((graph.n_items, len(ITEM_FEATURES)))
    items[found["item_ix"].to_numpy()] = np.column_stack([found[name].to_numpy() for name in ITEM_FEATURES])
    top = []
    for x, n in ((StandardScaler().fit_transform(items), n_items), (users, n_users)):
        top.append(np.argsort(IsolationForest(random_state=seed).fit(x).score_samples(x))[:n])
    return Accused(*top)


METHODS: dict[str, Callable[[GraphArrays, int, int, int], Accused]] = {
    "graphdet rings, shipped judge": rings,
    "graphdet items, single-item scan": scan,
    "co-action communities, given the number": communities,
    "IsolationForest, given the number": forest,
}
BOTH = "graphdet rings and items together"


def _union(parts: list[NDArray[np.integer]]) -> Rows:
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


def measured(accused: Accused, scene: Scene, natural: set[str]) -> dict[str, float]:
    """Precision and recall of items and users; per kind the share of the campaigns' users that are named.

    natural: items that are named in the log as it is; items_named_untouched are those among the false.
    """
    targets = _union(scene.targets)
    members = np.flatnonzero(scene.campaign_of_user >= 0)
    out: dict[str, float] = {}
    for name, said, true in (("items", accused.items, targets), ("users", accused.users, members)):
        hit = len(np.intersect1d(said, true))
        out |= {f"{name}_named": len(said), f"{name}_precision": hit / max(len(said), 1)}
        out[f"{name}_recall"] = hit / len(true)
    false = np.setdiff1d(accused.items, targets)
    out["items_named_untouched"] = sum(scene.graph.item_ids[int(row)].as_py() in natural for row in false)
    innocents = np.flatnonzero(scene.planted.innocent_of_user >= 0)
    out["innocents_named"] = len(np.intersect1d(accused.users, innocents)) / max(len(innocents), 1)
    for number, kind in enumerate(scene.kinds):
        own = np.flatnonzero(scene.campaign_of_user == number)
        out[f"recall_{kind}"] = len(np.intersect1d(accused.users, own)) / len(own)
    return out


def untouched(data: Path, folder: Path) -> None:
    """What the scan flags in logs that nothing was planted into."""
    for name in LOGS:
        acts = ItemActs.of_graph(read_log(name, data, folder))
        started = time.perf_counter()
        for found in scan_items(acts, FDR):
            rows = np.flatnonzero(found.flagged).tolist()
            accounts = _union([accounts_of(acts, found, row).user for row in rows])
            took = round(time.perf_counter() - started, 1)
            record("items untouched", log=name, kind=found.kind, n_items=acts.n_items, fdr=FDR,
                   flagged=len(rows), accounts=len(accounts), seconds=took)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds online_retail/")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--rows", type=Path, help="file for the JSON lines instead of results.jsonl")
    parser.add_argument("--untouched", action="store_true", help="scan the real logs as they are, and end")
    given = parser.parse_args()
    if given.rows:
        recording.RESULTS = given.rows
    with tempfile.TemporaryDirectory() as folder:
        if given.untouched:
            untouched(given.data, Path(folder))
            return
        graph = read_log("online_retail", given.data, Path(folder))
    natural = {graph.item_ids[int(row)].as_py() for row in scan(graph).items}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in (*METHODS, BOTH)}
    for seed in given.seeds:
        scene = with_orders(plant(graph, plan(seed), seed, innocent_plan(seed), leave_out_unfit=True), seed)
        n_items = len(_union(scene.targets))
        n_users = int((scene.campaign_of_user >= 0).sum())
        named: dict[str, Accused] = {}
        for method, run in METHODS.items():
            started = time.perf_counter()
            named[method] = run(scene.graph, seed, n_items, n_users)
            seconds = time.perf_counter() - started
            found[method].append(measured(named[method], scene, natural) | {"seconds": seconds})
        ours = [named[method] for method in list(METHODS)[:2]]
        together = Accused(_union([one.items for one in ours]), _union([one.users for one in ours]))
        found[BOTH].append(measured(together, scene, natural))
        for method, rows in found.items():
            row = {name: round(value, 4) for name, value in rows[-1].items()}
            record("brushing planted", log="online_retail", seed=seed, method=method, planted_users=n_users,
                   planted_items=n_items, **row)  # fmt: skip
    for method, rows in found.items():
        names = [name for name in rows[0] if all(name in row for row in rows)]
        told = {name: [round(v, 4) for v in interval([row[name] for row in rows])] for name in names}
        record("brushing planted, over seeds", log="online_retail", method=method, seeds=len(rows), **told)


if __name__ == "__main__":
    main()
