"""What the ring judge learns from: campaigns and hard innocents planted into copies of the user's own log."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from graphdet.errors import NotEnoughData
from graphdet.judge.examples import NATURAL, RING_LABEL, Lessons
from graphdet.judge.model import RingJudge
from graphdet.judge.shipped import shipped_judge, shipped_lessons
from graphdet.judge.training import train_ring_judge
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
MUCH_WORSE = 0.1  # in average precision: a judge that ranks a log's groups so much worse does not know it
DOUBT_FDR = 0.05  # at which a judge says what in a user's log is no example of innocence


@dataclass(frozen=True)
class PlantedTask:
    """The first planted copy of the log, the judge trained on all of them, and facts for people.

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
    """Plant campaigns and hard innocents into copies of the log and train the ring judge on them, and on other logs.

    What the judge of other logs would flag is no example of a natural group, nor are members of what the log's own
    judge would flag examples of ordinary users. Where the judge of other logs knows the log it is the second opinion
    on every group.

    Raises:
        NotEnoughData: the log is too small for either.
    """
    first: tuple[Task, NDArray[np.int32], list[PairArrays], Candidates] | None = None
    lessons: list[Lessons] = []
    n_campaigns = 0
    shipped = shipped_judge()
    for planted, windows, candidates, learned in planted_copies(graph, bench, seed, progress, shipped):
        lessons.append(learned)
        n_campaigns += len(planted.campaigns)
        if first is None:
            of_user = planted.campaign_of_user
            task = Task(planted.graph, (of_user >= 0).astype(np.int8), of_user)
            first = task, planted.source_user, windows, candidates
    assert first is not None  # for the type checker: there is at least one copy
    with with_size_of_log(graph):
        _check_learnable(first[0], sum(each.n_found for each in lessons))
    progress.start("train the ring judge")
    own = Lessons.joined(lessons)
    with with_size_of_log(graph):
        judge = seconded(train_ring_judge(own, JUDGE_DIRECTION, seed, shipped_lessons()), shipped, own)
    task, source_user, windows, candidates = first
    task = without_suspects(task, source_user, candidates, judge)
    progress.done()
    return PlantedTask(
        task,
        source_user,
        windows,
        candidates,
        judge,
        {
            "copies": len(lessons),
            "campaigns": n_campaigns,
            "campaigns_found_as_candidates": sum(each.n_found for each in lessons),
        },
    )


def without_suspects(
    task: Task, source_user: NDArray[np.int32], candidates: Candidates, judge: RingJudge
) -> Task:
    """Take members of the log's own rings, those that its judge would flag, out of the examples of ordinary users."""
    judged = judge_rings(candidates, judge.logits, DOUBT_FDR)
    suspects = np.unique(judged.flagged_users.indices)
    y = task.y.copy()
    y[suspects[(task.campaign[suspects] < 0) & (source_user[suspects] >= 0)]] = -1
    return replace(task, y=y)


def seconded(judge: RingJudge, other: RingJudge, lessons: Lessons) -> RingJudge:
    """A log's judge with that of other logs as its second opinion, where that one knows the log."""
    return replace(judge, second=other) if knows(other, judge, lessons) else judge


def knows(other: RingJudge, judge: RingJudge, lessons: Lessons) -> bool:
    """Whether a judge of other logs ranks what was planted into this one nearly as well as the log's own does.

    By average precision, campaigns against natural groups and hard innocents, at most MUCH_WORSE lower.
    """
    learned = replace(judge, known=None)  # whether a group is strange is another question
    rows = np.flatnonzero(lessons.is_ring | lessons.is_innocent | lessons.is_natural)
    inputs, fold, wanted = lessons.inputs[rows], lessons.fold[rows], lessons.is_ring[rows]
    of_other, of_judge = (
        average_precision_score(wanted, each.logits(inputs, fold)) for each in (other, learned)
    )
    return bool(of_other >= of_judge - MUCH_WORSE)


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
    other: RingJudge | None = None,
) -> Iterator[tuple[Planted, list[PairArrays], Candidates, Lessons]]:
    """Planted copies of a log, pairs, candidates and lessons, until enough campaigns came out as candidates.

    other: as in `lessons_of`.
    """
    n_found = 0
    for number in range(MOST_COPIES):
        planted, windows, candidates = planted_copy(graph, bench, seed + 1_000 * number, progress)
        lessons = lessons_of(planted, candidates, other)
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


def _would_flag(judge: RingJudge, candidates: Candidates) -> NDArray[np.bool_]:
    """The candidates that are mostly made of users whom a judge would flag together, bool[n]."""
    judged = judge_rings(candidates, judge.logits, DOUBT_FDR)
    if not judged.flagged.any():
        return np.zeros(len(candidates.blocks), bool)
    rings = judged.flagged_users
    shared = np.asarray((candidates.blocks.users @ rings.T).max(axis=1).todense()).ravel()
    return np.asarray(shared >= RING_LABEL * np.diff(candidates.blocks.users.indptr))


def lessons_of(planted: Planted, candidates: Candidates, other: RingJudge | None = None) -> Lessons:
    """What the candidates of a planted log teach.

    other: a judge of other logs. What it would flag is no example of a natural group: a user's log may hold rings.
    """
    campaign, jaccard = campaign_overlap(candidates.blocks, planted.campaign_of_user)
    innocent, likeness = campaign_overlap(candidates.blocks, planted.innocent_of_user)
    if other is not None:
        suspected = _would_flag(other, candidates)
        jaccard = np.where(suspected & (jaccard < NATURAL), NATURAL, jaccard)  # neither ring nor natural
    return Lessons(
        candidates.inputs, campaign, jaccard, np.where(likeness >= 0.5, innocent, -1), candidates.fold
    )
