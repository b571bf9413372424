"""The attacker's best answer: what stays unseen at a given yield, found by a search over the simulator's knobs.

An attacker holds some accounts, wants some acts on a few targets within the time of the log, and chooses everything
else: how many of the accounts act and how often, on how many targets, in what time and at what pace, how much other
activity covers it. Tactics are drawn at random and the worst are dropped, rung by rung (successive halving, Jamieson &
Talwalkar 2016): each rung plants every tactic that is left into new copies of the log and looks for it with all that
`run` finds (rings, bursts, pairs). What is reported was measured on copies that no choice has seen, so it is not the
optimism of a maximum. Then the judge of rings is trained once more, with the best tactics among its lessons, and
measured on the same copies.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Rng
from graphdet.detect.bursts import burst_members
from graphdet.detect.pairs import pair_findings
from graphdet.detect.rings import coordinated
from graphdet.errors import NotEnoughData
from graphdet.evaluation.intervals import wilson
from graphdet.items.acts import ItemActs
from graphdet.items.bursts import Faces, find_bursts
from graphdet.judge.examples import Lessons
from graphdet.judge.model import RingJudge
from graphdet.judge.shipped import shipped_judge, shipped_lessons
from graphdet.judge.training import adapted_judge
from graphdet.lab.power import APART, SAME_CAMPAIGN_JACCARD, SEED_STEP
from graphdet.learn.ring_lessons import lessons_of, plant_and_judge, planted_copy
from graphdet.progress import Progress
from graphdet.rings.evidence_table import JUDGE_DIRECTION
from graphdet.rings.find import Candidates, campaign_overlap, judge_rings, ring_candidates
from graphdet.simulation.assemble import Planted
from graphdet.simulation.campaigns import CAMOUFLAGES, DAY, HOUR, PACES, POPULARITIES, Campaign
from graphdet.simulation.plant import plant
from graphdet.tables import GraphArrays
from graphdet.workbench import Workbench

ACTS_PER_ACCOUNT = (1, 2, 4, 8)  # the yields that are asked for, times the accounts
RUNGS = ((1.0, 2), (1 / 3, 4), (1 / 8, 8))  # share of the tactics of a yield that is left, and trials of each
TAUGHT = 3  # tactics of a yield that the judge is trained on, each in TAUGHT_COPIES copies
TAUGHT_COPIES = 2
MOST_PLANTED, MOST_IN_COPY = 0.1, 12  # of a log's users in one copy; campaigns in one copy
OF_YIELD = (0.8, 1.3)  # of the acts wanted: what a tactic must bring, no less and no more, to be an answer
SEARCH_SHARE = 0.6  # of a time limit
FOUND_FROM = 0.5  # share of a campaign's accounts that are flagged, from which it was found
SEARCH, TEACH, REPORT = (
    1,
    500,
    1_000,
)  # where the numbers of copies begin, so that no copy serves two purposes


@dataclass(frozen=True)
class Means:
    """What an attacker has: accounts at most, targets at most. fdr: at which findings are flagged. tries: tactics drawn
    for each yield. report: trials of the best of each on new copies. limit_s: seconds in all, None without a limit.
    """

    accounts: int = 40
    targets: int = 10
    fdr: float = 0.05
    tries: int = 24
    report: int = 24
    limit_s: float | None = None


@dataclass(frozen=True)
class Seen:
    """What became of a planted campaign: acts on targets, the share of its accounts that was flagged, whether a
    candidate was it, and how near it came to being flagged (danger, 0 … 1; .5 and more is flagged).
    """

    acts: int
    exposed: float
    candidate: bool
    danger: float

    @property
    def found(self) -> bool:
        """Whether at least half of its accounts were flagged."""
        return self.exposed >= FOUND_FROM


@dataclass
class Tactic:
    """A choice of knobs for a yield, and its trials in the search."""

    wanted: int
    campaign: Campaign
    trials: list[Seen] = field(default_factory=list)

    @property
    def danger(self) -> float:
        """The mean over the trials; 1 for one that does not bring the acts that are wanted."""
        if not self.trials:
            return 1.0
        share = np.mean([trial.acts for trial in self.trials]) / self.wanted
        if not OF_YIELD[0] <= share <= OF_YIELD[1]:
            return 1.0
        return float(np.mean([trial.danger for trial in self.trials]))


@dataclass(frozen=True)
class BestAnswer:
    """The attacker's best answer for one yield, measured on new copies.

    acts: on targets, the mean. random_found of random_trials: of tactics as drawn. found: by the judge as trained on
    this log; after: once it has learned the tactics. low, high: Wilson's 95 %. candidates: trials in which some
    candidate was it; where there is none, no judge helps. acts_kept, acts_kept_after: acts of accounts that were not
    flagged.
    """

    wanted: int
    acts: float
    knobs: dict[str, object]
    random_trials: int
    random_found: int
    random_low: float
    random_high: float
    trials: int
    candidates: int
    found: int
    low: float
    high: float
    acts_kept: float
    found_after: int
    low_after: float
    high_after: float
    acts_kept_after: float


@dataclass(frozen=True)
class Adversary:
    """What the search found: an answer for each yield, how much was tried, and false alarms in the log as it is: rings
    flagged there before and after the training.
    """

    answers: list[BestAnswer]
    tactics: int
    trials: int
    copies: int
    stopped: bool
    rings_before: int
    rings_after: int


def draw_tactic(wanted: int, means: Means, span_s: float, unit_s: float, rng: Rng) -> Campaign:
    """Draw all knobs at random for a number of acts on targets, within the attacker's means."""
    while True:
        accounts = round(means.accounts * float(rng.uniform(0.3, 1.0)))
        repeats = float(rng.choice([1.0, 1.0, 1.5, 2.5]))
        each = wanted / max(accounts, 1)  # acts of an account
        least = max(1, int(np.ceil(each / repeats)))
        if accounts >= 3 and each >= repeats and least <= means.targets:
            break
    n_targets = int(rng.integers(least, means.targets + 1))
    low, high = np.log(max(HOUR, unit_s)), np.log(max(min(60 * DAY, span_s), 2 * HOUR))
    window_s = float(np.exp(rng.uniform(min(low, high), high)))
    return Campaign(
        "adversary",
        n_accounts=accounts,
        n_targets=n_targets,
        density=float(np.clip(each / (n_targets * repeats), 1e-3, 1.0)),
        window_s=window_s,
        camouflage=float(rng.choice([0.0, 0.5, 1.0, 2.0, 5.0])),
        camouflage_kind=str(rng.choice(CAMOUFLAGES)),
        hijacked_share=float(rng.choice([0.0, 0.0, 0.5, 1.0])),
        target_popularity=str(rng.choice(POPULARITIES)),
        repeats=repeats,
        pace=str(rng.choice(PACES)),
        coattail=bool(rng.random() < 0.2),
        one_sitting=bool(rng.random() < 0.3),
        shared_device_share=float(rng.choice([0.0, 0.0, 0.5])),
        shared_ip_share=float(rng.choice([0.0, 0.0, 0.5])),
        related_targets=bool(rng.random() < 0.3),
        members_from_audience=bool(rng.random() < 0.2),
    )


