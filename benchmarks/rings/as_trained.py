"""What `graphdet train` learns from a log without labels, kept in memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.learn.models import Models
from graphdet.learn.ring_lessons import plant_and_judge
from graphdet.learn.train_settings import Training
from graphdet.learn.user_learning import learn_planted
from graphdet.ports import Store
from graphdet.progress import Silent
from graphdet.scores.fused import Fusion, ScoreParts
from graphdet.tables import GraphArrays


@dataclass(frozen=True)
class Trained:
    """The models; what the parts say of the planted copy, out of fold; and what is true there, int8[n_users of it]."""

    models: Models
    copy: ScoreParts
    y: NDArray[np.int8]


def trained(graph: GraphArrays, store: Store, seed: int) -> Trained:
    """Learn from campaigns planted into a copy of the log.

    Raises:
        NotEnoughData: the log is too small for that.
    """
    planted = plant_and_judge(graph, store.bench, seed, Silent())
    gnn, density, clusters, copy = learn_planted(
        store, planted.task, planted, Training(seed=seed, device="cpu")
    )
    y = planted.task.y
    return Trained(Models(planted.judge, gnn, density, clusters, Fusion.fit(copy, y)), copy, y)
