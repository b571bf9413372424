"""The trained models of a log: what train makes and score uses."""

from dataclasses import dataclass
from pathlib import Path

from graphdet.errors import GraphdetError
from graphdet.gnn.network import TrainedGnn, load_gnn
from graphdet.judge.model import RingJudge
from graphdet.learn.scorers import USER_TREES, Scorers, load_scorers
from graphdet.learn.user_trees import ARRAYS, UserTrees, load_user_trees
from graphdet.scores.fused import Fusion
from graphdet.scores.unsupervised import Clusters, Density


@dataclass(frozen=True)
class Models:
    """A ring judge, a GNN, the two behaviour scorers, their fusion, and trees where labels of users were learned."""

    judge: RingJudge
    gnn: TrainedGnn
    density: Density
    clusters: Clusters
    fusion: Fusion
    trees: UserTrees | None = None

    def save(self, directory: Path) -> None:
        """Write safetensors and JSON into a folder.

        Raises:
            GraphdetError: the folder cannot be written.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self.judge.save(directory)
            self.gnn.save(directory)
            for name in (USER_TREES, ARRAYS):  # of an earlier training into the same folder
                (directory / name).unlink(missing_ok=True)
            if self.trees is not None:
                self.trees.save(directory)
            Scorers(self.density, self.clusters, self.fusion, self.trees is not None).save(directory)
        except OSError as error:
            raise GraphdetError(f"the model cannot be written to {directory}: {error.strerror}") from error


def load_models(directory: Path) -> Models:
    """Read what Models.save wrote.

    Raises:
        GraphdetError: a file is missing, damaged or of another format.
    """
    found = load_scorers(directory)
    return Models(
        RingJudge.load(directory),
        load_gnn(directory),
        found.density,
        found.clusters,
        found.fusion,
        load_user_trees(directory) if found.has_trees else None,
    )