class _Field:
    """A log, and copies of it in which campaigns are looked for."""

    def __init__(
        self, graph: GraphArrays, bench: Workbench, means: Means, seed: int, progress: Progress
    ) -> None:
        self.graph, self.bench, self.means, self.seed, self.progress = graph, bench, means, seed, progress
        most = int(MOST_PLANTED * graph.n_users / max(means.accounts, 1))
        self.per_copy = int(np.clip(most, 1, MOST_IN_COPY))
        self.n_copies = self.n_trials = 0

    def copies(
        self, plan: Sequence[int], campaigns: Sequence[Campaign], first: int
    ) -> Iterator[tuple[list[int], Planted, Candidates]]:
        """Plant campaigns by their places in `plan`, some to a copy: what was planted, the copy, its candidates."""
        for number, start in enumerate(range(0, len(plan), self.per_copy)):
            places = list(plan[start : start + self.per_copy])
            its = [replace(campaigns[place], level=str(place)) for place in places]
            self.progress.start(f"copy {self.n_copies + 1}")
            try:
                planted = plant(
                    self.graph, its, self.seed + (first + number) * SEED_STEP, [], leave_out_unfit=True
                )
            except NotEnoughData:
                continue
            finally:
                self.progress.done()
            self.n_copies, self.n_trials = self.n_copies + 1, self.n_trials + len(planted.campaigns)
            _, candidates = ring_candidates(planted.graph, self.bench, self.seed, self.progress)
            yield [int(group.asked.level) for group in planted.campaigns], planted, candidates

    def seen(self, planted: Planted, candidates: Candidates, judges: Sequence[RingJudge]) -> list[list[Seen]]:
        """What each judge makes of every campaign of a copy, each judged as the log's only one."""
        campaign, jaccard = campaign_overlap(candidates.blocks, planted.campaign_of_user)
        own = jaccard < APART
        others = _flagged_apart(planted.graph, candidates, judges[0], self.means.fdr)
        out = []
        for judge in judges:
            logit = judge.logits(candidates.inputs, candidates.fold)
            row = []
            for number, group in enumerate(planted.campaigns):
                its = (campaign == number) & ~own
                accounts = planted.campaign_of_user == number
                flagged = others | _flagged_users(
                    candidates, np.flatnonzero(own | its), judge, self.means.fdr
                )
                exposed = float(flagged[accounts].mean()) if accounts.any() else 0.0
                near = 1 / (1 + np.exp(-float(logit[its].max()))) if its.any() else 0.0
                danger = 0.5 * near if exposed < FOUND_FROM else 0.5 + 0.5 * exposed
                is_candidate = bool((its & (jaccard >= SAME_CAMPAIGN_JACCARD)).any())
                row.append(Seen(group.n_target_clicks, exposed, is_candidate, float(danger)))
            out.append(row)
        return out


