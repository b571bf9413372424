"""Learning together: alone, pooled and federated; what privacy costs; one who lies; a ring that two owners share.

    python -m benchmarks.run_federate judge [--record]
    python -m benchmarks.run_federate users DATA --world hop [--record]
    python -m benchmarks.run_federate poison [--record]
    python -m benchmarks.run_federate rings [--record]

judge: three owners hold a third each of the groups of generated logs that the shipped judge learned from. What they
learn judges the groups of four real worlds, which nobody has seen: average precision over groups.
users: a real world's users are dealt to three owners, accounts of one ring to one owner. Each plants campaigns into its
own log; average precision over all known users of the three logs, by the world's truth. Seeds are of weights, samples
and noise. poison: five owners of a fifth each, of whom one sends its gradient turned round and enlarged.
rings: the accounts of a ring are dealt to two owners; what each finds alone, and what matching finds.
"""

import argparse
import itertools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import networkx as nx
import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from benchmarks.recording import told
from benchmarks.worlds.truth import World, listed_world
from graphdet.clustering.centres import NormalScores
from graphdet.features.behaviour import behaviour
from graphdet.federate.examples import N_INPUTS, judge_examples, own_log
from graphdet.federate.matching import LEAST_EQUAL, matches, offers, overlaps
from graphdet.federate.networks import JUDGE, USERS, Arrays, OwnExamples, Voice
from graphdet.federate.privacy import SUMS_NOISE, Budget, NoisySteps, noise_for
from graphdet.federate.rounds import Council
from graphdet.federate.start import user_start
from graphdet.gnn.heterodata import graph_in_pyg
from graphdet.gnn.inputs import heard_from_partners
from graphdet.gnn.network import ties_of
from graphdet.judge.examples import Lessons
from graphdet.judge.model import RingJudge, standardised
from graphdet.judge.shipped import shipped_judge, shipped_lessons
from graphdet.progress import Silent
from graphdet.rings.evidence_table import JUDGE_DIRECTION
from graphdet.rings.find import judge_rings, ring_candidates
from graphdet.simulation.campaigns import Campaign
from graphdet.simulation.organic import organic
from graphdet.simulation.plant import plant
from graphdet.tables import GraphArrays
from graphdet.verbs.federate import OFFERED_FROM, SAMPLES
from graphdet.workbench import Workbench
from scripts.ship_ring_judge import HIDDEN_WEIGHT, read_log

ROUNDS = 100
EPSILONS = (1.0, 2.0, 4.0, 8.0)
DELTA = 1e-5
N_SEEDS = 2
N_OWNERS = 3
# How the rows of the shipped lessons begin: generated logs, and the same twice with something hidden; then real worlds,
# whose natural groups weigh the same within a world, see scripts/ship_ring_judge.py.
WORLDS = ("hop", "vk", "cartel_japan", "ghost_stars", "foreign_globo")
NO_RINGS = ("cartel_japan",)  # one union of rings, of which no part is known
Score = Callable[[Council], dict[str, float]]


def together(
    kind: str,
    voices: dict[str, Voice],
    seed: int,
    *,
    start: Arrays | None = None,
    robust: bool = True,
    lie: Callable[[str, Arrays], Arrays] = lambda _, said: said,
) -> Council:
    """Lead owners through the rounds, in one process."""
    council = Council(kind, N_INPUTS[kind], ROUNDS, seed, JUDGE_DIRECTION if kind == JUDGE else (), robust)
    if start is not None:
        council.take(start)
    for _ in range(ROUNDS):
        weights = council.weights()
        council.step({name: lie(name, voice.gradient(weights)) for name, voice in voices.items()})
    return council


