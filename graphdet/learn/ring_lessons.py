"""What networks learn from: campaigns and hard innocents planted into a copy of the user's own log.

The judge of rings that is shipped has learned from such copies of other logs, beside real worlds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graphdet.errors import NotEnoughData
from graphdet.judge.examples import Lessons
from graphdet.judge.model import RingJudge
from graphdet.judge.shipped import shipped_judge, shipped_lessons
from graphdet.judge.training import adapted_judge
from graphdet.learn.insufficient import with_size_of_log
from graphdet.learn.user_labels import Task
from graphdet.progress import Progress
from graphdet.rings.evidence_table import JUDGE_DIRECTION
from graphdet.rings.find import Candidates, campaign_overlap, judge_rings, ring_candidates
from graphdet.simulation.assemble import Planted
from graphdet.simulation.campaigns import Campaign, training_plan
from graphdet.simulation.innocents import training_innocents
from graphdet.simulation.plant import plant
from graphdet.tables import GraphArrays, PairArrays
from graphdet.workbench import Workbench

# A small log gets fewer campaigns, so that planted accounts stay a small part of it; a large one more, to tell them
# from the hundreds of groups of its own.
USERS_PER_CAMPAIGN, MANY_CAMPAIGNS = 400, 64
USERS_PER_FURTHER, MOST_CAMPAIGNS = 2_500, 128
LEAST_CAMPAIGNS = 6
LEAST_PLANTED = 2  # campaigns in one copy: the GNN is trained in folds that keep a campaign whole
CAMPAIGNS_PER_ROUND = 10  # with each ten campaigns goes one group of every kind of hard innocents
# One copy of a small log holds too few campaigns to learn from, so more copies are planted until this many were found.
ENOUGH_FOUND = 48
ENOUGH_IN_ONE = 40  # of a large log, where the next copy would cost minutes
MOST_COPIES = 6
LEAST_NATURAL = 100  # groups of a log's own, from which the judge learns beside real rings
DOUBT_FDR = 0.05  # at which a judge says what in a user's log is no example of innocence


@dataclass(frozen=True)
class PlantedTask:
    """The first planted copy of the log, the judge of its rings, and facts for people.

    Members of what its judge takes for rings of the log's own are unknown in the task, not clean. source_user:
    int32[n_users of the copy], the user's row in the log, −1 for planted accounts.
    """

    task: Task
    source_user: NDArray[np.int32]
    windows: list[PairArrays]
    candidates: Candidates
    judge: RingJudge
    facts: dict[str, int]


def plan_for(graph: GraphArrays, seed: int) -> list[Campaign]:
    """Choose the campaigns to plant into a log of this size; single-item bursts leave no block to learn from."""
    few = np.clip(graph.n_users // USERS_PER_CAMPAIGN, LEAST_CAMPAIGNS, MANY_CAMPAIGNS)
    n = int(np.clip(graph.n_users // USERS_PER_FURTHER, few, MOST_CAMPAIGNS))
    return [campaign for campaign in training_plan(seed, n + 4) if campaign.n_targets > 1][:n]


def plant_and_judge(
    graph: GraphArrays,
    bench: Workbench,
    seed: int,
    progress: Progress,
) -> PlantedTask:
    """Plant campaigns and hard innocents into a copy of the log, for networks to learn from; rings have their judge.

    The judge of rings is the shipped one, which real rings have taught. Taught by what is planted here alone it would
    believe the simulator: on real worlds such a judge held back what it had never seen planted, and accused natural
    groups (docs/laboratory/rings.md). In a log with times and LEAST_NATURAL groups of its own it is adapted: trained
    again on its lessons and those of the log together. Members of what it would flag are no examples of ordinary users.

    Raises:
        NotEnoughData: the log is too small.
    """
    n_campaigns = 0
    lessons: list[Lessons] = []
    first: tuple[Task, NDArray[np.int32], list[PairArrays], Candidates] | None = None
    for planted, windows, candidates, learned in planted_copies(graph, bench, seed, progress):
        lessons.append(learned)
        n_campaigns += len(planted.campaigns)
        if first is None:
            of_user = planted.campaign_of_user
            task = Task(planted.graph, (of_user >= 0).astype(np.int8), of_user)
            first = task, planted.source_user, windows, candidates
        if not _worth_adapting(graph, learned) and any(each.n_found for each in lessons):
            break  # networks learn from the accounts of one copy
    assert first is not None  # for the type checker: there is at least one copy
    own = Lessons.joined(lessons)
    with with_size_of_log(graph):
        _check_learnable(first[0], own.n_found)
    judge = shipped_judge()
    if _worth_adapting(graph, lessons[0]):
        progress.start("adapt the ring judge")
        judge = adapted_judge(judge, shipped_lessons(), own, JUDGE_DIRECTION, seed)
        progress.done()
    task, source_user, windows, candidates = first
    task = without_suspects(task, source_user, candidates, judge)
    facts = {"copies": len(lessons), "campaigns": n_campaigns, "campaigns_found_as_candidates": own.n_found}
    return PlantedTask(task, source_user, windows, candidates, judge, facts)


def without_suspects(
    task: Task, source_user: NDArray[np.int32], candidates: Candidates, judge: RingJudge
) -> Task:
    """Take members of the log's own rings, those that its judge would flag, out of the examples of ordinary users."""
    judged = judge_rings(candidates, judge.logits, DOUBT_FDR)
    suspects = np.unique(judged.flagged_users.indices)
    y = task.y.copy()
    y[suspects[(task.campaign[suspects] < 0) & (source_user[suspects] >= 0)]] = -1
    return replace(task, y=y)