def _flagged_users(
    candidates: Candidates, rows: NDArray[np.int64], judge: RingJudge, fdr: float
) -> NDArray[np.bool_]:
    """Members of the rings that are flagged among some of the candidates, bool[n_users]."""
    flagged = np.zeros(candidates.model.n_users, bool)
    flagged[judge_rings(candidates.take(rows), judge.logits, fdr).flagged_users.indices] = True
    return flagged


def _flagged_apart(
    graph: GraphArrays, candidates: Candidates, judge: RingJudge, fdr: float
) -> NDArray[np.bool_]:
    """Accounts that are flagged in bursts on single items or as pairs in lockstep, bool[n_users]."""
    judged = judge_rings(candidates, judge.logits, fdr)
    flagged = np.zeros(graph.n_users, bool)
    bursts = find_bursts(
        ItemActs.of_graph(graph), Faces.of_items(graph.n_items), coordinated(judged, candidates), fdr
    )
    for burst in bursts:
        if burst.held_back_by is None:
            flagged[burst.behind.user] = True
    accused = np.zeros(graph.n_users, bool)
    accused[judged.flagged_users.indices] = True
    return flagged | (burst_members(pair_findings(graph, accused, fdr), graph)[0] > 0)


def best_answers(
    graph: GraphArrays, bench: Workbench, means: Means, seed: int, progress: Progress
) -> Adversary:
    """Search for the tactics that stay unseen, measure the best on new copies, train once and measure again.

    Raises:
        NotEnoughData: the log has no times, or is too small for the attacker or to learn from.
    """
    if not graph.timed:
        raise NotEnoughData("the log has no times, and an attacker's best weapon is to take time")
    if means.accounts > MOST_PLANTED * graph.n_users:
        raise NotEnoughData(
            f"the log has {graph.n_users} users, too few to hide {means.accounts} accounts in; give --accounts "
            f"{int(MOST_PLANTED * graph.n_users)} or fewer, or a larger log"
        )
    began = time.monotonic()
    searched, ends = (
        None if means.limit_s is None else began + share * means.limit_s for share in (SEARCH_SHARE, 1.0)
    )
    judge = plant_and_judge(graph, bench, seed, progress).judge
    place = _Field(graph, bench, means, seed, progress)
    tactics = _drawn(graph, means, seed)
    stopped = _search(place, tactics, judge, searched)
    best = {wanted: _ranked(tactics, wanted) for wanted in sorted({one.wanted for one in tactics})}
    taught = _taught(place, [one for ranked in best.values() for one in ranked[:TAUGHT]])
    answers = _reported(
        place, tactics, {wanted: ranked[0] for wanted, ranked in best.items()}, (judge, taught), ends
    )
    _, candidates = ring_candidates(graph, bench, seed, progress)
    false = [int(judge_rings(candidates, one.logits, means.fdr).flagged.sum()) for one in (judge, taught)]
    return Adversary(answers, len(tactics), place.n_trials, place.n_copies, stopped, *false)


def _drawn(graph: GraphArrays, means: Means, seed: int) -> list[Tactic]:
    rng = np.random.default_rng((seed, 32_452_843))
    span_s, unit_s = float(np.ptp(graph.at_ms)) / 1000, graph.resolution_ms / 1000
    return [
        Tactic(wanted, draw_tactic(wanted, means, span_s, unit_s, rng))
        for wanted in (means.accounts * each for each in ACTS_PER_ACCOUNT if each <= 2.5 * means.targets)
        for _ in range(means.tries)
    ]