def arms(
    kind: str,
    examples: Callable[[float], Sequence[OwnExamples]],
    score: Score,
    start: Arrays | None,
    told: Callable[..., None],
    n_seeds: int,
) -> None:
    """Alone, pooled, together, and together with privacy, each with every seed."""
    sample, clear = SAMPLES[kind], examples(0.0)
    columns = ("x", "positive", "weight")
    pooled = OwnExamples(*(np.concatenate([getattr(each, name) for each in clear]) for name in columns))
    for seed in range(n_seeds):
        for number, each in enumerate(clear):
            alone = together(kind, {"one": Voice(kind, each, sample, seed=seed)}, seed, start=start)
            told(arm="alone", owner=number, seed=seed, **score(alone))
        told(
            arm="pooled",
            seed=seed,
            **score(together(kind, {"all": Voice(kind, pooled, sample, seed=seed)}, seed, start=start)),
        )
        voices = {str(k): Voice(kind, each, sample, seed=seed + k) for k, each in enumerate(clear)}
        told(arm="together", seed=seed, **score(together(kind, voices, seed, start=start)))
        for epsilon in EPSILONS:
            sums = kind == USERS
            noise = noise_for(Budget(epsilon, DELTA), [NoisySteps(ROUNDS, sample)], sums)
            hidden = examples(noise * SUMS_NOISE if sums else 0.0)
            voices = {str(k): Voice(kind, each, sample, noise) for k, each in enumerate(hidden)}
            council = together(kind, voices, seed, start=start)
            told(
                arm="private",
                epsilon=epsilon,
                delta=DELTA,
                noise=round(noise, 2),
                seed=seed,
                **score(council),
            )


