"""What one owner learns from: campaigns planted into copies of its own log, as examples of both networks."""

from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from graphdet.arrays import Float
from graphdet.clustering.centres import NormalScores
from graphdet.errors import NotEnoughData
from graphdet.features.behaviour import FEATURE_NAMES, behaviour
from graphdet.federate.networks import JUDGE, USER_SETTINGS, USERS, OwnExamples
from graphdet.gnn.heterodata import graph_in_pyg
from graphdet.gnn.inputs import MAX_PARTNERS, heard_from_partners
from graphdet.gnn.network import TrainedGnn, ties_of
from graphdet.gnn.pyg import HeteroData
from graphdet.gnn.training import untrained
from graphdet.judge.examples import Lessons
from graphdet.judge.model import N_FOLDS, N_SEEDS, RingJudge, standardised
from graphdet.judge.training import DOUBT_AT, loss_shares
from graphdet.learn.ring_lessons import planted_copies, without_suspects
from graphdet.learn.user_labels import Task
from graphdet.progress import Progress
from graphdet.rings.company import company
from graphdet.rings.evidence_table import INPUTS
from graphdet.rings.find import Candidates
from graphdet.tables import GraphArrays, PairArrays
from graphdet.workbench import Workbench

POSITIVE_SHARE = 0.3  # of the loss of the network of users
N_INPUTS = {JUDGE: len(INPUTS), USERS: 2 * len(FEATURE_NAMES) + 1}


@dataclass(frozen=True)
class OwnLog:
    """A planted copy of an owner's log.

    users: float64[n_users, n_features], behaviour; lessons: of the ring judge; task: of the network of users; company:
    see rings.company.
    """

    task: Task
    candidates: Candidates
    lessons: Lessons
    users: Float
    data: HeteroData
    company: Float

    def judge_examples(self, start: RingJudge) -> OwnExamples:
        """The examples of the judge, scaled as the shipped one does it, which every owner has."""
        return judge_examples(self.lessons, start)

    def user_examples(self, noise: float) -> OwnExamples:
        """The examples of the network; with noise, what partners say is private (gnn.inputs.heard_from_partners)."""
        user = NormalScores.fit(self.users).transform(self.users)
        tie = ties_of(self.data)[0].numpy()
        bound = MAX_PARTNERS if noise else None
        inputs = heard_from_partners(user, tie, bound, noise, np.random.default_rng() if noise else None)
        known = np.flatnonzero(self.task.y >= 0)
        positive = self.task.y[known] == 1
        share = positive.mean()
        weight = np.where(positive, POSITIVE_SHARE / share, (1 - POSITIVE_SHARE) / (1 - share))
        return OwnExamples(inputs[known], positive, weight.astype(np.float32)[:, None])

    def network(self, member: object) -> TrainedGnn:
        """The network of users with the scaling of this log."""
        return replace(untrained(self.data, USER_SETTINGS), members=(member,), hears_partners=True)  # type: ignore[arg-type]


def judge_examples(lessons: Lessons, start: RingJudge) -> OwnExamples:
    """Lessons as examples; a natural group weighs nothing in the networks of its own fold."""
    x = standardised(lessons.inputs, start.mean, start.scale).astype(np.float32)
    shares = [loss_shares(lessons, held_out) for held_out in range(N_FOLDS)]
    weight = np.column_stack([np.repeat((each / each.mean())[:, None], N_SEEDS, axis=1) for each in shares])
    return OwnExamples(x, lessons.is_ring, weight.astype(np.float32))


def own_log(
    graph: GraphArrays,
    bench: Workbench,
    start: RingJudge,
    seed: int,
    progress: Progress,
    most_copies: int | None = None,
) -> OwnLog:
    """Plant campaigns into copies of a log.

    The log's own groups are taken from the first copy alone, so that each is one example; those that the shipped judge
    takes for rings are none.

    Raises:
        NotEnoughData: the log is too small.
    """
    lessons: list[Lessons] = []
    first: tuple[Task, list[PairArrays], Candidates] | None = None
    copies = planted_copies(graph, bench, seed, progress)
    for planted, windows, candidates, learned in islice(copies, most_copies):
        chosen = learned.is_ring | learned.is_innocent
        if first is None:
            chosen |= learned.is_natural & (start.logits(learned.inputs, learned.fold) <= DOUBT_AT)
            of_user = planted.campaign_of_user
            task = Task(planted.graph, (of_user >= 0).astype(np.int8), of_user)
            first = without_suspects(task, planted.source_user, candidates, start), windows, candidates
        lessons.append(learned.of_rows(np.flatnonzero(chosen)))
    joined = Lessons.joined(lessons)
    if first is None or not joined.is_ring.any():
        raise NotEnoughData(
            "no planted campaign came out as a group in any copy of the log: it is too small to learn from; join with "
            "a larger log"
        )
    task, windows, candidates = first
    users, items = behaviour(task.graph, bench, progress)
    data = graph_in_pyg(task.graph, users, items, windows, progress)
    return OwnLog(task, candidates, joined, users, data, company(task.graph, windows))