def _ranked(tactics: Sequence[Tactic], wanted: int) -> list[Tactic]:
    """The tactics of a yield: those that bring it, with most trials, and of these the least dangerous, first."""
    its = [one for one in tactics if one.wanted == wanted]
    return sorted(its, key=lambda one: (one.danger >= 1.0, -len(one.trials), one.danger))


def _search(place: _Field, tactics: Sequence[Tactic], judge: RingJudge, ends: float | None) -> bool:
    """Try the tactics, rung by rung, and drop the worst; whether the time was up before the end."""
    first = SEARCH
    rng = np.random.default_rng((place.seed, 49_979_693))
    for share, trials in RUNGS:
        left = []
        for wanted in sorted({one.wanted for one in tactics}):
            ranked = _ranked(tactics, wanted)
            left += ranked[: max(1, round(share * len(ranked)))]
        where = {id(one): n for n, one in enumerate(tactics)}
        plan = [where[id(one)] for _ in range(trials) for one in left]
        order = [plan[n] for n in rng.permutation(len(plan))]
        for places, planted, candidates in place.copies(order, [one.campaign for one in tactics], first):
            for number, seen in zip(places, place.seen(planted, candidates, [judge])[0], strict=True):
                tactics[number].trials.append(seen)
            if ends is not None and time.monotonic() > ends:
                return True
        first += -(-len(order) // place.per_copy)
    return False


def _taught(place: _Field, tactics: Sequence[Tactic]) -> RingJudge:
    """The judge once it has learned tactics, beside what it learned of the log before."""
    plan = [n for _ in range(TAUGHT_COPIES) for n in range(len(tactics))]
    found = place.copies(plan, [one.campaign for one in tactics], TEACH)
    lessons: list[Lessons] = [lessons_of(planted, candidates) for _, planted, candidates in found]
    usual, _, candidates = planted_copy(place.graph, place.bench, place.seed, place.progress)
    lessons.append(lessons_of(usual, candidates))
    place.progress.start("train the ring judge once more")
    judge = adapted_judge(
        shipped_judge(), shipped_lessons(), Lessons.joined(lessons), JUDGE_DIRECTION, place.seed
    )
    place.progress.done()
    return judge


def _reported(
    place: _Field,
    tactics: Sequence[Tactic],
    best: dict[int, Tactic],
    judges: tuple[RingJudge, RingJudge],
    ends: float | None,
) -> list[BestAnswer]:
    """Measure the best tactic of each yield on copies that no choice has seen, by both judges, until the time is up."""
    chosen = list(best.values())
    plan = [n for _ in range(place.means.report) for n in range(len(chosen))]
    before: list[list[Seen]] = [[] for _ in chosen]
    after: list[list[Seen]] = [[] for _ in chosen]
    for places, planted, candidates in place.copies(plan, [one.campaign for one in chosen], REPORT):
        first, second = place.seen(planted, candidates, judges)
        for number, one, other in zip(places, first, second, strict=True):
            before[number].append(one)
            after[number].append(other)
        if ends is not None and time.monotonic() > ends and all(before):
            break
    return [
        _answer(one, [t for t in tactics if t.wanted == one.wanted], before[n], after[n])
        for n, one in enumerate(chosen)
    ]


def _answer(
    best: Tactic, drawn: Sequence[Tactic], before: Sequence[Seen], after: Sequence[Seen]
) -> BestAnswer:
    as_drawn = [trial for one in drawn for trial in one.trials[: RUNGS[0][1]]]
    found, found_after = (sum(one.found for one in trials) for trials in (before, after))
    low, high = wilson(found, len(before))
    low_after, high_after = wilson(found_after, len(after))
    n_drawn = sum(one.found for one in as_drawn)
    random_low, random_high = wilson(n_drawn, len(as_drawn))
    knobs = asdict(best.campaign)
    for name in ("kind", "level", "flow", "dwell_s", "polarity"):
        del knobs[name]
    return BestAnswer(
        wanted=best.wanted,
        acts=_mean([one.acts for one in before]),
        knobs=knobs,
        random_trials=len(as_drawn),
        random_found=n_drawn,
        random_low=random_low,
        random_high=random_high,
        trials=len(before),
        candidates=sum(one.candidate for one in before),
        found=found,
        low=low,
        high=high,
        acts_kept=_mean([one.acts * (1 - one.exposed) for one in before]),
        found_after=found_after,
        low_after=low_after,
        high_after=high_after,
        acts_kept_after=_mean([one.acts * (1 - one.exposed) for one in after]),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
