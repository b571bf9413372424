"""The trained models of a log: what train makes and score uses."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graphdet.arrays import Float
from graphdet.errors import GraphdetError
from graphdet.gnn.settings import GNN_FILES
from graphdet.judge.model import RingJudge
from graphdet.judge.shipped import shipped_judge
from graphdet.learn.scorers import SCORERS, USER_TREES, Scorers, load_scorers
from graphdet.learn.user_trees import ARRAYS, UserTrees, load_user_trees
from graphdet.scores.fused import Fusion
from graphdet.scores.unsupervised import Clusters, Density

if TYPE_CHECKING:
    from graphdet.gnn.network import TrainedGnn


@dataclass(frozen=True)
class Models:
    """A ring judge, a GNN, the two behaviour scorers, their fusion, and trees where labels of users were learned.

    gnn: None where nothing was trained, see `untrained`.
    """

    judge: RingJudge
    gnn: "TrainedGnn | None"
    density: Density
    clusters: Clusters
    fusion: Fusion
    trees: UserTrees | None = None

    @classmethod
    def untrained(cls, users: Float, seed: int) -> "Models":
        """What a log can be scored with when nothing is learned: the judge that comes with graphdet, and no network.

        users: float64[n_users, n_features], behaviour of the log's users, among whom rare and far are measured.
        """
        clusters = Clusters.fit(users, seed)
        return cls(shipped_judge(), None, Density.fit(users), clusters, Fusion.untrained())

    def save(self, directory: Path) -> None:
        """Write safetensors and JSON into a folder.

        scorers.json goes first and comes last: killed in between, the folder holds no model, and never half of two.

        Raises:
            GraphdetError: the folder cannot be written.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for name in (
                SCORERS,
                USER_TREES,
                ARRAYS,
                *GNN_FILES,
            ):  # of an earlier training into the same folder
                (directory / name).unlink(missing_ok=True)
            self.judge.save(directory)
            if self.gnn is not None:
                self.gnn.save(directory)
            if self.trees is not None:
                self.trees.save(directory)
            has = {"has_trees": self.trees is not None, "has_network": self.gnn is not None}
            Scorers(self.density, self.clusters, self.fusion, **has).save(directory)
        except OSError as error:
            raise GraphdetError(f"the model cannot be written to {directory}: {error.strerror}") from error


def load_models(directory: Path) -> Models:
    """Read what Models.save wrote.

    Raises:
        GraphdetError: a file is missing, damaged or of another format.
    """
    found = load_scorers(directory)
    gnn: TrainedGnn | None = None
    if found.has_network:
        from graphdet.gnn.network import load_gnn  # with torch, which untrained models do without

        gnn = load_gnn(directory)
    return Models(
        RingJudge.load(directory),
        gnn,
        found.density,
        found.clusters,
        found.fusion,
        load_user_trees(directory) if found.has_trees else None,
    )
