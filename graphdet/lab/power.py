"""power: which rings would be found in a log, and which would go unseen.

Campaigns of a grid of sizes, densities and windows are planted into copies of the log and looked for with a judge
trained on the log, each as if it were the log's only ring.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import duckdb
import numpy as np
from numpy.typing import NDArray

from graphdet.errors import NotEnoughData
from graphdet.judge.model import RingJudge, is_at_home
from graphdet.learn.insufficient import measured
from graphdet.learn.ring_lessons import plan_for, plant_and_judge
from graphdet.ports import Progress
from graphdet.rings.blocks import Blocks, membership
from graphdet.rings.find import Candidates, judge_rings, overlap, ring_candidates
from graphdet.rings.margin import naming_margins
from graphdet.simulate.assemble import Planted
from graphdet.simulate.campaigns import DAY_S, HOUR_S, Campaign
from graphdet.simulate.plant import plant
from graphdet.tables import GraphArrays

ACCOUNTS = (5, 8, 12, 20, 40, 80)
DENSITIES = (0.9, 0.6, 0.4, 0.2)
WINDOWS_S = (HOUR_S, DAY_S, 7 * DAY_S, 30 * DAY_S)
POPULARITIES = ("mid", "popular")  # of each cell's trials, every fourth strikes hot items
N_TARGETS = 10
CAMOUFLAGE = 1.0
MOST_SHARE = 0.02  # of a log's users in one campaign
SAME = 0.5  # a ring is the campaign from this Jaccard index of their accounts
APART = 0.2  # below it, with every campaign, a candidate is the log's own
SEED_STEP = 10_007  # copies for measuring are never those for training


@dataclass(frozen=True)
class Trial:
    """A campaign that was planted, and what became of it.

    accounts: planted; density; window_s; popularity; margin: nats by which it beats chance; candidate: some candidate
    block was it; found: it was flagged.
    """

    accounts: int
    density: float
    window_s: float
    popularity: str
    margin: float
    candidate: bool
    found: bool


def grid(graph: GraphArrays) -> list[tuple[int, float, float]]:
    """The cells that make sense in a log: accounts, density, window in seconds.

    Raises:
        NotEnoughData: the log is too small for the smallest.
    """
    span_s = int(np.ptp(graph.at_ms)) / 1000 if graph.n_edges else 0.0
    accounts = [n for n in ACCOUNTS if n <= MOST_SHARE * graph.n_users]
    windows = [window for window in WINDOWS_S if window <= span_s]
    if not accounts or not windows:
        with measured(graph):
            raise NotEnoughData(
                f"the smallest ring looked for has {ACCOUNTS[0]} accounts in {round(ACCOUNTS[0] / MOST_SHARE)} and "
                "lasts an hour; nothing could be said of rings"
            )
    return list(product(accounts, DENSITIES, windows))


def measure_power(
    graph: GraphArrays,
    bench: duckdb.DuckDBPyConnection,
    *,
    fdr: float,
    copies: int,
    seed: int,
    progress: Progress,
) -> list[Trial]:
    """Plant the cells of the grid by turns into `copies` copies of a log and look for each.

    Raises:
        NotEnoughData: the log is too small to plant or to learn anything.
    """
    cells = grid(graph)
    judge = plant_and_judge(graph, bench, seed, progress).judge
    per_copy = max(len(plan_for(graph, seed)), 8)
    rng = np.random.default_rng((seed, 49_979_687))
    # All cells once before any twice; of four rounds one on hot items.
    rounds = -(-copies * per_copy // len(cells))
    order = [(int(cell), turn) for turn in range(rounds) for cell in rng.permutation(len(cells))]
    trials: list[Trial] = []
    for copy in range(copies):
        plan = [
            _campaign(*cells[cell], POPULARITIES[int((turn + cell) % 4 == 3)])
            for cell, turn in order[copy * per_copy : (copy + 1) * per_copy]
        ]
        if not plan:
            break
        progress.start(f"plant copy {copy + 1} of {copies}")
        with measured(graph):
            planted = plant(graph, plan, seed + (copy + 1) * SEED_STEP, [], leave_out_unfit=True)
        progress.done()
        _, candidates = ring_candidates(planted.graph, bench, seed, progress)
        trials += _judged_alone(planted, candidates, judge, fdr)
    return trials


def _campaign(accounts: int, density: float, window_s: float, popularity: str) -> Campaign:
    return Campaign(
        "power",
        n_accounts=accounts,
        n_targets=N_TARGETS,
        density=density,
        window_s=window_s,
        camouflage=CAMOUFLAGE,
        one_sitting=window_s <= HOUR_S,
        target_popularity=popularity,
    )


def _judged_alone(planted: Planted, candidates: Candidates, judge: RingJudge, fdr: float) -> list[Trial]:
    """Judge each campaign among the log's own candidates only: among dozens each would be easier to believe."""
    campaign, jaccard = overlap(candidates.blocks, planted.campaign_of_user)
    own = jaccard < APART
    margins = naming_margins(_planted_blocks(planted), candidates.model).among_touched
    at_home = is_at_home(judge, candidates)
    trials = []
    for number, group in enumerate(planted.campaigns):
        its = (campaign == number) & (jaccard >= APART)
        is_candidate = bool((its & (jaccard >= SAME)).any())
        found = is_candidate and _is_flagged(
            candidates, np.flatnonzero(own | its), jaccard, its, judge, at_home, fdr
        )
        asked = group.asked
        trials.append(
            Trial(
                int((planted.campaign_of_user == number).sum()),
                asked.density,
                asked.window_s,
                asked.target_popularity,
                float(margins[number]),
                is_candidate,
                found,
            )
        )
    return trials


def _is_flagged(
    candidates: Candidates,
    rows: NDArray[np.int64],
    jaccard: NDArray[np.float64],
    its: NDArray[np.bool_],
    judge: RingJudge,
    at_home: bool,
    fdr: float,
) -> bool:
    part = replace(
        candidates,
        blocks=candidates.blocks.take(rows),
        evidence={name: values[rows] for name, values in candidates.evidence.items()},
        inputs=candidates.inputs[rows],
        fold=candidates.fold[rows],
    )
    judged = judge_rings(part, judge.logits, fdr, at_home=at_home)
    right = np.flatnonzero(its & (jaccard >= SAME))
    flagged = judged.flagged_users
    its_users = candidates.blocks.users[right]
    shared = (flagged @ its_users.T).toarray()
    size = np.diff(flagged.indptr)[:, None]
    same = (shared == size) & (shared == np.diff(its_users.indptr)[None, :])
    return bool(same.any())


def _planted_blocks(planted: Planted) -> Blocks:
    accounts: Sequence[NDArray[np.int64]] = [
        np.flatnonzero(planted.campaign_of_user == number) for number in range(len(planted.campaigns))
    ]
    return Blocks(
        membership(accounts, planted.graph.n_users),
        membership([np.sort(targets) for targets in planted.targets], planted.graph.n_items),
    )
