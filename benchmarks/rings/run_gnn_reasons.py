"""Do the network's explanations say what moves it? Campaigns planted into a real log, explained and taken apart.

    python -m benchmarks.rings.run_gnn_reasons DATA [--logs trivago] [--seeds 1] [--members 2]

The network learns from one planted copy of the log and explains the campaigns of another, which it never saw: every
campaign's members together, and some members alone. For both: how far the logit falls without the inputs, and without
the ties, that add most, and without as many random ones of those it has (mean of DRAWS); how much of it all is
left unexplained; and how alike the explanations of the two networks are that learned from different folds.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.recording import record
from benchmarks.rings.logs import LOGS, read_log
from graphdet.features.behaviour import behaviour
from graphdet.features.pairs import find_pairs
from graphdet.gnn.explain import Attribution, GnnExplainer
from graphdet.gnn.heterodata import graph_in_pyg
from graphdet.gnn.network import TrainedGnn
from graphdet.gnn.pyg import HeteroData
from graphdet.gnn.training import train_gnn
from graphdet.gnn.words import MOST_MEMBERS
from graphdet.learn.ring_lessons import plan_for
from graphdet.progress import Silent
from graphdet.simulation.assemble import Planted
from graphdet.simulation.plant import plant
from graphdet.tables import GraphArrays
from graphdet.workbench import Workbench

TOP_INPUTS = 5
TIES_SHARE = 0.2
DRAWS = 5
TOLD = 5


def world(graph: GraphArrays, seed: int) -> tuple[Planted, HeteroData]:
    """A planted copy of the log, as the network sees it."""
    planted = plant(graph, plan_for(graph, seed), seed, leave_out_unfit=True)
    with Workbench.in_memory() as bench:
        windows = find_pairs(planted.graph, bench, Silent())
        users, items = behaviour(planted.graph, bench, Silent())
    return planted, graph_in_pyg(planted.graph, users, items, windows, Silent())


def falls(explainer: GnnExplainer, made: Attribution, rng: np.random.Generator) -> dict[str, float]:
    """Falls of the logit without the strongest inputs and ties, and without random ones."""
    users, out = made.users, {}
    there = np.flatnonzero(np.abs(made.own) > 1e-9)
    n = min(TOP_INPUTS, len(there))
    top = there[np.argsort(-made.own[there])[:n]]
    out["inputs"] = made.logit - explainer.logit(users, columns=top)
    drawn = [explainer.logit(users, columns=rng.choice(there, n, replace=False)) for _ in range(DRAWS)]
    out["inputs_random"] = made.logit - float(np.mean(drawn))
    mine = np.flatnonzero(made.reaching(users))
    n = max(1, round(TIES_SHARE * len(mine)))
    if len(mine) > n:
        top = mine[np.argsort(-made.pair_effect[mine])[:n]]
        out["ties"] = made.logit - explainer.logit(users, pairs=made.pairs[top])
        drawn = [
            explainer.logit(users, pairs=made.pairs[rng.choice(mine, n, replace=False)]) for _ in range(DRAWS)
        ]
        out["ties_random"] = made.logit - float(np.mean(drawn))
    return out


def alike(one: Attribution, other: Attribution) -> dict[str, float]:
    """How alike two networks' explanations are: cosine of the effects, Jaccard index of the strongest inputs."""
    a, b = one.own, other.own
    pairs = float(np.dot(one.pair_effect, other.pair_effect))
    sizes = float(np.linalg.norm(one.pair_effect) * np.linalg.norm(other.pair_effect))
    top = [set(np.argsort(-np.abs(effect))[:TOLD].tolist()) for effect in (a, b)]
    return {
        "inputs_cosine": float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12)),
        "inputs_jaccard": len(top[0] & top[1]) / len(top[0] | top[1]),
        "ties_cosine": pairs / sizes if sizes > 0 else float("nan"),
    }


def one(name: str, graph: GraphArrays, seed: int, n_members: int, most: int) -> None:
    """Train on one copy, explain another, record."""
    learned, seen = world(graph, seed)
    of_user = learned.campaign_of_user
    y = (of_user >= 0).astype(np.int8)
    model = train_gnn(seen, y, of_user, seed=seed, device="cpu")
    planted, data = world(graph, seed + 1_000)
    rows = measure(model, data, planted.campaign_of_user, np.random.default_rng(seed), n_members, most)
    for kind, found in rows.items():
        record("gnn_reasons", log=name, seed=seed, of=kind, n=len(found), **summary(found))


def measure(
    model: TrainedGnn,
    data: HeteroData,
    campaign_of_user: np.ndarray,
    rng: np.random.Generator,
    n_members: int,
    most: int,
) -> dict[str, list[dict[str, float]]]:
    """Explain campaigns and some members of each; per kind of subject the rows to sum up."""
    explainer = GnnExplainer(model, data)
    one, other = (GnnExplainer(replace(model, members=(net,)), data) for net in model.members[:2])
    rows: dict[str, list[dict[str, float]]] = defaultdict(list)
    for campaign in np.unique(campaign_of_user[campaign_of_user >= 0])[:most]:
        members = np.flatnonzero(campaign_of_user == campaign)
        alone = rng.choice(members, min(n_members, len(members)), replace=False)
        for kind, users in [("rings", members[:MOST_MEMBERS]), *(("users", np.array([u])) for u in alone)]:
            started = time.process_time()
            made = explainer.explain(users)
            row = {"cpu_s": time.process_time() - started, "logit": made.logit}
            row["gap_share"] = abs(made.gap) / max(abs(made.logit - made.baseline), 1e-6)
            row |= falls(explainer, made, rng) | alike(one.explain(users), other.explain(users))
            rows[kind].append(row)
    return rows


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means, and the share in which the strongest matter more than random ones."""
    out: dict[str, float] = {}
    for what in ("inputs", "ties"):
        pairs = np.array([(r[what], r[f"{what}_random"]) for r in rows if what in r])
        if len(pairs):
            out[f"{what}_fall"] = round(float(pairs[:, 0].mean()), 3)
            out[f"{what}_fall_random"] = round(float(pairs[:, 1].mean()), 3)
            out[f"{what}_top_beats_random"] = round(float((pairs[:, 0] > pairs[:, 1]).mean()), 3)
    for key in ("gap_share", "inputs_cosine", "inputs_jaccard", "ties_cosine", "cpu_s", "logit"):
        out[key] = round(float(np.nanmean([row[key] for row in rows])), 4)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--logs", nargs="*", default=["trivago"], choices=list(LOGS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1])
    parser.add_argument("--members", type=int, default=2, help="of each campaign, explained alone")
    parser.add_argument(
        "--campaigns", type=int, default=16, help="explained at most, a few seconds of CPU each"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.logs:
            graph = read_log(name, arguments.data, Path(folder))
            for seed in arguments.seeds:
                one(name, graph, seed, arguments.members, arguments.campaigns)


if __name__ == "__main__":
    main()
