"""The scorers of users that are no network, as a file; apart from the networks, so that serving loads no torch."""

import json
from dataclasses import dataclass
from pathlib import Path

from graphdet.errors import GraphdetError
from graphdet.files import write_text
from graphdet.scores.fused import Fusion
from graphdet.scores.unsupervised import Clusters, Density

SCORERS = "scorers.json"
USER_TREES = "user_trees.json"
SCORERS_FORMAT = 2


@dataclass(frozen=True)
class Scorers:
    """The two behaviour scorers and what fuses all parts.

    has_trees: trees from labels of users stand beside them. has_network: so does a network.
    """

    density: Density
    clusters: Clusters
    fusion: Fusion
    has_trees: bool = False
    has_network: bool = True

    def save(self, directory: Path) -> None:
        """Write scorers.json."""
        document = {
            "format": SCORERS_FORMAT,
            "density": self.density.to_json(),
            "clusters": self.clusters.to_json(),
            "fusion": self.fusion.to_json(),
        }
        if self.has_trees:
            document["trees"] = USER_TREES
        if not self.has_network:
            document["network"] = None
        write_text(directory / SCORERS, json.dumps(document) + "\n")


def load_scorers(directory: Path) -> Scorers:
    """Read what Scorers.save wrote.

    Raises:
        GraphdetError: the file is missing, damaged or of another format.
    """
    try:
        document = json.loads((directory / SCORERS).read_text(encoding="utf-8"))
        if document["format"] != SCORERS_FORMAT:
            raise GraphdetError(
                f"the model in {directory} has another format than {SCORERS_FORMAT}: train again"
            )
        return Scorers(
            Density.from_json(document["density"]),
            Clusters.from_json(document["clusters"]),
            Fusion.from_json(document["fusion"]),
            "trees" in document,
            "network" not in document,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GraphdetError(
            f"no trained model in {directory} ({error}); run `graphdet train --model {directory}` first"
        ) from error
