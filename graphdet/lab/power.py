"""power: which rings would be found in a log, and which would go unseen.

Campaigns of a grid of sizes, densities and windows are planted into copies of the log and looked for with a judge
trained on the log, each as if it were the log's only ring.

What the trials of `power` say: chances by cell, the smallest and slowest ring, and what goes unseen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from graphdet.errors import NotEnoughData
from graphdet.evaluation.intervals import wilson
from graphdet.judge.model import RingJudge
from graphdet.learn.insufficient import with_size_of_log
from graphdet.learn.ring_lessons import plan_for, plant_and_judge
from graphdet.progress import Progress
from graphdet.rings.blocks import Blocks, membership
from graphdet.rings.find import Candidates, campaign_overlap, judge_rings, ring_candidates
from graphdet.rings.margin import naming_margins
from graphdet.simulation.assemble import Planted
from graphdet.simulation.campaigns import DAY, HOUR, Campaign
from graphdet.simulation.plant import plant
from graphdet.tables import GraphArrays
from graphdet.workbench import Workbench

ACCOUNTS = (5, 8, 12, 20, 40, 80)
DENSITIES = (0.9, 0.6, 0.4, 0.2)
POWER_WINDOWS_S = (HOUR, DAY, 7 * DAY, 30 * DAY)
POWER_POPULARITIES = ("mid", "popular")  # of each cell's trials, every fourth strikes hot items
N_TARGETS = 10
CAMOUFLAGE = 1.0
MOST_SHARE = 0.02  # of a log's users in one campaign
SAME_CAMPAIGN_JACCARD = 0.5  # a ring is the campaign from this Jaccard index of their accounts
APART = 0.2  # below it, with every campaign, a candidate is the log's own
SEED_STEP = 10_007  # copies for measuring are never those for training


@dataclass(frozen=True)
class PowerTrial:
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
        NotEnoughData: the log is too small for the smallest, or has no times.
    """
    if not graph.timed:
        raise NotEnoughData("the log has no times, and power asks in what time a ring has to act to be found")
    span_s = int(np.ptp(graph.at_ms)) / 1000 if graph.n_edges else 0.0
    accounts = [n for n in ACCOUNTS if n <= MOST_SHARE * graph.n_users]
    unit_s = graph.resolution_ms / 1000  # of shorter times the log does not know
    windows = [window for window in POWER_WINDOWS_S if unit_s <= window <= span_s]
    if not accounts or not windows:
        with with_size_of_log(graph):
            raise NotEnoughData(
                f"the smallest ring looked for has {ACCOUNTS[0]} accounts in {round(ACCOUNTS[0] / MOST_SHARE)} and "
                "lasts an hour; nothing could be said of rings"
            )
    return list(product(accounts, DENSITIES, windows))


def measure_power(
    graph: GraphArrays,
    bench: Workbench,
    *,
    fdr: float,
    copies: int,
    seed: int,
    progress: Progress,
) -> list[PowerTrial]:
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
    trials: list[PowerTrial] = []
    for copy in range(copies):
        plan = [
            _campaign(*cells[cell], POWER_POPULARITIES[int((turn + cell) % 4 == 3)])
            for cell, turn in order[copy * per_copy : (copy + 1) * per_copy]
        ]
        if not plan:
            break
        progress.start(f"plant copy {copy + 1} of {copies}")
        with with_size_of_log(graph):
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
        one_sitting=window_s <= HOUR,
        target_popularity=popularity,
    )