def _worth_adapting(graph: GraphArrays, lessons: Lessons) -> bool:
    """Whether a log, of which these are the lessons of one copy, has enough to tell that real worlds do not."""
    return graph.timed and int(lessons.is_natural.sum()) >= LEAST_NATURAL


def _check_learnable(task: Task, n_found: int) -> None:
    """The lessons of other logs make up for missing natural groups, not for campaigns that this log cannot show.

    Raises:
        NotEnoughData: fewer than two campaigns fit into a copy of the log, or none of them came out as a candidate.
    """
    n_planted = len(np.unique(task.campaign[task.campaign >= 0]))
    if n_planted < LEAST_PLANTED or n_found == 0:
        raise NotEnoughData(
            f"{n_planted} campaigns could be planted into a copy of the log and {n_found} found in all copies"
        )


def planted_copies(
    graph: GraphArrays,
    bench: Workbench,
    seed: int,
    progress: Progress,
) -> Iterator[tuple[Planted, list[PairArrays], Candidates, Lessons]]:
    """Planted copies of a log, pairs, candidates and lessons, until ENOUGH_FOUND campaigns came out as candidates."""
    n_found = 0
    for number in range(MOST_COPIES):
        planted, windows, candidates = planted_copy(graph, bench, seed + 1_000 * number, progress)
        lessons = lessons_of(planted, candidates)
        yield planted, windows, candidates, lessons
        n_found += lessons.n_found
        if n_found >= ENOUGH_FOUND or lessons.n_found >= ENOUGH_IN_ONE:
            return


def planted_copy(
    graph: GraphArrays,
    bench: Workbench,
    seed: int,
    progress: Progress,
) -> tuple[Planted, list[PairArrays], Candidates]:
    """Plant campaigns and hard innocents into a copy of a log; pairs and candidates of that.

    Raises:
        NotEnoughData: the log is too small for either.
    """
    progress.start("plant campaigns")
    campaigns = plan_for(graph, seed)
    innocents = training_innocents(seed, max(1, len(campaigns) // CAMPAIGNS_PER_ROUND))
    with with_size_of_log(graph):
        planted = plant(graph, campaigns, seed, innocents, leave_out_unfit=True)
    progress.done()
    return planted, *ring_candidates(planted.graph, bench, seed, progress)


def lessons_of(planted: Planted, candidates: Candidates) -> Lessons:
    """What the candidates of a planted log teach."""
    campaign, jaccard = campaign_overlap(candidates.blocks, planted.campaign_of_user)
    innocent, likeness = campaign_overlap(candidates.blocks, planted.innocent_of_user)
    return Lessons(
        candidates.inputs, campaign, jaccard, np.where(likeness >= 0.5, innocent, -1), candidates.fold
    )