def dealt_lessons() -> tuple[Lessons, Lessons, NDArray[np.str_]]:
    """The groups of generated logs, those of real worlds, and of which world each of these is."""
    every = shipped_lessons()
    assert every.share is not None
    n_rows = len(every.inputs)
    # The third copy of the generated lessons ends where shares are no more HIDDEN_WEIGHT times those of the first.
    for n in range(n_rows // 3, 0, -1):
        first, third = every.share[:n], every.share[2 * n : 3 * n]
        if np.allclose(third, HIDDEN_WEIGHT * first, rtol=1e-3):
            break
    generated, real = every.of_rows(np.arange(n)), every.of_rows(np.arange(3 * n, n_rows))
    natural = np.flatnonzero(real.is_natural)
    assert real.share is not None
    changes = np.flatnonzero(np.diff(real.share[natural]) != 0)
    of_natural = np.searchsorted(changes, np.arange(len(natural)), side="left")
    nearest = np.abs(natural[:, None] - np.arange(len(real.inputs))).argmin(axis=0)
    return generated, real, np.array(WORLDS)[of_natural[nearest]]


def parts_of(lessons: Lessons, n: int, scaling: RingJudge) -> list[OwnExamples]:
    """Lessons dealt to owners in n runs, so that a log is one owner's, mostly."""
    return [
        judge_examples(Lessons(rows.inputs, rows.campaign, rows.jaccard, rows.innocent, rows.fold), scaling)
        for rows in (lessons.of_rows(part) for part in np.array_split(np.arange(len(lessons.inputs)), n))
    ]


def judge_score(real: Lessons, world: NDArray[np.str_], scaling: RingJudge) -> Score:
    x = torch.from_numpy(standardised(real.inputs, scaling.mean, scaling.scale).astype(np.float32))

    def score(council: Council) -> dict[str, float]:
        with torch.no_grad():
            logit = council.net(x).numpy().mean(axis=1)
        chosen = [name for name in WORLDS if name not in NO_RINGS]
        found = {
            name: float(average_precision_score(real.is_ring[world == name], logit[world == name]))
            for name in chosen
        }
        return {name: round(value, 4) for name, value in found.items()} | {
            "auprc": round(float(np.mean(list(found.values()))), 4)
        }

    return score


def run_judge(told: Callable[..., None], n_seeds: int) -> None:
    generated, real, world = dealt_lessons()
    scaling = shipped_judge()
    owners = parts_of(generated, N_OWNERS, scaling)
    arms(JUDGE, lambda _: owners, judge_score(real, world, scaling), None, told, n_seeds)


@dataclass(frozen=True)
class OwnWorld:
    """One owner's part of a world: planted, to learn from, and as it is, to be measured on."""

    examples: Callable[[float], OwnExamples]
    inputs: NDArray[np.float32]
    known: NDArray[np.bool_]
    guilty: NDArray[np.bool_]


def owners_of(world: World, seed: int) -> dict[str, int]:
    """The owner of each user; the accounts of rings that share one stay together, the largest are dealt first."""
    links = nx.Graph()
    for members in world.rings.values():
        ordered = sorted(members)
        links.add_nodes_from(ordered)
        links.add_edges_from(itertools.pairwise(ordered))
    rng, size, owner = np.random.default_rng(seed), np.zeros(N_OWNERS), {}
    for group in sorted(nx.connected_components(links), key=lambda group: (-len(group), min(group))):
        owner |= dict.fromkeys(group, int(size.argmin()))
        size[size.argmin()] += len(group)
    return owner | {user: int(rng.integers(N_OWNERS)) for user in sorted(world.users - set(owner))}


def own_world(world: World, users: list[str]) -> OwnWorld:
    with tempfile.TemporaryDirectory() as folder:
        log, connection = Path(folder) / "log.parquet", duckdb.connect()
        connection.register("mine", pa.table({"id": users}))
        connection.execute(
            f"COPY (SELECT l.* FROM '{world.log}' l JOIN mine ON CAST(l.user_id AS VARCHAR) = mine.id) TO '{log}'"
        )
        graph = read_log(log, world.config)
    with Workbench.in_memory() as bench:
        own = own_log(graph, bench, shipped_judge(), 0, Silent())
    with Workbench.in_memory() as bench:
        windows, _ = ring_candidates(graph, bench, 0, Silent())
        features, items = behaviour(graph, bench, Silent())
        data = graph_in_pyg(graph, features, items, windows, Silent())
    scaled = NormalScores.fit(features).transform(features)
    names = graph.user_ids.to_pylist()
    return OwnWorld(
        own.user_examples,
        heard_from_partners(scaled, ties_of(data)[0].numpy()),
        np.array([name in world.known for name in names]),
        np.array([name in world.guilty for name in names]),
    )


def run_users(data: Path, name: str, told: Callable[..., None], n_seeds: int) -> None:
    world = listed_world(data, name)
    owner = owners_of(world, 0)
    logs = [own_world(world, [user for user in owner if owner[user] == k]) for k in range(N_OWNERS)]
    guilty = np.concatenate([log.guilty[log.known] for log in logs])

    def score(council: Council) -> dict[str, float]:
        with torch.no_grad():
            logit = [council.net(torch.from_numpy(log.inputs)).numpy()[log.known, 0] for log in logs]
        return {"auprc": round(float(average_precision_score(guilty, np.concatenate(logit))), 4)}

    facts = {"world": name, "users": [len(log.known) for log in logs], "base": round(float(guilty.mean()), 4)}
    arms(
        USERS,
        lambda noise: [log.examples(noise) for log in logs],
        score,
        user_start(),
        lambda **values: told(**facts, **values),
        n_seeds,
    )


def run_poison(told: Callable[..., None]) -> None:
    generated, real, world = dealt_lessons()
    scaling = shipped_judge()
    score = judge_score(real, world, scaling)
    parts = parts_of(generated, 5, scaling)
    rng = np.random.default_rng(0)
    lies: dict[str, Callable[[Arrays], Arrays]] = {
        "none": lambda said: said,
        "turned": lambda said: {name: -value for name, value in said.items()},
        "turned, ten times": lambda said: {name: -10 * value for name, value in said.items()},
        "noise, hundred times": lambda said: {
            name: (100 * np.abs(value).mean() * rng.standard_normal(value.shape)).astype(np.float32)
            for name, value in said.items()
        },
    }
    for how, lie in lies.items():
        for robust in (True, False):
            voices = {str(k): Voice(JUDGE, each, SAMPLES[JUDGE], seed=k) for k, each in enumerate(parts)}
            council = together(
                JUDGE,
                voices,
                0,
                robust=robust,
                lie=lambda name, said, lie=lie: lie(said) if name == "3" else said,  # type: ignore[misc]
            )
            named = [name for name, its in council.standing.items() if its.is_suspect]
            told(lie=how, liar="3", robust=robust, named=named, **score(council))


def half(log: GraphArrays, users: NDArray[np.bool_], folder: Path, name: str) -> GraphArrays:
    """The log of some users."""
    import pyarrow.parquet as pq

    rows = np.flatnonzero(users[log.user_ix])
    columns = {
        "user_id": np.array([f"{row}" for row in log.user_ix[rows]]),
        "item_id": log.item_ids.take(log.item_ix[rows]),
        "timestamp": log.at_ms[rows],
        "session_id": np.array([f"{row}" for row in log.session_ix[rows]]),
        "action": np.full(len(rows), "view"),
    }
    path = folder / f"{name}.parquet"
    pq.write_table(pa.table(columns), path)
    return read_log(path, "simulated")


def run_rings(told: Callable[..., None]) -> None:
    key, judge = b"a key of two owners", shipped_judge()
    for seed in range(1, 9):
        ring = Campaign("bought", 10, 6, density=0.9, window_s=6 * 3_600, camouflage=0.5, pace="plain")
        planted = plant(organic(3_000, 800, 14, seed, "news"), [ring], seed=seed)
        guilty = planted.campaign_of_user >= 0
        even = np.zeros(len(guilty), bool)
        even[np.random.default_rng(seed).permutation(len(guilty))[: len(guilty) // 2]] = True
        members = np.flatnonzero(guilty)
        even[members] = np.arange(len(members)) % 2 == 0
        alone, groups, graphs, its = {}, {}, {}, {}
        with tempfile.TemporaryDirectory() as folder:
            for name, users in (("one", even), ("two", ~even), ("whole", np.ones(len(even), bool))):
                graph = half(planted.graph, users, Path(folder), name)
                with Workbench.in_memory() as bench:
                    _, candidates = ring_candidates(graph, bench, 0, Silent())
                ids = np.array(graph.user_ids.to_pylist()).astype(int)
                judged = judge_rings(candidates, judge.logits, 0.05)
                alone[name] = int(guilty[ids[np.unique(judged.flagged_users.indices)]].sum())
                if name != "whole":
                    logit = judge.logits(candidates.inputs, candidates.fold)
                    chosen = [int(row) for row in np.argsort(-logit) if logit[row] >= OFFERED_FROM]
                    groups[name] = offers(graph, candidates.blocks, chosen, key)
                    graphs[name], its[name] = (
                        graph,
                        [guilty[ids[candidates.blocks.members(row)]] for row in chosen],
                    )
        answer = overlaps({name: [group.offer for group in of] for name, of in groups.items()})
        right = wrong = 0
        for name, of in groups.items():
            place = {group.block: number for number, group in enumerate(of)}
            for match in matches(graphs[name], of, answer[name]):
                if match.chance < 1e-3:
                    hit = its[name][place[match.block]].mean() >= 0.5
                    right, wrong = right + int(hit), wrong + int(not hit)
        told(
            seed=seed,
            accounts=len(members),
            least_shared=LEAST_EQUAL,
            offered=[len(of) for of in groups.values()],
            flagged_alone=[alone["one"], alone["two"]],
            flagged_whole=alone["whole"],
            matches_of_the_ring=right,
            other_matches=wrong,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("judge", "users", "poison", "rings"))
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--world", default="hop")
    parser.add_argument("--seeds", type=int, default=N_SEEDS, help="of judge and users")
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)

    tell = partial(told, given.record, f"federate {given.part}")
    if given.part == "users":
        if given.data is None:
            parser.error("users needs DATA")
        run_users(given.data, given.world, tell, given.seeds)
    elif given.part == "judge":
        run_judge(tell, given.seeds)
    else:
        {"poison": run_poison, "rings": run_rings}[given.part](tell)


if __name__ == "__main__":
    main()