def _judged_alone(planted: Planted, candidates: Candidates, judge: RingJudge, fdr: float) -> list[PowerTrial]:
    """Judge each campaign among the log's own candidates only: among dozens each would be easier to believe."""
    campaign, jaccard = campaign_overlap(candidates.blocks, planted.campaign_of_user)
    own = jaccard < APART
    margins = naming_margins(_planted_blocks(planted), candidates.model).among_touched
    trials = []
    for number, group in enumerate(planted.campaigns):
        its = (campaign == number) & (jaccard >= APART)
        is_candidate = bool((its & (jaccard >= SAME_CAMPAIGN_JACCARD)).any())
        found = is_candidate and _is_flagged(candidates, np.flatnonzero(own | its), jaccard, its, judge, fdr)
        asked = group.asked
        trials.append(
            PowerTrial(
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
    fdr: float,
) -> bool:
    judged = judge_rings(candidates.take(rows), judge.logits, fdr)
    right = np.flatnonzero(its & (jaccard >= SAME_CAMPAIGN_JACCARD))
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


SURELY_FOUND = 0.8  # the chance from which a ring counts as one that would be found
UNSEEN = 0.2  # and below which as one that would not


@dataclass(frozen=True)
class PowerCell:
    """One size, density and window: n_found of n_trials (Wilson's 95 % interval low … high), the chance by the curve,
    and the median margin in nats of what was planted (NaN without trials).
    """

    accounts: int
    density: float
    window_s: float
    n_trials: int
    n_found: int
    low: float
    high: float
    chance: float
    margin: float


class Curve:
    """A logistic curve of found on size, density and window (and size with density), fitted to all trials.

    It smooths cells of few trials; where all or none were found it says so flatly.
    """

    def __init__(self, trials: Sequence[PowerTrial]) -> None:
        """Fit; trials may be few, all found or all missed."""
        found = np.array([trial.found for trial in trials])
        self._flat = float(found.mean()) if len(found) else 0.0
        self._model: LogisticRegression | None = None
        if 0 < self._flat < 1:
            x = _features(
                np.array([trial.accounts for trial in trials], np.float64),
                np.array([trial.density for trial in trials]),
                np.array([trial.window_s for trial in trials]),
            )
            self._model = LogisticRegression(C=3.0, max_iter=1_000).fit(x, found)

    def chance(
        self, accounts: NDArray[np.float64], density: NDArray[np.float64], window_s: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The chance to be found, float64[n], of rings of these sizes (all float64[n])."""
        if self._model is None:
            return np.full(len(accounts), self._flat)
        return np.asarray(self._model.predict_proba(_features(accounts, density, window_s))[:, 1])


def _features(
    accounts: NDArray[np.float64], density: NDArray[np.float64], window_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    size = np.log(accounts / 15)
    filled = np.log(density / (1.02 - density))
    return np.column_stack([size, filled, np.log(window_s / 86_400) / 3, size * filled])


def cells_of(
    trials: Sequence[PowerTrial], grid: Sequence[tuple[int, float, float]], curve: Curve
) -> list[PowerCell]:
    """Count the trials of each cell; a trial with fewer accounts than asked counts where it is nearest."""
    sizes = np.array(sorted({cell[0] for cell in grid}), np.float64)
    out = []
    for accounts, density, window_s in grid:
        its = [
            trial
            for trial in trials
            if trial.density == density
            and trial.window_s == window_s
            and sizes[np.abs(np.log(sizes / trial.accounts)).argmin()] == accounts
        ]
        n_found = sum(trial.found for trial in its)
        low, high = wilson(n_found, len(its))
        chance = float(
            curve.chance(np.array([float(accounts)]), np.array([density]), np.array([window_s]))[0]
        )
        margin = float(np.median([trial.margin for trial in its])) if its else float("nan")
        out.append(PowerCell(accounts, density, window_s, len(its), n_found, low, high, chance, margin))
    return out


def smallest(curve: Curve, density: float, window_s: float, most: int, least: int = 4) -> int | None:
    """The least number of accounts found with a chance of SURELY_FOUND, up to `most`; None when there is none."""
    accounts = np.arange(least, most + 1, dtype=np.float64)
    chance = curve.chance(accounts, np.full(len(accounts), density), np.full(len(accounts), window_s))
    sure = np.flatnonzero(chance >= SURELY_FOUND)
    return int(accounts[sure[0]]) if len(sure) else None


def slowest(curve: Curve, accounts: int, density: float, windows_s: Sequence[float]) -> float | None:
    """The longest of the windows in which such a ring is found with a chance of SURELY_FOUND; None when in none."""
    sure = [
        window
        for window in windows_s
        if curve.chance(np.array([float(accounts)]), np.array([density]), np.array([window]))[0]
        >= SURELY_FOUND
    ]
    return max(sure, default=None)


@dataclass(frozen=True)
class Lost:
    """Of the trials of one popularity: planted, beyond chance (margin > 0), come out as candidates, found."""

    popularity: str
    planted: int
    beyond_chance: int
    candidates: int
    found: int


def losses(trials: Sequence[PowerTrial]) -> list[Lost]:
    """Where rings are lost: to chance, before they are candidates, or in judgement; by popularity of the targets."""
    out = []
    for popularity in sorted({trial.popularity for trial in trials}):
        its = [trial for trial in trials if trial.popularity == popularity]
        out.append(
            Lost(
                popularity,
                len(its),
                sum(trial.margin > 0 for trial in its),
                sum(trial.candidate for trial in its),
                sum(trial.found for trial in its),
            )
        )
    return out
