"""The trained models of a log: what train makes and score uses."""

import json
from dataclasses import dataclass
from pathlib import Path

from graphdet.errors import GraphdetError
from graphdet.models.gnn import TrainedGnn, load_gnn
from graphdet.models.ring_judge import RingJudge
from graphdet.pipeline.user_trees import ARRAYS, DOCUMENT, UserTrees, load_user_trees
from graphdet.scores.clusters import Clusters
from graphdet.scores.density import Density
from graphdet.scores.fused import Fusion

SCORERS = "scorers.json"
FORMAT = 2


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
            document = {
                "format": FORMAT,
                "density": self.density.to_json(),
                "clusters": self.clusters.to_json(),
                "fusion": self.fusion.to_json(),
            }
            for name in (DOCUMENT, ARRAYS):  # of an earlier training into the same folder
                (directory / name).unlink(missing_ok=True)
            if self.trees is not None:
                document["trees"] = DOCUMENT
                self.trees.save(directory)
            (directory / SCORERS).write_text(json.dumps(document) + "\n", encoding="utf-8")
        except OSError as error:
            raise GraphdetError(f"the model cannot be written to {directory}: {error.strerror}") from error


def load_models(directory: Path) -> Models:
    """Read what Models.save wrote.

    Raises:
        GraphdetError: a file is missing, damaged or of another format.
    """
    try:
        document = json.loads((directory / SCORERS).read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise GraphdetError(f"the model in {directory} has another format than {FORMAT}: train again")
        return Models(
            RingJudge.load(directory),
            load_gnn(directory),
            Density.from_json(document["density"]),
            Clusters.from_json(document["clusters"]),
            Fusion.from_json(document["fusion"]),
            load_user_trees(directory) if "trees" in document else None,
        )
    except (OSError, ValueError, KeyError) as error:
        raise GraphdetError(
            f"no trained model in {directory} ({error}); run `graphdet train --model {directory}` first"
        ) from error
