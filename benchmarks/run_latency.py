"""How long one account takes to be scored from a warm process, on one core: lines in benchmarks/results.jsonl.

    python -m benchmarks.run_latency LOG --config globo [--repeats 5]
    python -m benchmarks.run_latency --store URL --model DIR

The log is ingested and a model is trained on it, unless both are named. Then this process is bound to one core and one
thread and scores accounts: 2,000 drawn evenly, 2,000 drawn by their acts (as a stream of events draws them), and the
200 with the most acts. For each: the score of the log as it stands, the score with one act more (behaviour, partners
and inputs made anew from the acts), the network's logit alone, and the same logit by torch on the same subgraph.

Every repetition gives percentiles of wall time; the least over the repetitions is told, with all of the 99th, as other
processes may run on the machine; percentiles of processor time (less its waiting) are told beside.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.recording import command, record
from graphdet.serving.accounts import AccountScorer
from graphdet.serving.acts import NewAct
from graphdet.serving.build import account_scorer
from graphdet.store import open_store

N, N_HEAVIEST = 2_000, 200
Ask = Callable[[str], object]


def percentiles(ask: Ask, users: list[str]) -> tuple[list[float], list[float]]:
    """50th, 95th and 99th of wall and of processor time over some accounts, in ms."""
    wall, processor = np.zeros(len(users)), np.zeros(len(users))
    for place, user in enumerate(users):
        began, worked = time.perf_counter(), time.thread_time()
        ask(user)
        wall[place], processor[place] = time.perf_counter() - began, time.thread_time() - worked
    return tuple((np.percentile(each, [50, 95, 99]) * 1_000).tolist() for each in (wall, processor))


def populations(scorer: AccountScorer, seed: int) -> dict[str, list[str]]:
    """Which accounts are asked about."""
    graph, rng = scorer.warm.graph, np.random.default_rng(seed)
    n_acts = np.bincount(graph.user_ix, minlength=graph.n_users)
    chosen = {
        "accounts": rng.choice(graph.n_users, N),
        "by_acts": rng.choice(graph.n_users, N, p=n_acts / n_acts.sum()),
        "heaviest": np.argsort(-n_acts, kind="stable")[:N_HEAVIEST],
    }
    return {kind: [graph.user_ids[int(row)].as_py() for row in rows] for kind, rows in chosen.items()}


def ways(scorer: AccountScorer, model: Path, seed: int) -> dict[str, Ask]:
    """What is timed."""
    graph, rng = scorer.warm.graph, np.random.default_rng(seed)
    last, items = int(graph.at_ms.max()), graph.item_ids

    def with_one_act(user: str) -> object:
        # On an item as popular as a random act's, a minute after the log's end.
        item = items[int(graph.item_ix[rng.integers(graph.n_edges)])].as_py()
        return scorer.score(user, [NewAct(item, last + 60_000)])

    return {
        "score": scorer.score,
        "score_with_a_new_act": with_one_act,
        "logit": lambda user: scorer.logit(scorer.account(user)),
        "logit_by_torch": by_torch(scorer, model),
    }


def by_torch(scorer: AccountScorer, model: Path) -> Ask:
    """The logit as the torch path gives it for one account: blocks of all its ties, both networks."""
    import torch

    from graphdet.gnn.network import load_gnn
    from graphdet.gnn.sampling import TieIndex

    torch.set_num_threads(1)
    trained, warm = load_gnn(model), scorer.warm
    ties = warm.ties
    dst = np.repeat(np.arange(ties.n_users), np.diff(ties.start))
    scaled = torch.from_numpy((ties.attributes - trained.tie_mean) / trained.tie_std)
    index = TieIndex(torch.from_numpy(np.stack([ties.src, dst])), scaled, ties.n_users)
    rng, cpu, rounds = np.random.default_rng(0), torch.device("cpu"), [None] * scorer.model.n_rounds

    def ask(user: str) -> float:
        blocks = index.blocks(np.array([scorer.row_of[user]]), rounds, rng, cpu)
        x = torch.from_numpy(warm.x[blocks[0].nodes])
        with torch.no_grad():
            return float(np.mean([net(x, blocks).item() for net in trained.members]))

    return ask


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", nargs="?")
    parser.add_argument("--config", default="globo")
    parser.add_argument("--store")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--name", default="", help="what the log is called in the results")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if bool(given.log) == bool(given.store and given.model):
        sys.exit("give a log, or both --store and --model")
    with tempfile.TemporaryDirectory() as folder:
        store, model = given.store, given.model
        if given.log:
            store, model = f"duckdb:///{folder}/graph.duckdb", Path(folder) / "model"
            command("ingest", given.log, "--config", given.config, "--store", store)
            command("train", "--store", store, "--model", str(model))
        with threadpool_limits(1):
            measure(store, model, given.name or given.config, given.repeats, given.seed)


def measure(url: str, model: Path, log: str, repeats: int, seed: int) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    began = time.perf_counter()
    store = open_store(url, read_only=True)
    scorer = account_scorer(store, model)
    store.close()
    warm_s = time.perf_counter() - began
    asked, timed = populations(scorer, seed), ways(scorer, model, seed)
    # Whoever was learned from is judged by one network here, by the mean of all there.
    known = set() if scorer.trees is None else set(np.flatnonzero(scorer.trees.fold >= 0).tolist())
    compared = [user for user in asked["accounts"] if scorer.row_of[user] not in known]
    off = [abs(timed["logit"](user) - timed["logit_by_torch"](user)) for user in compared]
    record(
        "latency_warm_up",
        log=log,
        n_users=scorer.warm.graph.n_users,
        n_ties=len(scorer.warm.ties.src),
        seconds=round(warm_s, 1),
        most_off_torch=float(f"{max(off):.2g}"),
        peak_mib=round(_peak_mib()),
    )
    for kind, users in asked.items():
        found: dict[str, list[tuple[list[float], list[float]]]] = {way: [] for way in timed}
        for _ in range(repeats):
            for way, ask in timed.items():
                found[way].append(percentiles(ask, users))
        torch_ms = np.min([wall for wall, _ in found["logit_by_torch"]], axis=0)
        for way, rounds in found.items():
            wall = np.array([each for each, _ in rounds])
            least, processor = wall.min(axis=0), np.min([each for _, each in rounds], axis=0)
            record(
                "latency",
                log=log,
                accounts=kind,
                way=way,
                n=len(users),
                repeats=repeats,
                p50_ms=round(least[0], 2),
                p95_ms=round(least[1], 2),
                p99_ms=round(least[2], 2),
                all_p99_ms=wall[:, 2].round(2).tolist(),
                processor_p99_ms=round(processor[2], 2),
                **({"of_torch_p50": round(least[0] / torch_ms[0], 2)} if way == "logit" else {}),
            )


def _peak_mib() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
